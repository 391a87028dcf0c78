package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v75/github"

	"github.com/otelhttpclient/otelhttpclient"
)

// TestGitHub: users depend on pagination by the Link header, on rate limits, which the client reads from
// headers and then enforces without a request, on the error types, and on redirects to signed URLs.
func TestGitHub(t *testing.T) {
	client := func(r *clientRun) *github.Client {
		c := github.NewClient(r.httpClient()).WithAuthToken(accessToken)
		base, err := url.Parse(r.url + "/")
		if err != nil {
			r.t.Fatal(err)
		}
		c.BaseURL = base
		return c
	}
	page := func(w http.ResponseWriter, req *http.Request) {
		n, _ := strconv.Atoi(req.URL.Query().Get("page"))
		if n = max(n, 1); n < 3 {
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/next?page=%d>; rel="next", <http://%[1]s/next?page=3>; rel="last"`, req.Host, n+1))
		}
		w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(100-n))
		fmt.Fprintf(w, `[{"number": %d}]`, n)
	}
	limited := func(name, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-RateLimit-Limit", "100")
			w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10))
			w.Header().Set("X-RateLimit-Remaining", "50")
			w.Header().Set(name, value)
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"message": "slow down", "documentation_url": "https://docs.invalid/secondary-rate-limits"}`)
		}
	}
	// twice makes two calls, of which a limit lets only the first reach the server.
	twice := func(r *clientRun) {
		c := client(r)
		for range 2 {
			_, resp, err := c.Issues.Get(r.ctx, "owner", "repo", 1)
			var limit *github.RateLimitError
			var abuse *github.AbuseRateLimitError
			switch {
			case errors.As(err, &limit):
				message, _, _ := strings.Cut(limit.Message, " until ")
				r.saw("limited: %s, %d left, response %d", message, limit.Rate.Remaining, resp.StatusCode)
			case errors.As(err, &abuse):
				message, _, _ := strings.Cut(abuse.Message, " until ")
				r.saw("secondary limit: %s, wait %t, response %d", message, abuse.RetryAfter != nil, resp.StatusCode)
			default:
				r.failed(err)
			}
		}
	}
	issue := "GET URL/repos/owner/repo/issues"
	tests := []clientTest{
		{name: "pagination", serve: failFirst(0, nil, page), use: func(r *clientRun) {
			c := client(r)
			opts := &github.IssueListByRepoOptions{}
			for opts.ListOptions.Page = 1; opts.ListOptions.Page != 0; {
				issues, resp, err := c.Issues.ListByRepo(r.ctx, "owner", "repo", opts)
				if err != nil {
					r.failed(err)
					return
				}
				r.saw("issue %d, next %d, last %d, left %d", issues[0].GetNumber(), resp.NextPage, resp.LastPage, resp.Rate.Remaining)
				opts.ListOptions.Page = resp.NextPage
			}
		}, want: []string{"issue 1, next 2, last 3, left 99", "issue 2, next 3, last 3, left 98", "issue 3, next 0, last 0, left 97"},
			wantSpans: []string{issue + "?page=1 200", issue + "?page=2 200", issue + "?page=3 200"}},
		{name: "rate limit", serve: failFirst(0, nil, limited("X-RateLimit-Remaining", "0")), use: twice, want: []string{
			"limited: slow down, 0 left, response 403",
			"limited: API rate limit of 100 still exceeded, 0 left, response 403",
		}, wantSpans: []string{issue + "/1 403 error 403"}},
		{name: "secondary rate limit", serve: failFirst(0, nil, limited("Retry-After", "60")), use: twice, want: []string{
			"secondary limit: slow down, wait true, response 403",
			"secondary limit: API secondary rate limit exceeded, wait true, response 403",
		}, wantSpans: []string{issue + "/1 403 error 403"}},
		{name: "not found", serve: failFirst(0, nil, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message": "Not Found"}`)
		}), use: func(r *clientRun) {
			_, _, err := client(r).Issues.Get(r.ctx, "owner", "repo", 1)
			r.failed(err)
		}, want: []string{"error GET URL/repos/owner/repo/issues/1: 404 Not Found []: timeout false, types *github.ErrorResponse"},
			wantSpans: []string{issue + "/1 404 error 404"}},
		{name: "redirect to a signed URL", serve: failFirst(0, nil, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", "http://"+req.Host+"/archive.tar?token="+clientSecret)
			w.WriteHeader(http.StatusFound)
		}), use: func(r *clientRun) {
			u, _, err := client(r).Repositories.GetArchiveLink(r.ctx, "owner", "repo", github.Tarball, nil, 0)
			r.saw("%v, error %v", u, err)
		}, want: []string{"URL/archive.tar?token=" + clientSecret + ", error <nil>"},
			wantSpans: []string{"GET URL/repos/owner/repo/tarball 302"}},
	}
	for i := range tests {
		tests[i].secrets = []string{accessToken, clientSecret}
		tests[i].opts = []otelhttpclient.Option{otelhttpclient.WithRequestHeaders("*"), otelhttpclient.WithResponseHeaders("*")}
	}
	runClientTests(t, tests)
}
