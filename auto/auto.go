// Package auto traces a whole program. Import it for its side effect:
//
//	import _ "github.com/otelhttpclient/otelhttpclient/auto"
//
// At start-up it calls [otelhttpclient.InstrumentDefault], which traces requests
// through [net/http.DefaultTransport]: http.Get and the like, and every client with a
// nil Transport. Environment variables configure it: see the documentation of
// package otelhttpclient. If the default transport cannot be instrumented, the
// error is reported to [otel.Handle] and nothing is changed.
//
// Spans are exported once the program installs a TracerProvider, at any time.
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
