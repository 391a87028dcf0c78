package nested

import (
	"net/http"
	"runtime"
	"sync"
	"weak"

	"github.com/otelhttpclient/otelhttpclient/internal/redact"
)

// net/http links a redirected request to the response that caused it, and that
// to its request: counting the links gives the number of redirects. A base other
// than net/http's may leave Response.Request nil, or set it to a request that it
// built anew. The response must not change, as programs may see it. So what the
// link would say is kept beside the response until it is freed.

// redirectsKept maps weak pointers to responses to what is known of their
// requests.
var redirectsKept sync.Map // weak.Pointer[http.Response] to redirect

// redirect is the request that a redirect answers.
type redirect struct {
	redirects int // that led to it
	path      string
}

// KeepRedirect keeps what is known about the request of a redirect, unless the
// response has it.
func KeepRedirect(resp *http.Response, req *http.Request) {
	if resp == nil || resp.StatusCode/100 != 3 || resp.Header.Get("Location") == "" {
		return
	}
	r := redirect{redirects: redirects(req)}
	if resp.Request != nil && redirects(resp.Request) >= r.redirects {
		return
	}
	if u := redact.Wire(req.URL); u != nil {
		r.path = u.Path
	}
	key := weak.Make(resp)
	if _, kept := redirectsKept.Swap(key, r); !kept {
		runtime.AddCleanup(resp, func(key weak.Pointer[http.Response]) { redirectsKept.Delete(key) }, key)
	}
}

func keptRedirect(resp *http.Response) (r redirect, kept bool) {
	v, kept := redirectsKept.Load(weak.Make(resp))
	if kept {
		r = v.(redirect)
	}
	return r, kept
}

// MostRedirects limits how far a chain of redirects is followed.
const MostRedirects = 1000

// redirects returns how many redirects led to a request.
func redirects(req *http.Request) (n int) {
	for req != nil && req.Response != nil && n < MostRedirects {
		n++
		if r, kept := keptRedirect(req.Response); kept {
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
	r, kept := keptRedirect(req.Response)
	if from := req.Response.Request; !kept {
		if from == nil {
			return false
		}
		u := redact.Wire(from.URL)
		if u == nil {
			return true
		}
		r.path = u.Path
	}
	return req.URL == nil || req.URL.Path != r.path
}
