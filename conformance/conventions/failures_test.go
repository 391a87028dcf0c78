package conventions

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// failure is a way in which a request fails.
type failure struct {
	name, reason string
	want         string // error.type
	status       int    // http.response.status_code, 0: none
	// run makes the request through wrap's Transport, and returns its error.
	run func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error
}

// againstRaw sends a request to a RawServer.
func againstRaw(serve func(net.Conn)) func(*testing.T, func(http.RoundTripper) http.RoundTripper) error {
	return func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DisableKeepAlives: true}), oteltest.RawServer(t, serve))
	}
}

// againstHandler sends a request to a server of a version.
func againstHandler(version string, h http.HandlerFunc) func(*testing.T, func(http.RoundTripper) http.RoundTripper) error {
	return func(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) error {
		w := oteltest.NewServer(t, version, h)
		return oteltest.TryGet(t.Context(), wrap(w.Base), w.URL)
	}
}

// untrusting returns a transport that rejects the test server's certificate.
func untrusting() *http.Transport {
	return &http.Transport{TLSClientConfig: &tls.Config{}, ForceAttemptHTTP2: true}
}

// failures returns all failures but those of proxies.
func failures() []failure {
	var list []failure
	add := func(name, reason, want string, status int, run func(*testing.T, func(http.RoundTripper) http.RoundTripper) error) {
		list = append(list, failure{name, reason, want, status, run})
	}
	type wrapper = func(http.RoundTripper) http.RoundTripper

	add("refused port", "none could be established", "connection_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{}), oteltest.ClosedPort(t))
	})
	add("refused proxy", "none could be established", "connection_error", 0, func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.ClosedPort(t), nil).URL
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{Proxy: http.ProxyURL(proxy)}), "https://shop.invalid/")
	})
	add("unknown name", "no such host", "name_resolution_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "no such host", Name: "shop.invalid", IsNotFound: true}}
		}}), "http://shop.invalid/")
	})
	add("name resolution that times out", "timeout comes first", "timeout", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{DialContext: func(_ context.Context, network, _ string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: network, Err: &net.DNSError{Err: "i/o timeout", Name: "shop.invalid", IsTimeout: true}}
		}}), "http://shop.invalid/")
	})
	add("untrusted certificate", "unknown authority", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		return oteltest.TryGet(t.Context(), wrap(untrusting()), oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {}).URL)
	})
	add("certificate for another name", "", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {})
		roots := x509.NewCertPool()
		roots.AddCert(w.Certificate())
		base := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "shop.invalid"}}
		defer base.CloseIdleConnections()
		return oteltest.TryGet(t.Context(), wrap(base), w.URL)
	})
	add("no common TLS version", "the server sends an alert", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {})
		base := w.Base.Clone()
		base.TLSClientConfig.MaxVersion = tls.VersionTLS11
		return oteltest.TryGet(t.Context(), wrap(base), w.URL)
	})
	add("https to a server that speaks http", "", "secure_connection_error", 0, func(t *testing.T, wrap wrapper) error {
		w := oteltest.NewServer(t, "1.1", func(http.ResponseWriter, *http.Request) {})
		return oteltest.TryGet(t.Context(), wrap(w.Base), "https://"+w.Listener.Addr().String())
	})

	add("closed before the answer", "EOF", "response_ended", 0, againstRaw(func(net.Conn) {}))
	add("closed before the answer, hijacked", "EOF", "response_ended", 0, againstHandler("1.1", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			c.Close()
		}
	}))
	// net/http reports half a header line as malformed, not as an EOF.
	add("closed in the header", "malformed MIME header", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Le")))
	add("closed in a body of known length", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning")))
	add("closed in a chunk", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nbeginning")))
	add("closed between chunks", "unexpected EOF", "response_ended", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbeg\r\n")))
	reset := func(text string) func(net.Conn) {
		return func(c net.Conn) {
			if text != "" {
				io.WriteString(c, text)
				// The client sends another byte when it has the text.
				bufio.NewReader(c).ReadByte()
			}
			c.(*net.TCPConn).SetLinger(0)
		}
	}
	add("reset before the answer", "ECONNRESET", "response_ended", 0, againstRaw(reset("")))
	add("reset in the body", "ECONNRESET", "response_ended", 200, func(t *testing.T, wrap wrapper) error {
		url := oteltest.RawServer(t, reset("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning"))
		body, more := io.Pipe()
		defer body.Close()
		resp, err := wrap(&http.Transport{DisableKeepAlives: true}).RoundTrip(oteltest.NewRequest(t, t.Context(), "POST", url, body))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		go more.Write([]byte("!"))
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	})
	for _, version := range []string{"1.1", "2"} {
		add("aborted before the answer, HTTP/"+version, "on HTTP/2 the stream is reset", "response_ended", 0, againstHandler(version, oteltest.Abort(false)))
		add("aborted in the body, HTTP/"+version, "on HTTP/2 the stream is reset", "response_ended", 200, againstHandler(version, oteltest.Abort(true)))
	}

	add("nonsense", "no status line", "http_protocol_error", 0, againstRaw(oteltest.Write("220 mail.invalid ESMTP\r\n\r\n")))
	add("nonsense for a status", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 abc OK\r\n\r\n")))
	add("nonsense for a header", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nno colon\r\n\r\n")))
	add("nonsense for a length", "", "http_protocol_error", 0, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n")))
	add("nonsense for a chunk's length", "", "http_protocol_error", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")))
	add("header without end", "MaxResponseHeaderBytes", "http_protocol_error", 0, func(t *testing.T, wrap wrapper) error {
		url := oteltest.RawServer(t, func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for {
				if _, err := io.WriteString(c, "X: y\r\n"); err != nil {
					return
				}
			}
		})
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{MaxResponseHeaderBytes: 4096}), url)
	})
	chunked := func(text string) func(*testing.T, wrapper) error {
		return againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text))
	}
	add("closed before the trailer", "unexpected EOF", "response_ended", 200, chunked("3\r\nbeg\r\n0\r\n"))
	// net/http reports half a trailer as too long, not as an EOF.
	add("closed in the trailer", "suspiciously long trailer", "http_protocol_error", 200, chunked("3\r\nbeg\r\n0\r\nServer-Tim"))
	add("a chunk's line without CR", "bare LF", "http_protocol_error", 200, chunked("3\nbeg\r\n0\r\n\r\n"))
	add("a chunk's line with a CR in it", "", "http_protocol_error", 200, chunked("3;\ra\r\nbeg\r\n0\r\n\r\n"))
	add("a chunk without a length", "", "http_protocol_error", 200, chunked("\r\nbeg\r\n0\r\n\r\n"))
	add("a chunk's length without end", "", "http_protocol_error", 200, chunked(strings.Repeat("1", 20)+"\r\n"))
	add("a chunk's line without end", "", "http_protocol_error", 200, chunked("3;"+strings.Repeat("x", 10000)+"\r\n"))
	add("chunks of little data", "", "http_protocol_error", 200, chunked(strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\nb\r\n", 50)))
	add("a trailer without end", "", "http_protocol_error", 200, chunked("0\r\n"+strings.Repeat("X: y\r\n", 2000)))
	add("nonsense for a trailer", "", "http_protocol_error", 200, chunked("0\r\nno colon\r\n\r\n"))
	head := func(text string) func(*testing.T, wrapper) error {
		return againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\n" + text + "\r\n\r\nbody"))
	}
	add("a trailer that is none", "", "http_protocol_error", 0, head("Transfer-Encoding: chunked\r\nTrailer: Content-Length"))
	add("two lengths", "", "http_protocol_error", 0, head("Content-Length: 3\r\nContent-Length: 4"))
	add("an empty length", "", "http_protocol_error", 0, head("Content-Length:"))
	add("an unknown transfer encoding", "", "http_protocol_error", 0, head("Transfer-Encoding: zip"))
	add("two transfer encodings", "", "http_protocol_error", 0, head("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"))
	list = append(list, http2Failures()...)
	add("invalid gzip", "", "http_protocol_error", 200, againstRaw(oteltest.Write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnothing like")))

	// Long enough to receive the headers on a busy machine.
	const soon = 250 * time.Millisecond
	for _, version := range []string{"1.1", "2"} {
		add("ResponseHeaderTimeout, HTTP/"+version, "", "timeout", 0, func(t *testing.T, wrap wrapper) error {
			w := oteltest.NewServer(t, version, oteltest.Stall(false))
			base := w.Base.Clone()
			base.ResponseHeaderTimeout = soon
			return oteltest.TryGet(t.Context(), wrap(base), w.URL)
		})
		for _, headers := range []bool{false, true} {
			where, status := "before the answer", 0
			if headers {
				where, status = "in the body", 200
			}
			where += ", HTTP/" + version
			add("Client.Timeout "+where, "", "timeout", status, func(t *testing.T, wrap wrapper) error {
				w := oteltest.NewServer(t, version, oteltest.Stall(headers))
				client := &http.Client{Transport: wrap(w.Base), Timeout: soon}
				resp, err := client.Get(w.URL)
				if err != nil {
					return err
				}
				defer resp.Body.Close()
				_, err = io.Copy(io.Discard, resp.Body)
				return err
			})
			withContext := func(name, reason string, deadline func(context.Context) (context.Context, context.CancelFunc)) {
				add(name+" "+where, reason, "timeout", status, func(t *testing.T, wrap wrapper) error {
					w := oteltest.NewServer(t, version, oteltest.Stall(headers))
					ctx, cancel := deadline(t.Context())
					defer cancel()
					_, err := oteltest.Send(wrap(w.Base), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
					return err
				})
			}
			withContext("context deadline", "", func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, soon)
			})
			withContext("context deadline with a cause", "the cause is what net/http returns", func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(ctx, soon, errors.New("too slow for us"))
			})
		}
	}
	add("TLS handshake timeout", "", "timeout", 0, func(t *testing.T, wrap wrapper) error {
		l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts and never answers
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return oteltest.TryGet(t.Context(), wrap(&http.Transport{TLSHandshakeTimeout: soon}), "https://"+l.Addr().String())
	})
	return list
}

// policyError is an error that names its type.
type policyError struct{}

func (policyError) Error() string     { return "blocked" }
func (policyError) ErrorType() string { return "blocked_by_policy" }

// proxyFailures returns the ways in which a proxy fails an https request after
// the connection to it.
func proxyFailures() []failure {
	var list []failure
	type wrapper = func(http.RoundTripper) http.RoundTripper
	add := func(name, reason, want string, run func(*testing.T, wrapper) error) {
		list = append(list, failure{name, reason, want, 0, run})
	}
	throughProxy := func(serve func(net.Conn)) func(*testing.T, wrapper) error {
		return func(t *testing.T, wrap wrapper) error {
			proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.RawServer(t, serve), nil).URL
			return oteltest.TryGet(t.Context(), wrap(&http.Transport{Proxy: http.ProxyURL(proxy)}), "https://shop.invalid/")
		}
	}
	for name, status := range map[string]string{
		"403":                       "403 Forbidden",
		"407":                       "407 Proxy Authentication Required",
		"502":                       "502 Bad Gateway",
		"an empty phrase":           "403 ",
		"no phrase":                 "403",
		"an unknown status":         "799",
		"Go's for unknown statuses": "799 status code 799",
	} {
		add("proxy that refuses the tunnel, "+name, "net/http returns the phrase as an error", "proxy_tunnel_error",
			throughProxy(oteltest.Write("HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")))
	}
	add("proxy that hangs up at CONNECT", "EOF", "response_ended", throughProxy(func(net.Conn) {}))
	add("proxy that answers CONNECT with nonsense", "", "http_protocol_error", throughProxy(oteltest.Write("220 mail.invalid ESMTP\r\n\r\n")))
	add("proxy that refuses the tunnel, named by the application", "through OnProxyConnectResponse", "blocked_by_policy", func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.RawServer(t, oteltest.Write("HTTP/1.1 403 Blocked by policy\r\n\r\n")), nil).URL
		base := &http.Transport{Proxy: http.ProxyURL(proxy)}
		base.OnProxyConnectResponse = func(context.Context, *url.URL, *http.Request, *http.Response) error {
			return policyError{}
		}
		return oteltest.TryGet(t.Context(), wrap(base), "https://shop.invalid/")
	})
	add("TLS to an untrusted proxy", "", "secure_connection_error", func(t *testing.T, wrap wrapper) error {
		proxy := oteltest.NewRequest(t, t.Context(), "GET", oteltest.NewServer(t, "2", func(http.ResponseWriter, *http.Request) {}).URL, nil).URL
		base := untrusting()
		base.Proxy = http.ProxyURL(proxy)
		return oteltest.TryGet(t.Context(), wrap(base), "https://shop.invalid/")
	})
	return list
}
