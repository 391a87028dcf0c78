package otelhttpclient

import (
	"net/http"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// oldNamesFromEnvironment reports whether the names from before the conventions
// became stable are wanted beside the stable ones, for a time of moving over.
func oldNamesFromEnvironment() bool {
	list := strings.Split(os.Getenv("OTEL_SEMCONV_STABILITY_OPT_IN"), ",")
	return slices.ContainsFunc(list, func(s string) bool { return strings.TrimSpace(s) == "http/dup" })
}

func appendOldRequest(a []attribute.KeyValue, f *facts) []attribute.KeyValue {
	method := f.method
	if f.originalMethod != "" {
		method = f.originalMethod
	}
	a = append(a, attribute.String("http.method", method))
	if f.url != "" {
		a = append(a, attribute.String("http.url", f.url))
	}
	if f.host != "" {
		a = append(a, attribute.String("net.peer.name", f.host))
	}
	if f.port != 0 {
		a = append(a, attribute.Int("net.peer.port", f.port))
	}
	if f.resendCount > 0 {
		a = append(a, attribute.Int("http.resend_count", f.resendCount))
	}
	return a
}

func appendOldResponse(a []attribute.KeyValue, rt *roundTrip, resp *http.Response) []attribute.KeyValue {
	if resp.StatusCode != 0 {
		a = append(a, attribute.Int("http.status_code", resp.StatusCode))
	}
	if flavor := rt.protocol.oldFlavor(); flavor != "" {
		a = append(a, attribute.String("http.flavor", flavor))
	}
	if resp.ContentLength > 0 {
		a = append(a, attribute.Int64("http.response_content_length", resp.ContentLength))
	}
	return a
}

// oldFlavor is the version as the old http.flavor had it.
func (p protocol) oldFlavor() string {
	switch p.version {
	case "2", "3":
		return p.version + ".0"
	}
	return p.version
}

// oldMeasurementAttributes are those of http.client.duration.
func oldMeasurementAttributes(rt *roundTrip) []attribute.KeyValue {
	f := &rt.facts
	a := []attribute.KeyValue{attribute.String("http.method", f.method)}
	if f.host != "" {
		a = append(a, attribute.String("net.peer.name", f.host))
	}
	if f.port != 0 {
		a = append(a, attribute.Int("net.peer.port", f.port))
	}
	if rt.status != 0 {
		a = append(a, attribute.Int("http.status_code", rt.status))
	}
	if flavor := rt.protocol.oldFlavor(); flavor != "" {
		a = append(a, attribute.String("http.flavor", flavor))
	}
	return append(a, f.caller.attributes...)
}
