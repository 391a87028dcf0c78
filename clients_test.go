package otelhttpclient_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/instrumented"
	"github.com/otelhttpclient/otelhttpclient/internal/testkit/oteltest"
)

func TestInstrumentClientTwice(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := server.Client()

	otelhttpclient.InstrumentClient(client, instrumented.Options(tel)...)
	once := client.Transport
	otelhttpclient.InstrumentClient(client, instrumented.Options(tel)...)
	if client.Transport != once {
		t.Errorf("Transport after the second InstrumentClient: got %p, want the first's, %p", client.Transport, once)
	}
	oteltest.Fetch(t, t.Context(), client, server.URL)
	tel.OnlySpan()
}

func TestInstrumentClientKeepsATransport(t *testing.T) {
	mine := otelhttpclient.NewTransport(nil)
	client := &http.Client{Transport: mine}
	otelhttpclient.InstrumentClient(client)
	if client.Transport != mine {
		t.Errorf("Transport after InstrumentClient: got %p, want the caller's, %p", client.Transport, mine)
	}
	otelhttpclient.UninstrumentClient(client)
	if client.Transport != mine {
		t.Errorf("Transport after UninstrumentClient: got %p, want the caller's, %p", client.Transport, mine)
	}
}

func TestUninstrumentClient(t *testing.T) {
	base := &http.Transport{}
	for _, row := range []struct {
		name string
		had  http.RoundTripper
	}{
		{"no transport", nil},
		{"a transport", base},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := &http.Client{Transport: row.had}
			otelhttpclient.UninstrumentClient(client)
			if client.Transport != row.had {
				t.Errorf("Transport of a client that was not instrumented: got %v, want %v", client.Transport, row.had)
			}
			for range 2 {
				otelhttpclient.InstrumentClient(client)
				if _, ok := client.Transport.(*otelhttpclient.Transport); !ok {
					t.Errorf("Transport after InstrumentClient: got a %T, want a *Transport", client.Transport)
				}
				otelhttpclient.UninstrumentClient(client)
				if client.Transport != row.had {
					t.Errorf("Transport after UninstrumentClient: got %v, want %v", client.Transport, row.had)
				}
			}
		})
	}
	otelhttpclient.InstrumentClient(nil)
	otelhttpclient.UninstrumentClient(nil)
}

func TestUninstrumentClientDuringRequest(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	client := server.Client()
	otelhttpclient.InstrumentClient(client, instrumented.Options(tel)...)
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatalf("Get = %v, want no error", err)
	}
	otelhttpclient.UninstrumentClient(client)
	if got := len(tel.Spans()); got != 0 {
		t.Errorf("spans before the body is read: got %d, want 0", got)
	}
	oteltest.Discard(resp)
	tel.OnlySpan()
}

// Clients that share a transport may be instrumented and used at the same time.
func TestInstrumentClientConcurrently(t *testing.T) {
	server := oteltest.NewServer(t, "1.1", oteltest.Handler(http.StatusOK, "fine"))
	tel := oteltest.New(t)
	base := server.Client().Transport
	const clients, calls = 8, 5
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			client := &http.Client{Transport: base}
			otelhttpclient.InstrumentClient(client, instrumented.Options(tel)...)
			for range calls {
				oteltest.Fetch(t, t.Context(), client, server.URL)
			}
			otelhttpclient.UninstrumentClient(client)
			oteltest.Fetch(t, t.Context(), client, server.URL)
			if client.Transport != base {
				t.Errorf("Transport after UninstrumentClient: got %v, want %v", client.Transport, base)
			}
		})
	}
	wg.Wait()
	if got, want := len(tel.Spans()), clients*calls; got != want {
		t.Errorf("spans: got %d, want %d", got, want)
	}
}

func TestInstrumentClientReportsIgnoredOptions(t *testing.T) {
	handled := oteltest.HandleErrors(t)
	client := &http.Client{}
	otelhttpclient.InstrumentClient(client, otelhttpclient.WithConnectionTimings())
	otelhttpclient.InstrumentClient(client)
	if got := handled.Texts(); len(got) != 0 {
		t.Errorf("handled errors without ignored options: got %q, want none", got)
	}
	otelhttpclient.InstrumentClient(client, otelhttpclient.WithConnectionTimings())
	if got := handled.Texts(); len(got) != 1 {
		t.Errorf("handled errors with ignored options: got %q, want one", got)
	}
}
