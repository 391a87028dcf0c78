package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
)

// The servers of the loopback rows run in a process of their own, so that the CPU time of this process
// is the client's. That process is another run of this program.

// serverVariable is the environment variable that makes a run of this program a server. Its value is the
// protocol.
const (
	serverVariable = "OTELHTTPCLIENT_BENCHMARK_SERVER"
	protocolHTTP1  = "http1"
	protocolHTTP2  = "http2"
)

// endpoint is what the server writes to its standard output, as one line of JSON.
type endpoint struct {
	URL         string
	Certificate []byte // empty without TLS
}

// serveIfServer serves until standard input ends, if this process is to be a server. The input also ends
// with the client's process.
func serveIfServer() {
	protocol := os.Getenv(serverVariable)
	if protocol == "" {
		return
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(handler))
	var e endpoint
	if protocol == protocolHTTP2 {
		server.EnableHTTP2 = true
		server.StartTLS()
		e.Certificate = server.Certificate().Raw
	} else {
		server.Start()
	}
	e.URL = server.URL
	if err := json.NewEncoder(os.Stdout).Encode(e); err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks: server:", err)
		os.Exit(1)
	}
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// startServer starts a server process. The returned transport trusts its certificate.
func startServer(protocol string) (base *http.Transport, url string, stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, "", nil, err
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), serverVariable+"="+protocol)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", nil, err
	}
	end := func() {
		in.Close()
		cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var e endpoint
	if err == nil {
		err = json.Unmarshal(line, &e)
	}
	if err != nil {
		end()
		return nil, "", nil, fmt.Errorf("server process: %w", err)
	}
	base = &http.Transport{MaxIdleConnsPerHost: 256}
	if len(e.Certificate) > 0 {
		certificate, err := x509.ParseCertificate(e.Certificate)
		if err != nil {
			end()
			return nil, "", nil, err
		}
		roots := x509.NewCertPool()
		roots.AddCert(certificate)
		base.TLSClientConfig = &tls.Config{RootCAs: roots}
		base.ForceAttemptHTTP2 = true
	}
	return base, e.URL, func() {
		base.CloseIdleConnections()
		end()
	}, nil
}

// answer is the response body of every server and of the stub.
const answer = `{"id":42,"name":"bolt, hexagonal, M8","stock":1280}`

// pidPath is answered with the server's process id.
const pidPath = "/pid"

// handler reads the request body and answers. It is cheap, so that the client's cost is a visible part of
// the wall time.
func handler(w http.ResponseWriter, r *http.Request) {
	if r.Body != http.NoBody {
		// A large buffer, so that the server does not limit large uploads.
		buf := make([]byte, min(max(r.ContentLength, 512), 256<<10))
		for {
			if _, err := r.Body.Read(buf); err != nil {
				break
			}
		}
	}
	if r.URL.Path == pidPath {
		fmt.Fprint(w, os.Getpid())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, answer)
}
