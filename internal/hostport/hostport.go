// Package hostport determines where a request goes: its URL on the wire, its host and
// port, and the address of its peer. It is given requests, URLs and addresses. It does
// not know spans.
package hostport

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
	"github.com/otelhttpclient/otelhttpclient/internal/foreign"
)

// OnWire returns the request with its URL on the wire: the request itself, or a copy
// if its URL is opaque. The copy is for the application's functions and for the
// redaction. It is never sent.
func OnWire(req *http.Request) *http.Request {
	if req.URL == nil || req.URL.Opaque == "" {
		return req
	}
	wire := Wire(req.URL)
	if wire == req.URL {
		return req
	}
	seen := req.WithContext(req.Context())
	seen.URL = wire
	if strings.HasPrefix(req.URL.Opaque, "//") {
		seen.Host = wire.Host // servers ignore the Host beside an absolute form
	}
	return seen
}

// OfRequest returns the host, with its port, that a request is addressed to on the
// wire: Request.Host, else URL.Host.
func OfRequest(req *http.Request) string {
	if req.Host != "" || req.URL == nil {
		return req.Host
	}
	return req.URL.Host
}

// asciiHosts caches the ASCII forms of internationalized host names.
var asciiHosts bounded.Cache[string, string]

// asciiHost returns an internationalized host name in its ASCII form, or "" if it
// has none. net/http converts it when it writes a request.
func asciiHost(host string) string {
	if ascii, ok := asciiHosts.Get(host); ok {
		return ascii
	}
	ascii := ""
	var b strings.Builder
	req := http.Request{Method: http.MethodHead, URL: &url.URL{Scheme: "http", Host: host}, Host: host}
	if utf8.ValidString(host) && req.Write(&b) == nil {
		_, ascii, _ = strings.Cut(b.String(), "\r\nHost: ")
		ascii, _, _ = strings.Cut(ascii, "\r\n")
	}
	asciiHosts.Put(strings.Clone(host), ascii)
	return ascii
}

// Split splits a host and an optional port. It removes the brackets and the
// zone of an IPv6 address, and converts an internationalized name to ASCII. Without
// a port, it returns the port that the scheme implies, or 0.
func Split(hostport, scheme string) (host string, port int) {
	host = hostport
	var digits string
	if strings.HasPrefix(host, "[") {
		if end := strings.IndexByte(host, ']'); end > 0 {
			host, digits = host[1:end], strings.TrimPrefix(host[end+1:], ":")
		}
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 && colon == strings.LastIndexByte(host, ':') {
		host, digits = host[:colon], host[colon+1:]
	}
	host, _, _ = strings.Cut(host, "%") // a zone is local to this machine
	if len(host) > longestHost*utf8.UTFMax {
		return "", 0 // the conversion takes quadratic time
	}
	if !isHost(host) {
		if isASCII(host) {
			return "", 0
		}
		if host = asciiHost(host); !isHost(host) {
			return "", 0
		}
	}
	if strings.Trim(digits, "0123456789") != "" {
		return "", 0
	}
	if digits != "" {
		if n, err := strconv.ParseUint(digits, 10, 16); err == nil && n > 0 {
			return host, int(n)
		}
	}
	port, _ = defaultPort(scheme)
	return host, port
}

// defaultPort returns the port that a scheme implies, as a number and as text.
func defaultPort(scheme string) (int, string) {
	switch scheme {
	case "http":
		return 80, "80"
	case "https":
		return 443, "443"
	}
	return 0, ""
}

// longestHost is the length of the longest name in the domain name system.
const longestHost = 253

// isHost reports whether s can be a host name or an address. Anything else, such
// as a user name and password, must not be recorded as a host.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' && c != ':' {
			return false
		}
	}
	return s != "" && len(s) <= longestHost
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Normalize returns the form in which host names are compared: in lower case,
// without the final dot of a fully qualified name, internationalized names in ASCII,
// and IPv6 addresses in their shortest form without a zone.
func Normalize(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	switch {
	case strings.IndexByte(host, ':') >= 0:
		if a, err := netip.ParseAddr(host); err == nil {
			return a.WithZone("").String()
		}
	case !isASCII(host):
		if ascii, _ := Split(host, ""); ascii != "" {
			return ascii
		}
	}
	return host
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Peer splits the address of a connection's peer. The port is 0 if the
// address has none.
func Peer(a net.Addr) (address string, port int) {
	switch a := a.(type) {
	case *net.TCPAddr:
		if a == nil {
			return "", 0
		}
		address = a.IP.String()
		if a.Zone != "" {
			address += "%" + foreign.Text(a.Zone)
		}
		return address, a.Port
	case *net.UnixAddr:
		if a == nil {
			return "", 0
		}
		return foreign.Text(a.Name), 0
	}
	s := foreign.Text(a.String())
	if host, digits, err := net.SplitHostPort(s); err == nil {
		port, _ = strconv.Atoi(digits)
		return host, port
	}
	return s, 0
}

// Network returns the value of network.transport for an address.
func Network(a net.Addr) string {
	switch network := a.Network(); network {
	case "tcp", "tcp4", "tcp6":
		return "tcp"
	case "udp", "udp4", "udp6":
		return "udp"
	case "unix", "unixgram", "unixpacket":
		return "unix"
	default:
		return foreign.Text(network)
	}
}

// IsServer reports whether the address of a connection is that of the URL's server,
// and not that of a proxy.
func IsServer(hostPort string, u *url.URL) bool {
	if u == nil {
		return false
	}
	if hostPort == u.Host {
		return true // the port is written
	}
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return false
	}
	want := u.Port()
	if want == "" {
		_, want = defaultPort(u.Scheme)
	}
	return port == want && strings.EqualFold(host, u.Hostname())
}
