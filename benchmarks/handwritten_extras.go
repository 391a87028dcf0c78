package main

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/dnsconv"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"
)

// handWrittenExtras is handWritten with the features of a row. It has no callbacks: whoever writes by
// hand writes the attribute where a hook would set it. It records what the library records in the same
// row, and with the opt-in metrics also the peer's address, as it watches the connection anyway.
type handWrittenExtras struct {
	*handWritten
	features

	active       httpconv.ClientActiveRequests
	requestSize  httpconv.ClientRequestBodySize
	responseSize httpconv.ClientResponseBodySize
	timeInQueue  metric.Float64Histogram
	lookup       dnsconv.LookupDuration
}

func newHandWrittenExtras(h *handWritten, c conditions) *handWrittenExtras {
	e := &handWrittenExtras{handWritten: h, features: c.features}
	if e.optInMetrics {
		meter := c.meters.Meter("hand-written")
		e.active = must(httpconv.NewClientActiveRequests(meter))
		e.requestSize = must(httpconv.NewClientRequestBodySize(meter))
		e.responseSize = must(httpconv.NewClientResponseBodySize(meter))
		e.timeInQueue = must(meter.Float64Histogram("http.client.request.time_in_queue", metric.WithUnit("s")))
		e.lookup = must(dnsconv.NewLookupDuration(meter))
	}
	return e
}

func (h *handWrittenExtras) RoundTrip(req *http.Request) (*http.Response, error) {
	host, port := server(req.URL)
	x := &handWrittenExchange{h: h, started: time.Now(), method: req.Method, scheme: req.URL.Scheme, host: host, port: port}
	address := *req.URL
	if h.hooks {
		address.RawQuery = ""
	}
	attrs := append(make([]attribute.KeyValue, 0, 8),
		semconv.HTTPRequestMethodKey.String(req.Method),
		semconv.ServerAddress(host),
		semconv.ServerPort(port),
		semconv.URLFull(address.String()),
	)
	if h.hooks {
		tenant := req.Header[headerTenant]
		attrs = append(attrs, attribute.String(keyTenant, tenant[0]), attribute.StringSlice("http.request.header.x-tenant", tenant))
	}
	if h.attributes {
		x.own = applicationAttributes(req)
		attrs = append(attrs, x.own...)
	}
	x.ctx, x.span = h.tracer.Start(req.Context(), req.Method,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...))
	ctx := x.ctx
	if h.optInMetrics {
		h.active.AddSet(ctx, 1, x.server())
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn: x.getConn, GotConn: x.gotConn, DNSStart: x.dnsStart, DNSDone: x.dnsDone,
		})
	}
	sent := req.WithContext(ctx)
	sent.Header = maps.Clone(req.Header)
	h.propagator.Inject(ctx, propagation.HeaderCarrier(sent.Header))

	resp, err := h.base.RoundTrip(sent)
	if err != nil {
		x.span.SetStatus(codes.Error, err.Error())
		x.result = semconv.ErrorType(err)
		x.end()
		return nil, err
	}
	x.result = semconv.HTTPResponseStatusCode(resp.StatusCode)
	x.version = protocolVersion(resp)
	x.sentBytes = req.ContentLength
	if x.span.IsRecording() {
		attrs := append(make([]attribute.KeyValue, 0, 6), x.result, semconv.NetworkProtocolVersion(x.version))
		if x.peer != nil {
			attrs = append(attrs, semconv.NetworkPeerAddress(x.peer.IP.String()), semconv.NetworkPeerPort(x.peer.Port))
		}
		if h.hooks {
			contentType := resp.Header["Content-Type"]
			attrs = append(attrs, attribute.String(keyContentType, contentType[0]), attribute.StringSlice("http.response.header.content-type", contentType))
		}
		x.span.SetAttributes(attrs...)
		if resp.StatusCode >= 400 {
			x.span.SetStatus(codes.Error, "")
		}
	}
	if resp.Body == http.NoBody {
		x.end()
		return resp, nil
	}
	x.ReadCloser, resp.Body = resp.Body, x
	return resp, nil
}

// handWrittenExchange is one request, and later the body of its response.
type handWrittenExchange struct {
	io.ReadCloser
	h          *handWrittenExtras
	ctx        context.Context
	span       trace.Span
	started    time.Time
	own        []attribute.KeyValue // of the application
	method     string
	scheme     string
	host       string
	port       int
	result     attribute.KeyValue // the status code or the error
	version    string
	sentBytes  int64
	received   int64
	asked, got time.Time // for and of the connection
	peer       *net.TCPAddr
	question   string
	lookup     time.Time
	ended      bool
}

func (x *handWrittenExchange) Read(p []byte) (int, error) {
	n, err := x.ReadCloser.Read(p)
	x.received += int64(n)
	if err != nil {
		if err != io.EOF {
			x.span.SetStatus(codes.Error, err.Error())
		}
		x.end()
	}
	return n, err
}

func (x *handWrittenExchange) Close() error {
	x.end()
	return x.ReadCloser.Close()
}

func (x *handWrittenExchange) end() {
	if x.ended {
		return
	}
	x.ended = true
	if x.h.measured {
		x.measure()
	}
	x.span.End()
}

func (x *handWrittenExchange) measure() {
	set := x.set(x.result, semconv.NetworkProtocolVersion(x.version))
	x.h.duration.RecordSet(x.ctx, time.Since(x.started).Seconds(), set)
	if !x.h.optInMetrics {
		return
	}
	x.h.requestSize.RecordSet(x.ctx, x.sentBytes, set)
	x.h.responseSize.RecordSet(x.ctx, x.received, set)
	x.h.active.AddSet(x.ctx, -1, x.server())
	if !x.got.IsZero() {
		x.h.timeInQueue.Record(x.ctx, x.got.Sub(x.asked).Seconds(), metric.WithAttributeSet(
			x.set(semconv.URLScheme(x.scheme), semconv.NetworkProtocolVersion(x.version))))
	}
}

// server returns the attributes of the active requests.
func (x *handWrittenExchange) server() attribute.Set { return x.set() }

// set returns the attributes that all metrics of a request have, and more.
func (x *handWrittenExchange) set(more ...attribute.KeyValue) attribute.Set {
	attrs := append(make([]attribute.KeyValue, 0, 8),
		semconv.HTTPRequestMethodKey.String(x.method),
		semconv.ServerAddress(x.host),
		semconv.ServerPort(x.port),
	)
	attrs = append(attrs, more...)
	return attribute.NewSet(append(attrs, x.own...)...)
}

func (x *handWrittenExchange) getConn(string) { x.asked = time.Now() }

func (x *handWrittenExchange) gotConn(info httptrace.GotConnInfo) {
	x.got = time.Now()
	x.peer, _ = info.Conn.RemoteAddr().(*net.TCPAddr)
}

func (x *handWrittenExchange) dnsStart(info httptrace.DNSStartInfo) {
	x.question, x.lookup = info.Host, time.Now()
}

func (x *handWrittenExchange) dnsDone(info httptrace.DNSDoneInfo) {
	attrs := []attribute.KeyValue{semconv.DNSQuestionName(x.question)}
	if info.Err != nil {
		attrs = append(attrs, semconv.ErrorType(info.Err))
	}
	x.h.lookup.Inst().Record(x.ctx, time.Since(x.lookup).Seconds(), metric.WithAttributes(attrs...))
}
