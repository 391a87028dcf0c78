package main

import (
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/DataDog/datadog-go/v5/statsd"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
)

// startDatadog starts dd-trace-go's process-wide tracer with a sampler that keeps all spans or none. It
// sends nothing: an http.RoundTripper answers in place of the agent, with an agent's default features.
// The tracer's worker encodes kept spans in the background, unless its queue overflows. That cannot be
// disabled, and with few cores it affects the measured time.
func startDatadog(sampled bool) (stop func(), err error) {
	// Disable everything but tracing. These have no option.
	for _, name := range []string{
		"DD_INSTRUMENTATION_TELEMETRY_ENABLED",
		"DD_REMOTE_CONFIGURATION_ENABLED",
		"DD_DATA_STREAMS_ENABLED",
	} {
		if err := os.Setenv(name, "false"); err != nil {
			return nil, err
		}
	}
	rate := 0.0
	if sampled {
		rate = 1
	}
	err = tracer.Start(
		tracer.WithLogStartup(false),
		tracer.WithLogger(noLog{}),
		tracer.WithHTTPClient(&http.Client{Transport: agent{}}),
		tracer.WithStatsdClient(&statsd.NoOpClientDirect{}),
		tracer.WithSamplerRate(rate),
	)
	return tracer.Stop, err
}

// noLog discards the tracer's warnings, mostly about an overflowing queue.
type noLog struct{}

func (noLog) Log(string) {}

// agent answers like a Datadog agent that accepts everything.
type agent struct{}

func (agent) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, err := io.Copy(io.Discard, req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	answer := `{"rate_by_service":{}}`
	if strings.HasSuffix(req.URL.Path, "/info") {
		answer = `{"version":"7.70.0","endpoints":["/v0.4/traces","/v0.6/stats"],"client_drop_p0s":true}`
	}
	return &http.Response{
		Status:        "200 OK",
		StatusCode:    http.StatusOK,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(strings.NewReader(answer)),
		ContentLength: int64(len(answer)),
		Request:       req,
	}, nil
}
