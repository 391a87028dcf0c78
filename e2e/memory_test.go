package e2e

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	azruntime "github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-resty/resty/v2"
	"github.com/gregjones/httpcache"
	"github.com/hashicorp/go-retryablehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/oauth2"

	"github.com/otelhttpclient/otelhttpclient"
)

const (
	memoryWarmUp   = 30
	memoryRequests = 180
	// memoryEvery is the number of responses per garbage collection. It is odd, so that collections
	// alternate between first attempts and retries.
	memoryEvery = 9
	// memoryBound is the limit for additional heap growth with the Transport, in bytes per request. A
	// leak of the responses that are open during a collection adds 500 or more.
	memoryBound = 200
	// memoryPatience is the time within which a closed response is freed.
	memoryPatience = 5 * time.Second
)

const (
	upload   = "what the client stores"
	download = "what the server has"
)

// call makes one request, with its retries. It reads and closes the response, and returns the result that
// the client exposes.
type call func(ctx context.Context) (string, error)

// TestMemoryPerClosedRequest checks that a closed response is freed, even if a garbage collection ran while
// it was open. The response may be reachable from its request or context, so nothing that outlives it may
// refer to those.
//
// It is not parallel because it measures the heap.
func TestMemoryPerClosedRequest(t *testing.T) {
	tests := []struct {
		name   string
		client func(t *testing.T, rt http.RoundTripper, url string) call
		// attempts is the number of requests per call. All but the last get status 503.
		attempts int
		http2    bool
	}{
		{"http.Client", netHTTP, 1, false},
		{"http.Client with context.AfterFunc", netHTTPAfterFunc, 1, false},
		{"http.Client over HTTP/2", netHTTP, 1, true},
		{"http.Client over HTTP/2 with context.AfterFunc", netHTTPAfterFunc, 1, true},
		{"aws-sdk-go GetObject", awsV1(0, awsV1Get), 1, false},
		{"aws-sdk-go PutObject", awsV1(0, awsV1Put), 1, false},
		{"aws-sdk-go PutObject with retry", awsV1(1, awsV1Put), 2, false},
		{"aws-sdk-go-v2 GetObject", awsV2(aws.NopRetryer{}, awsV2Get), 1, false},
		{"aws-sdk-go-v2 PutObject", awsV2(aws.NopRetryer{}, awsV2Put), 1, false},
		{"aws-sdk-go-v2 PutObject with retry", awsV2(awsV2Twice, awsV2Put), 2, false},
		{"azcore", azure(-1, false), 1, false},
		{"azcore streaming", azure(-1, true), 1, false},
		{"azcore streaming with retry", azure(1, true), 2, false},
		{"google-api-go-client download", googleDownload, 1, false},
		{"google-api-go-client upload", googleUpload, 1, false},
		{"google-api-go-client upload with retry", googleUpload, 2, false},
		{"resty", restyPut(0), 1, false},
		{"resty with retry", restyPut(1), 2, false},
		{"go-retryablehttp", retryable, 1, false},
		{"go-retryablehttp with retry", retryable, 2, false},
		{"oauth2", oauth2Get, 1, false},
		{"httpcache storing", cached("/stored"), 1, false},
		{"httpcache revalidating", cached("/revalidated"), 1, false},
		{"req", reqPut(0), 1, false},
		{"req with retry", reqPut(1), 2, false},
		{"go-github", githubGet, 1, false},
		{"elastic-transport-go", elasticIndex(true), 1, false},
		{"elastic-transport-go with retry", elasticIndex(false), 2, false},
		{"client-go", kubernetesGet, 1, false},
		{"docker", dockerLogs, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := func() *http.Transport {
				base := newBase(t)
				if tt.http2 {
					base.Protocols = &http.Protocols{}
					base.Protocols.SetUnencryptedHTTP2(true)
				}
				return base
			}
			bare := measureMemory(t, base(), tt.client, tt.attempts)

			counter := &spanCounter{ended: map[string]int{}}
			tp := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(counter))
			shutdownLater(t, tp)
			mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
			traced := measureMemory(t, otelhttpclient.NewTransport(base(),
				otelhttpclient.WithTracerProvider(tp),
				otelhttpclient.WithMeterProvider(mp),
				otelhttpclient.WithPropagators(w3c),
			), tt.client, tt.attempts)

			t.Logf("bytes per request: %d bare, %d traced; freed: %d of %d bare, %d of %d traced",
				bare.growth, traced.growth, bare.freed, bare.seen, traced.freed, traced.seen)
			if min := bare.seen - 2; bare.freed < min {
				t.Fatalf("bare: %d of %d responses freed, want at least %d for a comparison", bare.freed, bare.seen, min)
			}
			if traced.freed < bare.freed {
				t.Errorf("%d of %d closed responses freed, want at least %d, as without the Transport", traced.freed, traced.seen, bare.freed)
			}
			if more := traced.growth - max(bare.growth, 0); more > memoryBound {
				t.Errorf("heap growth: %d bytes per request, %d without the Transport; want at most %d more", traced.growth, bare.growth, memoryBound)
			}

			checkCounts(t, "results", traced.results, bare.results)
			checkCounts(t, "responses by status", traced.statuses, bare.statuses)
			checkCounts(t, "requests at the server", traced.served, bare.served)
			spans := map[string]int{}
			for status, n := range traced.statuses {
				spans[fmt.Sprintf("client span, status %s, child of the caller's span: true", status)] = n
			}
			checkCounts(t, "spans", counter.counts(), spans)
		})
	}
}

func checkCounts(t *testing.T, what string, got, want map[string]int) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// memoryResult is the result of measureMemory. All counts but seen and freed include the warm-up.
type memoryResult struct {
	growth      int64 // bytes per request
	seen, freed int64 // responses
	results     map[string]int
	statuses    map[string]int
	served      map[string]int
}

// measureMemory makes calls through rt, with a garbage collection while some of the responses are open.
func measureMemory(t *testing.T, rt http.RoundTripper, client func(*testing.T, http.RoundTripper, string) call, attempts int) memoryResult {
	t.Helper()
	store := newStore(t, attempts)
	w := &responseWatcher{base: rt, statuses: map[string]int{}}
	do := client(t, w, store.URL)
	results := map[string]int{}
	run := func(n int) *responseCount {
		w.count = &responseCount{}
		for range n {
			ctx := trace.ContextWithSpanContext(context.Background(), callerSpan)
			result, err := do(ctx)
			if err != nil {
				t.Fatalf("request: %v, want no error", err)
			}
			results[result]++
		}
		return w.count
	}
	// settle returns the heap's size when all responses are freed and the size is at most limit, or after
	// a time that only a leak exceeds: a connection's goroutines hold its last response and its buffers
	// until they exit.
	settle := func(c *responseCount, limit int64) int64 {
		rt.(interface{ CloseIdleConnections() }).CloseIdleConnections()
		store.CloseClientConnections()
		for deadline := time.Now().Add(memoryPatience); ; time.Sleep(time.Millisecond) {
			collectGarbage()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			size := int64(m.HeapAlloc)
			if c.freed.Load() == c.seen.Load() && size <= limit || time.Now().After(deadline) {
				return size
			}
		}
	}

	before := settle(run(memoryWarmUp), math.MaxInt64)
	count := run(memoryRequests)
	after := settle(count, before+memoryRequests*memoryBound)
	runtime.KeepAlive(do)
	return memoryResult{
		growth:   (after - before) / memoryRequests,
		seen:     count.seen.Load(),
		freed:    count.freed.Load(),
		results:  results,
		statuses: w.statuses,
		served:   store.served(),
	}
}

// collectGarbage runs garbage collections and waits for finalizers. The second round gives goroutines
// started by the first round's finalizers time to run.
func collectGarbage() {
	for range 2 {
		done := make(chan struct{})
		runtime.SetFinalizer(&[16]*byte{}, func(*[16]*byte) { close(done) })
		runtime.GC()
		<-done
	}
}

// responseWatcher collects garbage while some of the responses are open. It counts all responses and the
// freed ones.
type responseWatcher struct {
	base     http.RoundTripper
	count    *responseCount
	statuses map[string]int
}

type responseCount struct{ seen, freed atomic.Int64 }

func (w *responseWatcher) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	n := w.count.seen.Add(1)
	w.statuses[fmt.Sprint(resp.StatusCode)]++
	runtime.AddCleanup(resp, func(c *responseCount) { c.freed.Add(1) }, w.count)
	if n%memoryEvery == 0 {
		collectGarbage()
	}
	return resp, nil
}

// store is a server for uploads and downloads. It fails all but the last of the attempts at a call.
type store struct {
	*httptest.Server

	mu       sync.Mutex
	attempts int
	requests int
	byKind   map[string]int
}

func newStore(t *testing.T, attempts int) *store {
	s := &store{attempts: attempts, byKind: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	closeLater(t, s.Server)
	return s
}

func (s *store) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.requests++
	fail := s.requests%s.attempts != 0
	// Not the body itself: a multipart body has a random boundary.
	s.byKind[fmt.Sprintf("%s %s, %d bytes, whole: %t, error %v",
		r.Method, r.URL, len(body), strings.Contains(string(body), upload), err)]++
	s.mu.Unlock()

	w.Header().Set("ETag", `"1"`)
	switch {
	case fail:
		w.WriteHeader(http.StatusServiceUnavailable)
		io.WriteString(w, "<Error><Code>ServiceUnavailable</Code></Error>")
	case r.URL.Path == "/stored":
		w.Header().Del("ETag") // prevents revalidation
		w.Header().Set("Cache-Control", "max-age=0")
		io.WriteString(w, download)
	case r.Header.Get("If-None-Match") != "":
		w.WriteHeader(http.StatusNotModified)
	case r.Method == http.MethodGet:
		io.WriteString(w, download)
	case r.Method == http.MethodPost:
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"name": "stored"}`)
	default:
		// Unlike S3, answer with a body, so that there is one to collect.
		io.WriteString(w, "<Stored/>")
	}
}

func (s *store) served() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.byKind)
}

// callerSpan is the required parent of all spans.
var callerSpan = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
})

// spanCounter counts ended spans without keeping them.
type spanCounter struct {
	mu    sync.Mutex
	ended map[string]int
}

func (c *spanCounter) OnEnd(s sdktrace.ReadOnlySpan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[fmt.Sprintf("%s span, status %v, child of the caller's span: %t", s.SpanKind(),
		attributeOf(s, semconv.HTTPResponseStatusCodeKey), s.Parent().Equal(callerSpan))]++
}

func (c *spanCounter) counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.ended)
}

func (*spanCounter) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (*spanCounter) Shutdown(context.Context) error                  { return nil }
func (*spanCounter) ForceFlush(context.Context) error                { return nil }

// readResponse reads and closes a response.
func readResponse(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, body), err
}

func get(client *http.Client, url string) call {
	return func(ctx context.Context) (string, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", err
		}
		return readResponse(client.Do(req))
	}
}

func netHTTP(_ *testing.T, rt http.RoundTripper, url string) call {
	return get(&http.Client{Transport: rt, Timeout: patience}, url+"/object")
}

// netHTTPAfterFunc closes the response when its context is canceled, which never happens.
func netHTTPAfterFunc(_ *testing.T, rt http.RoundTripper, url string) call {
	client := &http.Client{Transport: rt}
	return func(ctx context.Context) (string, error) {
		ctx, cancel := context.WithCancel(ctx)
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/object", strings.NewReader(upload))
		if err != nil {
			cancel()
			return "", err
		}
		resp, err := client.Do(req)
		context.AfterFunc(ctx, func() {
			cancel()
			resp.Body.Close()
		})
		return readResponse(resp, err)
	}
}

var awsV2Twice = retry.NewStandard(func(o *retry.StandardOptions) {
	o.MaxAttempts = 2
	o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
})

func awsV2(retryer aws.Retryer, do func(context.Context, *s3.Client) (string, error)) func(*testing.T, http.RoundTripper, string) call {
	return func(_ *testing.T, rt http.RoundTripper, url string) call {
		client := s3.New(s3.Options{
			BaseEndpoint: &url,
			Region:       "us-east-1",
			UsePathStyle: true,
			Credentials:  credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient:   &http.Client{Transport: rt, Timeout: patience},
			Retryer:      retryer,
		})
		return func(ctx context.Context) (string, error) { return do(ctx, client) }
	}
}

func awsV2Get(ctx context.Context, client *s3.Client) (string, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"),
	})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return *out.ETag + string(body), err
}

func awsV2Put(ctx context.Context, client *s3.Client) (string, error) {
	out, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("key"), Body: strings.NewReader(upload),
	})
	if err != nil {
		return "", err
	}
	return *out.ETag, nil
}

// azure makes requests through a pipeline. By default the pipeline reads the whole body. With stream, the
// caller reads it, and the captured response is reachable from the request's context.
func azure(retries int32, stream bool) func(*testing.T, http.RoundTripper, string) call {
	return func(_ *testing.T, rt http.RoundTripper, url string) call {
		pipeline := azruntime.NewPipeline("e2e", "v0.0.0", azruntime.PipelineOptions{}, &policy.ClientOptions{
			Transport: &http.Client{Transport: rt, Timeout: patience},
			Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: time.Millisecond},
		})
		return func(ctx context.Context) (string, error) {
			var captured *http.Response
			if stream {
				ctx = policy.WithCaptureResponse(ctx, &captured)
			}
			req, err := azruntime.NewRequest(ctx, http.MethodPut, url+"/container/blob")
			if err != nil {
				return "", err
			}
			if stream {
				azruntime.SkipBodyDownload(req)
			}
			if err := req.SetBody(streaming.NopCloser(strings.NewReader(upload)), "text/plain"); err != nil {
				return "", err
			}
			resp, err := pipeline.Do(req)
			if stream && captured != resp {
				return "", fmt.Errorf("captured response %p, want %p", captured, resp)
			}
			return readResponse(resp, err)
		}
	}
}

func restyPut(retries int) func(*testing.T, http.RoundTripper, string) call {
	return func(_ *testing.T, rt http.RoundTripper, url string) call {
		client := resty.NewWithClient(&http.Client{Transport: rt, Timeout: patience}).
			SetRetryCount(retries).
			SetRetryWaitTime(time.Millisecond).
			AddRetryCondition(func(r *resty.Response, _ error) bool { return r.StatusCode() >= 500 })
		return func(ctx context.Context) (string, error) {
			resp, err := client.R().SetContext(ctx).SetBody(upload).Put(url + "/object")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d %s", resp.StatusCode(), resp.Body()), nil
		}
	}
}

func retryable(_ *testing.T, rt http.RoundTripper, url string) call {
	client := retrying(rt)
	return func(ctx context.Context) (string, error) {
		req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPut, url+"/object", strings.NewReader(upload))
		if err != nil {
			return "", err
		}
		return readResponse(client.Do(req))
	}
}

func oauth2Get(_ *testing.T, rt http.RoundTripper, url string) call {
	source := oauth2.StaticTokenSource(&oauth2.Token{AccessToken: accessToken})
	return get(&http.Client{Transport: &oauth2.Transport{Source: source, Base: rt}}, url+"/object")
}

func cached(path string) func(*testing.T, http.RoundTripper, string) call {
	return func(_ *testing.T, rt http.RoundTripper, url string) call {
		cache := httpcache.NewMemoryCacheTransport()
		cache.Transport = rt
		return get(cache.Client(), url+path)
	}
}
