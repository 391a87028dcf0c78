package conventions

import (
	"net/http"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestClientSpanIsPropagated(t *testing.T) {
	for name, sampler := range map[string]sdktrace.Sampler{"01": sdktrace.AlwaysSample(), "00": sdktrace.NeverSample()} {
		oteltest.OnBothVersions(t, func(t *testing.T, version string) {
			sent := make(chan []string, 1)
			w := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { sent <- r.Header["Traceparent"] })
			recording := &oteltest.RecordingSampler{Sampler: sampler}
			tel := oteltest.NewSampled(t, recording)
			req := oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)
			req.Header.Set("Traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
			oteltest.MustSend(t, instrumented.Transport(tel, w.Base), req)
			got := <-sent
			if len(got) != 1 {
				t.Fatalf("traceparent = %q, want one: an existing header is replaced", got)
			}
			parts, trace := strings.Split(got[0], "-"), recording.Seen()[0].TraceID
			if len(parts) != 4 || parts[1] != trace.String() || parts[3] != name {
				t.Errorf("traceparent = %q, want the trace %v and the flags %s", got[0], trace, name)
			}
			if spans := tel.Spans(); name == "01" && (len(spans) != 1 || parts[2] != spans[0].SpanContext.SpanID().String()) {
				t.Errorf("traceparent = %q, want the span id of %v", got[0], spans)
			}
		})
	}
}
