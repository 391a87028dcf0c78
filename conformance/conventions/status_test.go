package conventions

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		status int
		code   codes.Code
		want   any
	}{
		{101, codes.Unset, nil}, {200, codes.Unset, nil}, {204, codes.Unset, nil}, {304, codes.Unset, nil}, {399, codes.Unset, nil},
		{400, codes.Error, "400"}, {404, codes.Error, "404"}, {499, codes.Error, "499"}, {500, codes.Error, "500"}, {503, codes.Error, "503"},
		{599, codes.Error, "599"}, {600, codes.Error, "_OTHER"}, {42, codes.Error, "_OTHER"}, {-1, codes.Error, "_OTHER"}, {0, codes.Error, "_OTHER"},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(test.status)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
		t.Log(test.status)
		span := tel.OnlySpan()
		oteltest.WantStatus(t, span, test.code)
		if span.Status.Description != "" {
			t.Errorf("description = %q, want none: the status code is enough", span.Status.Description)
		}
		oteltest.WantAttribute(t, span.Attributes, "error.type", test.want)
		oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", test.want)
	}
}

func TestStatusOfFailedBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, oteltest.Abort(true))
		tel := oteltest.New(t)
		status, err := oteltest.Send(instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		if status != 200 || err == nil {
			t.Fatalf("got status %d and error %v, want 200 and an error while the body is read", status, err)
		}
		span := tel.OnlySpan()
		oteltest.WantStatus(t, span, codes.Error)
		if span.Status.Description == "" {
			t.Error("description is empty, want the error's text: the status code does not tell")
		}
		for _, in := range [][]attribute.KeyValue{span.Attributes, tel.DurationAttributes()} {
			oteltest.WantAttribute(t, in, "http.response.status_code", 200)
			oteltest.WantAttribute(t, in, "error.type", "response_ended")
		}
	})
}

func TestStatusByErrorCheck(t *testing.T) {
	check := otelhttpclient.WithErrorCheck(func(resp *http.Response) bool { return resp.StatusCode == 200 })
	for _, test := range []struct {
		status int
		code   codes.Code
		want   any
	}{
		{200, codes.Error, "200"},
		{404, codes.Unset, nil},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(test.status), check), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
		oteltest.WantStatus(t, tel.OnlySpan(), test.code)
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", test.want)
		oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", test.want)
	}
}

func where(headers bool) string {
	if headers {
		return "in the body"
	}
	return "before the answer"
}

func TestStatusOfCancellation(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, headers := range []bool{false, true} {
			t.Run(where(headers), func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
					if !headers {
						cancel()
					}
					oteltest.Stall(headers)(rw, r)
				})
				tel := oteltest.New(t)
				resp, err := instrumented.Transport(tel, w.Base).RoundTrip(oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
				if headers {
					if err != nil {
						t.Fatalf("RoundTrip = %v, want no error", err)
					}
					cancel()
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if !errors.Is(err, context.Canceled) {
					t.Fatalf("error = %v, want %v", err, context.Canceled)
				}
				span := tel.OnlySpan()
				oteltest.WantStatus(t, span, codes.Unset)
				oteltest.WantAttribute(t, span.Attributes, "error.type", nil)
				point := tel.Seconds("http.client.request.duration")
				oteltest.WantAttribute(t, point.Attributes.ToSlice(), "error.type", nil)
				if point.Count != 1 {
					t.Errorf("measured %d times, want once: cancelled requests are measured", point.Count)
				}
			})
		}
	})
}

func TestStatusOfTimeout(t *testing.T) {
	const soon = 30 * time.Millisecond
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, headers := range []bool{false, true} {
			for name, request := range map[string]func(*testing.T, *oteltest.Server, *oteltest.SDK) error{
				"context deadline": func(t *testing.T, w *oteltest.Server, tel *oteltest.SDK) error {
					ctx, cancel := context.WithTimeout(t.Context(), soon)
					defer cancel()
					_, err := oteltest.Send(instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, ctx, "GET", w.URL, nil))
					return err
				},
				"Client.Timeout": func(t *testing.T, w *oteltest.Server, tel *oteltest.SDK) error {
					client := &http.Client{Transport: instrumented.Transport(tel, w.Base), Timeout: soon}
					resp, err := client.Do(oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
					if err != nil {
						return err
					}
					defer resp.Body.Close()
					_, err = io.Copy(io.Discard, resp.Body)
					return err
				},
				"ResponseHeaderTimeout": func(t *testing.T, w *oteltest.Server, tel *oteltest.SDK) error {
					w.Base.ResponseHeaderTimeout = soon
					return oteltest.TryGet(t.Context(), instrumented.Transport(tel, w.Base), w.URL)
				},
			} {
				if headers && name == "ResponseHeaderTimeout" {
					continue // the headers end it
				}
				t.Run(name+", "+where(headers), func(t *testing.T) {
					t.Parallel()
					tel := oteltest.New(t)
					if err := request(t, oteltest.NewServer(t, version, oteltest.Stall(headers)), tel); err == nil {
						t.Fatal("error = nil, want that of the timeout")
					}
					oteltest.WantStatus(t, tel.OnlySpan(), codes.Error)
					oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", "timeout")
					oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", "timeout")
				})
			}
		}
	})
}

func TestNoExceptionEvents(t *testing.T) {
	for name, run := range map[string]func(*testing.T, *oteltest.SDK) error{
		"failed request": func(t *testing.T, tel *oteltest.SDK) error {
			return oteltest.TryGet(t.Context(), instrumented.Transport(tel, &http.Transport{}), oteltest.ClosedPort(t))
		},
		"failed body": func(t *testing.T, tel *oteltest.SDK) error {
			w := oteltest.NewServer(t, "1.1", oteltest.Abort(true))
			return oteltest.TryGet(t.Context(), instrumented.Transport(tel, w.Base), w.URL)
		},
	} {
		t.Run(name, func(t *testing.T) {
			tel := oteltest.New(t)
			if err := run(t, tel); err == nil {
				t.Fatal("error = nil, want one")
			}
			oteltest.WantStatus(t, tel.OnlySpan(), codes.Error)
			if events := tel.OnlySpan().Events; len(events) != 0 {
				t.Errorf("span events = %v, want none", events)
			}
		})
	}
}

func TestExceptionEventsByResponseHook(t *testing.T) {
	tel := oteltest.New(t)
	hook := otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, err error) { span.RecordError(err) })
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, &http.Transport{}, hook), oteltest.ClosedPort(t)); err == nil {
		t.Fatal("error = nil, want that of a closed port")
	}
	if events := tel.OnlySpan().Events; len(events) != 1 || events[0].Name != "exception" {
		t.Errorf("span events = %v, want one exception", events)
	}
}
