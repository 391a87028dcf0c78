package e2e

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/util/exec"

	"github.com/otelhttpclient/otelhttpclient"
)

const (
	pods  = "/api/v1/namespaces/default/pods"
	shell = pods + "/web/exec?command=sh&stdin=true&stdout=true&stderr=true"
)

// TestKubernetes: users depend on rest.Config.Wrap, on watches, which are responses that stay open, on exec and
// port-forward, which upgrade a connection that client-go dials itself, and on WrappedRoundTripper, by which
// client-go finds the *http.Transport again. The config's bearer token passes through the Transport.
func TestKubernetes(t *testing.T) {
	config := func(r *clientRun) *rest.Config {
		cfg := &rest.Config{Host: r.url, BearerToken: accessToken}
		if r.srv.TLS != nil {
			cfg.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.srv.Certificate().Raw})
		}
		cfg.Wrap(r.wrap)
		return cfg
	}
	client := func(r *clientRun) *corev1.CoreV1Client {
		c, err := corev1.NewForConfig(config(r))
		if err != nil {
			r.t.Fatal(err)
		}
		return c
	}
	list := func(r *clientRun) {
		c := client(r)
		got, err := c.Pods("default").List(otelhttpclient.ContextWithRetries(r.ctx), metav1.ListOptions{Limit: 5})
		if err != nil {
			r.failed(err)
			return
		}
		r.saw("%d pods, version %s", len(got.Items), got.ResourceVersion)
		transport := c.RESTClient().(*rest.RESTClient).Client.Transport
		tls, err := utilnet.TLSClientConfig(transport)
		r.saw("TLS config: %t, error %v", tls != nil, err)
		utilnet.CloseIdleConnectionsFor(transport)
	}
	watch := func(r *clientRun) {
		w, err := client(r).Pods("default").Watch(r.ctx, metav1.ListOptions{})
		if err != nil {
			r.failed(err)
			return
		}
		for range 2 {
			event := <-w.ResultChan()
			r.saw("%s %T", event.Type, event.Object)
		}
		if r.rec != nil {
			r.rec.checkOpen(r.t, "during the watch", 1)
		}
		w.Stop()
		for range w.ResultChan() {
		}
	}
	watchToTheEnd := func(r *clientRun) {
		w, err := client(r).Pods("default").Watch(r.ctx, metav1.ListOptions{})
		if err != nil {
			r.failed(err)
			return
		}
		for event := range w.ResultChan() {
			r.saw("%s %T", event.Type, event.Object)
		}
	}
	// events serves a watch that ends by end.
	events := func(end func(req *http.Request)) func() http.HandlerFunc {
		return failFirst(0, nil, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for _, kind := range []string{"ADDED", "MODIFIED"} {
				fmt.Fprintf(w, `{"type":%q,"object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}}}`, kind)
				w.(http.Flusher).Flush()
			}
			end(req)
		})
	}
	run := func(executor func(*rest.Config, string) (remotecommand.Executor, error)) func(*clientRun) {
		return func(r *clientRun) {
			e, err := executor(config(r), r.url+shell)
			if err != nil {
				r.failed(err)
				return
			}
			var out, problems strings.Builder
			err = e.StreamWithContext(r.ctx, remotecommand.StreamOptions{
				Stdin: strings.NewReader(strings.Repeat("echo ", 10_000)), Stdout: &out, Stderr: &problems,
			})
			r.saw("%d bytes, stderr %q", out.Len(), problems.String())
			var exit exec.CodeExitError
			if errors.As(err, &exit) {
				r.saw("exit code %d", exit.Code)
				return
			}
			r.failed(err)
		}
	}
	listed := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":[{}]}`)
	}
	busy := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	forbidden := func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }
	ran := []string{`50000 bytes, stderr "a warning"`, "exit code 3"}
	two := []string{"ADDED *v1.Pod", "MODIFIED *v1.Pod"}
	tests := []clientTest{
		{name: "list with retry", serve: failFirst(1, busy, listed), use: list,
			want:      []string{"1 pods, version 7", "TLS config: true, error <nil>"},
			wantSpans: []string{"GET URL" + pods + "?limit=5 429 error 429", "GET URL" + pods + "?limit=5 200 resend 1"}},
		{name: "stopped watch", serve: events(func(req *http.Request) { <-req.Context().Done() }), use: watch,
			want: two, wantSpans: []string{"GET URL" + pods + "?watch=true 200"}},
		{name: "stopped watch over HTTP/2 and TLS", start: startTLS, serve: events(func(req *http.Request) { <-req.Context().Done() }),
			use: watch, want: two, wantSpans: []string{"GET URL" + pods + "?watch=true 200 HTTP/2"}},
		{name: "watch until the server's end", serve: events(func(*http.Request) {}), use: watchToTheEnd,
			want: two, wantSpans: []string{"GET URL" + pods + "?watch=true 200"}},
		{name: "interrupted watch", serve: events(func(*http.Request) { panic(http.ErrAbortHandler) }), use: watchToTheEnd,
			want: two, wantSpans: []string{"GET URL" + pods + "?watch=true 200 error response_ended"}},
		{name: "exec by SPDY", serve: failFirst(0, nil, execSPDY), use: run(spdyExecutor), want: ran,
			wantSpans: []string{"POST URL" + shell + " 101"}},
		{name: "exec by WebSocket", serve: failFirst(0, nil, execWebSocket), use: run(webSocketExecutor), want: ran,
			wantSpans: []string{"GET URL" + shell + " 101"}},
		{name: "refused exec by SPDY", serve: failFirst(0, nil, forbidden), use: run(spdyExecutor),
			want:      []string{`0 bytes, stderr ""`, "error unable to upgrade connection: no: timeout false, types *errors.errorString"},
			wantSpans: []string{"POST URL" + shell + " 403 error 403"}},
		{name: "refused exec by WebSocket", serve: failFirst(0, nil, forbidden), use: run(webSocketExecutor),
			want: []string{`0 bytes, stderr ""`, "error unable to upgrade streaming request: websocket: bad handshake (403 Forbidden): " +
				"no: timeout false, types *httpstream.UpgradeFailureError"},
			// There, a refusal is an error of the RoundTripper below.
			wantSpans: []string{"GET URL" + shell + " error *httpstream.UpgradeFailureError"}},
	}
	for i := range tests {
		tests[i].secrets = []string{accessToken}
		tests[i].opts = []otelhttpclient.Option{otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*")}
	}
	runClientTests(t, tests)
}

func spdyExecutor(c *rest.Config, url string) (remotecommand.Executor, error) {
	u, err := neturl.Parse(url)
	if err != nil {
		return nil, err
	}
	return remotecommand.NewSPDYExecutor(c, http.MethodPost, u)
}

func webSocketExecutor(c *rest.Config, url string) (remotecommand.Executor, error) {
	return remotecommand.NewWebSocketExecutor(c, http.MethodGet, url)
}
