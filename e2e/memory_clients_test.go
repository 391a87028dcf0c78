package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
	"github.com/elastic/go-elasticsearch/v9/esapi"
	"github.com/google/go-github/v75/github"
	"github.com/imroc/req/v3"
	"github.com/moby/moby/client"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

func reqPut(retries int) func(*testing.T, http.RoundTripper, string) call {
	return func(_ *testing.T, rt http.RoundTripper, url string) call {
		c := req.C().SetTimeout(patience).SetCommonRetryCount(retries).SetCommonRetryFixedInterval(time.Millisecond).
			SetCommonRetryCondition(func(resp *req.Response, err error) bool { return err != nil || resp.StatusCode >= 500 })
		c.GetTransport().WrapRoundTrip(func(http.RoundTripper) http.RoundTripper { return rt })
		return func(ctx context.Context) (string, error) {
			resp, err := c.R().SetContext(ctx).SetBodyString(upload).Put(url + "/object")
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%d %s", resp.StatusCode, resp.String()), nil
		}
	}
}

func githubGet(t *testing.T, rt http.RoundTripper, base string) call {
	c := github.NewClient(&http.Client{Transport: rt, Timeout: patience})
	var err error
	if c.BaseURL, err = url.Parse(base + "/"); err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (string, error) {
		r, err := c.NewRequest(http.MethodGet, "object", nil)
		if err != nil {
			return "", err
		}
		var body bytes.Buffer
		resp, err := c.Do(ctx, r, &body)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, body.Bytes()), nil
	}
}

func elasticIndex(once bool) func(*testing.T, http.RoundTripper, string) call {
	return func(t *testing.T, rt http.RoundTripper, base string) call {
		node, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		opts := []elastictransport.Option{elastictransport.WithURLs(node), elastictransport.WithTransport(rt),
			elastictransport.WithRetryBackoff(func(int) time.Duration { return time.Millisecond })}
		if once {
			opts = append(opts, elastictransport.WithDisableRetry())
		}
		c, err := elastictransport.NewClient(opts...)
		if err != nil {
			t.Fatal(err)
		}
		return func(ctx context.Context) (string, error) {
			resp, err := esapi.IndexRequest{Index: "things", DocumentID: "1", Body: strings.NewReader(upload)}.Do(ctx, c)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			return fmt.Sprintf("%d %s", resp.StatusCode, body), err
		}
	}
}

func kubernetesGet(t *testing.T, rt http.RoundTripper, base string) call {
	c, err := corev1.NewForConfigAndClient(&rest.Config{Host: base, QPS: -1}, &http.Client{Transport: rt, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (string, error) {
		body, err := c.RESTClient().Get().AbsPath("/object").DoRaw(ctx)
		return string(body), err
	}
}

func dockerLogs(t *testing.T, rt http.RoundTripper, base string) call {
	c, err := client.New(client.WithHost(strings.Replace(base, "http:", "tcp:", 1)), client.WithAPIVersion("1.51"),
		client.WithHTTPClient(&http.Client{Transport: rt, Timeout: patience}))
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (string, error) {
		logs, err := c.ContainerLogs(ctx, "web", client.ContainerLogsOptions{ShowStdout: true})
		if err != nil {
			return "", err
		}
		defer logs.Close()
		body, err := io.ReadAll(logs)
		return string(body), err
	}
}
