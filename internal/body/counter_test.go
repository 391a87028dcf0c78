package body

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A body that base obtains again is counted anew, and the latest counts.
func TestCounter(t *testing.T) {
	var c Counter
	if n, known := c.Sent(); n != 0 || known {
		t.Errorf("before: got %d, %v, want 0, false", n, known)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://example.com/", strings.NewReader("text"))
	if err != nil {
		t.Fatal(err)
	}
	c.Count(req)
	again, err := req.GetBody()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		body io.Reader
		want int64
	}{{io.LimitReader(again, 3), 3}, {req.Body, 3}, {again, 4}} {
		if _, err := io.ReadAll(row.body); err != nil {
			t.Fatal(err)
		}
		if n, known := c.Sent(); n != row.want || !known {
			t.Errorf("got %d, %v, want %d, true", n, known, row.want)
		}
	}
	req.GetBody = func() (io.ReadCloser, error) { return http.NoBody, nil }
	c.Count(req)
	if body, err := req.GetBody(); body != http.NoBody || err != nil {
		t.Errorf("no body: got %v, %v, want http.NoBody", body, err)
	}
}
