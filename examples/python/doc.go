// Package python has the programs of docs/python.md, for those who come from
// OpenTelemetry's instrumentation of Python's aiohttp client.
package python
