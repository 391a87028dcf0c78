package otelhttpclient_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

func TestDNSLookupDuration(t *testing.T) {
	lookups := otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration)
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
		base := server.Base.Clone()
		if base.TLSClientConfig != nil {
			base.TLSClientConfig.ServerName = server.Host()
		}
		defer base.CloseIdleConnections()
		tel := oteltest.New(t)
		url := strings.Replace(server.URL, server.Host(), "localhost", 1)
		rt := instrumented.Transport(tel, base, lookups)
		for range 2 { // the second on the same connection
			oteltest.Get(t, t.Context(), rt, url)
		}
		point := tel.Seconds("dns.lookup.duration")
		oteltest.WantKeys(t, "dns.lookup.duration", point.Attributes.ToSlice(), "dns.question.name")
		oteltest.WantAttribute(t, point.Attributes.ToSlice(), "dns.question.name", "localhost")
		if point.Count != 1 || point.Sum <= 0 {
			t.Errorf("lookups: got %d of %v s, want one above 0", point.Count, point.Sum)
		}
	})
}

func TestFailedDNSLookup(t *testing.T) {
	for want, failure := range map[string]error{
		"host_not_found": &net.DNSError{IsNotFound: true},
		"timeout":        &net.DNSError{IsTimeout: true},
		"try_again":      &net.DNSError{IsTemporary: true},
		"_OTHER":         errors.New("no resolver"),
	} {
		t.Run(want, func(t *testing.T) {
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				trace := httptrace.ContextClientTrace(req.Context())
				trace.DNSStart(httptrace.DNSStartInfo{Host: req.URL.Host})
				trace.DNSDone(httptrace.DNSDoneInfo{Err: failure})
				return nil, failure
			})
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration))
			if err := oteltest.TryGet(t.Context(), rt, "http://shop.invalid/"); err == nil {
				t.Fatal("request: got no error, want one")
			}
			point := tel.Seconds("dns.lookup.duration")
			oteltest.WantAttribute(t, point.Attributes.ToSlice(), "error.type", want)
		})
	}
}

func TestDNSLookupIsOptIn(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, server.Base), strings.Replace(server.URL, server.Host(), "localhost", 1))
	if _, ok := tel.Metric("dns.lookup.duration"); ok {
		t.Error("dns.lookup.duration is recorded, want it on request only")
	}
}
