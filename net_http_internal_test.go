package otelhttpclient

import (
	"context"
	"crypto/tls"
	"go/version"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// The tests in this file fail when net/http or OpenTelemetry no longer is as
// docs/internal/net-http.md says.

const insides = "docs/internal/net-http.md"

// Each file that looks into foreign types is listed there, and each test that is
// named there exists.
func TestInsidesAreListed(t *testing.T) {
	page, err := os.ReadFile(insides)
	if err != nil {
		t.Fatal(err)
	}
	looks := regexp.MustCompile(`\.PkgPath\(|\bPackageOf\(|\bIsOpenTelemetry\(|\.FieldByName\(|\.NumField\(|\bunsafe\.|\.UnsafePointer\(|go:linkname`)
	test := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	looking, tests := map[string]bool{}, map[string]bool{}
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		data, err := os.ReadFile(path)
		for _, m := range test.FindAllSubmatch(data, -1) {
			tests[string(m[1])] = true
		}
		path = filepath.ToSlash(path)
		kit := slices.ContainsFunc([]string{"e2e/", "benchmarks/", "examples/", "internal/testkit/"}, func(dir string) bool { return strings.HasPrefix(path, dir) })
		if !kit && !strings.HasSuffix(path, "_test.go") && looks.Match(data) {
			looking[path] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([\\w./]+\\.go)`").FindAllSubmatch(page, -1) {
		listed[string(m[1])] = true
		if _, err := os.Stat(string(m[1])); err != nil {
			t.Errorf("%s lists %s, want a file that exists: %v", insides, m[1], err)
		}
	}
	for _, file := range slices.Sorted(maps.Keys(looking)) {
		if !listed[file] {
			t.Errorf("%s looks into foreign types, want it in %s with a test", file, insides)
		}
	}
	for _, m := range regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1) {
		if !tests[string(m[1])] {
			t.Errorf("%s names %s, want a test that exists", insides, m[1])
		}
	}
}

// The response to an upload on a reused HTTP/2 connection names a copy of the
// request.
func TestCopiedRequestsOfHTTP2(t *testing.T) {
	server := oteltest.NewServer(t, "2", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for i := range 3 {
		req := oteltest.NewRequest(t, t.Context(), http.MethodPost, server.URL, strings.NewReader("upload"))
		resp := oteltest.Open(t, server.Base, req)
		oteltest.Discard(resp)
		if of := sentRequestOf(req); !of.matches(resp.Request) {
			t.Errorf("upload %d: the response names %+v, want the request or a copy that matches", i, resp.Request)
		}
	}
}

// net/http rejects a request without a header, so a propagator may not add one.
func TestHeaderIsRequired(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, server.URL, nil)
	req.Header = nil
	if status, err := oteltest.Send(server.Base, req); err == nil {
		t.Errorf("request with a nil header: got status %d, want an error", status)
	}
}

// Since Go 1.27, a connection is reused although the body was closed before its
// end, if at most 256 KiB are left. The README says so.
func TestBodiesAreDrained(t *testing.T) {
	drained := version.Compare(runtime.Version(), "go1.27") >= 0
	for _, row := range []struct {
		size   int
		reused bool
	}{
		{100 << 10, drained},
		{257 << 10, false},
	} {
		server := oteltest.NewServer(t, "1.1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(row.size))
			_, _ = io.WriteString(w, strings.Repeat("x", row.size))
		})
		reused := func() (reused bool) {
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
			resp := oteltest.Open(t, server.Base, oteltest.NewRequest(t, ctx, http.MethodGet, server.URL, nil))
			resp.Body.Close()
			return reused
		}
		if row.reused {
			oteltest.Eventually(t, "a connection with a body closed early is reused", reused)
			continue
		}
		for range 5 {
			if reused() {
				t.Errorf("a connection with a body of %d bytes that was closed early: got it reused, want a new one", row.size)
			}
		}
	}
}

// statefulConn is a connection of DialTLSContext that is not a *tls.Conn.
type statefulConn struct{ net.Conn }

func (statefulConn) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

// Since Go 1.27, the hooks of the TLS handshake also run for connections that are
// not of type *tls.Conn.
func TestTLSHooksOfCustomConnections(t *testing.T) {
	hooked := version.Compare(runtime.Version(), "go1.27") >= 0
	server := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
	base := &http.Transport{DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		return statefulConn{conn}, err
	}}
	defer base.CloseIdleConnections()
	started := false
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{TLSHandshakeStart: func() { started = true }})
	oteltest.MustSend(t, base, oteltest.NewRequest(t, ctx, http.MethodGet, "https://inventory.example/", nil))
	if started != hooked {
		t.Errorf("TLSHandshakeStart called: got %v, want %v, as it was with the release that %s names", started, hooked, insides)
	}
}

// The SDK copies the slices that it is given, which are reused.
func TestSDKCopiesSlices(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("test")
	given := []attribute.KeyValue{attribute.String("a", "given")}
	options := []trace.SpanStartOption{trace.WithAttributes(given...)}
	_, span := tracer.Start(t.Context(), "span", options...)
	given[0] = attribute.String("a", "changed")
	options[0] = trace.WithAttributes(given...)
	set := []attribute.KeyValue{attribute.String("b", "given")}
	span.SetAttributes(set...)
	set[0] = attribute.String("b", "changed")
	span.End()
	want := []attribute.KeyValue{attribute.String("a", "given"), attribute.String("b", "given")}
	if got := recorder.Ended()[0].Attributes(); !slices.Equal(got, want) {
		t.Errorf("attributes: got %v, want %v as they were given", got, want)
	}
}

// The SDK's spans have methods for their attributes and status. A hook may have
// set them.
func TestSpansOfTheSDKTellTheirState(t *testing.T) {
	_, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "span")
	defer span.End()
	if hasStatus(span) || len(attributesOf(span)) > 0 {
		t.Errorf("new span: got a status %v and attributes %v, want neither", hasStatus(span), attributesOf(span))
	}
	span.SetStatus(codes.Error, "failed")
	span.SetAttributes(attribute.Bool("a", true))
	if !hasStatus(span) || len(attributesOf(span)) != 1 {
		t.Errorf("span with both: got a status %v and attributes %v, want both", hasStatus(span), attributesOf(span))
	}
}
