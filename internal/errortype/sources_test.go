package errortype

import (
	"context"
	"errors"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The errors of net/http whose error.type is _OTHER or that no RoundTripper
// returns, one a line, by reason.
var unclassed = map[string]string{
	"the request is invalid, or there is none": `
Request.URL is nil
http2: request body larger than specified content length
http2: unsupported scheme
http: ContentLength=%d with Body length %d
http: Request.ContentLength=%d with nil Body
http: Request.Write on Request with no Host or URL set
http: invalid Host header
http: invalid header %s
http: invalid method %q
http: invalid trailer %s
http: nil Request.Header
http: nil Request.URL
http: no Host in request URL
invalid :protocol header in non-CONNECT request
invalid Connection request header: %q
invalid HTTP header %s
invalid HTTP trailer %s
invalid Host header
invalid Trailer key
invalid Trailer key %q
invalid Transfer-Encoding request header: %q
invalid Upgrade request header: %q
invalid request :path %q
invalid request :path %q from URL.Opaque = %q
net/http: can't write control character in Request.URL
net/http: invalid header %s
net/http: invalid method %q
net/http: invalid trailer %s
net/http: nil Context
request header list larger than peer's advertised limit
unsupported protocol scheme
`,
	"the transport cannot do what its settings or the request ask for": `
http2: TLS conn unexpectedly found in unencrypted handoff
http2: unencrypted HTTP/2 not enabled
http: ClientConn does not support PING
http: HTTP/2 implementation does not support NewClientConn (update golang.org/x/net?)
http: NewClientConn returned something that is not a ClientConn
http: Transport does not support HTTP/2
http: Transport does not support unencrypted HTTP/2
http: Transport.Protocols contains HTTP3, but Transport does not support HTTP/3
http: when using HTTP3, Transport.Protocols must contain only HTTP3
net/http: extended connect not supported by peer
net/http: invalid scheme %q
protocol
unexpected use of stub RoundTripper
`,
	"the body is read after Close, or twice at a time": `
http2: concurrent read on response body
http2: response body closed
http: concurrent read on response body
http: invalid Read on closed Body
http: read on closed response body
net/http: reader is closed
`,
	"the errors have a method Timeout": `
http2: timeout awaiting response headers
net/http: TLS handshake timeout
net/http: timeout awaiting response headers
type httpError
type timeoutError
`,
	"the errors are a *ProtocolError, which is classed by its type": `
entity body too short
feature not supported
header too long
missing ContentLength in HEAD response
no multipart boundary param in Content-Type
request Content-Type isn't multipart/form-data
trailer header without chunked transfer encoding
type ProtocolError
`,
	"they wrap an error that says more, or are its text": `
CloseWrite: %w
http2: %w
http2: failed reading the frame payload: %w, note that the frame header looked like an HTTP/1.1 header
net/http: HTTP/1.x transport connection broken: %w
net/http: Transport failed to read from server: %v
readLoopPeekFailLocked: %w
type nothingWrittenError
type requestBodyReadError
type unsupportedTEError
write error: %w
`,
	"they are in a stream error, which is classed by its code, or become a connection error": `
1xx informational response with END_STREAM flag
CONTINUATION frame with stream ID 0
DATA frame with stream ID 0
HEADERS frame with stream ID 0
PRIORITY frame with stream ID 0
PRIORITY frame payload size was %d; want 5
PRIORITY_UPDATE frame payload size was %d; want at least 4
PRIORITY_UPDATE frame with non-zero stream ID
PRIORITY_UPDATE frame with prioritized stream ID of zero
duplicate pseudo-header %q
header list too large
invalid header field name %q
invalid header field value for %q
invalid pseudo-header %q
mix of request and response pseudo headers
pad size larger than data payload
protocol error: headers after END_STREAM
pseudo header field after regular
received from peer
stream error: stream ID %d; %v
stream error: stream ID %d; %v; %v
`,
	"they are inside a *net.OpError of SOCKS, which is classed by its operation": `
FQDN too long
command not implemented
invalid username/password
invalid username/password version
network not implemented
nil context
no acceptable authentication methods
non-zero reserved field
port number out of range
too many authentication methods
unexpected protocol version
unknown address type
unknown error
unsupported authentication method
username/password authentication failed
`,
	"a browser does not say why": `
net/http: fetch() failed: %s
`,
	"the transport keeps them to itself": `
client connection is closing (BUG: this is not user visible)
connection closed
connection is unavailable
http2: aborting request body write
http2: canceling request
http2: no cached connection was available
http: putIdleConn: CloseIdleConnections was called
http: putIdleConn: connection is in bad state
http: putIdleConn: keep alives disabled
http: putIdleConn: too many idle connections
http: putIdleConn: too many idle connections for host
net/http: request completed
net/http: response body closed early
net/http: skip alternate protocol
read limit of %d bytes exhausted
read loop ending; caller owns writable underlying conn
`,
	"they are http.Client's, above the RoundTripper": `
failed to parse Location header %q: %v
http: Request.RequestURI can't be set in client requests
http: RoundTripper implementation (%T) returned a *Response with content length %d but a nil Body
http: RoundTripper implementation (%T) returned a nil *Response with a nil error
http: no Client.Transport or DefaultTransport
http: no Location header in response
net/http: use last response
stopped after 10 redirects
`,
	"they are of a program's call to parse or write something": `
http: MultipartReader called twice
http: POST too large
http: multipart handled by MultipartReader
http: multipart handled by ParseMultipartForm
http: named cookie not present
http: no such file
http: request body too large
illegal use of AllowIllegalReads with ReadMetaHeaders
illegal window increment value
invalid base
invalid dependent stream ID
invalid method
invalid stream ID
missing form body
pad length too large
padding bytes must all be zeros unless AllowIllegalWrites is enabled
read from empty dataBuffer
stream %d already opened
too many Host headers
write on closed buffer
write on uninitialized buffer
`,
	"they are a server's": `
URL must have a host
body closed by handler
bogus greeting %q
cannot push URL with scheme %q from request with scheme %q
client disconnected
http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher (need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
http2: handler panicked
http2: handler wrote more than declared Content-Length
http2: push would exceed peer's SETTINGS_MAX_CONCURRENT_STREAMS
http2: recursive push not allowed
http2: request body closed due to handler exiting
http2: stream closed
http: request method or response status code does not allow body
method %q must be GET or HEAD
net/http: abort Handler
promised request headers cannot include %q
promised request headers cannot include pseudo header %q
request declared a Content-Length of %d but only wrote %d bytes
request header "TE" may only be "trailers" in HTTP/2
request header %q is not valid in HTTP/2
sender tried to send more than declared Content-Length of %d bytes
target must be an absolute URL or an absolute path: %q
timeout waiting for client preface
`,
}

// Files of net/http that no RoundTripper uses.
var otherFiles = []string{
	"cookie.go", "csrf.go", "fs.go", "jar.go", "mapping.go", "pattern.go", "responsecontroller.go", "servemux121.go", "server.go", "sniff.go", "triv.go",
	"internal/http2/server.go",
}

// Texts that are classed and not in net/http's sources.
var elsewhere = []string{
	"tls: ", "x509: ", "flate: corrupt input", // of packages below
	"connection error: COMPRESSION_ERROR", "connection error: FLOW_CONTROL_ERROR", "connection error: FRAME_SIZE_ERROR", // composed
	"http2: closing connection with", // since Go 1.27
}

// TestTextsOfNetHTTP fails if this Go release's net/http has an error whose text
// or type is neither classed nor listed: a new release has brought it. Decide
// what it means.
func TestTextsOfNetHTTP(t *testing.T) {
	found := errorsOfNetHTTP(t)
	listed := map[string]bool{}
	for _, lines := range unclassed {
		for line := range strings.Lines(lines) {
			listed[strings.TrimSpace(line)] = true
		}
	}
	for _, text := range slices.Sorted(maps.Keys(found)) {
		if isClassed(text) == listed[text] {
			t.Errorf("%s: %q: classed: got %v, listed: got %[3]v, want one of them", found[text], text, listed[text])
		}
	}
	for _, row := range texts {
		inSource := func(text string) bool { return strings.HasPrefix(example(text), row.text) }
		if !slices.Contains(elsewhere, row.text) && !slices.ContainsFunc(slices.Collect(maps.Keys(found)), inSource) {
			t.Errorf("%q: got no such text in net/http of %s, want one", row.text, runtime.Version())
		}
	}
}

var verbs = regexp.MustCompile(`%\+?[a-zA-Z]`)

// example returns a text like those that a format makes.
func example(format string) string {
	return verbs.ReplaceAllString(format, "PROTOCOL_ERROR")
}

func isClassed(text string) bool {
	err := errors.New(example(text))
	return Of(context.Background(), "https", err) != Other || CancelledByCaller(context.Background(), err)
}

// errorsOfNetHTTP returns the texts of errors that net/http's sources contain,
// and the names of error types whose texts they do not, with where they are.
func errorsOfNetHTTP(t *testing.T) map[string]string {
	root := filepath.Join(build.Default.GOROOT, "src/net/http")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("net/http's sources are not there: %v", err)
	}
	found := map[string]string{}
	for _, dir := range []string{"", "internal", "internal/http2", "internal/httpcommon"} {
		files, _ := filepath.Glob(filepath.Join(root, dir, "*.go"))
		for _, file := range files {
			name, _ := filepath.Rel(root, file)
			name = filepath.ToSlash(name)
			if strings.HasSuffix(name, "_test.go") || slices.Contains(otherFiles, name) {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for text := range errorsOf(parsed) {
				found[text] = name
			}
		}
	}
	if len(found) < 100 {
		t.Fatalf("errors in net/http's sources: got %d, want hundreds", len(found))
	}
	return found
}

// errorsOf returns the texts in the arguments of functions and in the literals of
// types that are named for errors, and in methods Error; and, as "type T", types
// whose text is not in the source.
func errorsOf(file *ast.File) map[string]bool {
	found := map[string]bool{}
	add := func(e ast.Expr) (added bool) {
		if s := textOf(e); s != "" && !strings.HasPrefix(s, "%") {
			found[strings.TrimSpace(s)] = true
			return true
		}
		return false
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if name := nameOf(n.Fun); namesError(name) && len(n.Args) > 0 {
				add(n.Args[0])
			}
		case *ast.CompositeLit:
			if name := nameOf(n.Type); namesError(name) && !strings.Contains(name, ".") {
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						e = kv.Value
					}
					add(e)
				}
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					if len(f.Names) == 0 && nameOf(f.Type) == "error" {
						found["type "+strings.TrimPrefix(n.Name.Name, "http2")] = true
					}
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name != "Error" || n.Recv == nil {
				break
			}
			hasText := false
			ast.Inspect(n.Body, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok && add(e) {
					hasText = true
					return false
				}
				return true
			})
			if !hasText {
				found["type "+strings.TrimPrefix(nameOf(n.Recv.List[0].Type), "http2")] = true
			}
		}
		return true
	})
	return found
}

// namesError reports whether a function or a type makes errors by its name.
// countError and the like count them.
func namesError(name string) bool {
	switch {
	case name == "errors.New", name == "fmt.Errorf":
		return true
	case strings.HasSuffix(name, "countError"), strings.HasSuffix(name, ".Error"):
		return false
	}
	return strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Err")
}

// textOf returns a string literal, or the one that a concatenation or a format
// begins with.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		return textOf(e.X)
	case *ast.CallExpr:
		if nameOf(e.Fun) == "fmt.Sprintf" {
			return textOf(e.Args[0])
		}
	}
	return ""
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	case *ast.StarExpr:
		return nameOf(e.X)
	}
	return ""
}
