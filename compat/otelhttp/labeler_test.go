package otelhttp_test

import (
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestLabeler(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	sdk := oteltest.New(t)

	l, found := otelhttp.ClientLabelerFromContext(t.Context())
	if found || l == nil {
		t.Fatalf("labeler of an empty context = %v, %v, want a new one and false", l, found)
	}
	l.Add(attribute.String("tenant", "acme"))
	ctx := otelhttp.ContextWithClientLabeler(t.Context(), l)
	if got, found := otelhttp.ClientLabelerFromContext(ctx); !found || got != l {
		t.Errorf("labeler of the context = %p, %v, want %p, true", got, found, l)
	}
	if got := handled.Take(); len(got) > 0 {
		t.Errorf("reported errors = %q, want none for attributes that are added before", got)
	}

	l.Add(attribute.String("late", "yes"))
	if got := handled.Take(); len(got) != 1 || !strings.Contains(got[0], "Labeler.Add") {
		t.Errorf("reported errors = %q, want one about Labeler.Add", got)
	}
	if got := l.Get(); len(got) != 2 {
		t.Errorf("Get() = %v, want both attributes", got)
	}

	oteltest.Get(t, ctx, newTransport(sdk, server.Base), server.URL)
	for what, a := range map[string][]attribute.KeyValue{
		"span":   sdk.OnlySpan().Attributes,
		"metric": sdk.DurationAttributes(),
	} {
		t.Run(what, func(t *testing.T) {
			oteltest.WantAttribute(t, a, "tenant", "acme")
			oteltest.WantAttribute(t, a, "late", nil)
		})
	}
}

func TestNilLabeler(t *testing.T) {
	ctx := otelhttp.ContextWithClientLabeler(t.Context(), nil)
	if l, found := otelhttp.ClientLabelerFromContext(ctx); found || l == nil {
		t.Errorf("labeler = %v, %v, want a new one and false", l, found)
	}
}
