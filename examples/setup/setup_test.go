package setup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"go/format"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// receiver is an OTLP receiver that keeps spans, and the names of metrics.
type receiver struct {
	mu       sync.Mutex
	spans    []*tracepb.Span
	metrics  []string
	services []string // of both
}

type traceService struct {
	coltrace.UnimplementedTraceServiceServer
	*receiver
}

type metricsService struct {
	colmetrics.UnimplementedMetricsServiceServer
	*receiver
}

func (r traceService) Export(_ context.Context, req *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		for _, kv := range rs.GetResource().GetAttributes() {
			if kv.GetKey() == "service.name" {
				r.services = append(r.services, kv.GetValue().GetStringValue())
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			r.spans = append(r.spans, ss.GetSpans()...)
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func (r metricsService) Export(_ context.Context, req *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rm := range req.GetResourceMetrics() {
		for _, kv := range rm.GetResource().GetAttributes() {
			if kv.GetKey() == "service.name" {
				r.services = append(r.services, kv.GetValue().GetStringValue())
			}
		}
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				r.metrics = append(r.metrics, m.GetName())
			}
		}
	}
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

func newReceiver(t *testing.T) (r *receiver, endpoint string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r = &receiver{}
	server := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, traceService{receiver: r})
	colmetrics.RegisterMetricsServiceServer(server, metricsService{receiver: r})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve() = %v, want nil", err)
		}
	})
	return r, "http://" + listener.Addr().String()
}

// programs is the directory of the programs: the two below, and README.
var programs string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "setup")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs = dir
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "./explicit", "./environment")
	if out, err := cmd.CombinedOutput(); err != nil {
		log.Printf("%v = %v\n%s", cmd, err, out)
		return 1
	}
	if err := buildREADME(ctx, dir); err != nil {
		log.Print(err)
		return 1
	}
	return m.Run()
}

// buildREADME builds the program in the README.
func buildREADME(ctx context.Context, dir string) error {
	page, err := os.ReadFile("../../README.md")
	if err != nil {
		return err
	}
	program := code(string(page), "package main\n")
	if formatted, err := format.Source([]byte(program)); err != nil || string(formatted) != program {
		return fmt.Errorf("README.md: got a program that starts with %.20q, and error %v; want one that is formatted", program, err)
	}
	source := filepath.Join(dir, "readme.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, executable("README")), source)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("README.md: %v = %w\n%s", cmd, err, out)
	}
	return nil
}

// code returns the Go code of a page that has this start, or "".
func code(page, start string) string {
	for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(strings.ReplaceAll(page, "\r\n", "\n"), -1) {
		if strings.HasPrefix(block[1], start) {
			return block[1]
		}
	}
	return ""
}

// executable returns the file's name of a program.
func executable(program string) string {
	if runtime.GOOS == "windows" {
		return program + ".exe"
	}
	return program
}

// run runs a program with no other OTEL variables than those of env.
func run(ctx context.Context, program string, env []string, args ...string) (stdout, stderr string, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(programs, executable(program)), args...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "OTEL_") })
	cmd.Env = append(cmd.Env, env...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// newServer answers "fine", and passes on the headers of requests.
func newServer(t *testing.T) (url string, headers <-chan http.Header) {
	t.Helper()
	received := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.Header
		_, _ = w.Write([]byte("fine"))
	}))
	t.Cleanup(server.Close)
	return server.URL, received
}

// All programs export spans and metrics, and propagate.
func TestExport(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, row := range []struct {
		program string
		env     []string
		header  string // the propagated one
		want    func(traceID, spanID string) string
		absent  string
	}{
		{"explicit", nil, "Traceparent", func(traceID, spanID string) string { return "00-" + traceID + "-" + spanID + "-01" }, "B3"},
		{"environment", []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "Traceparent",
			func(traceID, spanID string) string { return "00-" + traceID + "-" + spanID + "-01" }, "B3"},
		{"environment", []string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_PROPAGATORS=b3"}, "B3",
			func(traceID, spanID string) string { return traceID + "-" + spanID + "-1" }, "Traceparent"},
		{"README", nil, "Traceparent", func(traceID, spanID string) string { return "00-" + traceID + "-" + spanID + "-01" }, "B3"},
	} {
		name := strings.Join(append([]string{row.program}, row.env...), " ")
		receiver, endpoint := newReceiver(t)
		url, headers := newServer(t)
		env := append([]string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint, "OTEL_SERVICE_NAME=shop"}, row.env...)
		stdout, stderr, err := run(ctx, row.program, env, url+"/items/42?sig=secret")
		wantOutput := "200 OK, 4 bytes\n"
		if row.program == "README" {
			wantOutput = "fine" // it copies the body
		}
		if err != nil || stdout != wantOutput || stderr != "" {
			t.Errorf("%s: got %v, stdout %q, stderr %q; want %q, and no error", name, err, stdout, stderr, wantOutput)
			continue
		}
		header := <-headers
		receiver.mu.Lock()
		spans, metrics, services := receiver.spans, receiver.metrics, receiver.services
		receiver.mu.Unlock()
		if want := []string{"shop", "shop"}; !slices.Equal(services, want) {
			t.Errorf("%s: service of the spans and of the metrics: got %q, want %q", name, services, want)
		}
		if len(spans) != 1 || spans[0].GetName() != "GET" || spans[0].GetKind() != tracepb.Span_SPAN_KIND_CLIENT {
			t.Errorf("%s: spans: got %v, want one, GET, of kind CLIENT", name, spans)
			continue
		}
		want := row.want(hex.EncodeToString(spans[0].GetTraceId()), hex.EncodeToString(spans[0].GetSpanId()))
		if got := header.Get(row.header); got != want {
			t.Errorf("%s: %s: got %q, want that of the span, %q", name, row.header, got, want)
		}
		if got := header.Values(row.absent); len(got) != 0 {
			t.Errorf("%s: %s: got %q, want none", name, row.absent, got)
		}
		for _, kv := range spans[0].GetAttributes() {
			if got := kv.GetValue().GetStringValue(); kv.GetKey() == "url.full" && got != url+"/items/42?sig=REDACTED" {
				t.Errorf("%s: url.full: got %q, want it redacted", name, got)
			}
		}
		if want := "http.client.request.duration"; !slices.Contains(metrics, want) {
			t.Errorf("%s: metrics: got %q, want %s among them", name, metrics, want)
		}
	}
}

// Without a Collector, the environment can have both printed.
func TestConsole(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	url, _ := newServer(t)
	stdout, stderr, err := run(ctx, "environment",
		[]string{"OTEL_TRACES_EXPORTER=console", "OTEL_METRICS_EXPORTER=console"}, url+"/items/42?sig=secret")
	if err != nil || stderr != "" {
		t.Errorf("got %v, stderr %q; want no error", err, stderr)
	}
	for _, want := range []string{
		"200 OK, 4 bytes\n", `"Name":"GET"`, `"Value":"` + url + `/items/42?sig=REDACTED"`, `"Name":"http.client.request.duration"`,
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("output: got no %s, want it:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "secret") {
		t.Errorf("output: got the secret, want it redacted:\n%s", stdout)
	}
}

// A mistake in the environment ends the program before it sends anything.
func TestUnknownExporter(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	url, headers := newServer(t)
	_, stderr, err := run(ctx, "environment", []string{"OTEL_TRACES_EXPORTER=consul"}, url)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(stderr, "unknown exporter") {
		t.Errorf("got %v, stderr %q; want a failure about an unknown exporter", err, stderr)
	}
	select {
	case <-headers:
		t.Error("got a request, want none")
	default:
	}
}

// docs/setup.md shows explicit whole, and the lines by which environment differs. TestExport runs the README's program.
func TestREADME(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	page := read("../../docs/setup.md")
	_, program, _ := strings.Cut(read("explicit/main.go"), "package main\n")
	if got, want := code(page, "package main\n"), "package main\n"+program; got != want {
		t.Errorf("the program in docs/setup.md:\n%s\nwant explicit/main.go:\n%s", got, want)
	}
	lines := code(page, "spans, err := autoexport.")
	if lines == "" {
		t.Error("docs/setup.md: got no lines of environment/main.go, want them")
	}
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); !strings.Contains(read("environment/main.go"), line) {
			t.Errorf("docs/setup.md: got %q, want a line of environment/main.go", line)
		}
	}
}
