package defaultclient

import (
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

// Programs compare the text of a time-out. Bare it is always the same: that of
// the context. A RoundTripper that net/http's client does not know has one of
// two, depending on what is first: the context or the deprecated Request.Cancel.
func TestInstrumentDefaultTimeoutText(t *testing.T) {
	const (
		awaiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
		reading  = "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
	)
	for _, version := range []string{"1.1", "2"} {
		for _, row := range []struct {
			name    string
			headers bool
			timeout time.Duration
			want    string
		}{
			{"before headers", false, 20 * time.Millisecond, awaiting},
			{"in the body", true, 100 * time.Millisecond, reading},
		} {
			t.Run("HTTP "+version+" "+row.name, func(t *testing.T) {
				stalled, quick := oteltest.NewServer(t, version, oteltest.Stall(row.headers)), oteltest.NewServer(t, "1.1", oteltest.Handler(200, ""))
				bareAndInstrumented(t, func(t *testing.T) {
					if version == "2" {
						present(t).TLSClientConfig = rootsOf(stalled)
					}
					// The client knows the route of https after the first request.
					wantAnswer(t, "first request", nil, quick.URL, "")

					early := `Get "` + stalled.URL + `": ` + awaiting
					want := row.want
					if !row.headers {
						want = early
					}
					got := timeoutTexts(stalled.URL, 200, row.timeout)
					if n := got[want]; n == 0 || n < 200 && n+got[early] < 200 {
						t.Errorf("texts of 200 time-outs: got %v, want %q", got, want)
					}
				})
			})
		}
	}
}

// timeoutTexts sends n requests that time out, and counts the errors' texts.
func timeoutTexts(url string, n int, timeout time.Duration) map[string]int {
	texts := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			client := &http.Client{Timeout: timeout}
			for range n / 40 {
				resp, err := client.Get(url)
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					resp.Body.Close()
				}
				mu.Lock()
				if err == nil {
					texts["no error"]++
				} else {
					texts[err.Error()]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return texts
}
