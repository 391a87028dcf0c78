// Package callback runs code from outside the library and recovers its panics, so
// that they do not reach the request. It is given the redaction policy for its
// reports. It does not know requests or spans.
package callback

import (
	"fmt"
	"reflect"

	"go.opentelemetry.io/otel"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// Guard runs code from outside the library: callbacks of the application, and
// implementations of OpenTelemetry's interfaces. A panic in it is reported to
// otel.Handle and does not reach the request, as the specification's error
// handling principles require.
type Guard struct{ policy *redact.Policy }

// New returns a Guard whose reports are redacted with the policy.
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

// report sends the panic's text, which may quote a URL, redacted to otel.Handle.
func (g Guard) report(what string, v any) {
	defer func() { _ = recover() }() // an error handler may panic, too
	otel.Handle(fmt.Errorf("otelhttpclient: %s panicked: %s", what, g.policy.Text(panicText(v))))
}

// panicText formats the value of a panic as the runtime does: only the type of
// composite values. With a value that refers to itself, fmt would recurse until
// the stack overflows; it would also race with goroutines that change the value.
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
