// Package soak sends all kinds of requests for as long as it is told to:
//
//	go test -tags soak -run TestSoak -v -timeout 0 -soak.duration 10m ./conformance/soak
package soak
