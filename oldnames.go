package otelhttpclient

import "go.opentelemetry.io/otel/attribute"

// The names from before the stable conventions, for a migration. They are
// recorded in addition to the stable ones under http/dup.

func appendOldRequest(a []attribute.KeyValue, d *description) []attribute.KeyValue {
	method := d.method
	if d.originalMethod != "" {
		method = d.originalMethod
	}
	a = append(a, attribute.String("http.method", method))
	if d.url != "" {
		a = append(a, attribute.String("http.url", d.url))
	}
	if d.host != "" {
		a = append(a, attribute.String("net.peer.name", d.host))
	}
	if d.port != 0 {
		a = append(a, attribute.Int("net.peer.port", d.port))
	}
	if d.resendCount > 0 {
		a = append(a, attribute.Int("http.resend_count", d.resendCount))
	}
	return a
}

func appendOldResponse(a []attribute.KeyValue, o *outcome, length int64) []attribute.KeyValue {
	if o.status != 0 {
		a = append(a, attribute.Int("http.status_code", o.status))
	}
	if flavor := o.protocol.oldFlavor(); flavor != "" {
		a = append(a, attribute.String("http.flavor", flavor))
	}
	if length > 0 {
		a = append(a, attribute.Int64("http.response_content_length", length))
	}
	return a
}

func appendOldPeer(a []attribute.KeyValue, address string, port int) []attribute.KeyValue {
	a = append(a, attribute.String("net.sock.peer.addr", address))
	if port != 0 {
		a = append(a, attribute.Int("net.sock.peer.port", port))
	}
	return a
}

// oldFlavor returns the version in the form of http.flavor.
func (p protocol) oldFlavor() string {
	switch p.version {
	case "2", "3":
		return p.version + ".0"
	}
	return p.version
}

// oldMeasurementAttributes returns the attributes of http.client.duration.
func oldMeasurementAttributes(f *facts, o *outcome) []attribute.KeyValue {
	a := []attribute.KeyValue{attribute.String("http.method", f.method)}
	if f.host != "" {
		a = append(a, attribute.String("net.peer.name", f.host))
	}
	if f.port != 0 {
		a = append(a, attribute.Int("net.peer.port", f.port))
	}
	if isStatusCode(o.status) {
		a = append(a, attribute.Int("http.status_code", measuredStatus(o.status)))
	}
	if flavor := o.protocol.oldFlavor(); flavor != "" && isAssigned(o.status) {
		a = append(a, attribute.String("http.flavor", flavor))
	}
	return append(a, f.own...)
}
