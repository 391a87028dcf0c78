package semconv

import (
	"slices"

	"go.opentelemetry.io/otel/attribute"
	std "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// oldNames maps stable names to those from before, which http/dup records in addition,
// for a migration.
var oldNames = map[attribute.Key]attribute.Key{
	std.HTTPRequestMethodKey:         "http.method",
	std.URLFullKey:                   OldURLFullKey,
	std.ServerAddressKey:             "net.peer.name",
	std.ServerPortKey:                "net.peer.port",
	std.HTTPRequestResendCountKey:    "http.resend_count",
	std.HTTPResponseStatusCodeKey:    "http.status_code",
	std.NetworkProtocolVersionKey:    "http.flavor",
	std.NetworkPeerAddressKey:        "net.sock.peer.addr",
	std.NetworkPeerPortKey:           "net.sock.peer.port",
	std.HTTPRequestMethodOriginalKey: "http.method",
}

// appendOld appends the stable attributes under their old names.
func appendOld(a, stable []attribute.KeyValue) []attribute.KeyValue {
	for _, kv := range stable {
		key, renamed := oldNames[kv.Key]
		if !renamed {
			continue
		}
		if kv.Key == std.HTTPRequestMethodOriginalKey { // follows _OTHER
			a = slices.DeleteFunc(a, func(kv attribute.KeyValue) bool { return kv.Key == key })
		}
		if version := kv.Value.AsString(); kv.Key == std.NetworkProtocolVersionKey && (version == "2" || version == "3") {
			kv.Value = attribute.StringValue(version + ".0")
		}
		a = append(a, attribute.KeyValue{Key: key, Value: kv.Value})
	}
	return a
}
