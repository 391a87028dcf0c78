package moving

import (
	"reflect"
	"strings"
	"testing"

	original "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	originalfilters "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp/filters"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp/filters"
)

// TestSignatures: the functions of compat/otelhttp have otelhttp's signatures.
func TestSignatures(t *testing.T) {
	const get = "func(context.Context, string) (*http.Response, error)"
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"NewTransport", otelhttp.NewTransport, original.NewTransport},
		{"WithTracerProvider", otelhttp.WithTracerProvider, original.WithTracerProvider},
		{"WithMeterProvider", otelhttp.WithMeterProvider, original.WithMeterProvider},
		{"WithPropagators", otelhttp.WithPropagators, original.WithPropagators},
		{"WithSpanOptions", otelhttp.WithSpanOptions, original.WithSpanOptions},
		{"WithFilter", otelhttp.WithFilter, original.WithFilter},
		{"WithClientTrace", otelhttp.WithClientTrace, original.WithClientTrace},
		{"WithSpanNameFormatter", otelhttp.WithSpanNameFormatter, original.WithSpanNameFormatter},
		{"ContextWithClientLabeler", otelhttp.ContextWithClientLabeler, original.ContextWithClientLabeler},
		{"ClientLabelerFromContext", otelhttp.ClientLabelerFromContext, original.ClientLabelerFromContext},
		{"Labeler.Add", (*otelhttp.Labeler).Add, (*original.Labeler).Add},
		{"Labeler.Get", (*otelhttp.Labeler).Get, (*original.Labeler).Get},
		{"Transport.RoundTrip", (*otelhttp.Transport).RoundTrip, (*original.Transport).RoundTrip},
		{"ScopeName", otelhttp.ScopeName, original.ScopeName},
		{"Version", otelhttp.Version, original.Version},

		{"filters.All", filters.All, originalfilters.All},
		{"filters.Any", filters.Any, originalfilters.Any},
		{"filters.None", filters.None, originalfilters.None},
		{"filters.Not", filters.Not, originalfilters.Not},
		{"filters.Method", filters.Method, originalfilters.Method},
		{"filters.Hostname", filters.Hostname, originalfilters.Hostname},
		{"filters.Path", filters.Path, originalfilters.Path},
		{"filters.PathPrefix", filters.PathPrefix, originalfilters.PathPrefix},
		{"filters.Query", filters.Query, originalfilters.Query},
		{"filters.QueryContains", filters.QueryContains, originalfilters.QueryContains},
		{"filters.Header", filters.Header, originalfilters.Header},
		{"filters.HeaderContains", filters.HeaderContains, originalfilters.HeaderContains},

		// Deprecated in v0.72.0.
		{"WithMetricAttributesFn", otelhttp.WithMetricAttributesFn, "func(func(*http.Request) []attribute.KeyValue) otelhttp.Option"},

		// Of v0.64.0, the last release that has them.
		{"Get", otelhttp.Get, get},
		{"Head", otelhttp.Head, get},
		{"Post", otelhttp.Post, "func(context.Context, string, string, io.Reader) (*http.Response, error)"},
		{"PostForm", otelhttp.PostForm, "func(context.Context, string, url.Values) (*http.Response, error)"},
		{"DefaultClient", otelhttp.DefaultClient, "*http.Client"},
	} {
		want, written := c.want.(string)
		if !written || !strings.ContainsAny(want, "(*") {
			want = reflect.TypeOf(c.want).String()
		}
		got := strings.ReplaceAll(reflect.TypeOf(c.got).String(), "otelhttpclient.", "otelhttp.")
		if got != want {
			t.Errorf("%s is a %s, want a %s", c.name, got, want)
		}
	}
}
