package otelhttpclient_test

import (
	"context"
	"fmt"
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

func TestTraceparentNamesTheClientSpan(t *testing.T) {
	tel := oteltest.New(t)
	got := make(chan http.Header, 1)
	server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
	ctx := oteltest.WithTracestateAndBaggage(t, t.Context())
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
				return oteltest.KeepHeader(&sent)(req)
			}), opts...)
			ctx := oteltest.WithTracestateAndBaggage(t, t.Context())
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
	rt := otelhttpclient.NewTransport(oteltest.KeepHeader(&sent),
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
		{"B3", oteltest.B3{}, zipkin, "the application's choice, not a default"},
		{"composite", propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}, oteltest.B3{}),
			append(append([]string{}, w3c...), zipkin...), "all parts write in one pass"},
		{"empty composite", propagation.NewCompositeTextMapPropagator(), nil, "no propagator is installed"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			var sent http.Header
			rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), otelhttpclient.WithPropagators(row.propagator))
			req := oteltest.NewRequest(t, oteltest.WithTracestateAndBaggage(t, t.Context()), http.MethodGet, "http://inventory.example/", nil)
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
	rt := otelhttpclient.NewTransport(oteltest.KeepHeader(&sent), otelhttpclient.WithTracerProvider(tel.Tracers))
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
	otel.SetTextMapPropagator(oteltest.B3{})
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
		rt := instrumented.Transport(tel, oteltest.KeepHeader(&sent), otelhttpclient.WithPropagators(panicking{}))
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

func TestInjectionReplacesHeaders(t *testing.T) {
	stale := "00-11111111111111111111111111111111-2222222222222222-01"
	rows := []struct {
		name   string
		header http.Header
		reason string
	}{
		{"canonical", http.Header{"Traceparent": {stale}}, "a proxy hands on what it got"},
		{"several values", http.Header{"Traceparent": {stale, stale}}, "none of them is to survive"},
		{"lower case", http.Header{"traceparent": {stale}}, "it would go out as a second header of that name"},
		{"odd case", http.Header{"TraceParent": {stale}, "TRACEPARENT": {stale}}, "names of headers know no case"},
		{"odd case beside canonical", http.Header{"Traceparent": {stale}, "traceParent": {stale}}, "both are that header"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			got := make(chan http.Header, 1)
			server := oteltest.NewServer(t, "1.1", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })
			req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
			maps.Copy(req.Header, row.header)
			req.Header["x-own"] = []string{"kept"}
			before := req.Header.Clone()
			oteltest.MustSend(t, instrumented.Transport(tel, server.Client().Transport), req)

			header, want := <-got, []string{oteltest.Traceparent(tel.OnlySpan().SpanContext)}
			if !reflect.DeepEqual(header["Traceparent"], want) {
				t.Errorf("traceparent = %q, want %q: %s", header["Traceparent"], want, row.reason)
			}
			if !reflect.DeepEqual(header["X-Own"], []string{"kept"}) {
				t.Errorf("x-own = %q, want it kept", header["X-Own"])
			}
			if !reflect.DeepEqual(req.Header, before) {
				t.Errorf("the caller's header became %q, want it untouched: %q", req.Header, before)
			}
		})
	}
}

// appender is a propagator that appends to an existing header.
type appender struct{ propagation.TraceContext }

func (a appender) Inject(ctx context.Context, carrier propagation.TextMapCarrier) {
	a.TraceContext.Inject(ctx, carrier)
	carrier.Set("via", strings.Join([]string{carrier.Get("via"), "appender"}, ","))
}

func TestCallersHeaderIsUnchanged(t *testing.T) {
	tel := oteltest.New(t)
	var sent http.Header
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		// A base may modify its header.
		req.Header.Set("X-Base", "1")
		req.Header["X-Roomy"] = append(req.Header["X-Roomy"], "of base")
		return oteltest.KeepHeader(&sent)(req)
	}), otelhttpclient.WithPropagators(appender{}))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://inventory.example/", nil)
	roomy := make([]string, 1, 4)
	roomy[0] = "of the caller"
	req.Header["X-Roomy"] = roomy
	req.Header.Set("Via", "caller")
	before := req.Header.Clone()
	oteltest.MustSend(t, rt, req)

	if !reflect.DeepEqual(req.Header, before) {
		t.Errorf("the caller's header became %q, want %q", req.Header, before)
	}
	if got := roomy[:2][1]; got != "" {
		t.Errorf("%q was written into the caller's array, want nothing", got)
	}
	if got, want := sent.Get("Via"), "caller,appender"; got != want {
		t.Errorf("via = %q, want the propagator's result, %q", got, want)
	}
}

type writesA struct{ oteltest.NoPropagator }

func (writesA) Inject(_ context.Context, c propagation.TextMapCarrier) { c.Set("x-a", "2") }
func (writesA) Fields() []string                                       { return []string{"x-a", "x-b", "baggage"} }

func TestStaleFieldsAreRemoved(t *testing.T) {
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
		oteltest.MustSend(t, otelhttpclient.NewTransport(oteltest.KeepHeader(&sent), c.opts...), req)
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

type manyKeys struct{ propagation.TraceContext }

func (manyKeys) Fields() []string { panic("fields") }

func (m manyKeys) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	for i := range 9 {
		c.Set(fmt.Sprint("x-", i), "v")
	}
	m.TraceContext.Inject(ctx, c)
	c.Set("x-0", "again")
}

type uncomparablePropagator struct {
	_ func()
	manyKeys
}

func TestPropagatorWithManyKeys(t *testing.T) {
	for _, p := range []propagation.TextMapPropagator{manyKeys{}, &manyKeys{}, uncomparablePropagator{}, propagation.NewCompositeTextMapPropagator(manyKeys{}, propagation.Baggage{})} {
		tel := oteltest.New(t)
		var got http.Header
		rt := instrumented.Transport(tel, instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) {
			got = r.Header
			return oteltest.AnswerText(200, "x")(r)
		}), otelhttpclient.WithPropagators(p)), otelhttpclient.WithPropagators(p))
		req := oteltest.NewRequest(t, t.Context(), "GET", "http://example.com/x", nil)
		req.Header.Set("x-3", "old")
		oteltest.MustSend(t, rt, req)
		if len(tel.Spans()) != 1 || got.Get("Traceparent") != oteltest.Traceparent(tel.Spans()[0].SpanContext) || got.Get("x-0") != "again" || got.Get("x-3") != "v" || req.Header.Get("x-3") != "old" {
			t.Errorf("%T: %v", p, got)
		}
	}
}
