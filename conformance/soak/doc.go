// Package soak sends all kinds of requests for as long as it is told to:
//
//	go test -tags soak -run TestSoak -v -timeout 0 ./conformance/soak -soak.duration 10m
package soak
