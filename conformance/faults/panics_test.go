package faults

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestBasePanicPropagates(t *testing.T) {
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { panic("in base") }))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	if got := oteltest.Recover(func() { _, _ = rt.RoundTrip(req) }); got != "in base" {
		t.Errorf("panic = %v, want base's own, %q", got, "in base")
	}
	if got := tel.OnlySpan().Status.Code; got != codes.Error {
		t.Errorf("status = %v, want Error", got)
	}
}

// A request that failed counts as one, whatever the methods of its error do.
func TestErrorMethodPanics(t *testing.T) {
	oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, oteltest.MuteError{} }))
	if err := oteltest.TryGet(t.Context(), rt, "http://inventory.example/"); err != (oteltest.MuteError{}) {
		t.Errorf("RoundTrip() returns a %T, want base's own error, a %T", err, oteltest.MuteError{})
	}
	oteltest.WantStatus(t, tel.OnlySpan(), codes.Error)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "_OTHER")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "_OTHER")
}

func TestPanickingCallbacks(t *testing.T) {
	const secret = "hunter22"
	templates, err := otelhttpclient.ServeMuxTemplates("/items/{sku}")
	if err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name     string
		opt      otelhttpclient.Option
		wantName string
		wantURL  string
		reason   string
	}{
		{"request hook", otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "nothing was to change"},
		{"response hook", otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "nothing was to change"},
		{"filter", otelhttpclient.WithFilter(func(*http.Request) bool { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "the default is to trace"},
		{"span name formatter", otelhttpclient.WithSpanNameFormatter(func(*http.Request) string { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "the default name is the method"},
		{"URL templater", otelhttpclient.WithURLTemplate(func(r *http.Request) string { _ = templates(r); panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "there is no template"},
		{"error check", otelhttpclient.WithErrorCheck(func(*http.Response) bool { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "200 is no error by default"},
		{"client trace", otelhttpclient.WithClientTrace(func(context.Context) *httptrace.ClientTrace { panic("boom") }),
			"GET", "http://REDACTED:REDACTED@inventory.example/items/42?a=b", "nothing was to change"},
		{"URL filter", otelhttpclient.WithURLFilter(func(*url.URL) *url.URL { panic("boom") }),
			"GET", "http://inventory.example", "path, query and userinfo may be what the filter was to hide"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			handled := oteltest.HandleErrors(t)
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, "text"), row.opt)
			resp, body := oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://user:"+secret+"@inventory.example/items/42?a=b", nil))
			if resp.StatusCode != http.StatusOK || body != "text" {
				t.Errorf("got %d %q, want 200 %q", resp.StatusCode, body, "text")
			}
			span := tel.OnlySpan()
			if got := oteltest.Attributes(span.Attributes)["url.full"].String(); span.Name != row.wantName || got != row.wantURL {
				t.Errorf("name %q, url.full %q, want %q and %q: %s", span.Name, got, row.wantName, row.wantURL, row.reason)
			}
			if span.Status.Code != codes.Unset {
				t.Errorf("status = %v, want Unset", span.Status)
			}
			texts := handled.Texts()
			if len(texts) != 1 || !strings.Contains(texts[0], "boom") || strings.Contains(texts[0], secret) {
				t.Errorf("handled errors = %q, want the one panic", texts)
			}
		})
	}
}

// A report is redacted, and redaction runs the filters.
func TestURLFilterPanicQuotesItsURL(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""),
		otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL { panic("cannot filter " + u.String()) }))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/customers/4711?a=b", nil))
	if got, want := oteltest.Attributes(tel.OnlySpan().Attributes)["url.full"].String(), "http://inventory.example"; got != want {
		t.Errorf("url.full = %q, want %q", got, want)
	}
	texts := handled.Texts()
	if len(texts) != 1 || !strings.Contains(texts[0], "cannot filter http://inventory.example") || strings.Contains(texts[0], "4711") {
		t.Errorf("handled errors = %q, want one, without the path that the filter may hide", texts)
	}
}

type panickingHandler struct{}

func (panickingHandler) Handle(error) { panic("no handler either") }

func TestErrorHandlerPanics(t *testing.T) {
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(panickingHandler{})
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""), otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { panic("in the request hook") }), otelhttpclient.WithResponseHook(func(trace.Span, *http.Request, *http.Response, error) { panic("in the response hook") }), otelhttpclient.WithURLFilter(func(*url.URL) *url.URL { panic("in the URL filter") }))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	tel.OnlySpan()
}

// panickingDuration is a MeterProvider whose duration histogram panics.
type panickingDuration struct{ metric.MeterProvider }

func (p panickingDuration) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return brokenMeter{p.MeterProvider.Meter(name, opts...)}
}

type brokenMeter struct{ metric.Meter }

func (m brokenMeter) Float64Histogram(name string, opts ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	h, err := m.Meter.Float64Histogram(name, opts...)
	return brokenHistogram{h}, err
}

type brokenHistogram struct{ metric.Float64Histogram }

func (brokenHistogram) Record(context.Context, float64, ...metric.RecordOption) { panic("broken") }

func TestActiveRequestsWithPanickingDuration(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel, _ := oteltest.New(t), oteltest.HandleErrors(t)
	rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithMeterProvider(panickingDuration{tel.Meters}),
		otelhttpclient.WithOptInMetrics(otelhttpclient.MetricActiveRequests))
	oteltest.Get(t, t.Context(), rt, server.URL)
	if got := tel.Count("http.client.active_requests", attribute.KeyValue{}); got != 0 {
		t.Errorf("active requests: got %d, want 0", got)
	}
}
