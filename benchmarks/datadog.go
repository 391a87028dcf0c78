package main

import (
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/DataDog/datadog-go/v5/statsd"
	"github.com/DataDog/dd-trace-go/v2/ddtrace/tracer"
)

// startDatadog starts dd-trace-go's tracer, which is one for the process and has no provider to be
// passed around, with a sampler that keeps all or nothing. It sends nowhere: an http.RoundTripper
// answers in the agent's place, with the features that an agent has by default. The tracer's worker
// does encode the spans that are kept, in the background, as far as its queue does not overflow; that
// cannot be switched off, and on a machine with few cores a part of it shows in the time.
func startDatadog(sampled bool) (stop func(), err error) {
	// What is not tracing stays off. These have no option.
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

// noLog keeps the tracer's warnings, of an overflowing queue above all, out of the table.
type noLog struct{}

func (noLog) Log(string) {}

// agent answers as a Datadog agent that takes everything.
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
