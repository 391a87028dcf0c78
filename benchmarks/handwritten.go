package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
	"go.opentelemetry.io/otel/trace"
)

// handWritten is the measure of this benchmark: the least that a careful engineer writes to trace the
// requests of one application, with the OpenTelemetry API and nothing else. For each request it
//
//   - starts a CLIENT span with the attributes that samplers need: method, server address and port, URL;
//   - copies the request and its headers, as a RoundTripper must not modify the original, and injects the
//     span's context into the copy;
//   - records status code and protocol version, and the error status, if the span is recording;
//   - wraps the response body, so that the span ends with it;
//   - records http.client.request.duration if metrics are on, with attribute sets that it builds once.
//
// It omits what a general instrumentation also needs: redaction, unknown methods, the peer's address,
// classes of errors, bodies with more methods than Read and Close, bodies that are used concurrently or
// forgotten, panics, resends, nested instrumentations, and globals that are installed later.
//
// handWrittenExtras has the optional features.
type handWritten struct {
	base       http.RoundTripper
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	measured   bool
	duration   httpconv.ClientRequestDuration
	sets       sync.Map // of the duration's attributes: measuredAs to attribute.Set
}

// measuredAs is the key of a set. There are few: the application knows its servers.
type measuredAs struct {
	method, host, version string
	port, status          int
}

func wrapByHand(c conditions, base http.RoundTripper) http.RoundTripper {
	h := &handWritten{base: base, propagator: c.propagator}
	if h.propagator == nil {
		h.propagator = otel.GetTextMapPropagator()
	}
	tracers := c.tracers
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	h.tracer = tracers.Tracer("hand-written")
	if c.meters != nil {
		h.measured = true
		h.duration = must(httpconv.NewClientRequestDuration(c.meters.Meter("hand-written")))
	}
	if c.features != (features{}) {
		return newHandWrittenExtras(h, c)
	}
	return h
}

func (h *handWritten) RoundTrip(req *http.Request) (*http.Response, error) {
	var started time.Time
	if h.measured {
		started = time.Now()
	}
	host, port := server(req.URL)
	ctx, span := h.tracer.Start(req.Context(), req.Method,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			semconv.HTTPRequestMethodKey.String(req.Method),
			semconv.ServerAddress(host),
			semconv.ServerPort(port),
			semconv.URLFull(req.URL.String()),
		),
	)
	sent := req.WithContext(ctx)
	sent.Header = maps.Clone(req.Header)
	h.propagator.Inject(ctx, propagation.HeaderCarrier(sent.Header))

	resp, err := h.base.RoundTrip(sent)
	b := &handWrittenBody{h: h, ctx: ctx, span: span, started: started}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		if h.measured {
			b.attributes = attribute.NewSet(
				semconv.HTTPRequestMethodKey.String(req.Method),
				semconv.ServerAddress(host),
				semconv.ServerPort(port),
				semconv.ErrorType(err),
			)
		}
		b.end()
		return nil, err
	}
	version := protocolVersion(resp)
	if span.IsRecording() {
		span.SetAttributes(
			semconv.HTTPResponseStatusCode(resp.StatusCode),
			semconv.NetworkProtocolVersion(version),
		)
		if resp.StatusCode >= 400 {
			span.SetStatus(codes.Error, "")
		}
	}
	if h.measured {
		b.attributes = h.set(measuredAs{req.Method, host, version, port, resp.StatusCode})
	}
	if resp.Body == http.NoBody {
		b.end()
		return resp, nil
	}
	b.ReadCloser, resp.Body = resp.Body, b
	return resp, nil
}

func (h *handWritten) set(m measuredAs) attribute.Set {
	if set, ok := h.sets.Load(m); ok {
		return set.(attribute.Set)
	}
	set := attribute.NewSet(
		semconv.HTTPRequestMethodKey.String(m.method),
		semconv.ServerAddress(m.host),
		semconv.ServerPort(m.port),
		semconv.HTTPResponseStatusCode(m.status),
		semconv.NetworkProtocolVersion(m.version),
	)
	h.sets.Store(m, set)
	return set
}

// handWrittenBody ends the span and records the duration at its end.
type handWrittenBody struct {
	io.ReadCloser
	h          *handWritten
	ctx        context.Context
	span       trace.Span
	started    time.Time
	attributes attribute.Set // of the duration
	ended      bool
}

func (b *handWrittenBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		if err != io.EOF {
			b.span.SetStatus(codes.Error, err.Error())
		}
		b.end()
	}
	return n, err
}

func (b *handWrittenBody) Close() error {
	b.end()
	return b.ReadCloser.Close()
}

func (b *handWrittenBody) end() {
	if b.ended {
		return
	}
	b.ended = true
	if b.h.measured {
		b.h.duration.RecordSet(b.ctx, time.Since(b.started).Seconds(), b.attributes)
	}
	b.span.End()
}

func server(u *url.URL) (host string, port int) {
	switch written := u.Port(); {
	case written != "":
		port, _ = strconv.Atoi(written) // url.Parse accepts only digits
	case u.Scheme == "http":
		port = 80
	default:
		port = 443
	}
	return u.Hostname(), port
}

func protocolVersion(resp *http.Response) string {
	if resp.ProtoMajor == 2 {
		return "2"
	}
	return strings.TrimPrefix(resp.Proto, "HTTP/")
}

// must returns the instrument. The SDK rejects none of these.
func must[T any](instrument T, err error) T {
	if err != nil {
		panic(err)
	}
	return instrument
}
