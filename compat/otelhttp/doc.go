// Package otelhttp has the client side of the API of
// go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp, implemented by
// [otelhttpclient]. A program that uses the original for clients only moves over
// by changing the import path.
//
// The differences in behavior are those of the two libraries; docs/migration.md
// in the repository lists them. The documentation of each function here says what
// differs in that function. Nil options, and options with a nil argument, change
// nothing, and panics in callbacks do not reach the caller.
//
// # Moving on to otelhttpclient
//
// With Go 1.26 or later, these commands replace what this package declares by
// what it stands for in otelhttpclient, and remove the import:
//
//	go fix -inline -tags=otelhttp_options ./...
//	go fix -inline ./...
//
// The first moves the options and types, the second NewTransport. One command is
// not enough: go fix cannot replace a call and another call in its arguments at
// the same time. It then says "applied 1 of 4 fixes", changes nothing in that
// package, and does the same when it is run again (https://go.dev/issue/77482). The
// build tag leaves NewTransport out. Where calls are nested in another way, replace
// the inner ones by hand, or run
//
//	go run golang.org/x/tools/go/analysis/passes/inline/cmd/inline@v0.52.0 -fix ./...
//
// until it is silent.
//
// Read the resulting diff. The commands drop comments within the arguments of the
// calls that they replace, and they wrap the function literal of a
// [WithSpanNameFormatter]. They keep [DefaultClient], [Get], [Head], [Post],
// [PostForm], [Labeler], the package filters, and functions of this package that
// are used as values.
//
// # Programs with servers
//
// Handlers keep the original. A file with both takes both imports:
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
// The two Option types differ. A slice of options that is given to a handler and
// to a transport has to become two slices.
package otelhttp
