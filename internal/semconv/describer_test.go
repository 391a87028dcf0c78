package semconv

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
)

// What a Describer remembers is what one that remembers nothing describes.
func TestDescriberRemembersNoOther(t *testing.T) {
	configs := []Config{{}, {OldNames: true}, {Attributes: Scheme | Transport}}
	methods := []string{"GET", "POST", "get", "", "PUT", "FOO", strings.Repeat("X", 300)}
	hosts := []string{"a.example", "b.example", "a.example:80", "a.example:81", "", "[::1]:80", "bücher.example", "x@y"}
	protos := [][3]any{{"HTTP/1.1", 1, 1}, {"HTTP/1.0", 1, 0}, {"HTTP/2.0", 2, 0}, {"SPDY/3.1", 3, 1}, {"", 1, 1}}
	ips := []net.IP{{127, 0, 0, 1}, {128, 0, 0, 1}, net.ParseIP("127.0.0.1"), net.ParseIP("::1"), nil, {1}, make(net.IP, 20)}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(n int) int { return random.IntN(n) }
	for _, config := range configs {
		kept := &Describer{Config: config}
		for range 20_000 {
			fresh := &Describer{Config: config}
			method, scheme, host := methods[pick(len(methods))], []string{"http", "https", "s3", ""}[pick(4)], hosts[pick(len(hosts))]
			got, want := kept.Endpoint(method, scheme, host), fresh.Endpoint(method, scheme, host)
			if got.Method != want.Method || got.OriginalMethod != want.OriginalMethod || got.Scheme != want.Scheme || got.Host != want.Host || got.Port != want.Port || !slices.Equal(got.attributes, want.attributes) {
				t.Fatalf("%q %q %q: got %+v, want %+v", method, scheme, host, got, want)
			}
			p := protos[pick(len(protos))]
			resp := &http.Response{StatusCode: 190 + pick(40), Proto: p[0].(string), ProtoMajor: p[1].(int), ProtoMinor: p[2].(int)}
			isError := pick(2) == 0
			a, b := kept.Response(resp, isError), fresh.Response(resp, isError)
			if a.Status != b.Status || a.Protocol != b.Protocol || a.ErrorType != b.ErrorType || !slices.Equal(a.attributes, b.attributes) {
				t.Fatalf("%d %v %v: got %+v, want %+v", resp.StatusCode, p, isError, a, b)
			}
			addr := &net.TCPAddr{IP: ips[pick(len(ips))], Port: 80 + pick(20), Zone: []string{"", "eth0"}[pick(2)]}
			if got, want := kept.AppendPeer(nil, addr), fresh.AppendPeer(nil, addr); !slices.Equal(got, want) {
				t.Fatalf("%v: got %v, want %v", addr, got, want)
			}
		}
	}
	kept := &Describer{}
	for _, addr := range []net.Addr{nil, (*net.TCPAddr)(nil), &net.UnixAddr{Name: "/run/x"}} {
		if got, want := kept.AppendPeer([]attribute.KeyValue{}, addr), kept.appendPeer([]attribute.KeyValue{}, addr); !slices.Equal(got, want) {
			t.Errorf("%v: got %v, want %v", addr, got, want)
		}
	}
}

// A caller must not be able to change what is remembered.
func TestDescriberSharesNoMemory(t *testing.T) {
	d := &Describer{}
	addr := &net.TCPAddr{IP: net.IP{127, 0, 0, 1}, Port: 80}
	before := d.AppendPeer(nil, addr)
	addr.IP[0] = 10
	d.AppendPeer(make([]attribute.KeyValue, 0, 9), addr)[0] = attribute.Int("other", 1)
	addr.IP[0] = 127
	if got := d.AppendPeer(nil, addr); !slices.Equal(got, before) {
		t.Errorf("peer: got %v, want %v", got, before)
	}
	e := d.Endpoint("GET", "http", "a.example")
	s := &Start{Request: Request{Endpoint: e}, URL: "http://a.example/"}
	want := d.AppendRequest(nil, s)
	changed := d.AppendRequest(nil, s)
	changed[0] = attribute.Int("other", 1)
	if got := d.AppendRequest(nil, s); !slices.Equal(got, want) {
		t.Errorf("request: got %v, want %v", got, want)
	}
}
