package defaultroute

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/defaultroute/http2"
)

// net/http sets up HTTP/2 on a transport at its first use, in three places: a
// RoundTripper for https, TLSNextProto, and the protocols offered to servers.
// Clone copies only the last two. With the functions here, the front and its clones
// use HTTP/2 whenever the original does.

// enableHTTP2 changes the front so that net/http sets up HTTP/2 on its clones,
// including the protocols to offer. Without it, a clone without ForceAttemptHTTP2,
// or with HTTP/2 disabled later, would obtain an HTTP/2 connection and send
// HTTP/1.1 on it.
func enableHTTP2(front *http.Transport) {
	front.ForceAttemptHTTP2 = true
	if c := front.TLSClientConfig; c != nil {
		c.NextProtos = slices.DeleteFunc(slices.Clone(c.NextProtos), func(proto string) bool {
			return proto == "h2" || proto == "http/1.1"
		})
	}
}

// httpsRoute is registered for https. net/http treats a struct of one exported field
// with a method CloseIdleConnections as an HTTP/2 implementation: it does not set up
// its own on the front, and calls CloseIdleConnections.
type httpsRoute struct{ Route *route }

func (r httpsRoute) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.Route.RoundTrip(req)
}

// replaceHTTPSRoute replaces the httpsRoute by a type that http.Client recognizes.
// It must run at the first request, after net/http has examined the httpsRoute.
func (r *route) replaceHTTPSRoute() {
	replaceProtocol(r.front, "https", &http2.Transport{RoundTripper: r})
}

// replaceable reports whether a RoundTripper registered for http or https can be
// dropped: it is an HTTP/2 implementation, whose settings Clone copies, or the
// route of a default transport that is no longer instrumented.
func replaceable(rt http.RoundTripper) bool {
	switch rt.(type) {
	case *http2.Transport, httpsRoute:
		return true
	}
	fresh := &http.Transport{ForceAttemptHTTP2: true}
	fresh.Clone() // makes net/http set up HTTP/2
	t := reflect.TypeOf(rt)
	return t == reflect.TypeOf(registeredProtocols(fresh)["https"]) || strings.HasSuffix(t.PkgPath(), "golang.org/x/net/http2")
}
