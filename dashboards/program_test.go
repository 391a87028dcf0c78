package dashboards

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/otelhttpclient/otelhttpclient"
)

// allMetrics are the opt-in metrics of the library.
var allMetrics = []otelhttpclient.Metric{
	otelhttpclient.MetricRequestBodySize,
	otelhttpclient.MetricResponseBodySize,
	otelhttpclient.MetricActiveRequests,
	otelhttpclient.MetricOpenConnections,
	otelhttpclient.MetricConnectionDuration,
	otelhttpclient.MetricRequestTimeInQueue,
	otelhttpclient.MetricDNSLookupDuration,
}

// newMeterProvider returns a provider and the handler that Prometheus scrapes. docs/metrics.md shows it.
func newMeterProvider(res *resource.Resource) (*sdkmetric.MeterProvider, http.Handler, error) {
	registry := prometheus.NewRegistry()
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry))
	if err != nil {
		return nil, nil, err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(res))
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}) // for exemplars
	return provider, handler, nil
}

// newOTLPMeterProvider returns a provider that exports to a Collector. docs/metrics.md shows it.
func newOTLPMeterProvider(ctx context.Context, res *resource.Resource, opts ...otlpmetricgrpc.Option) (*sdkmetric.MeterProvider, error) {
	exporter, err := otlpmetricgrpc.New(ctx, opts...) // without options to OTEL_EXPORTER_OTLP_ENDPOINT
	if err != nil {
		return nil, err
	}
	reader := sdkmetric.NewPeriodicReader(exporter) // each minute, or as OTEL_METRIC_EXPORT_INTERVAL says
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res)), nil
}

// program calls servers, each of which has one fault or none. All faults last from their start to the end.
type program struct {
	t     *testing.T
	spans *tracetest.InMemoryExporter
	sent  atomic.Int64 // requests

	options  []otelhttpclient.Option
	resolver *net.Resolver
	ports    map[string]string // of the servers, by name

	ctx    context.Context
	cancel context.CancelFunc
	ready  chan struct{} // closed when all servers are there
	calls  sync.WaitGroup
}

// maxIdle is how many idle connections to a server a client keeps.
const maxIdle = 4

// faults are the servers with a fault, and when the fault starts. The others have none.
type faults struct{ payments, reports, orders, billing, images time.Duration }

// service is the resource of the program.
var service = resource.NewSchemaless(semconv.ServiceName("shop"), semconv.ServiceVersion("1.2.3"), semconv.ServiceInstanceID("shop-1"))

func startProgram(t *testing.T, f faults, meters metric.MeterProvider) *program {
	t.Helper()
	p := &program{t: t, spans: tracetest.NewInMemoryExporter(), ports: map[string]string{}, ready: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	t.Cleanup(p.stop)
	// Half of the requests are unsampled: metrics count all, exemplars link to the others.
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(p.spans), sdktrace.WithSampler(sdktrace.TraceIDRatioBased(0.5)))
	templates, err := otelhttpclient.ServeMuxTemplates("/items/{sku}", "/search", "/charges/{id}", "/reports/{day}",
		"/orders/{id}", "/invoices/{id}", "/images/{name}", "/rates/{currency}")
	if err != nil {
		t.Fatal(err)
	}
	p.options = []otelhttpclient.Option{
		otelhttpclient.WithMeterProvider(meters),
		otelhttpclient.WithTracerProvider(tracers),
		otelhttpclient.WithURLTemplate(templates),
		otelhttpclient.WithOptInAttributes(semconv.URLTemplateKey),
		otelhttpclient.WithOptInMetrics(allMetrics...),
	}
	p.resolver = startDNS(t, map[string]bool{
		"catalog.example.": true, "payments.example.": true, "reports.example.": true,
		"orders.example.": true, "images.example.": true, "rates.example.": true,
	})
	p.start(f)
	close(p.ready)
	return p
}

// stop ends all calls and waits for them.
func (p *program) stop() {
	p.cancel()
	p.calls.Wait()
}

func (p *program) start(f faults) {
	client := p.client(func(*http.Transport) {})

	// No fault.
	p.serve("catalog.example", func(w http.ResponseWriter, r *http.Request, n int) {
		stay(r, time.Duration(3+n*n%37)*time.Millisecond)
		_, _ = io.WriteString(w, strings.Repeat("item ", 1+n%5*400))
	})
	p.repeat(0, 2, 40*time.Millisecond, func(n int) { p.get(client, "http://catalog.example/items/%d", n) })
	p.repeat(0, 1, 90*time.Millisecond, func(n int) { p.post(client, "http://catalog.example/search", 100+n%7*300) })

	// No fault, but a new connection for each request.
	p.serve("rates.example", func(w http.ResponseWriter, r *http.Request, n int) {
		stay(r, time.Duration(2+n%9)*time.Millisecond)
		w.Header().Set("Connection", "close")
	})
	p.repeat(0, 1, 150*time.Millisecond, func(n int) { p.get(client, "http://rates.example/rates/%d", n%3) })

	// Fails: with 503 and 500, by cutting the connection, and by not answering. The caller retries.
	failing := p.after(f.payments)
	p.serve("payments.example", func(w http.ResponseWriter, r *http.Request, n int) {
		stay(r, time.Duration(5+n%20)*time.Millisecond)
		if !failing() {
			return
		}
		switch n % 8 {
		case 1, 2, 5:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 3:
			w.WriteHeader(http.StatusInternalServerError)
		case 4:
			_, _ = io.WriteString(w, "half of")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 6:
			<-r.Context().Done()
		}
	})
	p.repeat(0, 2, 60*time.Millisecond, func(n int) {
		ctx := otelhttpclient.ContextWithRetries(p.ctx)
		for range 3 {
			ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
			status := p.do(client, ctx, "GET", fmt.Sprintf("http://payments.example/charges/%d", n), nil)
			cancel()
			if status == http.StatusOK {
				return
			}
		}
	})

	// Slow, but correct.
	slow := p.after(f.reports)
	p.serve("reports.example", func(w http.ResponseWriter, r *http.Request, n int) {
		stay(r, 80*time.Millisecond)
		if slow() {
			stay(r, time.Duration(1500+n%5*200)*time.Millisecond)
		}
	})
	p.repeat(0, 6, 100*time.Millisecond, func(n int) { p.get(client, "http://reports.example/reports/%d", n) })

	// Its client has two connections: enough for one caller, not for ten.
	two := p.client(func(t *http.Transport) { t.MaxConnsPerHost = 2 })
	p.serve("orders.example", func(_ http.ResponseWriter, r *http.Request, _ int) { stay(r, 250*time.Millisecond) })
	p.repeat(0, 1, 50*time.Millisecond, func(n int) { p.get(two, "http://orders.example/orders/%d", n) })
	p.repeat(f.orders, 9, 50*time.Millisecond, func(n int) { p.get(two, "http://orders.example/orders/%d", n) })

	// Has no address.
	p.repeat(f.billing, 1, 200*time.Millisecond, func(n int) { p.get(client, "http://billing.example/invoices/%d", n) })

	// The caller forgets bodies.
	forgetful := p.after(f.images)
	p.serve("images.example", func(w http.ResponseWriter, r *http.Request, n int) {
		_, _ = io.WriteString(w, strings.Repeat("pixel", 2000))
	})
	p.repeat(0, 1, 200*time.Millisecond, func(n int) {
		url := fmt.Sprintf("http://images.example/images/%d", n)
		if forgetful() && n%3 == 0 {
			p.forget(client, url)
		} else {
			p.get(client, "%s", url)
		}
	})
	p.calls.Go(func() {
		for p.wait(300 * time.Millisecond) {
			runtime.GC() // finds the forgotten bodies
		}
	})
}

// serve starts a server. Its handler gets the number of the request.
func (p *program) serve(name string, handler func(w http.ResponseWriter, r *http.Request, n int)) {
	var requests atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler(w, r, int(requests.Add(1)))
	}))
	s.Start()
	p.ports[name] = port(s.Listener.Addr())
	p.t.Cleanup(func() {
		p.stop()
		s.CloseClientConnections()
		s.Close()
	})
}

// client returns a client that finds the servers by DNS, at port 80 of their names.
func (p *program) client(change func(*http.Transport)) *http.Client {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.Proxy = nil
	base.MaxIdleConnsPerHost = maxIdle
	dialer := &net.Dialer{Resolver: p.resolver}
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return dialer.DialContext(ctx, network, net.JoinHostPort(host, p.ports[host]))
	}
	change(base)
	p.t.Cleanup(base.CloseIdleConnections)
	return &http.Client{Transport: otelhttpclient.NewTransport(base, p.options...)}
}

// repeat calls f with a pause between calls, in several goroutines, until stop.
func (p *program) repeat(delay time.Duration, callers int, pause time.Duration, f func(n int)) {
	var number atomic.Int64
	for range callers {
		p.calls.Go(func() {
			select {
			case <-p.ctx.Done():
			case <-p.ready:
			}
			for ok := p.wait(delay); ok; ok = p.wait(pause) {
				f(int(number.Add(1)))
			}
		})
	}
}

// wait reports whether the program continues after d.
func (p *program) wait(d time.Duration) bool {
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(d):
		return p.ctx.Err() == nil
	}
}

// after returns a function that reports whether d is over.
func (p *program) after(d time.Duration) func() bool {
	start := time.Now()
	return func() bool { return time.Since(start) >= d }
}

func (p *program) get(c *http.Client, format string, args ...any) {
	p.do(c, p.ctx, "GET", fmt.Sprintf(format, args...), nil)
}

func (p *program) post(c *http.Client, url string, size int) {
	p.do(c, p.ctx, "POST", url, strings.NewReader(strings.Repeat("q", size)))
}

// do sends a request, reads its body, and returns the status.
func (p *program) do(c *http.Client, ctx context.Context, method, url string, body io.Reader) int {
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		p.t.Error(err)
		return 0
	}
	p.sent.Add(1)
	resp, err := c.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// forget sends a request and loses its body.
func (p *program) forget(c *http.Client, url string) {
	req, err := http.NewRequestWithContext(p.ctx, "GET", url, nil)
	if err != nil {
		p.t.Error(err)
		return
	}
	p.sent.Add(1)
	_, _ = c.Do(req) //nolint:bodyclose // the fault
}

// stay waits for d, or until the client is gone.
func stay(r *http.Request, d time.Duration) {
	select {
	case <-r.Context().Done():
	case <-time.After(d):
	}
}

func port(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// startDNS starts a DNS server and returns a resolver that asks it. The names in known are at 127.0.0.1; all
// others do not exist.
func startDNS(t *testing.T, known map[string]bool) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if answer, err := answer(buf[:n], known); err == nil {
				_, _ = conn.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func answer(query []byte, known map[string]bool) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	if len(m.Questions) != 1 {
		return nil, fmt.Errorf("%d questions", len(m.Questions))
	}
	q := m.Questions[0]
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	switch {
	case !known[q.Name.String()]:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		reply.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	return reply.Pack()
}
