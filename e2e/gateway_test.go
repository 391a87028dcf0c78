package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/contrib/propagators/b3"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const scopeName = "github.com/otelhttpclient/otelhttpclient"

// topology is a gateway with two services. For /checkout the gateway calls orders, which calls stock, and
// then calls stock directly, which answers 404.
type topology struct {
	gateway, orders, stock          *service
	gatewayURL, ordersURL, stockURL string
	// seen and baggage have the headers and baggage received by orders and stock, by path.
	mu      sync.Mutex
	seen    map[string]http.Header
	baggage map[string]string
}

func newTopology(t *testing.T, c *collector, p propagation.TextMapPropagator) *topology {
	t.Helper()
	top := &topology{
		gateway: newService(t, c, "gateway", p),
		orders:  newService(t, c, "orders", p),
		stock:   newService(t, c, "stock", p),
		seen:    map[string]http.Header{},
		baggage: map[string]string{},
	}
	fromGateway, fromOrders := top.gateway.client(t), top.orders.client(t)

	top.stockURL = top.stock.listen(t, func(w http.ResponseWriter, r *http.Request) {
		top.saw(r)
		if r.URL.Path == "/none" {
			http.Error(w, "sold out", http.StatusNotFound)
			return
		}
		io.WriteString(w, "7")
	}).URL
	top.ordersURL = top.orders.listen(t, func(w http.ResponseWriter, r *http.Request) {
		top.saw(r)
		if _, err := fetch(r.Context(), fromOrders, top.stockURL+"/item?sku=a%20b&sig=hunter2"); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}).URL
	top.gatewayURL = top.gateway.listen(t, func(w http.ResponseWriter, r *http.Request) {
		for _, u := range []string{top.ordersURL + "/order", top.stockURL + "/none"} {
			if _, err := fetch(r.Context(), fromGateway, u); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		io.WriteString(w, "done")
	}).URL
	return top
}

func (top *topology) saw(r *http.Request) {
	top.mu.Lock()
	defer top.mu.Unlock()
	top.seen[r.URL.Path] = r.Header.Clone()
	top.baggage[r.URL.Path] = baggage.FromContext(r.Context()).Member("tenant").Value()
}

// withBaggage returns a context with one baggage member.
func withBaggage(ctx context.Context, key, value string) (context.Context, error) {
	member, err := baggage.NewMember(key, value)
	if err != nil {
		return nil, err
	}
	bag, err := baggage.New(member)
	if err != nil {
		return nil, err
	}
	return baggage.ContextWithBaggage(ctx, bag), nil
}

// fetch reads the whole response, so the span has ended when fetch returns.
func fetch(ctx context.Context, c *http.Client, u string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp, err
}

func TestTraceAcrossServices(t *testing.T) {
	tests := []struct {
		name string
		p    propagation.TextMapPropagator
		// header is the propagator's header with the trace ID.
		header string
		// wantBaggage is the value of the first client's baggage member at the services.
		wantBaggage string
		why         string
	}{
		{"W3C with baggage", w3c, "Traceparent", "acme",
			"the usual set-up; baggage passes every hop"},
		{"W3C only", propagation.TraceContext{}, "Traceparent", "",
			"without a baggage propagator, no baggage is sent"},
		{"B3 single header", b3.New(b3.WithInjectEncoding(b3.B3SingleHeader)), "B3", "",
			"Zipkin's compact format"},
		{"B3 multiple headers", b3.New(b3.WithInjectEncoding(b3.B3MultipleHeader)), "X-B3-Traceid", "",
			"Zipkin's original format, used by service meshes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSink(t)
			c := startCollector(t, s)
			top := newTopology(t, c, tt.p)
			// The caller is only a client: its CLIENT span is the root of the trace.
			caller := newService(t, c, "caller", tt.p)

			ctx, err := withBaggage(t.Context(), "tenant", "acme")
			if err != nil {
				t.Fatal(err)
			}
			resp, err := fetch(ctx, caller.client(t), top.gatewayURL+"/checkout")
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("checkout: %v, %v; want 200", resp, err)
			}

			// No flush: batches are exported after their timeout.
			s.wait(t, "8 spans", func(spans []span) bool { return len(spans) >= 8 })
			c.stop(t)
			tr := traceOf(t, s.all())
			tr.checkTree(t, `
caller/Client GET
  gateway/Server GET /checkout
    gateway/Client GET
      orders/Server GET /order
        orders/Client GET
          stock/Server GET /item
    gateway/Client GET
      stock/Server GET /none
`)

			for path, header := range top.seen {
				if got := header.Get(tt.header); !strings.Contains(got, tr.id) {
					t.Errorf("%s: header %s = %q, want trace ID %s in it (%s)", path, tt.header, got, tr.id, tt.why)
				}
				if got := top.baggage[path]; got != tt.wantBaggage {
					t.Errorf("%s: baggage member tenant = %q, want %q (%s)", path, got, tt.wantBaggage, tt.why)
				}
			}
			checkClientSpans(t, tr.spans, top)
		})
	}
}

// checkClientSpans checks the fields of each CLIENT span, except its place in the tree.
func checkClientSpans(t *testing.T, spans []span, top *topology) {
	t.Helper()
	want := map[string]struct {
		service string
		code    int64
		status  ptrace.StatusCode
		more    map[string]any
	}{
		top.gatewayURL + "/checkout": {service: "caller", code: 200},
		top.ordersURL + "/order":     {service: "gateway", code: 201},
		top.stockURL + "/none": {service: "gateway", code: 404, status: ptrace.StatusCodeError,
			more: map[string]any{string(semconv.ErrorTypeKey): "404"}},
		// The query is unchanged except for the signature's value.
		top.stockURL + "/item?sku=a%20b&sig=REDACTED": {service: "orders", code: 200},
	}
	clients := pick(spans, func(s span) bool { return s.Kind == ptrace.SpanKindClient })
	for _, s := range clients {
		full, _ := s.Attributes[string(semconv.URLFullKey)].(string)
		w, ok := want[full]
		if !ok {
			t.Errorf("%s span: url.full = %q, want each of the four requested URLs once", s.Resource["service.name"], full)
			continue
		}
		delete(want, full)

		u, err := url.Parse(full)
		if err != nil {
			t.Errorf("url.full = %q does not parse: %v", full, err)
			continue
		}
		port, _ := strconv.ParseInt(u.Port(), 10, 64)
		attrs := map[string]any{
			string(semconv.HTTPRequestMethodKey):      "GET",
			string(semconv.ServerAddressKey):          "127.0.0.1",
			string(semconv.ServerPortKey):             port,
			string(semconv.URLFullKey):                full,
			string(semconv.HTTPResponseStatusCodeKey): w.code,
			string(semconv.NetworkPeerAddressKey):     "127.0.0.1",
			string(semconv.NetworkPeerPortKey):        port,
			string(semconv.NetworkProtocolVersionKey): "1.1",
		}
		for k, v := range w.more {
			attrs[k] = v
		}
		checkAttributes(t, full, s.Attributes, attrs)

		if s.Status != w.status || s.StatusMessage != "" {
			t.Errorf("%s: status = %v %q, want %v without a description", full, s.Status, s.StatusMessage, w.status)
		}
		if s.Events != 0 {
			t.Errorf("%s: %d events, want none", full, s.Events)
		}
		if !s.End.After(s.Start) {
			t.Errorf("%s: from %v to %v, want a positive duration", full, s.Start, s.End)
		}
		if s.ScopeName != scopeName || s.ScopeVersion == "" || s.ScopeSchema != semconv.SchemaURL {
			t.Errorf("%s: scope = %q, version %q, schema %q; want %q, any version, %q",
				full, s.ScopeName, s.ScopeVersion, s.ScopeSchema, scopeName, semconv.SchemaURL)
		}
		checkAttributes(t, full+": resource", s.Resource, map[string]any{
			"service.name": w.service, "service.version": "1.2.3",
		})
	}
	for full := range want {
		t.Errorf("no CLIENT span has url.full = %q", full)
	}
}

// checkAttributes compares attributes one by one, so that a failure names the attribute.
func checkAttributes(t *testing.T, what string, got, want map[string]any) {
	t.Helper()
	for k, w := range want {
		if g, ok := got[k]; !ok || fmt.Sprint(g) != fmt.Sprint(w) {
			t.Errorf("%s: %s = %v, want %v", what, k, g, w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %s = %v, want no such attribute", what, k, g)
		}
	}
}

// TestFailures checks the exported status and error.type of failed and canceled requests.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := startCollector(t, s)
	app := newService(t, c, "app", w3c)
	broken := app.listen(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	client := app.client(t)

	refused := "http://" + freePort(t) + "/refused"
	if _, err := fetch(t.Context(), client, refused); err == nil {
		t.Errorf("request to a closed port succeeded, want an error")
	}
	if resp, err := fetch(t.Context(), client, broken.URL+"/down"); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("down: %v, %v; want 503", resp, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fetch(canceled, client, broken.URL+"/canceled"); err == nil {
		t.Errorf("canceled request succeeded, want an error")
	}
	flush(t, app)
	c.stop(t)

	tests := []struct {
		url       string
		status    ptrace.StatusCode
		errorType any
		why       string
	}{
		{refused, ptrace.StatusCodeError, "connection_error", "no connection"},
		{broken.URL + "/down", ptrace.StatusCodeError, "503", "the server failed"},
		{broken.URL + "/canceled", ptrace.StatusCodeUnset, nil, "the caller canceled the request"},
	}
	for _, tt := range tests {
		got := pick(s.all(), func(s span) bool { return s.Attributes["url.full"] == tt.url })
		if len(got) != 1 {
			t.Errorf("%s: %s, want one (%s)", tt.url, describe(got), tt.why)
			continue
		}
		if got[0].Status != tt.status || got[0].Attributes["error.type"] != tt.errorType {
			t.Errorf("%s: status %v, error.type %v; want %v, %v (%s)",
				tt.url, got[0].Status, got[0].Attributes["error.type"], tt.status, tt.errorType, tt.why)
		}
	}
}
