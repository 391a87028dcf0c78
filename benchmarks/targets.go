package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
)

// target is the destination of a row's requests.
type target struct {
	base       http.RoundTripper
	newRequest func() (*http.Request, error)
	// separate: the server is another process, so that CPU time is the client's.
	separate bool
	// upload is the number of bytes that a request sends; 0 means the table shows no throughput.
	upload int64
	close  func()
}

const (
	stubURL  = "https://inventory.example.com/items/42?limit=10"
	itemPath = "/items/42?limit=10"
)

// newRequest returns a new request for each call, as in an application. Its cost is the same for every
// contender.
func newRequest(method, url string, body io.Reader) (*http.Request, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "inventory-client/1.4")
	req.Header.Set(headerTenant, "acme")
	return req, nil
}

func get(url string) func() (*http.Request, error) {
	return func() (*http.Request, error) { return newRequest(http.MethodGet, url, nil) }
}

// stub answers without a network. Each response is newly allocated, as in net/http.
type stub struct {
	// withoutBody makes the body http.NoBody.
	withoutBody bool
}

func (s stub) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{
		Status:        "200 OK",
		StatusCode:    http.StatusOK,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          http.NoBody,
		ContentLength: 0,
		Request:       req,
	}
	if !s.withoutBody {
		resp.Body = &stubBody{rest: answer}
		resp.ContentLength = int64(len(answer))
	}
	return resp, nil
}

// stubBody returns its last bytes together with io.EOF, as net/http does for a known length. It has no
// methods that could bypass a wrapper, such as WriteTo.
type stubBody struct{ rest string }

func (b *stubBody) Read(p []byte) (int, error) {
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	if b.rest == "" {
		return n, io.EOF
	}
	return n, nil
}

func (b *stubBody) Close() error { return nil }

func stubTarget() (*target, error) {
	return &target{base: stub{}, newRequest: get(stubURL), close: func() {}}, nil
}

func stubTargetWithoutBody() (*target, error) {
	return &target{base: stub{withoutBody: true}, newRequest: get(stubURL), close: func() {}}, nil
}

// loopback starts a server in a process of its own. All contenders share one http.Transport and its
// connections, to avoid random differences between connections.
func loopback(protocol string) (t *target, url string, err error) {
	base, url, stop, err := startServer(protocol)
	if err != nil {
		return nil, "", err
	}
	url += itemPath
	return &target{base: base, newRequest: get(url), close: stop, separate: true}, url, nil
}

func loopbackGet() (*target, error) {
	t, _, err := loopback(protocolHTTP1)
	return t, err
}

func loopbackHTTP2() (*target, error) {
	t, _, err := loopback(protocolHTTP2)
	return t, err
}

func loopbackPost() (*target, error) {
	t, url, err := loopback(protocolHTTP1)
	if err != nil {
		return nil, err
	}
	payload := bytes.Repeat([]byte("0123456789abcdef"), 64)
	t.newRequest = func() (*http.Request, error) {
		return newRequest(http.MethodPost, url, bytes.NewReader(payload))
	}
	return t, nil
}

// uploadSize is the size of the uploaded file in bytes.
const uploadSize = 64 << 20

// loopbackUpload sends a file. It opens the file for each request because net/http closes it. net/http
// uses sendfile if the body is not wrapped.
func loopbackUpload() (*target, error) {
	file, err := os.CreateTemp("", "upload")
	if err != nil {
		return nil, err
	}
	block := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for range uploadSize / len(block) {
		if _, err := file.Write(block); err != nil {
			return nil, fmt.Errorf("file to upload: %w", err)
		}
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	t, url, err := loopback(protocolHTTP1)
	if err != nil {
		os.Remove(file.Name())
		return nil, err
	}
	stop := t.close
	t.newRequest = func() (*http.Request, error) {
		f, err := os.Open(file.Name())
		if err != nil {
			return nil, err
		}
		req, err := newRequest(http.MethodPut, url, f)
		if err != nil {
			return nil, err
		}
		req.ContentLength = uploadSize
		return req, nil
	}
	t.upload = uploadSize
	t.close = func() {
		stop()
		os.Remove(file.Name())
	}
	return t, nil
}
