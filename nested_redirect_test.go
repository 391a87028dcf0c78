package otelhttpclient_test

import (
	"net/http"
	"testing"
)

// a redirect whose target has the same path and method elsewhere (http -> https, www), below, with the caller's retries
func TestRedirectBelowToTheSamePath(t *testing.T) {
	tel := newTelemetry(t)
	second := newServer(t, func(w http.ResponseWriter, r *http.Request) {})
	first := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second.URL+r.URL.Path, http.StatusPermanentRedirect)
	})
	client := &http.Client{Transport: tel.transport(first.Client().Transport)}
	rt := tel.transport(roundTripFunc(func(r *http.Request) (*http.Response, error) { return client.Do(r) }))
	mustExchange(t, rt, newConventionsRequest(t, t.Context(), "GET", first.URL+"/a", nil))
	m := map[int64]int{}
	for _, c := range resendCounts(tel) {
		m[c]++
	}
	if m[0] != 1 || m[1] != 1 {
		t.Error(resendCounts(tel))
	}
	for _, s := range tel.spans() {
		t.Log(attrs(s.Attributes)["url.full"].AsString(), s.Parent.SpanID(), s.SpanContext.SpanID())
	}
}
