package suite

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Run is a way to send requests: through a base alone, or through a Transport
// around it.
type Run struct {
	http.RoundTripper
	SDK   *oteltest.SDK            // nil: the base alone
	Spans *oteltest.CountedTracers // nil: the base alone
}

// NewRun returns a run through a Transport around base.
func NewRun(t *testing.T, base http.RoundTripper, opts ...otelhttpclient.Option) Run {
	t.Helper()
	sdk := oteltest.New(t)
	spans := oteltest.CountTracers(sdk.Tracers)
	opts = append([]otelhttpclient.Option{otelhttpclient.WithTracerProvider(spans)}, opts...)
	return Run{instrumented.Transport(sdk, base, opts...), sdk, spans}
}

// Bare reports whether the run is through the base alone.
func (r Run) Bare() bool { return r.SDK == nil }

// WantEnded checks how many spans have been ended so far. A bare run has none.
func (r Run) WantEnded(t *testing.T, when string, want int64) {
	t.Helper()
	if r.Bare() {
		return
	}
	if got := r.Spans.Ends(); got != want {
		t.Errorf("spans ended %s: got %d, want %d", when, got, want)
	}
}

// Compare runs a scenario through base alone, through a Transport, and through
// a Transport with Everything. The scenario returns what the program sees, which
// must be the same, and ends each of so many spans once.
func Compare(t *testing.T, base http.RoundTripper, spans int64, scenario func(*testing.T, Run) string) {
	t.Helper()
	want := scenario(t, Run{RoundTripper: base})
	for name, opts := range Variants() {
		t.Run(name, func(t *testing.T) {
			run := NewRun(t, base, opts...)
			if got := scenario(t, run); got != want {
				t.Errorf("the program saw\n got %s\nwant %s, as without the Transport", got, want)
			}
			oteltest.Eventually(t, "the spans end", func() bool { return run.Spans.Ends() >= spans })
			if starts := run.Spans.Starts(); starts != spans {
				t.Errorf("spans started: got %d, want %d", starts, spans)
			}
			run.WantEnded(t, "after all", spans)
		})
	}
}

// Variants returns the options of the Transports to compare, by name.
func Variants() map[string][]otelhttpclient.Option {
	return map[string][]otelhttpclient.Option{"plain": nil, "everything on": Everything()}
}

// Everything returns options for all that looks at requests, responses, bodies
// and connections.
func Everything() []otelhttpclient.Option {
	return append(EverythingButSizes(), Sizes(), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestBodySize))
}

// Sizes returns the option for the sizes of bodies, which are counted for it.
func Sizes() otelhttpclient.Option {
	return otelhttpclient.WithOptInAttributes("http.request.body.size", "http.response.body.size")
}

// EverythingButSizes returns options for all that looks at requests, responses
// and connections, with hooks that change what they may change.
func EverythingButSizes() []otelhttpclient.Option {
	return []otelhttpclient.Option{
		otelhttpclient.WithRequestHook(func(span trace.Span, req *http.Request) {
			// A hook may change its copy.
			req.Header.Set("X-Hook", "was here")
			for _, values := range req.Header {
				values[0] += ""
			}
			if req.URL != nil {
				req.URL.Fragment = "hook"
			}
			req.Form = url.Values{"hook": {"x"}}
			span.SetAttributes(attribute.Int("hook.headers", len(req.Header)))
		}),
		otelhttpclient.WithResponseHook(func(span trace.Span, req *http.Request, resp *http.Response, err error) {
			if resp != nil {
				span.SetAttributes(attribute.Int("hook.status", resp.StatusCode))
			}
		}),
		otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {}, Got100Continue: func() {}, WroteRequest: func(httptrace.WroteRequestInfo) {}}
		}),
		otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*"),
		otelhttpclient.WithConnectionTimings(),
		otelhttpclient.WithOptInAttributes("url.scheme", "user_agent.original", "network.transport", "url.template"),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricResponseBodySize, otelhttpclient.MetricActiveRequests,
			otelhttpclient.MetricOpenConnections, otelhttpclient.MetricConnectionDuration),
	}
}

// ResponseText describes all that a program can see of a response except for
// its date. body and err come from reading it.
func ResponseText(resp *http.Response, body []byte, err error) string {
	header := resp.Header.Clone()
	header.Del("Date")
	return fmt.Sprintf("%s %s length %d encoding %q close %v uncompressed %v header %v trailer %v body %q err %v",
		resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close, resp.Uncompressed, header, resp.Trailer, body, err)
}

// Exchange sends a request and describes all that a program can see of the
// response or error.
func Exchange(rt http.RoundTripper, req *http.Request) string {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return fmt.Sprintf("response %v error %T %v", resp, err, err)
	}
	body, err := io.ReadAll(resp.Body)
	closed := resp.Body.Close()
	return fmt.Sprintf("%s, Close %v", ResponseText(resp, body, err), closed)
}

// CloseWriter is the optional interface of bodies that can be half-closed.
type CloseWriter interface{ CloseWrite() error }

// BodyInterfaces describes the optional interfaces of a response body.
func BodyInterfaces(body any) string {
	_, w := body.(io.Writer)
	_, c := body.(CloseWriter)
	_, to := body.(io.WriterTo)
	return fmt.Sprintf("Writer %v, CloseWrite %v, WriterTo %v", w, c, to)
}
