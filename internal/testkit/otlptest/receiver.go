// Package otlptest receives spans over OTLP/gRPC. Without the packages of gRPC
// and protobuf: the module that programs add must not require these.
package otlptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
)

// Start starts a receiver on loopback, which calls receive for each span, one at
// a time. The test's end stops it. What is no export of spans fails the test.
func Start(t testing.TB, receive func(Span)) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	server := &http.Server{
		Protocols: new(http.Protocols),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			spans, err := readExport(r)
			if err != nil {
				t.Errorf("OTLP receiver: %v", err)
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			mu.Lock()
			for _, span := range spans {
				receive(span)
			}
			mu.Unlock()
			// An empty response, and gRPC's status in the trailers.
			w.Header().Set("Content-Type", "application/grpc")
			_, _ = w.Write(make([]byte, prefix))
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		}),
	}
	server.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve() = %v, want %v", err, http.ErrServerClosed)
		}
	})
	return listener.Addr().String()
}

// prefix is the length of a gRPC message's prefix: a flag and the message's length.
const prefix = 5

const exportPath = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// readExport reads a unary gRPC request, which is one message.
func readExport(r *http.Request) ([]Span, error) {
	if r.Method != http.MethodPost || r.URL.Path != exportPath {
		return nil, fmt.Errorf("got %s %s, want POST %s", r.Method, r.URL.Path, exportPath)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(body) < prefix || body[0] != 0 || int(binary.BigEndian.Uint32(body[1:])) != len(body)-prefix {
		return nil, fmt.Errorf("got a body of %d bytes, want one uncompressed message", len(body))
	}
	return decode(body[prefix:])
}
