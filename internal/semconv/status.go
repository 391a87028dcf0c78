package semconv

import (
	"net/http"
	"strconv"

	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
)

// errorTypeOfStatus returns the value of error.type for an error response.
func errorTypeOfStatus(code int) string {
	if !isStatusCode(code) {
		return errortype.Other
	}
	return strconv.Itoa(code)
}

// isStatusCode reports whether HTTP has the code. net/http's HTTP/2 client takes
// any integer from a server, and there would be metrics for each.
func isStatusCode(code int) bool { return 100 <= code && code <= 599 }

// isAssigned reports whether a status code is assigned, or there is none. With the
// others the metrics leave out the protocol: a server chooses both, and every code
// with every version would be as many series as the SDK has.
func isAssigned(code int) bool {
	return code == http.StatusOK || code == 0 || http.StatusText(code) != ""
}

// measuredStatus returns the status code that metrics have: an unassigned one below
// 400 is the x00 of its class, as RFC 9110, section 15, has clients treat it. Each
// of them may also come with every way in which a body fails.
func measuredStatus(code int) int {
	if code < 400 && !isAssigned(code) {
		return code / 100 * 100
	}
	return code
}
