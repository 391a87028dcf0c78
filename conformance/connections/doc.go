// Package connections tests what a Transport records of connections: their number
// and age, their peers, what a request waited for, DNS lookups, and the sizes of
// request bodies.
package connections
