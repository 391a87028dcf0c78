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

// patience bounds each wait. It is long enough for a busy machine, and shorter than go test's timeout so
// that a failure shows which wait failed.
const patience = 20 * time.Second

// collector is an OpenTelemetry Collector that can be stopped and restarted on the same port. It receives
// OTLP over gRPC and exports OTLP over HTTP to a sink.
type collector struct {
	// endpoint is the Collector's OTLP over gRPC address, as host:port.
	endpoint string
	sinkURL  string

	mu      sync.Mutex
	running *otelcol.Collector
	// done receives the result of Run.
	done chan error
}

// startCollector starts a Collector that exports to s. It stops at the end of the test.
func startCollector(t testing.TB, s *sink) *collector {
	t.Helper()
	c := &collector{sinkURL: s.URL}
	// Another process may take the free port before the Collector listens, so try several.
	var err error
	for range 5 {
		c.endpoint = freePort(t)
		if err = c.run(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("Collector did not start: %v", err)
	}
	t.Cleanup(func() { c.stop(t) })
	return c
}

// start restarts a stopped Collector on the same port.
func (c *collector) start(t testing.TB) {
	t.Helper()
	if err := c.run(); err != nil {
		t.Fatalf("Collector did not restart on %s: %v", c.endpoint, err)
	}
}

// stop stops the Collector. When it returns, everything that the Collector accepted is at the sink. It
// does nothing if the Collector is not running.
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
			t.Errorf("Collector stopped with %v, want no error", err)
		}
	case <-time.After(patience):
		t.Errorf("Collector did not stop within %v", patience)
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
		// Signals and the gRPC logger belong to the test process.
		DisableGracefulShutdown: true,
		SkipSettingGRPCLogger:   true,
	})
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- col.Run(context.Background()) }()

	deadline := time.After(patience)
	// The Collector has no notification of its state.
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for col.GetState() != otelcol.StateRunning {
		select {
		case err := <-done:
			return fmt.Errorf("stopped during start-up: %w", err)
		case <-deadline:
			col.Shutdown()
			return fmt.Errorf("not running after %v: state %v", patience, col.GetState())
		case <-tick.C:
		}
	}
	c.running, c.done = col, done
	return nil
}

// config keeps the exporter's defaults (queue, retry, gzip), as most deployments do.
func (c *collector) config() map[string]any {
	pipeline := map[string]any{"receivers": []any{"otlp"}, "exporters": []any{"otlp_http"}}
	return map[string]any{
		"receivers": map[string]any{"otlp": map[string]any{
			"protocols": map[string]any{"grpc": map[string]any{"endpoint": c.endpoint}},
		}},
		"exporters": map[string]any{"otlp_http": map[string]any{"endpoint": c.sinkURL}},
		"service": map[string]any{
			"pipelines": map[string]any{"traces": pipeline, "metrics": pipeline},
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

// memoryConfig is a configuration in memory.
type memoryConfig map[string]any

func (memoryConfig) Scheme() string { return "memory" }

func (m memoryConfig) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrieved(map[string]any(m))
}

func (memoryConfig) Shutdown(context.Context) error { return nil }

// freePort returns an unused loopback address.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("no free loopback port: %v", err)
	}
	defer l.Close()
	return l.Addr().String()
}
