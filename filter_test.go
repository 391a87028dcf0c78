package otelhttpclient_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestExcludedURLs(t *testing.T) {
	rows := []struct {
		list, url string
		traced    bool
		reason    string
	}{
		{"", "http://h/healthz", true, `"" excludes nothing`},
		{" , ,", "http://h/healthz", true, "empty expressions exclude nothing"},
		{"healthz", "http://h/healthz", false, "an expression matches anywhere"},
		{"healthz", "http://h/items", true, "it does not match"},
		{"/a$, /b$", "http://h/b", false, "one of the list is enough, and space around it is ignored"},
		{"/a$", "http://h/a/b", true, "an anchor counts"},
		{"^http://h/", "http://h/a", false, "the whole URL is matched, scheme and host included"},
		{"debug=1", "http://h/a?debug=1", false, "the query belongs to the URL"},
		{"user", "http://user:p@h/", true, "user name and password do not"},
		{`\d{2}`, "http://h/42", false, "it is a regular expression"},
	}
	for _, row := range rows {
		t.Run(row.list+" "+row.url, func(t *testing.T) {
			filter, err := otelhttpclient.ParseExcludedURLs(row.list)
			if err != nil {
				t.Fatalf("ParseExcludedURLs(%q) = %v, want no error", row.list, err)
			}
			checkTraced(t, filter, row.url, row.traced, row.reason)
		})
	}
}

// checkTraced checks whether a request is traced. One that is not must reach
// base unchanged.
func checkTraced(t *testing.T, filter otelhttpclient.Filter, url string, traced bool, reason string) {
	t.Helper()
	tel := oteltest.New(t)
	hooked := false
	var sent *http.Request
	var answered *http.Response
	rt := instrumented.Transport(tel, oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		sent = req
		answered, _ = oteltest.AnswerText(http.StatusOK, "text")(req)
		return answered, nil
	}), otelhttpclient.WithFilter(filter), otelhttpclient.WithRequestHook(func(trace.Span, *http.Request) { hooked = true }))
	req := oteltest.NewRequest(t, t.Context(), http.MethodGet, url, nil)
	resp, body := oteltest.MustSend(t, rt, req)
	_, measured := tel.Metric("http.client.request.duration")
	if n := len(tel.Spans()); (n == 1) != traced || n > 1 || measured != traced || hooked != traced {
		t.Errorf("%d spans, measured: %v, hooks run: %v, want traced: %v: %s", n, measured, hooked, traced, reason)
	}
	if !traced && (sent != req || resp != answered || body != "text" || len(req.Header) != 0) {
		t.Errorf("base got %p with headers %v, want the caller's request %p untouched", sent, sent.Header, req)
	}
}

func TestExcludeURLs(t *testing.T) {
	filter := otelhttpclient.ExcludeURLs(nil, regexp.MustCompile("/healthz$"), regexp.MustCompile("/ready$"))
	checkTraced(t, filter, "http://h/ready", false, "the last expression matches")
	checkTraced(t, filter, "http://h/items", true, "no expression matches")
	checkTraced(t, otelhttpclient.ExcludeURLs(), "http://h/healthz", true, "there is no expression")
	for _, req := range []*http.Request{nil, {}} {
		if !filter(req) {
			t.Errorf("filter(%v) = false, want true: there is no URL to match", req)
		}
	}
}

func TestParseExcludedURLsError(t *testing.T) {
	for list, bad := range map[string]string{"a(b": "a(b", "ok, [z-a] ,also ok": "[z-a]", "*": "*"} {
		filter, err := otelhttpclient.ParseExcludedURLs(list)
		if err == nil || filter != nil {
			t.Errorf("ParseExcludedURLs(%q) = %v, want an error and no filter", list, err)
			continue
		}
		if !strings.Contains(err.Error(), `"`+bad+`"`) || !strings.HasPrefix(err.Error(), "otelhttpclient: ") {
			t.Errorf("ParseExcludedURLs(%q) = %v, want an error that names %q", list, err, bad)
		}
		if strings.Contains(err.Error(), "also ok") {
			t.Errorf("ParseExcludedURLs(%q) = %v, want the bad expression alone", list, err)
		}
	}
}

func TestFiltersCombine(t *testing.T) {
	for _, row := range []struct{ first, second, want bool }{
		{true, true, true}, {true, false, false}, {false, true, false}, {false, false, false},
	} {
		tel := oteltest.New(t)
		rt := instrumented.Transport(tel, oteltest.AnswerText(http.StatusOK, ""), otelhttpclient.WithFilter(func(*http.Request) bool { return row.first }), otelhttpclient.WithFilter(func(*http.Request) bool { return row.second }))
		oteltest.MustSend(t, rt, oteltest.NewRequest(t, t.Context(), http.MethodGet, "http://h/", nil))
		if got := len(tel.Spans()) == 1; got != row.want {
			t.Errorf("filters %v and %v: traced = %v, want %v", row.first, row.second, got, row.want)
		}
	}
}
