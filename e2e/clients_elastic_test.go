package e2e

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v9/esapi"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestElastic: users depend on retries, for which the client changes one request's URL and body and sends it
// again to another node, on compressed bodies, and on node addresses with passwords, which become a header.
// The test builds elasticsearch.Client's parts: the whole client takes minutes to compile.
func TestElastic(t *testing.T) {
	client := func(r *clientRun, addresses ...string) *elastictransport.Client {
		var nodes []*url.URL
		for _, a := range addresses {
			u, err := url.Parse(a)
			if err != nil {
				r.t.Fatal(err)
			}
			nodes = append(nodes, u)
		}
		c, err := elastictransport.NewClient(elastictransport.WithURLs(nodes...), elastictransport.WithTransport(r.transport()),
			elastictransport.WithCompression(), elastictransport.WithRetryBackoff(func(int) time.Duration { return time.Millisecond }))
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	node := func(r *clientRun) string { return strings.Replace(r.url, "://", "://elastic:"+clientSecret+"@", 1) }
	index := func(addresses func(*clientRun) []string) func(*clientRun) {
		return func(r *clientRun) {
			resp, err := esapi.IndexRequest{Index: "things", DocumentID: "1", Body: strings.NewReader(`{"name":"thing"}`)}.
				Do(otelhttpclient.ContextWithRetries(r.ctx), client(r, addresses(r)...))
			if err != nil {
				r.failed(err)
				return
			}
			body, err := io.ReadAll(resp.Body)
			r.saw("%d %s, error %v, close %v, failed %t", resp.StatusCode, body, err, resp.Body.Close(), resp.IsError())
		}
	}
	one := func(r *clientRun) []string { return []string{node(r)} }
	// refused is a node that is down.
	refused := func(r *clientRun) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			r.t.Fatal(err)
		}
		l.Close()
		return "http://" + l.Addr().String()
	}
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Elastic-Product", "Elasticsearch")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	created, busy := answer(http.StatusCreated, `{"result":"created"}`), answer(http.StatusServiceUnavailable, `{}`)
	document := "PUT URL/things/_doc/1 "
	ok := []string{`201 {"result":"created"}, error <nil>, close <nil>, failed false`}
	tests := []clientTest{
		{name: "retry after 503", serve: failFirst(2, busy, created), use: index(one), want: ok,
			wantSpans: []string{document + "503 error 503", document + "503 error 503 resend 1", document + "201 resend 2"}},
		{name: "retry after reset", serve: failFirst(1, reset, created), use: index(one), want: ok,
			wantSpans: []string{document + "error response_ended", document + "201 resend 1"}},
		{name: "node that is down", serve: failFirst(0, nil, created), wantUnsent: 1, want: ok,
			use:       index(func(r *clientRun) []string { return []string{refused(r), node(r)} }),
			wantSpans: []string{"PUT http://ADDRESS/things/_doc/1 error connection_error", document + "201 resend 1"}},
		{name: "error response", serve: failFirst(0, nil, answer(http.StatusConflict, `{"error":"conflict"}`)), use: index(one),
			want:      []string{`409 {"error":"conflict"}, error <nil>, close <nil>, failed true`},
			wantSpans: []string{document + "409 error 409"}},
	}
	for i := range tests {
		tests[i].secrets = []string{clientSecret}
		tests[i].opts = []otelhttpclient.Option{otelhttpclient.WithRequestHeaders("*")}
	}
	runClientTests(t, tests)
}
