package nested

import (
	"net/http"
	"runtime"
	"sync"
	"weak"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
)

// net/http links a redirected request to the response that caused it, and the
// response to its request: counting the links gives the number of redirects. A base
// other than net/http's may leave Response.Request nil, or set it to a new request.
// The response must not be changed, as programs may read it. So the data of the
// missing link are stored in a map until the response is freed.

// keptRedirects maps weak pointers to responses to data of their requests.
var keptRedirects sync.Map // weak.Pointer[http.Response] to redirect

// redirect has data of a request whose response is a redirect.
type redirect struct {
	redirects int // number of redirects that led to the request
	path      string
}

// KeepRedirect stores the data of a request whose response is a redirect, unless the
// response links to them.
func KeepRedirect(resp *http.Response, req *http.Request) {
	if resp == nil || resp.StatusCode/100 != 3 || resp.Header.Get("Location") == "" {
		return
	}
	r := redirect{redirects: countRedirects(req)}
	if resp.Request != nil && countRedirects(resp.Request) >= r.redirects {
		return
	}
	if u := hostport.Wire(req.URL); u != nil {
		r.path = u.Path
	}
	key := weak.Make(resp)
	if _, kept := keptRedirects.Swap(key, r); !kept {
		runtime.AddCleanup(resp, func(key weak.Pointer[http.Response]) { keptRedirects.Delete(key) }, key)
	}
}

func loadRedirect(resp *http.Response) (r redirect, kept bool) {
	v, kept := keptRedirects.Load(weak.Make(resp))
	if kept {
		r = v.(redirect)
	}
	return r, kept
}

// MostRedirects limits how far a chain of redirects is followed.
const MostRedirects = 1000

// countRedirects returns how many redirects led to a request.
func countRedirects(req *http.Request) (n int) {
	for req != nil && req.Response != nil && n < MostRedirects {
		n++
		if r, kept := loadRedirect(req.Response); kept {
			return n + r.redirects
		}
		req = req.Response.Request
	}
	return n
}

// RedirectedElsewhere reports whether the request is a redirect to another path.
func RedirectedElsewhere(req *http.Request) bool {
	if req.Response == nil {
		return false
	}
	r, kept := loadRedirect(req.Response)
	if from := req.Response.Request; !kept {
		if from == nil {
			return false
		}
		u := hostport.Wire(from.URL)
		if u == nil {
			return true
		}
		r.path = u.Path
	}
	return req.URL == nil || req.URL.Path != r.path
}
