package otelhttp_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// newTransport returns a Transport with sdk's providers, by the options of this
// package.
func newTransport(sdk *oteltest.SDK, base http.RoundTripper, extra ...otelhttp.Option) *otelhttp.Transport {
	return otelhttp.NewTransport(base, append([]otelhttp.Option{
		otelhttp.WithTracerProvider(sdk.Tracers),
		otelhttp.WithMeterProvider(sdk.Meters),
		otelhttp.WithPropagators(sdk.Propagators),
	}, extra...)...)
}

func TestEveryOption(t *testing.T) {
	var sent http.Header
	server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) { sent = r.Header })
	sdk := oteltest.New(t)
	var traced atomic.Bool
	rt := newTransport(sdk, server.Base,
		otelhttp.WithSpanOptions(trace.WithAttributes(attribute.String("option", "span")), trace.WithNewRoot()),
		otelhttp.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/health" }),
		otelhttp.WithClientTrace(func(context.Context) *httptrace.ClientTrace {
			return &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { traced.Store(true) }}
		}),
		otelhttp.WithSpanNameFormatter(func(operation string, r *http.Request) string {
			return "operation " + operation + " of " + r.URL.Path
		}),
		otelhttp.WithMetricAttributesFn(func(r *http.Request) []attribute.KeyValue {
			return []attribute.KeyValue{attribute.String("path", r.URL.Path)}
		}),
	)
	oteltest.Get(t, t.Context(), rt, server.URL+"/health")
	if got := sent.Get("Traceparent"); got != "" {
		t.Errorf("traceparent of the rejected request = %q, want none", got)
	}
	ctx, parent := sdk.Tracers.Tracer("parent").Start(t.Context(), "parent")
	oteltest.Get(t, ctx, rt, server.URL+"/items")

	span := sdk.OnlySpan()
	if want := "operation  of /items"; span.Name != want {
		t.Errorf("span name = %q, want %q", span.Name, want)
	}
	if span.Parent.IsValid() {
		t.Errorf("parent = %v, want none, for WithNewRoot", span.Parent)
	}
	if span.SpanKind != trace.SpanKindClient {
		t.Errorf("kind = %v, want client", span.SpanKind)
	}
	if got, want := sent.Get("Traceparent"), oteltest.Traceparent(span.SpanContext); got != want {
		t.Errorf("traceparent = %q, want %q", got, want)
	}
	if !traced.Load() {
		t.Error("GotConn of WithClientTrace was not called, want one call")
	}
	if got := span.InstrumentationScope.Name; got != otelhttp.ScopeName {
		t.Errorf("scope = %q, want ScopeName, %q", got, otelhttp.ScopeName)
	}
	if got := span.InstrumentationScope.Version; got != otelhttp.Version {
		t.Errorf("version = %q, want Version, %q", got, otelhttp.Version)
	}
	oteltest.WantAttribute(t, span.Attributes, "option", "span")
	oteltest.WantAttribute(t, span.Attributes, "path", "/items")
	oteltest.WantAttribute(t, sdk.DurationAttributes(), "path", "/items")
	parent.End()
}

// What is nil changes nothing, and neither panics nor fails a request.
func TestNil(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	for name, option := range map[string]otelhttp.Option{
		"option":                 nil,
		"WithTracerProvider":     otelhttp.WithTracerProvider(nil),
		"WithMeterProvider":      otelhttp.WithMeterProvider(nil),
		"WithPropagators":        otelhttp.WithPropagators(nil),
		"WithSpanOptions":        otelhttp.WithSpanOptions(nil),
		"WithFilter":             otelhttp.WithFilter(nil),
		"WithClientTrace":        otelhttp.WithClientTrace(nil),
		"result of client trace": otelhttp.WithClientTrace(func(context.Context) *httptrace.ClientTrace { return nil }),
		"WithMetricAttributesFn": otelhttp.WithMetricAttributesFn(nil),
	} {
		t.Run(name, func(t *testing.T) {
			handled := oteltest.HandleErrors(t)
			sdk := oteltest.New(t)
			oteltest.Get(t, t.Context(), newTransport(sdk, server.Base, option), server.URL)
			if got := sdk.OnlySpan().Name; got != "GET" {
				t.Errorf("span name = %q, want GET", got)
			}
			sdk.DurationAttributes()
			if got := handled.Texts(); len(got) > 0 {
				t.Errorf("reported errors = %q, want none", got)
			}
		})
	}
	t.Run("WithSpanNameFormatter", func(t *testing.T) {
		handled := oteltest.HandleErrors(t)
		sdk := oteltest.New(t)
		oteltest.Get(t, t.Context(), newTransport(sdk, server.Base, otelhttp.WithSpanNameFormatter(nil)), server.URL)
		if got := sdk.OnlySpan().Name; got != "GET" {
			t.Errorf("span name = %q, want GET", got)
		}
		if got := handled.Texts(); len(got) != 1 || !strings.Contains(got[0], "span name formatter") {
			t.Errorf("reported errors = %q, want one about the span name formatter", got)
		}
	})
}
