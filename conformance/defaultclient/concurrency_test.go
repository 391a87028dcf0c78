package defaultclient

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestUninstrumentDefaultDuringRequests(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-answer
	})
	freshDefault(t)
	tel := oteltest.New(t)
	uninstrument := instrumentDefault(t, tel)
	var wg sync.WaitGroup
	wg.Go(func() { oteltest.Fetch(t, t.Context(), http.DefaultClient, server.URL+"/traced") })
	<-arrived
	uninstrument()
	wg.Go(func() { oteltest.Fetch(t, t.Context(), http.DefaultClient, server.URL+"/untraced") })
	<-arrived
	close(answer)
	wg.Wait()
	if got, want := oteltest.Attributes(tel.OnlySpan().Attributes)["url.full"].AsString(), server.URL+"/traced"; got != want {
		t.Errorf("url.full: got %q, want %q", got, want)
	}
}

// Requests may start while other goroutines uninstrument the transport.
func TestInstrumentDefaultConcurrently(t *testing.T) {
	secure := secureServer(t)
	original := freshDefault(t)
	original.TLSClientConfig = rootsOf(secure)
	tel := oteltest.New(t)
	const callers = 8
	var successes atomic.Int64
	var uninstrument func()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if u, err := otelhttpclient.InstrumentDefault(instrumented.Options(tel)...); err == nil {
				successes.Add(1)
				uninstrument = u
			}
		})
	}
	wg.Wait()
	if got := successes.Load(); got != 1 {
		t.Fatalf("successful calls of InstrumentDefault: got %d, want 1", got)
	}
	client := &http.Client{Transport: present(t)}
	started := make(chan struct{}, callers)
	for range callers {
		wg.Go(func() {
			for range 10 {
				select {
				case started <- struct{}{}:
				default:
				}
				oteltest.Fetch(t, t.Context(), client, secure.URL)
			}
		})
		wg.Go(func() {
			<-started
			uninstrument()
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	if http.DefaultTransport != original {
		t.Error("http.DefaultTransport after uninstrument: got another, want the original")
	}
	before := len(tel.Spans())
	oteltest.Fetch(t, t.Context(), client, secure.URL)
	wantSpans(t, "after uninstrument", tel, before)
	client.CloseIdleConnections()
}

// A program that replaces the default can have several instrumented ones.
func TestUninstrumentDefaultConcurrently(t *testing.T) {
	oteltest.SetDefault(t, nil)
	var original http.RoundTripper
	var wg sync.WaitGroup
	var uninstruments []func()
	for range 8 {
		original = &http.Transport{}
		http.DefaultTransport = original
		uninstruments = append(uninstruments, instrumentDefault(t, oteltest.New(t)))
	}
	for _, uninstrument := range uninstruments {
		wg.Go(uninstrument)
	}
	wg.Wait()
	if http.DefaultTransport != original {
		t.Error("http.DefaultTransport after uninstrument: got another, want the last original")
	}
}

// A saved pointer to the default transport may have its first request in flight,
// at which net/http registers its HTTP/2. The race detector checks it.
func TestInstrumentDefaultDuringFirstRequest(t *testing.T) {
	secure := secureServer(t)
	for range 20 {
		original := freshDefault(t)
		original.TLSClientConfig = rootsOf(secure)
		start := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			close(start)
			oteltest.Fetch(t, t.Context(), &http.Client{Transport: original}, secure.URL)
		})
		<-start
		uninstrument := instrumentDefault(t, oteltest.New(t))
		wantAnswer(t, "instrumented", nil, secure.URL, http2Traced)
		wg.Wait()
		uninstrument()
		original.CloseIdleConnections()
	}
}
