package muxpattern

import (
	"net/http"
	"net/url"
	"testing"
)

func BenchmarkTemplates(b *testing.B) {
	template, err := Templates("GET /items/{sku}", "POST /items", "GET /orders/{id}/lines/{line}")
	if err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse("https://inventory.example.com/items/42")
	if err != nil {
		b.Fatal(err)
	}
	req := &http.Request{Method: http.MethodGet, URL: u}
	b.ReportAllocs()
	for b.Loop() {
		_ = template(req)
	}
}
