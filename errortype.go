package otelhttpclient

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/otelhttpclient/otelhttpclient/internal/errortype"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
)

// An ErrorCheck reports whether a response is an error. It must not read or
// close the body and may be called concurrently.
type ErrorCheck = func(*http.Response) bool

// WithErrorCheck sets the function that decides which responses are errors.
// Spans of errors have the status Error; spans and metrics have the status code
// as error.type, or _OTHER for a code that is not one of HTTP's. By default, the status codes 4xx and 5xx are errors, and those
// below 100 or above 599. The default also applies if the function panics.
func WithErrorCheck(isError ErrorCheck) Option {
	return optionFunc(func(c *config) {
		if isError != nil {
			c.errorCheck = isError
		}
	})
}

func (c *config) isError(resp *http.Response) (isError bool) {
	if c.errorCheck != nil && c.guard.Call("error check", func() { isError = c.errorCheck(resp) }) {
		return isError
	}
	return resp.StatusCode < 100 || resp.StatusCode >= 400
}

// errorType returns the value of error.type for an error of base, or of reading
// a response body. An error with a method ErrorType chooses its own. So does the
// cause of an expired deadline, which net/http returns on HTTP/1.1 only.
func (c *config) errorType(ctx context.Context, scheme string, err error) string {
	var named interface{ ErrorType() string }
	if errors.As(err, &named) || errortype.Expired(ctx, err) && errors.As(context.Cause(ctx), &named) {
		name := ""
		if c.guard.Call("ErrorType method", func() { name = named.ErrorType() }) && name != "" {
			return foreign.Copy(name)
		}
	}
	return errortype.Of(ctx, scheme, err)
}

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
