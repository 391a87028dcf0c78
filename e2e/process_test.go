package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/otelhttpclient/otelhttpclient"
)

// With these variables set, the test binary runs as a service of TestTraceAcrossProcesses.
const (
	envService   = "E2E_SERVICE"   // the service's name
	envCollector = "E2E_COLLECTOR" // the Collector's endpoint
	envUpstream  = "E2E_UPSTREAM"  // the URL of the next service; empty for the last in the chain
	envClient    = "E2E_CLIENT"    // how its client is traced: "transport" or "default"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(envService); name != "" {
		if err := serveProcess(name); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveProcess runs a service with a typical set-up: global providers and default options. It prints its
// address to standard output, and returns when standard input is closed.
func serveProcess(name string) error {
	// The client is created before the provider, like an http.Client in a package variable.
	client := &http.Client{Transport: otelhttpclient.NewTransport(nil)}
	if os.Getenv(envClient) == "default" {
		uninstrument, err := otelhttpclient.InstrumentDefault()
		if err != nil {
			return err
		}
		defer uninstrument()
		client = http.DefaultClient
	}

	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(os.Getenv(envCollector)), otlptracegrpc.WithInsecure())
	if err != nil {
		return err
	}
	tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(serviceResource(name)))
	otel.SetTracerProvider(tp)
	otel.SetTextMapPropagator(w3c)

	upstream := os.Getenv(envUpstream)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chain", func(w http.ResponseWriter, r *http.Request) {
		if upstream != "" {
			if _, err := fetch(r.Context(), client, upstream+"/chain"); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
		}
		io.WriteString(w, name)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: otelhttp.NewHandler(mux, name)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	fmt.Printf("http://%s\n", l.Addr())

	// The test holds the other end, so this process never outlives it.
	io.Copy(io.Discard, os.Stdin)
	err = srv.Shutdown(ctx)
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return errors.Join(err, tp.Shutdown(ctx))
}

// startProcess starts a service in a separate process. It returns its address and a function that stops it
// once all its spans are delivered.
func startProcess(t *testing.T, c *collector, name, upstream, client string) (address string, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envService+"="+name, envCollector+"="+c.endpoint, envUpstream+"="+upstream, envClient+"="+client)
	cmd.Stderr = t.Output()
	// Kill a process that hangs.
	cmd.WaitDelay = time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(2*patience, func() { cmd.Process.Kill() })
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		defer kill.Stop()
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %s ended with %v, want no error", name, err)
		}
	}
	t.Cleanup(end)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("process %s printed no address: %v", name, err)
	}
	return strings.TrimSpace(line), end
}

// TestTraceAcrossProcesses checks a trace across three processes with a typical set-up: global providers,
// default options, and a client created before the provider. The client of one process is traced by
// InstrumentDefault.
func TestTraceAcrossProcesses(t *testing.T) {
	t.Parallel()
	s := newSink(t)
	c := startCollector(t, s)
	stock, endStock := startProcess(t, c, "stock", "", "transport")
	orders, endOrders := startProcess(t, c, "orders", stock, "default")
	gateway, endGateway := startProcess(t, c, "gateway", orders, "transport")

	// The caller is not traced: the gateway's span is the root.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	resp, err := fetch(ctx, &http.Client{Transport: newBase(t)}, gateway+"/chain")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("chain: %v, %v; want 200", resp, err)
	}
	endGateway()
	endOrders()
	endStock()
	c.stop(t)

	traceOf(t, s.all()).checkTree(t, `
gateway/Server GET /chain
  gateway/Client GET
    orders/Server GET /chain
      orders/Client GET
        stock/Server GET /chain
`)
}
