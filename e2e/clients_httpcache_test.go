package e2e

import (
	"io"
	"net/http"
	"testing"

	"github.com/gregjones/httpcache"
)

// TestHTTPCache: users depend on X-From-Cache, on responses that are stored once their body is read to the end,
// and on 304s that the cache turns into the stored response. The Transport may be below the cache, where it
// traces requests that are sent, or above it.
func TestHTTPCache(t *testing.T) {
	const below, above = false, true
	use := func(tracedAbove bool, paths ...string) func(*clientRun) {
		return func(r *clientRun) {
			cache := httpcache.NewMemoryCacheTransport()
			var rt http.RoundTripper = cache
			if tracedAbove {
				cache.Transport = newBase(r.t)
				rt = r.wrap(cache)
			} else {
				cache.Transport = r.transport()
			}
			client := &http.Client{Transport: rt, Timeout: patience}
			for _, path := range paths {
				req, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.url+path, nil)
				if err != nil {
					r.t.Fatal(err)
				}
				resp, err := client.Do(req)
				fromCache := ""
				if err == nil {
					fromCache = resp.Header.Get(httpcache.XFromCache)
				}
				text, err := readResponse(resp, err)
				if err != nil {
					r.failed(err)
					continue
				}
				r.saw("%s, from cache: %q", text, fromCache)
			}
		}
	}
	serve := failFirst(0, nil, func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		switch req.URL.Path {
		case "/fresh":
			w.Header().Set("Cache-Control", "max-age=3600")
		case "/validated":
			w.Header().Set("Etag", `"1"`)
		}
		io.WriteString(w, download)
	})
	sent, stored := "200 "+download+`, from cache: ""`, "200 "+download+`, from cache: "1"`
	runClientTests(t, []clientTest{
		{name: "fresh, Transport below", serve: serve, use: use(below, "/fresh", "/fresh"),
			want: []string{sent, stored}, wantSpans: []string{"GET URL/fresh 200"}},
		{name: "fresh, Transport above", serve: serve, use: use(above, "/fresh", "/fresh"), wantUnsent: 1,
			want: []string{sent, stored}, wantSpans: []string{"GET URL/fresh 200", "GET URL/fresh 200"}},
		{name: "validated, Transport below", serve: serve, use: use(below, "/validated", "/validated"),
			want: []string{sent, stored}, wantSpans: []string{"GET URL/validated 200", "GET URL/validated 304"}},
		{name: "validated, Transport above", serve: serve, use: use(above, "/validated", "/validated"),
			want: []string{sent, stored}, wantSpans: []string{"GET URL/validated 200", "GET URL/validated 200"}},
		{name: "not stored", serve: serve, use: use(below, "/plain", "/plain"),
			want: []string{sent, sent}, wantSpans: []string{"GET URL/plain 200", "GET URL/plain 200"}},
	})
}
