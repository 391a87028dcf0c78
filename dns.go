package otelhttpclient

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
)

// watchLookups returns hooks that measure DNS lookups. A lookup may outlast its
// request: a dial continues when another connection is obtained.
func (m *instruments) watchLookups(ctx context.Context) *httptrace.ClientTrace {
	var mu sync.Mutex
	var host string
	var started time.Time
	return &httptrace.ClientTrace{
		DNSStart: func(info httptrace.DNSStartInfo) {
			mu.Lock()
			defer mu.Unlock()
			host, started = info.Host, time.Now()
		},
		DNSDone: func(info httptrace.DNSDoneInfo) {
			mu.Lock()
			name, start := host, started
			mu.Unlock()
			if start.IsZero() {
				return
			}
			a := []attribute.KeyValue{semconv.DNSQuestionName(name)}
			if info.Err != nil {
				a = append(a, errorTypeKey.String(lookupErrorType(info.Err)))
			}
			m.config.guard.call("measurement of a DNS lookup", func() {
				m.dnsLookup.Record(ctx, time.Since(start).Seconds(), metric.WithAttributes(a...))
			})
		},
	}
}

// lookupErrorType returns the value of error.type for a failed lookup.
func lookupErrorType(err error) string {
	var e *net.DNSError
	switch {
	case !errors.As(err, &e):
		return errortype.Other
	case e.IsNotFound:
		return "host_not_found"
	case e.IsTimeout:
		return errortype.Timeout
	case e.IsTemporary:
		return "try_again"
	}
	return errortype.Other
}
