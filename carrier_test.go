package otelhttpclient_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

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
		return keepingHeader(&sent)(req)
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
