package otelhttpclient

import (
	"errors"
	"net"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// watchLookups returns hooks that measure DNS lookups. A lookup may outlast its
// request: a dial continues when another connection is obtained.
func (x *exchange) watchLookups() *httptrace.ClientTrace {
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
			duration := time.Since(start)
			x.in.guard.Call("measurement of a DNS lookup", func() {
				a := []attribute.KeyValue{semconv.DNSQuestionName(foreign.Copy(x.recordedName(name)))}
				if info.Err != nil {
					a = append(a, errorTypeKey.String(lookupErrorType(info.Err)))
				}
				x.meter.dnsLookup.Record(&x.context, duration.Seconds(), metric.WithAttributes(a...))
			})
		},
	}
}

// recordedName returns what is recorded of a name that is looked up. If a URL
// filter changes the host of the request, it is the host that the filter returns.
func (x *exchange) recordedName(name string) string {
	target := redact.Wire(x.connection.aimedAt())
	if target == nil || len(x.in.urlFilters) == 0 {
		return name
	}
	if host, _ := hostport.Split(target.Host, ""); !strings.EqualFold(host, name) {
		return name // of a proxy, or of another server
	}
	if filtered := x.in.filterURL(target); filtered != nil && filtered.Host != target.Host {
		name, _ = hostport.Split(filtered.Host, "")
	}
	return name
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
