//go:build race

package otelhttpclient_test

const raceEnabled = true
