package connections

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

const (
	timingStream     = attribute.Key("otelhttpclient.stream.wait_time")
	timingWrite      = attribute.Key("otelhttpclient.request.write.duration")
	timingUnfinished = attribute.Key("otelhttpclient.unfinished_phase")
)

// hungPhase is a request that hangs: what sends it, and where to.
type hungPhase struct {
	base *http.Transport
	url  string
	body io.Reader
}

// hangingResolver returns a resolver that waits for ever, or until the test ends.
func hangingResolver(t *testing.T) *net.Resolver {
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		<-over
		return nil, net.ErrClosed
	}}
}

// busyStream returns the URL of an HTTP/2 server whose only stream is in use until
// release is called, and a transport that waits for it.
func busyStream(t *testing.T) (base *http.Transport, url string, release func()) {
	t.Helper()
	arrived, done := make(chan struct{}), make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-done
		}
	}))
	server.EnableHTTP2 = true
	server.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 1}
	server.StartTLS()
	t.Cleanup(server.Close)
	base = timingBase(t, server.Client().Transport.(*http.Transport).Clone())
	base.HTTP2 = &http.HTTP2Config{StrictMaxConcurrentRequests: true}
	// The first request learns the limit.
	oteltest.Get(t, t.Context(), base, server.URL)
	var over atomic.Bool
	release = func() {
		if over.CompareAndSwap(false, true) {
			close(done)
		}
	}
	t.Cleanup(release) // before the server is closed
	go func() { _ = oteltest.TryGet(context.Background(), base, server.URL+"/slow") }()
	oteltest.Within(t, "the only stream is in use", arrived)
	return base, server.URL, release
}

// Each phase that hangs until the deadline has its name and its time.
func TestTimingsOfHungPhases(t *testing.T) {
	large := make([]byte, 16<<20) // more than the kernel takes
	stalled := func(version string, body []byte) func(*testing.T) hungPhase {
		return func(t *testing.T) hungPhase {
			// Not the request's context: net/http does not look at a connection
			// whose request has not been read.
			server := oteltest.NewServer(t, version, func(http.ResponseWriter, *http.Request) { <-t.Context().Done() })
			return hungPhase{server.Base, server.URL, bytes.NewReader(body)}
		}
	}
	for _, row := range []struct {
		name  string
		start func(*testing.T) hungPhase
		phase string
		time  attribute.Key
		also  []attribute.Key // have ended before
	}{
		{"resolver", func(t *testing.T) hungPhase {
			dialer := &net.Dialer{Resolver: hangingResolver(t)}
			return hungPhase{&http.Transport{DialContext: dialer.DialContext}, "http://example.test/", nil}
		}, "dns", timingDNS, []attribute.Key{timingWait}},
		{"connect", func(t *testing.T) hungPhase {
			over := make(chan struct{})
			t.Cleanup(func() { close(over) })
			dialer := &net.Dialer{Control: func(string, string, syscall.RawConn) error { <-over; return net.ErrClosed }}
			return hungPhase{&http.Transport{DialContext: dialer.DialContext}, "http://127.0.0.1:1/", nil}
		}, "connect", timingConnect, []attribute.Key{timingWait}},
		{"handshake", func(t *testing.T) hungPhase {
			l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts, and nobody answers
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			return hungPhase{&http.Transport{}, "https://" + l.Addr().String(), nil}
		}, "tls", timingTLS, []attribute.Key{timingWait, timingConnect}},
		{"exhausted pool", func(t *testing.T) hungPhase {
			server := oteltest.NewServer(t, "1.1", oteltest.Stall(true))
			server.Base.MaxConnsPerHost = 1
			holding, release := context.WithCancel(context.Background())
			resp := oteltest.Open(t, server.Base, oteltest.NewRequest(t, holding, "GET", server.URL, nil))
			t.Cleanup(func() { release(); oteltest.Discard(resp) })
			return hungPhase{server.Base, server.URL, nil}
		}, "connection", timingWait, nil},
		{"silent dialer", func(t *testing.T) hungPhase {
			return hungPhase{&http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-t.Context().Done() // before the test's cleanups
				return nil, net.ErrClosed
			}}, "http://127.0.0.1:1/", nil}
		}, "connection", timingWait, nil},
		{"proxy", func(t *testing.T) hungPhase {
			proxy, err := url.Parse(oteltest.RawServer(t, func(net.Conn) { <-t.Context().Done() }))
			if err != nil {
				t.Fatal(err)
			}
			return hungPhase{&http.Transport{Proxy: http.ProxyURL(proxy)}, "https://inventory.example/", nil}
		}, "connection", timingWait, []attribute.Key{timingConnect}},
		{"stream limit", func(t *testing.T) hungPhase {
			base, url, _ := busyStream(t)
			return hungPhase{base, url, nil}
		}, "stream", timingStream, []attribute.Key{timingReused, timingWait}},
		{"upload, HTTP/1.1", stalled("1.1", large), "write", timingWrite, []attribute.Key{timingReused, timingWait, timingConnect}},
		{"upload, HTTP/2", stalled("2", large), "write", timingWrite, []attribute.Key{timingReused, timingWait, timingConnect, timingTLS}},
		{"server, HTTP/1.1", stalled("1.1", nil), "first_byte", timingFirstByte, []attribute.Key{timingReused, timingWait, timingConnect}},
		{"server, HTTP/2", stalled("2", nil), "first_byte", timingFirstByte, []attribute.Key{timingReused, timingWait, timingConnect, timingTLS}},
		{"server after an upload", stalled("1.1", []byte("12345678")), "first_byte", timingFirstByte, []attribute.Key{timingReused, timingWait, timingConnect, timingWrite}},
	} {
		for _, cause := range []string{"deadline", "cancel"} {
			t.Run(row.name+", "+cause, func(t *testing.T) {
				hung := row.start(t)
				timingBase(t, hung.base)
				tel := oteltest.New(t)
				ctx, cancel := context.WithCancel(t.Context())
				if cause == "deadline" {
					ctx, cancel = context.WithTimeout(t.Context(), 3*noticeable)
				} else {
					time.AfterFunc(3*noticeable, cancel)
				}
				defer cancel()
				_, err := oteltest.Send(instrumented.Transport(tel, hung.base, otelhttpclient.WithConnectionTimings()),
					oteltest.NewRequest(t, ctx, "PUT", hung.url, hung.body))
				if err == nil {
					t.Fatal("got no error, want one: the request hangs")
				}
				span := tel.OnlySpan()
				want := append([]attribute.Key{timingUnfinished, row.time}, row.also...)
				if a := oteltest.Attributes(span.Attributes); a[timingIdle].Type() == attribute.FLOAT64 {
					want = append(want, timingIdle) // of the connection to the stream limit, by chance
				}
				wantTimings(t, span, want...)
				oteltest.WantAttribute(t, span.Attributes, timingUnfinished, row.phase)
				wantSeconds(t, span, row.time, noticeable)
			})
		}
	}
}

// A phase that fails by itself is recorded, and has ended.
func TestTimingsOfFailedPhases(t *testing.T) {
	plain := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	for _, row := range []struct {
		name string
		url  string
		opts func(*http.Transport)
		want []attribute.Key
	}{
		{"resolver", "http://example.test/", func(base *http.Transport) {
			base.DialContext = (&net.Dialer{Resolver: nameServer(t)}).DialContext
		}, []attribute.Key{timingWait, timingDNS}},
		{"connect", oteltest.ClosedPort(t), nil, []attribute.Key{timingWait, timingConnect}},
		{"connect that times out", "http://127.0.0.1:1/", func(base *http.Transport) {
			base.DialContext = (&net.Dialer{Timeout: noticeable, Control: func(string, string, syscall.RawConn) error {
				time.Sleep(2 * noticeable)
				return context.DeadlineExceeded
			}}).DialContext
		}, []attribute.Key{timingWait, timingConnect}},
		{"handshake", "https" + plain.URL[len("http"):], nil, []attribute.Key{timingWait, timingConnect, timingTLS}},
	} {
		t.Run(row.name, func(t *testing.T) {
			base := timingBase(t, &http.Transport{})
			if row.opts != nil {
				row.opts(base)
			}
			tel := oteltest.New(t)
			if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, base, otelhttpclient.WithConnectionTimings()), row.url); err == nil {
				t.Fatal("got no error, want one")
			}
			wantTimings(t, tel.OnlySpan(), row.want...)
		})
	}
}

func TestTimingOfStreamWait(t *testing.T) {
	base, url, release := busyStream(t)
	tel := oteltest.New(t)
	time.AfterFunc(3*noticeable, release)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, base, otelhttpclient.WithConnectionTimings()), url)
	span := tel.OnlySpan()
	wantSeconds(t, span, timingStream, noticeable)
	wantSeconds(t, span, timingFirstByte, noticeable)
	oteltest.WantAttribute(t, span.Attributes, timingUnfinished, nil)
	if got := oteltest.Attributes(span.Attributes)[timingWait].AsFloat64(); got > noticeable.Seconds() {
		t.Errorf("%s: got %v s, want less than %v: the connection was there", timingWait, got, noticeable)
	}
}

// slowBody is a body that comes slowly.
type slowBody struct{ n int }

func (b *slowBody) Read(p []byte) (int, error) {
	if b.n--; b.n < 0 {
		return 0, io.EOF
	}
	time.Sleep(noticeable)
	return copy(p, "x"), nil
}

// A slow upload is no slow server.
func TestTimingOfUpload(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, row := range []struct {
			name  string
			reads bool
			early bool // the answer comes first
		}{
			{"read", true, false},
			{"not read", false, true},
		} {
			server := oteltest.NewServer(t, version, func(w http.ResponseWriter, r *http.Request) {
				if row.reads {
					_, _ = io.Copy(io.Discard, r.Body)
				}
			})
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "POST", server.URL, &slowBody{3})
			_, _ = oteltest.Send(instrumented.Transport(tel, timingBase(t, server.Base), otelhttpclient.WithConnectionTimings()), req)
			span := tel.OnlySpan()
			oteltest.WantAttribute(t, span.Attributes, timingUnfinished, nil)
			if row.early {
				wantSeconds(t, span, timingWrite, 0)
				a := oteltest.Attributes(span.Attributes)
				if a[timingWrite].AsFloat64() > a[timingFirstByte].AsFloat64() {
					t.Errorf("%s: %s = %v, want at most %s, %v", row.name, timingWrite, a[timingWrite].AsFloat64(), timingFirstByte, a[timingFirstByte].AsFloat64())
				}
				continue
			}
			wantSeconds(t, span, timingWrite, 2*noticeable)
		}
	})
}

// A lookup that hangs until the deadline has timed out. If it ends later, it is not
// recorded again.
func TestLookupThatNeverEnds(t *testing.T) {
	points := func(tel *oteltest.SDK) []metricdata.HistogramDataPoint[float64] {
		m, _ := tel.Metric("dns.lookup.duration")
		data, _ := m.Data.(metricdata.Histogram[float64])
		return data.DataPoints
	}
	over, ended := make(chan struct{}), make(chan struct{})
	dialer := &net.Dialer{Resolver: &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		<-over
		return nil, net.ErrClosed
	}}}
	base := timingBase(t, &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		defer close(ended)
		return dialer.DialContext(ctx, network, addr)
	}})
	tel := oteltest.New(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*noticeable)
	defer cancel()
	if err := oteltest.TryGet(ctx, instrumented.Transport(tel, base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration)), "http://example.test/"); err == nil {
		t.Fatal("got no error, want one")
	}
	for _, when := range []string{"at the deadline", "after the lookup has ended"} {
		got := points(tel)
		if len(got) != 1 || got[0].Count != 1 || got[0].Sum < noticeable.Seconds() {
			t.Fatalf("%s: points = %+v, want one lookup of at least %v", when, got, noticeable)
		}
		oteltest.WantAttribute(t, got[0].Attributes.ToSlice(), "error.type", "timeout")
		if when == "at the deadline" {
			close(over)
			oteltest.Within(t, "the lookup ends", ended)
		}
	}
}
