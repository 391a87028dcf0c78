package filters_test

import (
	"net/http"
	"testing"

	"github.com/otelhttpclient/otelhttpclient/compat/otelhttp"
	. "github.com/otelhttpclient/otelhttpclient/compat/otelhttp/filters"
)

func TestFilters(t *testing.T) {
	req, err := http.NewRequest("PUT", "http://inventory.example:8080/items/42?tag=red&tag=dark+green", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Add("X-Tenant", "acme")
	req.Header.Add("X-Tenant", "acme east")
	yes, no := Method("PUT"), Method("GET")
	for _, c := range []struct {
		name   string
		filter otelhttp.Filter
		want   bool
	}{
		{"method", yes, true},
		{"another method", no, false},
		{"host", Hostname("inventory.example"), true},
		{"host with port", Hostname("inventory.example:8080"), false},
		{"path", Path("/items/42"), true},
		{"path is not a prefix", Path("/items"), false},
		{"prefix", PathPrefix("/items/"), true},
		{"another prefix", PathPrefix("/users/"), false},
		{"query", Query("tag", "dark green"), true},
		{"query is whole", Query("tag", "green"), false},
		{"query of another name", Query("Tag", "red"), false},
		{"part of query", QueryContains("tag", "green"), true},
		{"part of no query", QueryContains("tag", "blue"), false},
		{"header", Header("x-tenant", "acme east"), true},
		{"header is whole", Header("X-Tenant", "east"), false},
		{"part of header", HeaderContains("x-tenant", "east"), true},
		{"part of no header", HeaderContains("X-Tenant", "west"), false},
		{"not", Not(no), true},
		{"not not", Not(Not(no)), false},
		{"any", Any(no, yes), true},
		{"any of none", Any(no, no), false},
		{"any of nothing", Any(), false},
		{"all", All(yes, yes), true},
		{"all but one", All(yes, no), false},
		{"all of nothing", All(), true},
		{"none", None(no, no), true},
		{"none but one", None(no, yes), false},
		{"none of nothing", None(), true},
		{"nil in any", Any(nil, yes), true},
		{"only nil in any", Any(nil), false},
		{"nil in all", All(nil, yes), true},
		{"nil in none", None(nil, no), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.filter(req); got != c.want {
				t.Errorf("filter = %v, want %v", got, c.want)
			}
		})
	}
	if Not(nil) != nil {
		t.Error("Not(nil) is a filter, want nil, which WithFilter ignores")
	}
}
