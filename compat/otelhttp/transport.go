package otelhttp

import "github.com/otelhttpclient/otelhttpclient"

// ScopeName is the name of the instrumentation scope of all spans and metrics. It
// is not the original's: a View or a dashboard that selects by scope name must
// select this one.
//
//go:fix inline
const ScopeName = otelhttpclient.ScopeName

// Version is the version of the instrumentation, as spans and metrics carry it.
//
//go:fix inline
const Version = otelhttpclient.Version

// Transport is an [http.RoundTripper] that traces and measures requests. The zero
// Transport works like NewTransport(nil).
//
// A type assertion to the original's *Transport does not recognize it.
//
//go:fix inline
type Transport = otelhttpclient.Transport
