// Package otelhttp has the client side of the API of
// go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp, implemented by
// [otelhttpclient]. To migrate a program that uses the original only for
// clients, change the import path.
//
// The differences in behavior are those of the two libraries; docs/migration.md
// in the repository lists them. The documentation of each function here says what
// differs in that function. Nil options, and options with a nil argument, change
// nothing, and panics in callbacks do not reach the caller.
//
// # Moving on to otelhttpclient
//
// With Go 1.26 or later, these commands replace the names of this package with
// those of otelhttpclient, and remove the import:
//
//	go fix -inline -tags=otelhttp_options ./...
//	go fix -inline ./...
//
// The first moves the options and types, the second NewTransport. One command is
// not enough: go fix cannot inline a call and a call in its arguments in one run.
// It then prints "applied 1 of 4 fixes", but changes nothing in that package, however
// often it is run (https://go.dev/issue/77482). The build tag excludes NewTransport
// from the first run. If other calls are nested, such as a conversion to Filter in
// WithFilter, run this command until it prints nothing:
//
//	go run golang.org/x/tools/go/analysis/passes/inline/cmd/inline@v0.52.0 -fix ./...
//
// Review the diff. Inlining drops the comments within the arguments of a call,
// and joins their lines. It does not change:
//   - [DefaultClient], [Get], [Head], [Post], [PostForm], [Labeler], and the package
//     filters, which have no equivalent in otelhttpclient
//   - functions that are used as values
//   - a [WithSpanNameFormatter] whose argument is a call. It wraps a function literal
//     in another one, which can be simplified by hand.
//
// # Programs with servers
//
// Keep the original for handlers. A file with both needs both imports:
//
//	import (
//		"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
//
//		client "github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
//	)
//
//	handler := otelhttp.NewHandler(mux, "api", otelhttp.WithPropagators(p))
//	transport := client.NewTransport(nil, client.WithPropagators(p))
//
// The two Option types differ. Split a slice of options for a handler and a
// transport in two.
package otelhttp
