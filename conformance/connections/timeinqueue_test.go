package connections

import (
	"context"
	"net/http"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

const timeInQueue = string(otelhttpclient.MetricRequestTimeInQueue)

// The time in the queue is measured for unsampled requests too.
func TestTimeInQueue(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		server := oteltest.NewServer(t, version, oteltest.Handler(http.StatusOK, "fine"))
		tel := oteltest.NewSampled(t, sdktrace.NeverSample())
		rt := instrumented.Transport(tel, server.Base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestTimeInQueue))
		oteltest.Get(t, t.Context(), rt, server.URL)
		point := tel.Seconds(timeInQueue)
		a := point.Attributes.ToSlice()
		oteltest.WantKeys(t, timeInQueue, a, "http.request.method", "server.address", "server.port", "network.protocol.version", "url.scheme")
		oteltest.WantAttribute(t, a, "network.protocol.version", version)
		if point.Count != 1 || point.Sum <= 0 || len(point.Bounds) == 0 || point.Bounds[0] != 0.001 {
			t.Errorf("time in queue: got %d of %v s, buckets %v, want one above 0 and buckets from 1 ms", point.Count, point.Sum, point.Bounds)
		}
	})
}

// An exhausted pool shows, even if a request never obtains a connection.
func TestTimeInQueueOfAnExhaustedPool(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Stall(true))
	base := server.Base.Clone()
	base.MaxConnsPerHost = 1
	defer base.CloseIdleConnections()
	tel := oteltest.New(t)
	rt := instrumented.Transport(tel, base, otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestTimeInQueue))

	holding, release := context.WithCancel(t.Context())
	resp := oteltest.Open(t, rt, oteltest.NewRequest(t, holding, "GET", server.URL, nil))
	const wait = 30 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	if err := oteltest.TryGet(ctx, rt, server.URL); err == nil {
		t.Error("second request: got no error, want one")
	}
	point := tel.Seconds(timeInQueue)
	oteltest.WantAttribute(t, point.Attributes.ToSlice(), "network.protocol.version", nil)
	if point.Count != 1 || point.Sum < wait.Seconds() {
		t.Errorf("time in queue: got %d of %v s, want one of at least %v s", point.Count, point.Sum, wait.Seconds())
	}
	release()
	oteltest.Discard(resp)
}

func TestTimeInQueueIsOptIn(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	oteltest.Get(t, t.Context(), instrumented.Transport(tel, server.Base, otelhttpclient.WithConnectionTimings()), server.URL)
	if got := tel.MetricNames(); got[timeInQueue] {
		t.Errorf("metrics: got %v, want none of the time in the queue", got)
	}
}

// The template is on the time in the queue where it is on the duration.
func TestTimeInQueueByTemplate(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	for _, optIn := range []bool{false, true} {
		opts, want := []otelhttpclient.Option{otelhttpclient.WithOptInMetrics(otelhttpclient.MetricRequestTimeInQueue)}, any(nil)
		if optIn {
			opts, want = append(opts, otelhttpclient.WithOptInAttributes("url.template")), "/items/{sku}"
		}
		tel := oteltest.New(t)
		ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}")
		oteltest.Get(t, ctx, instrumented.Transport(tel, server.Base, opts...), server.URL)
		oteltest.WantAttribute(t, tel.DurationAttributes(), "url.template", want)
		point := tel.Seconds(timeInQueue)
		oteltest.WantAttribute(t, point.Attributes.ToSlice(), "url.template", want)
	}
}
