package connections

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestLookupDuration(t *testing.T) {
	hideHost := otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
		if u.Host == "tenant.example:8080" {
			u.Host = "hidden.example:8080"
		}
		return u
	})
	rows := []struct {
		name      string
		lookedUp  string
		err       error
		opt       otelhttpclient.Option
		wantName  string
		wantError string
		reason    string
	}{
		{"found", "tenant.example", nil, nil, "tenant.example", "", ""},
		{"not found", "tenant.example", &net.DNSError{IsNotFound: true}, nil, "tenant.example", "host_not_found", ""},
		{"timeout", "tenant.example", &net.DNSError{IsTimeout: true}, nil, "tenant.example", "timeout", ""},
		{"temporary", "tenant.example", &net.DNSError{IsTemporary: true}, nil, "tenant.example", "try_again", ""},
		{"other error", "tenant.example", errors.New("other"), nil, "tenant.example", "_OTHER", ""},
		{"hidden host", "tenant.example", nil, hideHost, "hidden.example", "", "every metric has the host that the filter returns"},
		{"hidden host in other case", "Tenant.example", nil, hideHost, "hidden.example", "", "names are not case-sensitive"},
		{"proxy", "proxy.example", nil, hideHost, "proxy.example", "", "the filter does not change it"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tel := oteltest.New(t)
			rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				reports := httptrace.ContextClientTrace(req.Context())
				reports.DNSStart(httptrace.DNSStartInfo{Host: row.lookedUp})
				reports.DNSDone(httptrace.DNSDoneInfo{Err: row.err})
				return oteltest.Reply(req, http.StatusOK, http.NoBody), nil
			}), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration), row.opt)
			oteltest.Get(t, t.Context(), rt, "http://tenant.example:8080/")

			m, _ := tel.Metric("dns.lookup.duration")
			data, _ := m.Data.(metricdata.Histogram[float64])
			if len(data.DataPoints) != 1 {
				t.Fatalf("%d points, want one", len(data.DataPoints))
			}
			want := []attribute.KeyValue{attribute.String("dns.question.name", row.wantName)}
			if row.wantError != "" {
				want = append(want, attribute.String("error.type", row.wantError))
			}
			if got, want := data.DataPoints[0].Attributes, attribute.NewSet(want...); !got.Equals(&want) {
				t.Errorf("attributes = %v, want %v: %s", got.ToSlice(), want.ToSlice(), row.reason)
			}
		})
	}
}

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

func TestDNSLookupIsOptIn(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, server.Base), strings.Replace(server.URL, server.Host(), "localhost", 1))
	if _, ok := tel.Metric("dns.lookup.duration"); ok {
		t.Error("dns.lookup.duration is recorded, want it on request only")
	}
}

// A lookup that outlasts its request has the host that the filter returned for it, even
// if the caller has reused the request for another host.
func TestLateLookupHasHostOfItsRequest(t *testing.T) {
	tel := oteltest.New(t)
	ended, late := make(chan struct{}), make(chan struct{})
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		reports := httptrace.ContextClientTrace(req.Context())
		reports.GetConn("tenant.example:80")
		reports.DNSStart(httptrace.DNSStartInfo{Host: "tenant.example"})
		go func() {
			defer close(late)
			<-ended
			reports.DNSDone(httptrace.DNSDoneInfo{})
		}()
		return nil, errors.New("canceled")
	}), otelhttpclient.WithOptInMetrics(otelhttpclient.MetricDNSLookupDuration), otelhttpclient.WithURLFilter(func(u *url.URL) *url.URL {
		u.Host = "hidden.example"
		return u
	}))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://tenant.example/", nil)
	if _, err := oteltest.Send(rt, req); err == nil {
		t.Error("RoundTrip() = nil error, want base's own")
	}
	req.URL.Host = "other.example"
	close(ended)
	oteltest.Within(t, "the end of the lookup", late)
	point := tel.Seconds("dns.lookup.duration")
	oteltest.WantAttribute(t, point.Attributes.ToSlice(), "dns.question.name", "hidden.example")
}
