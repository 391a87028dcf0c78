package otelhttpclienttest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/otelhttpclient/otelhttpclient/otelhttpclienttest"
)

// A program for a bug report: it needs no network, and prints the span.
func Example_bugReport() {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic(http.ErrAbortHandler) // closes the connection
	}))
	defer server.Close()

	rec := otelhttpclienttest.NewRecorder(server.Client().Transport)
	_, err := rec.Client().Get("http://example.com/items/42?sig=invented")

	fmt.Println("error:", err)
	for _, span := range rec.Spans() {
		fmt.Println(span.Name, span.Status)
		for _, kv := range span.Attributes {
			if kv.Key != "network.peer.port" { // varies
				fmt.Println(" ", kv.Key, "=", kv.Value.AsInterface())
			}
		}
	}
	// Output:
	// error: Get "http://example.com/items/42?sig=invented": EOF
	// GET {Error EOF}
	//   http.request.method = GET
	//   server.address = example.com
	//   server.port = 80
	//   url.full = http://example.com/items/42?sig=REDACTED
	//   error.type = response_ended
	//   network.peer.address = 127.0.0.1
}
