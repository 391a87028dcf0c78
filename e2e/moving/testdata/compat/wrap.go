package program

// This file imports nothing that the signatures of otelhttp need.
import (
	"ORIGINAL/otelhttp"
)

func (c *Client) plain() {
	c.Transport = otelhttp.NewTransport(nil)
	c.Options = append(c.Options, otelhttp.WithPropagators(nil), otelhttp.WithMeterProvider(nil))
}
