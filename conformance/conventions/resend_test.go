package conventions

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// redirects sends requests under a caller's span to a server that redirects /a
// to /b. It returns the spans of the requests and checks that each is a child
// of the caller's.
func redirects(t *testing.T, tel *oteltest.SDK, requests func(ctx context.Context, client *http.Client, url string)) tracetest.SpanStubs {
	t.Helper()
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(rw, r, "/b", http.StatusFound)
		}
	})
	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	requests(otelhttpclient.ContextWithRetries(ctx), &http.Client{Transport: instrumented.Transport(tel, w.Base)}, w.URL)
	spans := tel.Spans()
	for _, span := range spans {
		if span.Parent.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent of %s = %v, want the caller's span, %v", span.Name, span.Parent.SpanID(), parent.SpanContext().SpanID())
		}
	}
	parent.End()
	return spans
}

func TestResendCountStartsAtFirstResend(t *testing.T) {
	tel := oteltest.New(t)
	resends := redirects(t, tel, func(ctx context.Context, client *http.Client, url string) {
		for range 2 { // attempts of one operation, each with a redirect
			oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/a", nil))
		}
	})
	var got []any
	for _, span := range resends {
		v, ok := oteltest.Attributes(span.Attributes)["http.request.resend_count"]
		if !ok {
			got = append(got, nil)
			continue
		}
		got = append(got, v.AsInt64())
	}
	if want := []any{nil, int64(1), int64(2), int64(3)}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count of the attempts = %v, want %v", got, want)
	}
}

func TestResendsAreSiblings(t *testing.T) {
	tel := oteltest.New(t)
	spans := redirects(t, tel, func(ctx context.Context, client *http.Client, url string) {
		oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/a", nil))
		oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/b", nil))
	})
	if len(spans) != 3 { // redirects has checked the parents
		t.Errorf("%d spans, want 3: one for each hop and attempt, and none around them", len(spans))
	}
}
