package nested

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// receivedParents keeps the traceparent of each request that a server receives.
type receivedParents struct {
	mu   sync.Mutex
	list []string
}

func (p *receivedParents) add(r *http.Request) (nth int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, r.Header.Get("Traceparent"))
	return len(p.list)
}

// checkSiblings checks that every span is a child of parent and was sent with
// its own traceparent, and that the spans have these resend counts, where 0
// means none.
func checkSiblings(t *testing.T, spans tracetest.SpanStubs, parent trace.Span, received *receivedParents, counts []int64) {
	t.Helper()
	var sent []string
	for i, span := range spans {
		sent = append(sent, oteltest.Traceparent(span.SpanContext))
		if got, want := span.Parent.SpanID(), parent.SpanContext().SpanID(); got != want {
			t.Errorf("parent of attempt %d = %v, want the caller's span, %v", i, got, want)
		}
	}
	slices.SortFunc(spans, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	var got []int64
	for _, span := range spans {
		count, ok := oteltest.Attributes(span.Attributes)["http.request.resend_count"]
		if ok && count.AsInt64() == 0 {
			t.Error("http.request.resend_count = 0, want none for the first attempt")
		}
		got = append(got, count.AsInt64())
	}
	if !slices.Equal(got, counts) {
		t.Errorf("http.request.resend_count = %v, want %v (0: none)", got, counts)
	}
	want := slices.Clone(received.list)
	slices.Sort(want)
	slices.Sort(sent)
	if !slices.Equal(sent, want) {
		t.Errorf("the spans' traceparents are\n%q, want those that were received,\n%q", sent, want)
	}
	if n := len(slices.Compact(sent)); n != len(spans) {
		t.Errorf("%d different traceparents, want one for each of %d attempts", n, len(spans))
	}
}

func TestSpanPerRedirect(t *testing.T) {
	tel := oteltest.New(t)
	received := &receivedParents{}
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		received.add(r)
		switch r.URL.Path {
		case "/a":
			http.Redirect(w, r, "/b", http.StatusFound)
		case "/b":
			http.Redirect(w, r, "/c", http.StatusTemporaryRedirect)
		default:
			_, _ = io.WriteString(w, "here")
		}
	})
	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	resp, err := client.Do(oteltest.NewRequest(t, ctx, http.MethodGet, server.URL+"/a", nil))
	if err != nil {
		t.Fatalf("Do() = %v, want no error", err)
	}
	if got := oteltest.ReadBody(t, resp); got != "here" {
		t.Errorf("body = %q, want %q", got, "here")
	}

	spans := tel.Spans()
	wantStatus := map[string]int64{server.URL + "/a": 302, server.URL + "/b": 307, server.URL + "/c": 200}
	if len(spans) != len(wantStatus) {
		t.Fatalf("%d spans, want one for each of %d hops", len(spans), len(wantStatus))
	}
	for _, span := range spans {
		a := oteltest.Attributes(span.Attributes)
		if got, want := a["http.response.status_code"].AsInt64(), wantStatus[a["url.full"].String()]; got != want {
			t.Errorf("status of %q = %d, want %d", a["url.full"].String(), got, want)
		}
		if span.Status.Code != codes.Unset {
			t.Errorf("status of %q = %v, want Unset", a["url.full"].String(), span.Status)
		}
	}
	checkSiblings(t, spans, parent, received, []int64{0, 1, 2})
}

// retry sends the same request until it succeeds, as retrying clients do.
func retry(t *testing.T, client *http.Client, req *http.Request) *http.Response {
	t.Helper()
	for range 5 {
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("Do() = %v, want no error", err)
		}
		if resp.StatusCode < 500 {
			return resp
		}
		oteltest.ReadBody(t, resp)
	}
	t.Fatal("no success in 5 attempts")
	return nil
}

func flakyServer(t *testing.T, received *receivedParents, failures int) *oteltest.Server {
	return oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		if received.add(r) <= failures {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "here")
	})
}

func TestSpanPerRetry(t *testing.T) {
	for name, counts := range map[string][]int64{
		"without ContextWithRetries": {0, 0, 0},
		"ContextWithRetries":         {0, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			received := &receivedParents{}
			server := flakyServer(t, received, 2)
			ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
			if name == "ContextWithRetries" {
				ctx = otelhttpclient.ContextWithRetries(ctx)
			}
			client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
			if got := oteltest.ReadBody(t, retry(t, client, oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil))); got != "here" {
				t.Errorf("body = %q, want %q", got, "here")
			}
			spans := tel.Spans()
			if len(spans) != 3 {
				t.Fatalf("%d spans, want one for each of 3 attempts", len(spans))
			}
			for i, want := range []codes.Code{codes.Error, codes.Error, codes.Unset} {
				if got := spans[i].Status.Code; got != want {
					t.Errorf("status of attempt %d = %v, want %v", i, got, want)
				}
			}
			checkSiblings(t, spans, parent, received, counts)
		})
	}
}

func TestResendCountOfRetriesAndRedirects(t *testing.T) {
	tel := oteltest.New(t)
	received := &receivedParents{}
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		switch n := received.add(r); {
		case r.URL.Path == "/a":
			http.Redirect(w, r, "/b", http.StatusFound)
		case n < 4:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	client := &http.Client{Transport: instrumented.Transport(tel, server.Client().Transport)}
	oteltest.ReadBody(t, retry(t, client, oteltest.NewRequest(t, otelhttpclient.ContextWithRetries(ctx), http.MethodGet, server.URL+"/a", nil)))
	checkSiblings(t, tel.Spans(), parent, received, []int64{0, 1, 2, 3})
}

// A Transport above a retrying base makes one span for all attempts. One below
// it makes a span for each.
func TestRetryingRoundTripper(t *testing.T) {
	tel := oteltest.New(t)
	received := &receivedParents{}
	server := flakyServer(t, received, 1)
	inner := instrumented.Transport(tel, server.Client().Transport)
	retrying := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		for {
			resp, err := inner.RoundTrip(req.Clone(req.Context()))
			if err != nil || resp.StatusCode < 500 {
				return resp, err
			}
			oteltest.ReadBody(t, resp)
		}
	})
	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	oteltest.MustSend(t, retrying, oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil))
	if n := len(tel.Spans()); n != 2 {
		t.Fatalf("%d spans, want one for each of 2 attempts", n)
	}
	checkSiblings(t, tel.Spans(), parent, received, []int64{0, 0})
}
