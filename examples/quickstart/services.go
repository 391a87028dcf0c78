package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// service is an HTTP server that records a SERVER span per request. It does so by hand, in place of
// server instrumentation, to show how the header is received.
type service struct {
	*httptest.Server
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator

	mu       sync.Mutex
	received map[trace.SpanID]http.Header
}

func startInventory(provider trace.TracerProvider, propagator propagation.TextMapPropagator) *service {
	return startService(provider, propagator, map[string]http.HandlerFunc{
		"GET /items/{sku}": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(12 * time.Millisecond) // simulates looking up the item
			answer(w, `{"sku":%q,"name":"Enamel mug"}`, r.PathValue("sku"))
		},
		"GET /stock/{sku}": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(30 * time.Millisecond) // simulates counting
			answer(w, `{"sku":%q,"stock":7}`, r.PathValue("sku"))
		},
	})
}

func startPricing(provider trace.TracerProvider, propagator propagation.TextMapPropagator) *service {
	var offers atomic.Int64
	return startService(provider, propagator, map[string]http.HandlerFunc{
		"GET /prices/{sku}": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(8 * time.Millisecond) // simulates calculating a price
			answer(w, `{"sku":%q,"price":"12.50","currency":"EUR"}`, r.PathValue("sku"))
		},
		"GET /offers/{sku}": func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(5 * time.Millisecond)
			if offers.Add(1)%3 != 0 {
				http.Error(w, "try again", http.StatusServiceUnavailable)
				return
			}
			answer(w, `{"sku":%q,"discount":"10%%"}`, r.PathValue("sku"))
		},
	})
}

func answer(w http.ResponseWriter, format string, args ...any) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, format+"\n", args...)
}

func startService(provider trace.TracerProvider, propagator propagation.TextMapPropagator, routes map[string]http.HandlerFunc) *service {
	s := &service{tracer: provider.Tracer(scope), propagator: propagator, received: map[trace.SpanID]http.Header{}}
	mux := http.NewServeMux()
	for pattern, handler := range routes {
		mux.Handle(pattern, s.traced(handler))
	}
	s.Server = httptest.NewServer(mux)
	return s
}

// refusingAddr returns an address that refuses connections until release is called. It is the local
// address of an open connection, so no other process can listen there. The address of a closed listener
// could be reused.
func refusingAddr() (addr string, release func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return "", nil, err
	}
	return conn.LocalAddr().String(), func() { conn.Close() }, nil
}

// traced records a SERVER span around next. Its parent is the CLIENT span in the request's traceparent
// header; nothing else links the two processes.
func (s *service) traced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := s.propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		_, route, _ := strings.Cut(r.Pattern, " ")
		ctx, span := s.tracer.Start(ctx, r.Pattern,
			trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(
				attribute.String("http.request.method", r.Method),
				attribute.String("http.route", route),
				attribute.String("url.scheme", "http"),
				attribute.String("url.path", r.URL.Path), // not the query, which may contain secrets
			))
		defer span.End()
		s.mu.Lock()
		s.received[span.SpanContext().SpanID()] = r.Header.Clone()
		s.mu.Unlock()

		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r.WithContext(ctx))

		span.SetAttributes(attribute.Int("http.response.status_code", recorder.status))
		if recorder.status >= 500 {
			span.SetStatus(codes.Error, "")
		}
	})
}

// receivedBy returns the headers of the request of a SERVER span, or nil.
func (s *service) receivedBy(id trace.SpanID) http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received[id]
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
