package otelhttpclient_test

import (
	"net/http"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// a redirect whose target has the same path and method elsewhere (http -> https, www), below, with the caller's retries
func TestRedirectBelowToTheSamePath(t *testing.T) {
	tel := oteltest.New(t)
	second := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {})
	first := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second.URL+r.URL.Path, http.StatusPermanentRedirect)
	})
	client := &http.Client{Transport: instrumented.Transport(tel, first.Client().Transport)}
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(r *http.Request) (*http.Response, error) { return client.Do(r) }))
	oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), "GET", first.URL+"/a", nil))
	m := map[int64]int{}
	for _, c := range resendCounts(tel) {
		m[c]++
	}
	if m[0] != 1 || m[1] != 1 {
		t.Error(resendCounts(tel))
	}
	for _, s := range tel.Spans() {
		t.Log(oteltest.Attributes(s.Attributes)["url.full"].AsString(), s.Parent.SpanID(), s.SpanContext.SpanID())
	}
}
