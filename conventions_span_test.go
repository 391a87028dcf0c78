package otelhttpclient_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// Each test is named for the rule of docs/conventions.md that it checks, and
// they stand in its order: here what it says about spans and errors. The rules
// about metrics, scope and old names are in conventions_metrics_test.go.

// Span: kind and creation.

func TestRuleKindIsClientAndRequiredAttributesAreGivenAtCreation(t *testing.T) {
	sampler := &oteltest.RecordingSampler{Sampler: sdktrace.AlwaysSample()}
	tel := oteltest.NewSampled(t, sampler)
	ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), "/items/{sku}")
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, ctx, "get", "https://example.com/items/1?a=b", nil))
	if len(sampler.Seen()) != 1 {
		t.Fatalf("the sampler was asked %d times, want once", len(sampler.Seen()))
	}
	seen := sampler.Seen()[0]
	if seen.Kind != trace.SpanKindClient || seen.Name != "HTTP /items/{sku}" {
		t.Errorf("at creation: kind %v and name %q, want %v and %q", seen.Kind, seen.Name, trace.SpanKindClient, "HTTP /items/{sku}")
	}
	oteltest.WantKeys(t, "the span at creation", seen.Attributes, "http.request.method", "http.request.method_original",
		"server.address", "server.port", "url.full", "url.template")
	for _, in := range [][]attribute.KeyValue{seen.Attributes, tel.OnlySpan().Attributes} {
		oteltest.WantAttribute(t, in, "http.request.method", "_OTHER")
		oteltest.WantAttribute(t, in, "http.request.method_original", "get")
		oteltest.WantAttribute(t, in, "server.address", "example.com")
		oteltest.WantAttribute(t, in, "server.port", 443)
		oteltest.WantAttribute(t, in, "url.full", "https://example.com/items/1?a=b")
	}
	if got := tel.OnlySpan().SpanKind; got != trace.SpanKindClient {
		t.Errorf("kind = %v, want %v", got, trace.SpanKindClient)
	}
}

// Span: the table's rows.

func TestRuleMethodIsKnownOrOther(t *testing.T) {
	type row struct{ method, want, original, name, reason string }
	rows := []row{
		{"", "GET", "", "GET", "an empty Request.Method means GET"},
		{"get", "_OTHER", "get", "HTTP", "methods are compared in exact case"},
		{"FROB", "_OTHER", "FROB", "HTTP", "unknown"},
		{"_OTHER", "_OTHER", "_OTHER", "HTTP", "unknown, although it looks like what is recorded then"},
	}
	for _, known := range []string{"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"} {
		rows = append(rows, row{known, known, "", known, "known"})
	}
	for _, test := range rows {
		t.Run(test.method, func(t *testing.T) {
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil)
			req.Method = test.method
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
			span := tel.OnlySpan()
			point := tel.DurationAttributes()
			oteltest.WantAttribute(t, span.Attributes, "http.request.method", test.want)
			oteltest.WantAttribute(t, point, "http.request.method", test.want)
			oteltest.WantAttribute(t, point, "http.request.method_original", nil)
			if test.original != "" {
				oteltest.WantAttribute(t, span.Attributes, "http.request.method_original", test.original)
			} else {
				oteltest.WantAttribute(t, span.Attributes, "http.request.method_original", nil)
			}
			if span.Name != test.name {
				t.Errorf("name = %q, want %q (%s)", span.Name, test.name, test.reason)
			}
		})
	}
}

func TestRuleServerAddressAndPort(t *testing.T) {
	for _, test := range []struct {
		url, host, address string
		port               int
		reason             string
	}{
		{"https://example.com/", "", "example.com", 443, "https implies 443"},
		{"http://example.com/", "", "example.com", 80, "http implies 80"},
		{"http://example.com:8080/", "", "example.com", 8080, "as written"},
		{"http://[::1]:8080/", "", "::1", 8080, "no brackets"},
		{"https://[2001:db8::1]/", "", "2001:db8::1", 443, "no brackets, without a port either"},
		{"http://10.0.0.1:8080/", "api.internal", "api.internal", 80, "Request.Host is what is addressed"},
		{"http://10.0.0.1:8080/", "api.internal:81", "api.internal", 81, "with its port"},
	} {
		t.Run(test.reason, func(t *testing.T) {
			tel := oteltest.New(t)
			req := oteltest.NewRequest(t, t.Context(), "GET", test.url, nil)
			if test.host != "" {
				req.Host = test.host
			}
			oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), req)
			for _, in := range [][]attribute.KeyValue{
				tel.OnlySpan().Attributes, tel.DurationAttributes(),
			} {
				oteltest.WantAttribute(t, in, "server.address", test.address)
				oteltest.WantAttribute(t, in, "server.port", test.port)
			}
		})
	}
}

func TestRuleURLFullIsAbsoluteWithFragmentAndWithoutCredentials(t *testing.T) {
	for _, test := range []struct{ url, want, reason string }{
		{"https://example.com", "https://example.com", "as written"},
		{"https://example.com/a?b=c#d", "https://example.com/a?b=c#d", "the fragment is known"},
		{"https://me:pw@example.com/", "https://REDACTED:REDACTED@example.com/", "user and password"},
		{"https://me@example.com/", "https://REDACTED:REDACTED@example.com/", "a user alone may be a token"},
		{"https://example.com/?sig=abc&a=b", "https://example.com/?sig=REDACTED&a=b", "the key is kept"},
		{"https://example.com/?AWSAccessKeyId=abc", "https://example.com/?AWSAccessKeyId=REDACTED", "named by the conventions"},
		{"https://example.com/?Signature=abc", "https://example.com/?Signature=REDACTED", "named by the conventions"},
		{"https://example.com/?X-Goog-Signature=abc", "https://example.com/?X-Goog-Signature=REDACTED", "named by the conventions"},
	} {
		t.Run(test.url, func(t *testing.T) {
			t.Log(test.reason)
			oteltest.WantAttribute(t, spanOf(t, oteltest.Answer(200), test.url).Attributes, "url.full", test.want)
		})
	}
}

func TestRuleStatusCodeOnlyWhereAResponseWasReceived(t *testing.T) {
	tel := oteltest.New(t)
	_, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{}), oteltest.NewRequest(t, t.Context(), "GET", oteltest.ClosedPort(t), nil))
	if err == nil {
		t.Fatal("error = nil, want that of a port that nobody listens at")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.status_code", nil)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", nil)

	tel = oteltest.New(t)
	oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(204)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.response.status_code", 204)
	oteltest.WantAttribute(t, tel.DurationAttributes(), "http.response.status_code", 204)
}

func TestRuleProtocolNameAndVersion(t *testing.T) {
	for _, test := range []struct {
		proto         string
		major, minor  int
		name, version any
	}{
		{"HTTP/1.0", 1, 0, nil, "1.0"},
		{"HTTP/1.1", 1, 1, nil, "1.1"},
		{"HTTP/2.0", 2, 0, nil, "2"},
		{"HTTP/3.0", 3, 0, nil, "3"},
		{"SPDY/3.1", 3, 1, "spdy", "3.1"},
		{"", 0, 0, nil, nil}, // not told
	} {
		t.Run(test.proto, func(t *testing.T) {
			tel := oteltest.New(t)
			base := oteltest.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Proto: test.proto, ProtoMajor: test.major, ProtoMinor: test.minor, Body: http.NoBody, Request: req}, nil
			})
			oteltest.MustSend(t, instrumented.Transport(tel, base), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
			for _, in := range [][]attribute.KeyValue{
				tel.OnlySpan().Attributes, tel.DurationAttributes(),
			} {
				oteltest.WantAttribute(t, in, "network.protocol.name", test.name)
				oteltest.WantAttribute(t, in, "network.protocol.version", test.version)
			}
		})
	}
}

func TestRuleProtocolVersionIsAbsentWhileUnknown(t *testing.T) {
	tel := oteltest.New(t)
	// A connection is there, but no answer that would tell the version.
	url := oteltest.RawServer(t, oteltest.Write(""))
	if _, err := oteltest.Send(instrumented.Transport(tel, &http.Transport{}), oteltest.NewRequest(t, t.Context(), "GET", url, nil)); err == nil {
		t.Fatal("error = nil, want that of a connection that ended")
	}
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.protocol.version", nil)
	oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "network.peer.address", "127.0.0.1")
	oteltest.WantAttribute(t, tel.DurationAttributes(), "network.protocol.version", nil)
}

func TestRuleResendCountIsAnOrdinalThatTheFirstAttemptHasNot(t *testing.T) {
	tel := oteltest.New(t)
	resends := ruleRedirects(t, tel, func(ctx context.Context, client *http.Client, url string) {
		for range 2 { // told to be attempts of one operation, each with a redirect
			oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/a", nil))
		}
	})
	var got []any
	for _, span := range resends {
		v, ok := oteltest.Attributes(span.Attributes)["http.request.resend_count"]
		if !ok {
			got = append(got, nil)
			continue
		}
		got = append(got, v.AsInt64())
	}
	if want := []any{nil, int64(1), int64(2), int64(3)}; !slices.Equal(got, want) {
		t.Errorf("http.request.resend_count of the attempts = %v, want %v", got, want)
	}
}

func TestRuleProtocolVersionAndPeerOnBothVersions(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok") })
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
		span := tel.OnlySpan()
		oteltest.WantAttribute(t, span.Attributes, "network.protocol.version", version)
		oteltest.WantAttribute(t, span.Attributes, "network.peer.address", w.Host())
		oteltest.WantAttribute(t, span.Attributes, "network.peer.port", w.Port())
		oteltest.WantKeys(t, "span", span.Attributes, "http.request.method", "server.address", "server.port", "url.full",
			"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port")
	})
}

func TestRuleOptInAttributesOnlyWhereAskedFor(t *testing.T) {
	byDefault := []string{"http.request.method", "server.address", "server.port", "url.full",
		"http.response.status_code", "network.protocol.version", "network.peer.address", "network.peer.port"}
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			rw.Header()["X-Shop-Cache"] = []string{"hit", "near"}
			_, _ = io.WriteString(rw, "fine")
		})
		scheme, _, _ := strings.Cut(w.URL, ":")
		for _, test := range []struct {
			key    attribute.Key
			option otelhttpclient.Option
			want   any
		}{
			{"", nil, nil},
			{"http.request.body.size", otelhttpclient.WithOptInAttributes("http.request.body.size"), 12},
			{"http.response.body.size", otelhttpclient.WithOptInAttributes("http.response.body.size"), 4},
			{"network.transport", otelhttpclient.WithOptInAttributes("network.transport"), "tcp"},
			{"url.scheme", otelhttpclient.WithOptInAttributes("url.scheme"), scheme},
			{"user_agent.original", otelhttpclient.WithOptInAttributes("user_agent.original"), "shop/1"},
			{"http.request.header.x-shop-id", otelhttpclient.WithRequestHeaders("X-Shop-ID"), []string{"7", "8"}},
			{"http.response.header.x-shop-cache", otelhttpclient.WithResponseHeaders("X-Shop-Cache"), []string{"hit", "near"}},
		} {
			t.Run("with "+string(test.key), func(t *testing.T) {
				tel := oteltest.New(t)
				req := oteltest.NewRequest(t, t.Context(), "POST", w.URL, strings.NewReader("how are you?"))
				req.Header = http.Header{"User-Agent": {"shop/1"}, "X-Shop-Id": {"7", "8"}}
				oteltest.MustSend(t, instrumented.Transport(tel, w.Base, test.option), req)
				want := slices.Clone(byDefault)
				span := tel.OnlySpan()
				if test.key != "" {
					want = append(want, string(test.key))
					oteltest.WantAttribute(t, span.Attributes, test.key, test.want)
				}
				oteltest.WantKeys(t, "span", span.Attributes, want...)
				if _, isList := test.want.([]string); isList {
					if got := oteltest.Attributes(span.Attributes)[test.key].Type(); got != attribute.STRINGSLICE {
						t.Errorf("%s is of type %v, want %v", test.key, got, attribute.STRINGSLICE)
					}
				}
			})
		}
	})
}

// A template has to be given: that is how a span's url.template is asked for.
func TestRuleURLTemplateOnlyWhereOneIsGiven(t *testing.T) {
	oteltest.WantAttribute(t, spanOf(t, oteltest.Answer(200), "https://example.com/items/1").Attributes, "url.template", nil)
	span := spanOf(t, oteltest.Answer(200), "https://example.com/items/1",
		otelhttpclient.WithURLTemplate(func(*http.Request) string { return "/items/{sku}" }))
	oteltest.WantAttribute(t, span.Attributes, "url.template", "/items/{sku}")
}

// Known methods.

func TestRuleKnownMethodsFromEnvironment(t *testing.T) {
	t.Setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "FROB,get")
	for _, test := range []struct{ method, want, reason string }{
		{"FROB", "FROB", "on the list"},
		{"get", "get", "on the list"},
		{"GET", "_OTHER", "the list is a full override"},
		{"frob", "_OTHER", "the list is case-sensitive"},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, t.Context(), test.method, "https://example.com/", nil))
		t.Log(test.method, test.reason)
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "http.request.method", test.want)
	}
	span := spanOf(t, oteltest.Answer(200), "https://example.com/", otelhttpclient.WithKnownMethods("GET"))
	oteltest.WantAttribute(t, span.Attributes, "http.request.method", "GET") // the option wins
}

// Name.

func TestRuleName(t *testing.T) {
	for _, test := range []struct{ method, template, want, reason string }{
		{"GET", "", "GET", "never the path"},
		{"GET", "/items/{sku}", "GET /items/{sku}", "a template is known"},
		{"FROB", "", "HTTP", "_OTHER"},
		{"FROB", "/items/{sku}", "HTTP /items/{sku}", "_OTHER, and a template"},
	} {
		tel := oteltest.New(t)
		ctx := otelhttpclient.ContextWithURLTemplate(t.Context(), test.template)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(200)), oteltest.NewRequest(t, ctx, test.method, "https://example.com/items/1", nil))
		if got := tel.OnlySpan().Name; got != test.want {
			t.Errorf("name = %q, want %q (%s)", got, test.want, test.reason)
		}
	}
}

// Status.

func TestRuleStatus(t *testing.T) {
	for _, test := range []struct {
		status int
		code   codes.Code
		want   any
	}{
		{101, codes.Unset, nil}, {200, codes.Unset, nil}, {204, codes.Unset, nil}, {304, codes.Unset, nil}, {399, codes.Unset, nil},
		{400, codes.Error, "400"}, {404, codes.Error, "404"}, {499, codes.Error, "499"}, {500, codes.Error, "500"}, {503, codes.Error, "503"},
		{600, codes.Error, "600"}, {42, codes.Error, "42"}, {-1, codes.Error, "-1"}, {0, codes.Error, "_OTHER"},
	} {
		tel := oteltest.New(t)
		oteltest.MustSend(t, instrumented.Transport(tel, oteltest.Answer(test.status)), oteltest.NewRequest(t, t.Context(), "GET", "https://example.com/", nil))
		t.Log(test.status)
		span := tel.OnlySpan()
		oteltest.WantStatus(t, span, test.code)
		if span.Status.Description != "" {
			t.Errorf("description = %q, want none: the status code says it all", span.Status.Description)
		}
		oteltest.WantAttribute(t, span.Attributes, "error.type", test.want)
		oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", test.want)
	}
}

func TestRuleStatusIsErrorWhereTheBodyOfASuccessFails(t *testing.T) {
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

func TestRuleStatusByErrorCheck(t *testing.T) {
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

func TestRuleStatusOfCancellationIsUnset(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, headers := range []bool{false, true} {
			t.Run(ruleWhere(headers), func(t *testing.T) {
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

func TestRuleStatusOfDeadlineAndTimeoutIsError(t *testing.T) {
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
					continue // it is over once the headers have come
				}
				t.Run(name+", "+ruleWhere(headers), func(t *testing.T) {
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

// Time.

func TestRuleTimeStartsBeforeTheFirstByteAndEndsWithTheBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			name string
			end  func(*http.Response)
		}{
			{"read to its end", func(resp *http.Response) { _, _ = io.Copy(io.Discard, resp.Body) }},
			{"closed", func(resp *http.Response) { _ = resp.Body.Close() }},
		} {
			t.Run(test.name, func(t *testing.T) {
				arrived := make(chan time.Time, 1)
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					arrived <- time.Now()
					_, _ = io.WriteString(rw, "ok")
				})
				tel := oteltest.New(t)
				resp := oteltest.Open(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil))
				defer resp.Body.Close()
				if n := len(tel.Spans()); n != 0 {
					t.Errorf("%d spans have ended with the headers, want none", n)
				}
				before := time.Now()
				test.end(resp)
				span := tel.OnlySpan()
				if got := <-arrived; span.StartTime.After(got) {
					t.Errorf("started at %v, want before the request has arrived, at %v", span.StartTime, got)
				}
				if span.EndTime.Before(before) {
					t.Errorf("ended at %v, want after the body was, not before %v", span.EndTime, before)
				}
			})
		}
	})
}

// Where there is no body the caller need not do anything for the span to end.
func TestRuleTimeEndsWithTheHeadersWhereThereIsNoBody(t *testing.T) {
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		for _, test := range []struct {
			method string
			status int
			length string
		}{
			{"HEAD", 200, "100"}, // as the answer to a GET would have
			{"GET", 200, ""},
			{"GET", 204, ""},
			{"GET", 304, ""},
			{"GET", 304, "100"}, // as that which was not sent
		} {
			t.Run(test.method+" "+http.StatusText(test.status)+" "+test.length, func(t *testing.T) {
				w := oteltest.NewServer(t, version, func(rw http.ResponseWriter, _ *http.Request) {
					if test.length != "" {
						rw.Header().Set("Content-Length", test.length)
					}
					rw.WriteHeader(test.status)
				})
				tel := oteltest.New(t)
				resp := oteltest.Open(t, instrumented.Transport(tel, w.Base), oteltest.NewRequest(t, t.Context(), test.method, w.URL, nil))
				tel.OnlySpan()
				_ = resp.Body.Close()
				tel.OnlySpan() // still
			})
		}
	})
}

// Resends.

// ruleRedirects runs requests under a caller's span, through a server where
// /a leads to /b, and returns the spans of the attempts. No other span but the
// caller's may have been made.
func ruleRedirects(t *testing.T, tel *oteltest.SDK, requests func(ctx context.Context, client *http.Client, url string)) tracetest.SpanStubs {
	t.Helper()
	w := oteltest.NewServer(t, "1.1", func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(rw, r, "/b", http.StatusFound)
		}
	})
	ctx, parent := tel.Tracers.Tracer("caller").Start(t.Context(), "caller")
	requests(otelhttpclient.ContextWithRetries(ctx), &http.Client{Transport: instrumented.Transport(tel, w.Base)}, w.URL)
	spans := tel.Spans()
	for _, span := range spans {
		if span.Parent.SpanID() != parent.SpanContext().SpanID() {
			t.Errorf("parent of %s = %v, want the caller's span, %v", span.Name, span.Parent.SpanID(), parent.SpanContext().SpanID())
		}
	}
	parent.End()
	return spans
}

func TestRuleResendsAreSiblingsWithNoSpanAroundThem(t *testing.T) {
	tel := oteltest.New(t)
	spans := ruleRedirects(t, tel, func(ctx context.Context, client *http.Client, url string) {
		oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/a", nil))
		oteltest.MustSend(t, oteltest.RoundTripFunc(client.Do), oteltest.NewRequest(t, ctx, "GET", url+"/b", nil))
	})
	if len(spans) != 3 { // ruleRedirects has checked the parents
		t.Errorf("%d spans, want 3: one for each hop and attempt, and none around them", len(spans))
	}
}

// Propagation.

func TestRulePropagationIsOfTheClientSpan(t *testing.T) {
	for name, sampler := range map[string]sdktrace.Sampler{"01": sdktrace.AlwaysSample(), "00": sdktrace.NeverSample()} {
		oteltest.OnBothVersions(t, func(t *testing.T, version string) {
			sent := make(chan []string, 1)
			w := oteltest.NewServer(t, version, func(_ http.ResponseWriter, r *http.Request) { sent <- r.Header["Traceparent"] })
			var ids ruleIDs
			tel := oteltest.NewSampled(t, &ruleSpanSampler{Sampler: sampler, ids: &ids})
			req := oteltest.NewRequest(t, t.Context(), "GET", w.URL, nil)
			req.Header.Set("Traceparent", "00-11111111111111111111111111111111-2222222222222222-01")
			oteltest.MustSend(t, instrumented.Transport(tel, w.Base), req)
			got := <-sent
			if len(got) != 1 {
				t.Fatalf("traceparent = %q, want one: an existing header is replaced", got)
			}
			parts := strings.Split(got[0], "-")
			if len(parts) != 4 || parts[1] != ids.trace.String() || parts[3] != name {
				t.Errorf("traceparent = %q, want the trace %v and the flags %s", got[0], ids.trace, name)
			}
			if spans := tel.Spans(); name == "01" && (len(spans) != 1 || parts[2] != spans[0].SpanContext.SpanID().String()) {
				t.Errorf("traceparent = %q, want the span id of %v", got[0], spans)
			}
		})
	}
}

// ruleIDs are those of the span that a sampler was asked about last.
type ruleIDs struct{ trace trace.TraceID }

type ruleSpanSampler struct {
	sdktrace.Sampler
	mu  sync.Mutex
	ids *ruleIDs
}

func (s *ruleSpanSampler) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids.trace = p.TraceID
	return s.Sampler.ShouldSample(p)
}

// Exceptions.

func TestRuleNoExceptionEvents(t *testing.T) {
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

func TestRuleExceptionEventsByResponseHook(t *testing.T) {
	tel := oteltest.New(t)
	hook := otelhttpclient.WithResponseHook(func(span trace.Span, _ *http.Request, _ *http.Response, err error) { span.RecordError(err) })
	if err := oteltest.TryGet(t.Context(), instrumented.Transport(tel, &http.Transport{}, hook), oteltest.ClosedPort(t)); err == nil {
		t.Fatal("error = nil, want that of a port that nobody listens at")
	}
	if events := tel.OnlySpan().Events; len(events) != 1 || events[0].Name != "exception" {
		t.Errorf("span events = %v, want one exception", events)
	}
}

// Errors. The failures that net/http can bring about, on both versions and
// with the exact error.type of each, are in errortype_test.go.

// The values are tried in this order: an error that could have several of them
// has the one that comes first.
func TestRuleErrorTypeValuesInTheirOrder(t *testing.T) {
	want := []string{"timeout", "name_resolution_error", "secure_connection_error", "connection_error",
		"response_ended", "http_protocol_error"}
	got := map[string]bool{}
	for _, f := range failures() {
		got[f.want] = true
	}
	for _, value := range want {
		if !got[value] {
			t.Errorf("no failure of a real connection has the error.type %q, want one", value)
		}
	}
	if keys := slices.Sorted(maps.Keys(got)); len(keys) != len(want) {
		t.Errorf("values of error.type for failures of real connections = %q, want those of the list, %q", keys, want)
	}
	for i := range want {
		// Each is joined with all that come after it, in the wrong order.
		var all []error
		for _, later := range slices.Backward(want[i:]) {
			all = append(all, ruleErrors()[later])
		}
		tel := oteltest.New(t)
		base := oteltest.RoundTripFunc(func(*http.Request) (*http.Response, error) { return nil, errors.Join(all...) })
		_ = oteltest.TryGet(t.Context(), instrumented.Transport(tel, base), "http://shop.invalid/")
		oteltest.WantAttribute(t, tel.OnlySpan().Attributes, "error.type", want[i])
		oteltest.WantAttribute(t, tel.DurationAttributes(), "error.type", want[i])
	}
}

func ruleWhere(headers bool) string {
	if headers {
		return "in the body"
	}
	return "before the answer"
}
