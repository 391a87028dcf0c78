package otelhttpclient

import (
	"go.opentelemetry.io/otel/metric"

	"github.com/otelhttpclient/otelhttpclient/internal/semconv"
)

// WithMeterProvider sets the provider of the meter. The default, also for nil,
// is the global provider that is installed when a request starts.
func WithMeterProvider(mp metric.MeterProvider) Option {
	return optionFunc(func(c *config) {
		if mp != nil {
			c.meterProvider = mp
		}
	})
}

// WithOptInMetrics adds opt-in metrics. See each constant for its requirements.
// Repeated options accumulate.
//
// http.client.request.duration is always recorded. So is the counter
// otelhttpclient.response.body.abandoned, with server.address and server.port:
// it counts the response bodies that the application neither read to the end
// nor closed, as the garbage collector finds them. It is 0 from the first
// request to a server on, so that an alert on its increase fires at the first
// leak.
func WithOptInMetrics(metrics ...Metric) Option {
	return optionFunc(func(c *config) {
		for _, m := range metrics {
			bit := semconv.MetricOf(string(m))
			if c.conventions.Metrics |= bit; bit == 0 {
				badOption("WithOptInMetrics", "%q is not an opt-in metric of this library", m)
			}
		}
	})
}

// A Metric is the name of an opt-in metric. See [WithOptInMetrics].
type Metric string

const (
	// MetricRequestBodySize is a histogram of the sizes of request bodies, in
	// bytes, if they are known: see [WithOptInAttributes].
	MetricRequestBodySize Metric = "http.client.request.body.size"
	// MetricResponseBodySize is a histogram of the sizes of response bodies, in
	// bytes. Bodies that net/http decompressed are omitted, because their size
	// on the wire is unknown.
	MetricResponseBodySize Metric = "http.client.response.body.size"
	// MetricActiveRequests is an up-down counter of requests in flight.
	MetricActiveRequests Metric = "http.client.active_requests"
	// MetricOpenConnections is an asynchronous up-down counter of open
	// connections, by http.connection.state: active while a request uses the
	// connection, else idle. Each collection reports both states, only for
	// servers that have connections. All Transports with the same MeterProvider
	// count a connection once; if its type is not comparable, each Transport
	// counts it.
	//
	// base must call the hooks of [net/http/httptrace]. Connections without a
	// file descriptor are omitted: a connection must be a [syscall.Conn], as
	// those of *http.Transport are, or have a NetConn method that leads to one.
	//
	// A connection is counted from its first response, because its protocol
	// version is unknown before, until up to a second after it is closed,
	// because net/http does not report that. server.address and server.port are
	// those of the latest request; on a connection to a proxy for plain http,
	// they change. If base sends one request over several connections
	// concurrently, only the latest counts as active.
	MetricOpenConnections Metric = "http.client.open_connections"
	// MetricConnectionDuration is a histogram of how long connections were
	// open, in seconds. It is recorded once for each connection, after it is
	// closed, under the conditions of MetricOpenConnections. server.address
	// and server.port are those of the latest request.
	//
	// The end is observed up to a second late. The start is when a request of
	// these Transports first obtains the connection, minus the idle time that
	// net/http reports. So the value is too short for a connection that other
	// requests used before, and for an HTTP/2 connection whose dial was not
	// needed by the request that started it: net/http does not report that idle
	// time.
	MetricConnectionDuration Metric = "http.client.connection.duration"
	// MetricRequestTimeInQueue is a histogram of how long requests waited for a
	// connection, in seconds: from requesting it until it is obtained,
	// including a dial. It shows an exhausted pool at any sampling rate. A
	// request that ends without a connection is recorded with the time until
	// its end, without network.protocol.version. base must call the hooks of
	// [net/http/httptrace]. Name and attributes are those of .NET's HTTP
	// client, and url.template where the duration has it.
	MetricRequestTimeInQueue Metric = "http.client.request.time_in_queue"
	// MetricDNSLookupDuration is a histogram of the duration of DNS lookups, in
	// seconds, with dns.question.name. A failed lookup has the error.type
	// host_not_found, timeout, try_again or _OTHER. A lookup that outlasts the
	// deadline of its request is recorded at the deadline, as timeout. If
	// requests share a lookup, each records it. Concurrent lookups of one
	// request cannot be distinguished. base must call the hooks of
	// [net/http/httptrace].
	MetricDNSLookupDuration Metric = "dns.lookup.duration"
)
