// Package conformance runs scenarios with and without a Transport and compares
// what the program sees. Its subdirectories are suites that use the public API
// only:
//
//   - contract: net/http's contract of RoundTripper
//   - streams: bodies that are sent and read piece by piece, and upgrades
//   - faults: bases, servers, callbacks and SDKs that misbehave
//   - conventions: the semantic conventions, rule by rule
//   - redaction: what may be recorded, and how it is
//   - nested: Transports around Transports
//   - connections: open connections, timings, DNS lookups, sizes of request bodies
//   - defaultclient: InstrumentDefault
//   - soak: all kinds of requests, for minutes
//   - nethttp: a command that runs net/http's own tests through a Transport
package conformance
