package e2e

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/exporter/otlphttpexporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// patience bounds every wait for something that ought to happen at once. It is far above what any of
// them takes, so that a busy machine does not fail a test, and far below go test's own timeout, so
// that a failure says what it waited for.
const patience = 20 * time.Second

// collector is an OpenTelemetry Collector that can be stopped and started again on the same port:
// OTLP over gRPC in, OTLP over HTTP out to a sink.
type collector struct {
	// endpoint is where the Collector listens for OTLP over gRPC, as host:port.
	endpoint string
	sinkURL  string

	mu      sync.Mutex
	running *otelcol.Collector
	// done carries what Run returned.
	done chan error
}

// startCollector starts a Collector in front of s; the test's end stops it.
func startCollector(t testing.TB, s *sink) *collector {
	t.Helper()
	c := &collector{sinkURL: s.URL}
	// The port is free when it is looked up and may be gone when the Collector wants it; what else
	// runs on the machine must not fail the test, so another one is tried.
	var err error
	for range 5 {
		c.endpoint = freePort(t)
		if err = c.run(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("the Collector did not start: %v", err)
	}
	t.Cleanup(func() { c.stop(t) })
	return c
}

// start starts a stopped Collector, on the port it had.
func (c *collector) start(t testing.TB) {
	t.Helper()
	if err := c.run(); err != nil {
		t.Fatalf("the Collector did not start again on %s: %v", c.endpoint, err)
	}
}

// stop stops the Collector and returns when it has handed everything it accepted to the sink: after
// it, what has not come is not coming. It does nothing when the Collector does not run.
func (c *collector) stop(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		return
	}
	c.running.Shutdown()
	c.running = nil
	select {
	case err := <-c.done:
		if err != nil {
			t.Errorf("the Collector stopped with %v, want no error", err)
		}
	case <-time.After(patience):
		t.Errorf("the Collector did not stop within %v", patience)
	}
}

func (c *collector) run() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	col, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "e2e", Description: "embedded Collector", Version: "test"},
		Factories: collectorFactories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{
				URIs: []string{"memory:"},
				ProviderFactories: []confmap.ProviderFactory{
					confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider {
						return memoryConfig(c.config())
					}),
				},
			},
		},
		// The process is the test's, and so are its signals and its gRPC logger.
		DisableGracefulShutdown: true,
		SkipSettingGRPCLogger:   true,
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- col.Run(context.Background()) }()

	deadline := time.After(patience)
	// The Collector tells its state only to those who ask.
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for col.GetState() != otelcol.StateRunning {
		select {
		case err := <-done:
			return fmt.Errorf("it ended while it was starting: %w", err)
		case <-deadline:
			col.Shutdown()
			return fmt.Errorf("it was not running after %v: state %v", patience, col.GetState())
		case <-tick.C:
		}
	}
	c.running, c.done = col, done
	return nil
}

// config keeps the exporter's defaults (queue, retry, gzip), because they are what people run.
func (c *collector) config() map[string]any {
	return map[string]any{
		"receivers": map[string]any{"otlp": map[string]any{
			"protocols": map[string]any{"grpc": map[string]any{"endpoint": c.endpoint}},
		}},
		"exporters": map[string]any{"otlp_http": map[string]any{"endpoint": c.sinkURL}},
		"service": map[string]any{
			"pipelines": map[string]any{"traces": map[string]any{
				"receivers": []any{"otlp"},
				"exporters": []any{"otlp_http"},
			}},
			"telemetry": map[string]any{
				"metrics": map[string]any{"level": "none"},
				"logs":    map[string]any{"level": "error"},
			},
		},
	}
}

func collectorFactories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](otlphttpexporter.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	return otelcol.Factories{
		Receivers: receivers,
		Exporters: exporters,
		Telemetry: otelconftelemetry.NewFactory(),
	}, nil
}

// memoryConfig is a configuration that needs no file.
type memoryConfig map[string]any

func (memoryConfig) Scheme() string { return "memory" }

func (m memoryConfig) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrieved(map[string]any(m))
}

func (memoryConfig) Shutdown(context.Context) error { return nil }

// freePort returns a loopback address on which nothing listens.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("no loopback port to be had: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
