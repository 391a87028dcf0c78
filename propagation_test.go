package otelhttpclient_test

import (
	"context"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// keepingHeader returns a base that stores the header of the last request in h.
func keepingHeader(h *http.Header) oteltest.RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		*h = req.Header.Clone()
		return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
	}
}

// b3 writes the headers of Zipkin's multi-header format.
type b3 struct{}

func (b3) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return
	}
	carrier.Set("x-b3-traceid", sc.TraceID().String())
	carrier.Set("x-b3-spanid", sc.SpanID().String())
	sampled := "0"
	if sc.IsSampled() {
		sampled = "1"
	}
	carrier.Set("x-b3-sampled", sampled)
}

func (b3) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context { return ctx }

func (b3) Fields() []string { return []string{"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"} }

// withTracestateAndBaggage returns a context as it comes from a remote caller.
func withTracestateAndBaggage(t *testing.T, ctx context.Context) context.Context {
	t.Helper()
	state, err := trace.ParseTraceState("vendor=opaque,other=1")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.Parse("tenant=acme,tier=gold;ttl=1")
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithRemoteSpanContext(baggage.ContextWithBaggage(ctx, bag), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5, 6}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	}))
}

func TestTraceparentNamesTheClientSpan(t *testing.T) {
	tel := oteltest.New(t)
	got := make(chan http.Header, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	ctx := withTracestateAndBaggage(t, t.Context())
	req := oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil)
	req.Header.Set("Authorization", "Bearer 1")
	req.Header["X-Several"] = []string{"a", "b"}
	oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport), req)

	span, header := tel.OnlySpan(), <-got
	remote := trace.SpanContextFromContext(ctx)
	if span.SpanContext.TraceID() != remote.TraceID() || span.SpanContext.SpanID() == remote.SpanID() || span.Parent.SpanID() != remote.SpanID() {
		t.Errorf("span %v with parent %v, want a child of the caller's, %v", span.SpanContext.SpanID(), span.Parent.SpanID(), remote.SpanID())
	}
	want := map[string][]string{
		"Traceparent":   {oteltest.Traceparent(span.SpanContext)},
		"Tracestate":    {"vendor=opaque,other=1"},
		"Authorization": {"Bearer 1"},
		"X-Several":     {"a", "b"},
	}
	for key, values := range want {
		if !reflect.DeepEqual(header[key], values) {
			t.Errorf("%s = %q, want %q", key, header[key], values)
		}
	}
	if !strings.HasSuffix(header.Get("Traceparent"), "-01") {
		t.Errorf("traceparent = %q, want the sampled flag set", header.Get("Traceparent"))
	}
	bag, err := baggage.Parse(header.Get("Baggage"))
	if err != nil {
		t.Fatalf("baggage %q: %v", header.Get("Baggage"), err)
	}
	if got, want := bag.Member("tenant").Value(), "acme"; got != want {
		t.Errorf("baggage %q: tenant = %q, want %q", header.Get("Baggage"), got, want)
	}
	if got, want := bag.Member("tier").Value(), "gold"; got != want {
		t.Errorf("baggage %q: tier = %q, want %q", header.Get("Baggage"), got, want)
	}
}

func TestUnsampledContextIsPropagated(t *testing.T) {
	for name, opts := range map[string][]otelhttpclient.Option{
		"alone":       nil,
		"with a hook": {otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) {})},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.NewSampled(t, sdktrace.NeverSample())
			var sent http.Header
			var seen trace.SpanContext
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				seen = trace.SpanContextFromContext(req.Context())
				return keepingHeader(&sent)(req)
			}), opts...)
			ctx := withTracestateAndBaggage(t, t.Context())
			oteltest.MustSend(t, rt, oteltest.NewRequest(t, ctx, http.MethodGet, "http://inventory.example/", nil))

			if want := oteltest.Traceparent(seen); sent.Get("Traceparent") != want {
				t.Errorf("traceparent = %q, want that of the span that base sees, %q", sent.Get("Traceparent"), want)
			}
			if !strings.HasSuffix(sent.Get("Traceparent"), "-00") {
				t.Errorf("traceparent = %q, want the sampled flag clear", sent.Get("Traceparent"))
			}
			remote := trace.SpanContextFromContext(ctx)
			if seen.TraceID() != remote.TraceID() || seen.SpanID() == remote.SpanID() {
				t.Errorf("span context = %v, want a child of %v", seen, remote)
			}
			if sent.Get("Tracestate") != "vendor=opaque,other=1" || !strings.Contains(sent.Get("Baggage"), "tenant=acme") {
				t.Errorf("tracestate = %q, baggage = %q, want both handed on", sent.Get("Tracestate"), sent.Get("Baggage"))
			}
			if n := len(tel.Spans()); n != 0 {
				t.Errorf("%d spans were exported, want none", n)
			}
		})
	}
}

func TestUnsampledPropagationWithoutMetrics(t *testing.T) {
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	var sent http.Header
	rt := otelhttpclient.NewTransport(keepingHeader(&sent),
		otelhttpclient.WithTracerProvider(tracers), otelhttpclient.WithPropagators(propagation.TraceContext{}))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
	if got := sent.Get("Traceparent"); !strings.HasSuffix(got, "-00") {
		t.Errorf("traceparent = %q, want one with the sampled flag clear", got)
	}
}

func TestPropagationFormats(t *testing.T) {
	w3c := []string{"Traceparent", "Tracestate", "Baggage"}
	zipkin := []string{"X-B3-Traceid", "X-B3-Spanid", "X-B3-Sampled"}
	rows := []struct {
		name       string
		propagator propagation.TextMapPropagator
		want       []string
		reason     string
	}{
		{"TraceContext", propagation.TraceContext{}, []string{"Traceparent", "Tracestate"}, "baggage needs another propagator"},
		{"Baggage", propagation.Baggage{}, []string{"Baggage"}, "no other propagator is installed"},
		{"B3", b3{}, zipkin, "the application's choice, not a default"},
		{"composite", propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}, b3{}),
			append(append([]string{}, w3c...), zipkin...), "all parts write in one pass"},
		{"empty composite", propagation.NewCompositeTextMapPropagator(), nil, "no propagator is installed"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			var sent http.Header
			rt := instrumented.Transport(tel, keepingHeader(&sent), otelhttpclient.WithPropagators(row.propagator))
			req := oteltest.NewRequest(t, withTracestateAndBaggage(t, t.Context()), http.MethodGet, "http://inventory.example/", nil)
			req.Header.Set("X-Own", "kept")
			oteltest.MustSend(t, rt, req)

			want := map[string]bool{"X-Own": true}
			for _, key := range row.want {
				want[key] = true
			}
			got := map[string]bool{}
			for key := range sent {
				got[key] = true
			}
			if !maps.Equal(got, want) {
				t.Errorf("headers = %v, want %v: %s", got, want, row.reason)
			}
			sc := tel.OnlySpan().SpanContext
			if want["X-B3-Spanid"] && (sent.Get("X-B3-Spanid") != sc.SpanID().String() || sent.Get("X-B3-Traceid") != sc.TraceID().String() || sent.Get("X-B3-Sampled") != "1") {
				t.Errorf("B3 = %v, want trace %v, span %v, sampled", sent, sc.TraceID(), sc.SpanID())
			}
			if want["Traceparent"] && sent.Get("Traceparent") != oteltest.Traceparent(sc) {
				t.Errorf("traceparent = %q, want %q", sent.Get("Traceparent"), oteltest.Traceparent(sc))
			}
		})
	}
}

func TestPropagatorInstalledLater(t *testing.T) {
	if !oteltest.OwnProcess(t) {
		return
	}
	tel := oteltest.New(t)
	var sent http.Header
	rt := otelhttpclient.NewTransport(keepingHeader(&sent), otelhttpclient.WithTracerProvider(tel.Tracers))
	request := func() http.Header {
		tel.Reset()
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil))
		return sent
	}
	if h := request(); len(h) != 0 {
		t.Errorf("headers = %v before there was a propagator, want none", h)
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	if h, want := request(), oteltest.Traceparent(tel.OnlySpan().SpanContext); h.Get("Traceparent") != want {
		t.Errorf("traceparent = %q, want %q", h.Get("Traceparent"), want)
	}
	otel.SetTextMapPropagator(b3{})
	if h, want := request(), tel.OnlySpan().SpanContext.SpanID().String(); h.Get("X-B3-Spanid") != want || h.Get("Traceparent") != "" {
		t.Errorf("headers = %v, want those of the propagator that was installed last, with span %v", h, want)
	}
}

// panicking is a propagator that panics after it has set headers.
type panicking struct{ propagation.TraceContext }

func (p panicking) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	p.TraceContext.Inject(ctx, carrier)
	carrier.Set("x-own", "overwritten")
	panic("in the propagator")
}

func TestPanickingPropagator(t *testing.T) {
	for _, sampler := range []sdktrace.Sampler{sdktrace.AlwaysSample(), sdktrace.NeverSample()} {
		handled := oteltest.HandleErrors(t)
		tel := oteltest.NewSampled(t, sampler)
		var sent http.Header
		rt := instrumented.Transport(tel, keepingHeader(&sent), otelhttpclient.WithPropagators(panicking{}))
		req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
		req.Header.Set("X-Own", "kept")
		resp, _ := oteltest.MustSend(t, rt, req)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: status = %d, want 200", sampler.Description(), resp.StatusCode)
		}
		if want := (http.Header{"X-Own": {"kept"}}); !reflect.DeepEqual(sent, want) {
			t.Errorf("%s: headers = %v, want the caller's alone, %v", sampler.Description(), sent, want)
		}
		if texts := handled.Texts(); len(texts) != 1 || !strings.Contains(texts[0], "in the propagator") {
			t.Errorf("%s: handled errors = %q, want the one panic", sampler.Description(), texts)
		}
	}
}
