package main

// trialCase is a release of a module that uses otelhttp.
type trialCase struct {
	module, version string
	files           []string // whose import is changed
	packages        []string // whose tests are run
	probe           *probe   // a further test
	recipe          *recipe  // for a file that changing the import is not enough for
	remark          string
}

// recipe is how to move a file that has clients and handlers: the additional import, and the function that
// creates the client.
type recipe struct{ file, function string }

// probe is a test that the trial adds to a module whose own tests do not cover its client.
type probe struct{ file, source string }

var cases = []trialCase{
	{
		module: "github.com/moby/moby/client", version: "v0.6.2",
		files:    []string{"client.go", "client_options.go", "hijack.go"},
		packages: []string{"."},
		remark:   "Exports `WithTraceOptions(...otelhttp.Option)`: its callers have to change their import, too.",
	},
	{
		module: "github.com/containerd/containerd/v2", version: "v2.4.2",
		files:    []string{"pkg/tracing/tracing.go"},
		packages: []string{"./pkg/tracing/..."},
	},
	{
		module: "github.com/moby/buildkit", version: "v0.34.0",
		files:    []string{"util/tracing/tracing.go"},
		packages: []string{"./util/tracing", "./source/http"},
		probe:    &probe{"util/tracing/probe_test.go", providerOfParent},
		remark: "With a test of ours: without a global provider, the span comes from the provider of the parent span. " +
			"`otelhttptrace` works unchanged.",
	},
	{
		module: "github.com/prometheus/prometheus", version: "v0.315.0",
		files:    []string{"storage/remote/client.go", "scrape/scrape.go"},
		packages: []string{"./storage/remote", "./scrape"},
	},
	{
		module: "go.opentelemetry.io/collector/config/confighttp", version: "v0.164.0",
		files:    []string{"client.go"},
		packages: []string{"."},
		remark:   "`server.go` keeps otelhttp.",
	},
	{
		module: "github.com/ipfs/boxo", version: "v0.43.0",
		files:    []string{"gateway/backend.go"},
		packages: []string{"./gateway"},
	},
	{
		module: "github.com/ory/x", version: "v0.0.729",
		files:    []string{"httpx/ssrf.go"},
		packages: []string{"./httpx"},
		remark:   "`otelx` has handlers only. `TestNoIPV6` needs a public host.",
	},
	{
		module: "cloud.google.com/go/auth", version: "v0.24.3",
		files:    []string{"httptransport/transport.go"},
		packages: []string{"./httptransport"},
		remark: "The failing tests expect otelhttp's values: span name `HTTP GET`, `error.type` " +
			"`context.deadlineExceededError`, a canceled request that is an error.",
	},
	{
		module: "google.golang.org/api", version: "v0.310.0",
		files:    []string{"transport/http/dial.go"},
		packages: []string{"./transport/http"},
		remark:   "Its only test needs Google's credentials, so this shows that it compiles.",
	},
	{
		module: "k8s.io/component-base", version: "v0.37.2",
		files:    []string{"tracing/utils.go"},
		packages: []string{"./tracing/..."},
		recipe:   &recipe{"tracing/utils.go", "func WrapperFor("},
		remark:   "One file has the client and a handler.",
	},
	{
		module: "github.com/open-policy-agent/opa", version: "v1.22.2",
		files:    []string{"v1/features/tracing/tracing.go"},
		packages: []string{"./v1/features/tracing", "./v1/topdown"},
		remark: "One file has the client and a handler, and one slice of options for both, as `any`. The two need " +
			"slices of their own: its assertion to `otelhttp.Option` would panic.",
	},
}

// providerOfParent tests that a client span is created by the provider of the parent span.
const providerOfParent = `package tracing

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestProbe(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	recorder := tracetest.NewSpanRecorder()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	ctx, parent := tp.Tracer("probe").Start(context.Background(), "parent")
	defer parent.End()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := len(recorder.Ended()); got != 1 {
		t.Errorf("client spans = %d, want 1", got)
	}
}
`
