package dashboards

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

// startCollector starts a Collector with the configuration of docs/metrics.md. It returns the addresses where it
// receives OTLP over gRPC and where Prometheus scrapes it.
func startCollector(t *testing.T) (endpoint, target string) {
	t.Helper()
	// Another process may take a free port before the Collector listens, so try several.
	var err error
	for range 5 {
		endpoint, target = freePort(t), freePort(t)
		if err = runCollector(t, configured(t, "receivers:", "localhost:4317", endpoint, "localhost:8889", target)); err == nil {
			return endpoint, target
		}
	}
	t.Fatalf("Collector did not start: %v", err)
	return "", ""
}

func runCollector(t *testing.T, config string) error {
	// Nothing of the Collector's own telemetry, which would listen on a fixed port.
	config += "  telemetry: {metrics: {level: none}, logs: {level: error}}\n"
	col, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "e2e", Description: "embedded Collector", Version: "test"},
		Factories: collectorFactories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs: []string{"memory:"},
			ProviderFactories: []confmap.ProviderFactory{
				confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return memoryConfig(config) }),
			},
		}},
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
	for col.GetState() != otelcol.StateRunning {
		select {
		case err := <-done:
			return fmt.Errorf("stopped during start-up: %w", err)
		case <-deadline:
			col.Shutdown()
			return fmt.Errorf("not running after %v: state %v", patience, col.GetState())
		case <-time.After(5 * time.Millisecond): // the Collector has no notification of its state
		}
	}
	t.Cleanup(func() {
		col.Shutdown()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Collector stopped with %v, want no error", err)
			}
		case <-time.After(patience):
			t.Errorf("Collector did not stop within %v", patience)
		}
	})
	return nil
}

func collectorFactories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](prometheusexporter.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, nil
}

// memoryConfig is a configuration in YAML.
type memoryConfig string

func (memoryConfig) Scheme() string { return "memory" }

func (m memoryConfig) Retrieve(context.Context, string, confmap.WatcherFunc) (*confmap.Retrieved, error) {
	return confmap.NewRetrievedFromYAML([]byte(m))
}

func (memoryConfig) Shutdown(context.Context) error { return nil }
