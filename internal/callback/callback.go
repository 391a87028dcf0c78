// Package callback runs code that is not the library's, and keeps its panics from
// the request. It is given the redaction policy for its reports. It knows nothing
// of requests and spans.
package callback

import (
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// Guard runs code that is not this library's: callbacks of the application, and
// what stands behind OpenTelemetry's interfaces. A panic in it is reported to
// otel.Handle and does not reach the request, as the specification's error
// handling principles require.
type Guard struct{ policy *redact.Policy }

// New returns a Guard that redacts its reports by a policy.
func New(policy *redact.Policy) Guard { return Guard{policy} }

// Call runs f and reports whether it returned. If f calls runtime.Goexit, Call
// does not return either.
func (g Guard) Call(what string, f func()) (returned bool) {
	defer func() {
		if v := recover(); v != nil {
			g.report(what, v)
		}
	}()
	f()
	return true
}

// report redacts the panic's text, which may quote a URL.
func (g Guard) report(what string, v any) {
	defer func() { _ = recover() }() // an error handler may panic, too
	otel.Handle(fmt.Errorf("otelhttpclient: %s panicked: %s", what, g.policy.Text(panicText(v))))
}

// panicText formats a panic's value like the runtime does, with only the type
// of composite values. fmt would follow a value that refers to itself until the
// stack overflows, and would race with goroutines that change the value.
func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case string:
		return v
	}
	switch t := reflect.TypeOf(v); t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return fmt.Sprint(v)
	default:
		return "a value of type " + t.String()
	}
}

// UnlessReturns runs f. If f panics or calls runtime.Goexit, it runs otherwise,
// and the panic continues.
func UnlessReturns(f, otherwise func()) {
	returned := false
	defer func() {
		if !returned {
			otherwise()
		}
	}()
	f()
	returned = true
}
