package otelhttpclient_test

import (
	"log"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelhttpclient/otelhttpclient"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest"
	"github.com/otelhttpclient/otelhttpclient/internal/oteltest/instrumented"
)

// TestContractFaults: under a server that misbehaves, thousands of requests see
// what they would see with the bare transport, every span ends, and no
// goroutine stays.
func TestContractFaults(t *testing.T) {
	// net/http logs what it thinks of such servers.
	defer log.SetOutput(log.Writer())
	log.SetOutput(oteltest.Quiet.Writer())
	oteltest.OnBothVersions(t, func(t *testing.T, version string) {
		before := runtime.NumGoroutine()
		var faults []*fault
		var base func() *http.Transport
		var stops []func()
		rounds := 15
		if version == "2" {
			faults = faultsHTTP2()
			var stop func()
			base, stop = faultServer2(faults)
			stops = append(stops, stop)
		} else {
			faults = faultsHTTP1()
			for _, f := range faults {
				if f.serve != nil {
					stops = append(stops, faultServer(t, f))
				}
			}
			base = func() *http.Transport { return &http.Transport{MaxResponseHeaderBytes: faultMaxHeader} }
		}

		bare := base()
		outcomes := make([]*faultOutcomes, len(faults))
		named := map[string]int{}
		for n := range outcomes {
			named[faults[n].name] = n
			outcomes[n] = &faultOutcomes{seen: map[string]int{}}
		}
		// http.Client cancels in another way where the RoundTripper is not
		// net/http's own: then what any other RoundTripper gives is as good.
		anyOther := oteltest.RoundTripFunc(bare.RoundTrip)
		addOutcome := func(n int) {
			outcomes[n].add(faultOutcome(bare, faults, n))
			if faults[n].user == faultHasClientTimeout {
				outcomes[n].add(faultOutcome(anyOther, faults, n))
			}
		}
		oteltest.Concurrently(rounds, len(faults), addOutcome)

		for _, row := range []struct {
			name    string
			options func(*oteltest.SDK) []otelhttpclient.Option
		}{
			{"by default", func(tel *oteltest.SDK) []otelhttpclient.Option { return instrumented.Options(tel) }},
			{"everything on", instrumented.EveryOption},
		} {
			t.Run(row.name, func(t *testing.T) {
				tel := oteltest.New(t)
				w := oteltest.NewCounting(t)
				below := base()
				defer below.CloseIdleConnections()
				rt := otelhttpclient.NewTransport(below, append(row.options(tel), otelhttpclient.WithTracerProvider(w.Tracers))...)
				oteltest.Concurrently(rounds, len(faults), func(n int) {
					if t.Failed() {
						return // one report is enough, and thousands are too many
					}
					got := faultOutcome(rt, faults, n)
					// What two sides do at once comes out in more than one way,
					// some of which are rare.
					for range 100 {
						if t.Failed() {
							return
						}
						if outcomes[n].has(got) || faults[n].or != "" && outcomes[named[faults[n].or]].has(got) {
							return
						}
						addOutcome(n)
					}
					t.Errorf("%s:\n got %s\nwant %s, as without the Transport", faults[n].name, got, outcomes[n])
				})
				if t.Failed() {
					return
				}
				started, ended := 0, 0
				oteltest.Eventually(t, "every span that was started ends", func() bool {
					started, ended = w.Started(), w.Ended()
					return started == ended
				})
				if want := rounds * len(faults); started < want {
					t.Errorf("spans: got %d started, want at least one for each of %d requests", started, want)
				}
				if got := tel.Count(string(otelhttpclient.MetricActiveRequests), attribute.KeyValue{}); got != 0 {
					t.Errorf("active requests: got %d, want 0", got)
				}
				oteltest.Eventually(t, "no connection is counted as open", func() bool {
					// A stream that was reset keeps its connection busy for a while.
					below.CloseIdleConnections()
					return tel.Count(string(otelhttpclient.MetricOpenConnections), attribute.KeyValue{}) == 0
				})
			})
		}
		bare.CloseIdleConnections()
		for _, stop := range stops {
			stop()
		}
		oteltest.Eventually(t, "the goroutines are as many as before", func() bool { return runtime.NumGoroutine() <= before })
	})
}

// faultOutcomes are those that a fault was seen to have.
type faultOutcomes struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *faultOutcomes) add(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen[outcome]++
}

func (o *faultOutcomes) has(outcome string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[outcome] > 0
}

func (o *faultOutcomes) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := ""
	for outcome := range o.seen {
		text += "\n  or " + outcome
	}
	return text
}
