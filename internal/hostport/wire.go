package hostport

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// Wire returns the URL that a request to u is sent to. It is u unless u is an
// opaque URL of HTTP: then it has the host, the path and the query that
// net/http makes of URL.Opaque, as it is written in the request line.
func Wire(u *url.URL) *url.URL {
	if u == nil || u.Opaque == "" || !strings.EqualFold(u.Scheme, "http") && !strings.EqualFold(u.Scheme, "https") {
		return u
	}
	rest, absolute := strings.CutPrefix(u.Opaque, "//")
	if !absolute && rest[0] != '/' && u.Host == "" {
		return u // net/http rejects it; the beginning may be a host
	}
	w := &url.URL{
		Scheme: u.Scheme, User: u.User, Host: u.Host, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery,
		Fragment: u.Fragment, RawFragment: u.RawFragment, OmitHost: u.Host == "" && !absolute,
	}
	// Only a slash certainly ends a password.
	first, _, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(first, '@'); at >= 0 {
		w.User, rest = parseUserinfo(rest[:at]), rest[at+1:]
	}
	if absolute {
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		w.Host, rest = rest[:end], rest[end:]
	}
	path, query, found := strings.Cut(rest, "?")
	if found {
		if u.RawQuery != "" || u.ForceQuery {
			query += "?" + u.RawQuery
		}
		w.RawQuery, w.ForceQuery = query, query == ""
	}
	if path != "" && path[0] != '/' || path == "" && !absolute {
		path = "/" + path
	}
	w.RawPath = escapedPath(path)
	w.Path = layer.DecodeOnce(w.RawPath)
	return w
}

// parseUserinfo parses the part before an @. Invalid encodings are kept.
func parseUserinfo(s string) *url.Userinfo {
	name, password, has := strings.Cut(s, ":")
	if !has {
		return url.User(layer.DecodeOnce(name))
	}
	return url.UserPassword(layer.DecodeOnce(name), layer.DecodeOnce(password))
}

const upperHex = "0123456789ABCDEF"

// escapedPath escapes the bytes that a URL's path cannot contain. Unlike
// url.URL.EscapedPath, it keeps existing escapes.
func escapedPath(path string) string {
	if strings.IndexFunc(path, func(c rune) bool { return c >= utf8.RuneSelf || !isAlphanumeric(byte(c)) && c != '/' }) < 0 {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		c := path[i]
		_, isEscape := layer.HexByte(path, i+1)
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>?\\^`{|}", c) >= 0 || c == '%' && !isEscape {
			b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
