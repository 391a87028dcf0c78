package otelhttpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// TestPrintedContextsHoldNoCredentials prints the context while the connection
// is being made, as a logger in a dialer does: under the race detector it shows
// that nothing of the request is read.
func TestPrintedContextsHoldNoCredentials(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	tel := oteltest.New(t)
	var printed strings.Builder
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		for _, format := range []string{"%v", "%+v", "%s", "%d", "%#v", "%q"} {
			fmt.Fprintf(&printed, format+"\n", ctx)
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer base.CloseIdleConnections()
	var inRequest context.Context
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		inRequest = req.Context()
		return base.RoundTrip(req)
	}), otelhttpclient.WithConnectionTimings())
	ctx := otelhttpclient.ContextWithURLTemplate(otelhttpclient.ContextWithRetries(t.Context()), "/secret-template")
	req := oteltest.NewRequest(t, ctx, "GET", server.URL+"/?token=secret-token", nil)
	req.Header.Set("Authorization", "Bearer secret-header")
	stop := make(chan struct{})
	go func() {
		defer close(stop)
		for range 1000 {
			_ = fmt.Sprint(ctx)
		}
	}()
	oteltest.MustSend(t, rt, req)
	<-stop
	for _, format := range []string{"%v", "%+v", "%#v", "%x"} {
		fmt.Fprintf(&printed, format+"\n", inRequest)
	}
	if strings.Contains(printed.String(), "secret") {
		t.Errorf("printed contexts: got %s, want no part of the request", printed.String())
	}
	if got := fmt.Sprint(inRequest); !strings.HasSuffix(got, ".otelhttpclient") || !strings.Contains(got, "context.") {
		t.Errorf("printed context: got %q, want names like those of the standard library", got)
	}
}

// TestTrailersOfAShortBody: on HTTP/2 they are there although the body ended
// before its Content-Length.
func TestTrailersOfAShortBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "13")
		})
		read := func(rt http.RoundTripper) string {
			resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", server.URL, nil))
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return fmt.Sprint(string(body), " ", err, " ", resp.Trailer)
		}
		base := server.Client().Transport
		if got, want := read(instrumented.Transport(oteltest.New(t), base)), read(base); got != want {
			t.Errorf("got %s, want what base gives, %s", got, want)
		}
	})
}

func TestStaleFieldsOfThePropagatorAreRemoved(t *testing.T) {
	incoming := http.Header{
		"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"Tracestate":  {"stale=1"}, "Baggage": {"caller=1"}, "X-Other": {"kept"},
	}
	lower := http.Header{"tracestate": {"stale=1"}, "baggage": {"caller=1"}, "X-Other": {"kept"}}
	tel := oteltest.New(t)
	for _, c := range []struct {
		name   string
		header http.Header
		opts   []otelhttpclient.Option
		gone   []string
		kept   []string
	}{
		{"sampled", incoming, instrumented.Options(tel), []string{"Tracestate"}, []string{"Traceparent", "Baggage", "X-Other"}},
		{"in lower case", lower, instrumented.Options(tel), []string{"tracestate", "Tracestate"}, []string{"Traceparent", "baggage", "X-Other"}},
		{"writes only one of its fields", http.Header{"X-A": {"1"}, "X-B": {"stale"}, "X-Other": {"kept"}},
			instrumented.Options(tel, otelhttpclient.WithPropagators(writesA{})), []string{"X-B"}, []string{"X-A", "X-Other"}},
		{"no span and none above", incoming, []otelhttpclient.Option{
			otelhttpclient.WithMeterProvider(tel.Meters), otelhttpclient.WithPropagators(propagation.TraceContext{}),
		}, nil, []string{"Traceparent", "Tracestate", "Baggage", "X-Other"}},
	} {
		var sent http.Header
		before := c.header.Clone()
		req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
		req.Header = c.header
		oteltest.MustSend(t, otelhttpclient.NewTransport(keepingHeader(&sent), c.opts...), req)
		for _, name := range c.gone {
			if v, ok := sent[name]; ok {
				t.Errorf("%s: %s = %q, want none", c.name, name, v)
			}
		}
		for _, name := range c.kept {
			if _, ok := sent[name]; !ok {
				t.Errorf("%s: no %s in %v, want it kept", c.name, name, sent)
			}
		}
		if fmt.Sprint(c.header) != fmt.Sprint(before) {
			t.Errorf("%s: the caller's header became %v, want %v", c.name, c.header, before)
		}
	}
}

type writesA struct{ noPropagator }

func (writesA) Inject(_ context.Context, c propagation.TextMapCarrier) { c.Set("x-a", "2") }
func (writesA) Fields() []string                                       { return []string{"x-a", "x-b", "baggage"} }

func TestSharedClientTraceRunsOncePerRequest(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	var calls atomic.Int32
	shared := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { calls.Add(1) }}
	rt := instrumented.Transport(oteltest.New(t), server.Client().Transport, otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return shared }))
	const requests = 5
	for range requests {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}})
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, "GET", server.URL, nil))
	}
	if got := calls.Load(); got != requests {
		t.Errorf("calls of the shared trace: got %d, want %d", got, requests)
	}
}

// embeddingMeters is a MeterProvider that overrides Record of a no-op.
type embeddingMeters struct {
	metricnoop.MeterProvider
	records *atomic.Int32
}

func (e embeddingMeters) Meter(string, ...metric.MeterOption) metric.Meter {
	return embeddingMeter{records: e.records}
}

type embeddingMeter struct {
	metricnoop.Meter
	records *atomic.Int32
}

func (e embeddingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return embeddingHistogram{records: e.records}, nil
}

type embeddingHistogram struct {
	metricnoop.Float64Histogram
	records *atomic.Int32
}

func (e embeddingHistogram) Record(context.Context, float64, ...metric.RecordOption) {
	e.records.Add(1)
}

func TestInstrumentsThatEmbedNoopRecord(t *testing.T) {
	var records atomic.Int32
	rt := otelhttpclient.NewTransport(oteltest.Answer(200), otelhttpclient.WithMeterProvider(embeddingMeters{records: &records}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := records.Load(); got != 1 {
		t.Errorf("records: got %d, want 1", got)
	}
}

func TestHostThatIsNoneIsNotRecorded(t *testing.T) {
	for _, host := range []string{"a?b", "with space", "user:secret@h", "a/b"} {
		tel := oteltest.New(t)
		req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
		req.Host = host
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
		for _, a := range append(tel.OnlySpan().Attributes, tel.DurationAttributes()...) {
			if a.Key == "server.address" || a.Key == "server.port" {
				t.Errorf("%q: %s = %s, want none", host, a.Key, a.Value.String())
			}
		}
	}
}

// TestBodyOfABaseThatLeavesTheLengthAt0: such a base is not net/http's, and
// HTTP/2 or not says nothing.
func TestBodyOfABaseThatLeavesTheLengthAt0(t *testing.T) {
	broken := errors.New("broken")
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp := oteltest.Reply(req, 200, io.NopCloser(io.MultiReader(strings.NewReader("content"), oteltest.FailingBody("", broken))))
		resp.ProtoMajor, resp.ProtoMinor, resp.ContentLength = 2, 0, 0
		return resp, nil
	}))
	resp := oteltest.Open(t, rt, oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	if got := len(tel.Spans()); got != 0 {
		t.Errorf("spans that have ended before the body was read: got %d, want 0", got)
	}
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, broken) {
		t.Errorf("reading: got %v, want %v", err, broken)
	}
	_ = resp.Body.Close()
	if tel.OnlySpan().Status.Code != 1 {
		t.Errorf("status: got %v, want Error", tel.OnlySpan().Status)
	}
}
