package exporters

import "testing"

func TestExports(t *testing.T) {
	const sdk = "go.opentelemetry.io/otel/sdk/"
	for _, row := range []struct {
		caller, callee string
		want           bool
		reason         string
	}{
		{sdk + "trace.(*batchSpanProcessor).exportSpans", "example.com/zipkin.(*Exporter).ExportSpans", true, "spans"},
		{sdk + "trace.(*batchSpanProcessor).Shutdown.func1.1", "example.com/zipkin.(*Exporter).Shutdown", true, "end of an exporter"},
		{sdk + "trace.(*recordingSpan).End", "example.com.(*processor).OnEnd", true, "an application's processor that exports"},
		{sdk + "trace.(*tracer).newSpan", "example.com.(*sampler).ShouldSample", true, "a sampler's requests would be sampled"},
		{"example.com/zipkin.(*Exporter).ExportSpans.func1", "net/http.(*Client).Do", true, "goroutine of an exporter's method"},
		{"example.com/queue.(*exporter).ExportSpans-fm", "", true, "method value"},
		{sdk + "metric.(*PeriodicReader).collectAndExport", "example.com.(*Exporter).Export", true, "metrics"},
		{sdk + "metric.(*PeriodicReader).ForceFlush", "example.com.(*Exporter).ForceFlush", true, "metrics"},
		{sdk + "log.(*SimpleProcessor).OnEmit", "example.com.(*Exporter).Export", true, "logs"},
		{sdk + "log.(*logger).Emit", "example.com.(*processor).OnEmit", true, "an application's processor of logs"},
		{sdk + "profile.(*reader).run", "example.com.(*Exporter).Export", true, "an SDK to come"},

		{sdk + "metric.(*pipeline).produce", "example.com.gauge.func1", false, "an application's callback"},
		{sdk + "metric.(*PeriodicReader).collectAndExport", sdk + "metric.(*PeriodicReader).Collect", false, "the SDK's own functions"},
		{sdk + "metric.(*PeriodicReader).Shutdown", sdk + "metric.(*ManualReader).Shutdown", false, "the SDK's own method"},
		{sdk + "resource.detect", "example.com.(*detector).Detect", false, "a resource's detector sends no telemetry"},
		{sdk + "trace/tracetest.(*SpanRecorder).OnEnd", "example.com.f", false, "a package of its own"},
		{"example.com.(*Reports).ExportSpansAsCSV", "net/http.(*Client).Do", false, "another method of an application"},
		{"example.com.(*Reports).Export", "net/http.(*Client).Do", false, "a method of an application"},
		{"example.com.(*queue).ForceFlush", "example.com.send", false, "a method of an application"},
		{"go.opentelemetry.io/otel/trace.Start", "example.com.f", false, "the API"},
		{"main.main", "", false, ""},
		{"", "", false, "unknown function"},
	} {
		if got := exports(row.caller, row.callee); got != row.want {
			t.Errorf("%s calls %s (%s): got %v, want %v", row.caller, row.callee, row.reason, got, row.want)
		}
	}
}

type exporter struct{}

func (exporter) ExportSpans() (direct, nested, elsewhere bool) {
	direct = onStack()
	func() { nested = deep(40) }()
	done := make(chan struct{})
	go func() { elsewhere = onStack(); close(done) }()
	<-done
	return direct, nested, elsewhere
}

func deep(n int) bool {
	if n == 0 {
		return onStack()
	}
	return deep(n - 1)
}

func TestOnStack(t *testing.T) {
	for range 2 { // the second time from the cache
		if direct, nested, elsewhere := (exporter{}).ExportSpans(); !direct || !nested || !elsewhere {
			t.Errorf("in an exporter: got %v, in a helper %v, in a goroutine %v, want true", direct, nested, elsewhere)
		}
		if onStack() || deep(100) {
			t.Error("in no exporter: got true, want false")
		}
	}
	if got := testing.AllocsPerRun(100, func() { onStack() }); got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

// An exporter that shares its endpoint with the application is found after a while, and
// then every time.
func TestSend(t *testing.T) {
	if CalledBySDK("application.example", "/") {
		t.Error("in no exporter: got true, want false")
	}
	var e sender
	if !e.ExportSpans("collector.example") {
		t.Error("in an exporter, to a endpoint of its own: got false, want true at once")
	}
	for n := 0; !e.ExportSpans("application.example"); n++ {
		if n > 100*probeEvery {
			t.Fatal("in an exporter, to the application's endpoint: not found")
		}
	}
	for range 1000 {
		if !e.ExportSpans("application.example") {
			t.Fatal("in an exporter, to an endpoint that exporters use: got false, want true")
		}
		if CalledBySDK("application.example", "/") {
			t.Fatal("in no exporter, to an endpoint that exporters use: got true, want false")
		}
	}
}

type sender struct{}

func (sender) ExportSpans(host string) bool { return CalledBySDK(host, "/") }

func BenchmarkSend(b *testing.B) {
	for b.Loop() {
		CalledBySDK("application.example", "/")
	}
}

func BenchmarkOnStack(b *testing.B) {
	for b.Loop() {
		onStack()
	}
}
