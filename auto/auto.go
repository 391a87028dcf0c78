// Package auto traces the requests that a program sends through the default
// transport. Import it for its side effect:
//
//	import _ "github.com/otelhttpclient/otelhttpclient/auto"
//
// At start-up it calls [otelhttpclient.InstrumentDefault], which traces requests
// through [net/http.DefaultTransport]: http.Get and the like, and every client with a
// nil Transport. Environment variables configure it: see the documentation of
// package otelhttpclient. If the default transport cannot be instrumented, the
// error is reported to [otel.Handle] and nothing is changed.
//
// It is not zero-code instrumentation: the program must install a
// TracerProvider, a MeterProvider and a propagator, at any time. Until then,
// nothing is recorded or injected. A span's parent is the span in the request's
// context. http.Get takes no context, so its spans have no parent.
//
// Clients with their own transport, such as those of libraries that clone the
// default, and OpenTelemetry exporters are not traced. An exporter that sends
// through the default transport from a goroutine of its own is not recognized
// and is traced: give it a clone of the default transport, or exclude its URL
// with OTEL_GO_EXCLUDED_URLS. [otelhttpclient.InstrumentDefault] describes
// both.
package auto

import (
	"go.opentelemetry.io/otel"

	"github.com/otelhttpclient/otelhttpclient"
)

func init() { instrument() }

func instrument() {
	if _, err := otelhttpclient.InstrumentDefault(); err != nil {
		otel.Handle(err)
	}
}
