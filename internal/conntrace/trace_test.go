package conntrace

import (
	"net"
	"net/http/httptrace"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelhttpclient/otelhttpclient/internal/callback"
	"github.com/otelhttpclient/otelhttpclient/internal/openconns"
)

// A round trip that ends while its connection is being tracked does not keep that
// active.
func TestPoolConnectionObtainedAtTheEnd(t *testing.T) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := sdkmetric.NewManualReader()
	pool := openconns.New(t, callback.Guard{})
	if err := pool.Observe(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test")); err != nil {
		t.Fatal(err)
	}
	u := &openconns.Use{Pool: pool, Counted: true}
	tracked := u.Track(httptrace.GotConnInfo{Conn: conn}, nil)
	tracked.SetVersion("1.1")
	var trace Trace
	trace.Done(false)
	trace.track(tracked)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	for _, p := range rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
		state, _ := p.Attributes.Value("http.connection.state")
		if want := map[string]int64{"idle": 1}[state.AsString()]; p.Value != want {
			t.Errorf("%s: got %d, want %d", state.AsString(), p.Value, want)
		}
	}
}
