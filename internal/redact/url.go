package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/hostport"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// URL returns the redacted form of a URL that the filter did not change. The rest is
// as in [hostport.Wire](u).String().
func (p *Policy) URL(u *url.URL) string { return p.Filtered(u, u) }

// plainURL returns the URL if it has nothing to hide or to encode. It is a fast path
// for most URLs, with less than half of the instructions.
func (p *Policy) plainURL(u *url.URL) (s string, ok bool) {
	if u.Opaque != "" || u.User != nil || u.RawPath != "" || u.Fragment != "" || u.ForceQuery || u.Host == "" ||
		u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path[0] != '/' || !isPlain(u.Host) || strings.IndexByte(u.Host, '/') >= 0 || !isPlain(u.Path) {
		return "", false
	}
	if u.RawQuery == "" {
		s = u.Scheme + "://" + u.Host + u.Path
	} else {
		s = u.Scheme + "://" + u.Host + u.Path + "?" + u.RawQuery
	}
	shape := scanURL(p.names, s, len(u.Scheme)+len("://"), true)
	return s, shape.marks&^capitalMark == 0 && !shape.mayHoldValue() && len(s) <= maxURL
}

// isPlainWord reports whether a text is one word that holds nothing to hide.
func (p *Policy) isPlainWord(s string) bool {
	if !isPlain(s) || strings.IndexByte(s, ':') >= 0 {
		return false
	}
	shape := scanURL(p.names, s, 0, false)
	return shape.marks&^capitalMark == 0 && !shape.mayHoldValue()
}

// isPlain reports whether net/url writes a host or path unchanged, and it has nothing
// to decode.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plainBytes[s[i]] {
			return false
		}
	}
	return true
}

// plainBytes contains letters, digits, dots, colons, slashes and dashes.
var plainBytes = func() (t [256]bool) {
	for c := range len(t) {
		t[c] = secret.IsWordByte(byte(c)) || strings.IndexByte(".:/-", byte(c)) >= 0
	}
	return t
}()

// encodedPlaceholder matches a placeholder in a path or host, such as {sku}, as net/url
// encodes it.
var encodedPlaceholder = regexp.MustCompile(`%7B([\w.*$-]+)%7D`)

// Filtered is URL for u, the filter's result for before. Placeholders that the filter
// added are not encoded.
func (p *Policy) Filtered(u, before *url.URL) string {
	if u == nil {
		return ""
	}
	if s, ok := p.plainURL(u); ok {
		return s
	}
	return p.searched(u, before)
}

// searched is Filtered for a URL that may have something to hide.
func (p *Policy) searched(u, before *url.URL) string {
	filtered := u != before
	if u.Opaque != "" {
		u = hostport.Wire(u)
	}
	if at := strings.LastIndexByte(u.Host, '@'); at >= 0 {
		// The part before an @ is not a host; it may contain a password.
		odd := *u
		odd.Host = u.Host[at+1:]
		odd.User = url.UserPassword(Replacement, Replacement)
		u = &odd
	}
	s := u.String()
	if filtered && strings.Contains(s, "%7B") && (u.Host != before.Host || u.EscapedPath() != before.EscapedPath()) {
		end := len(s)
		if i := strings.IndexAny(s, "?#"); i >= 0 {
			end = i
		}
		s = encodedPlaceholder.ReplaceAllString(s[:end], "{$1}") + s[end:]
	}
	f := finder{policy: p, budget: nestedBudget}
	if u.Opaque != "" && !slices.Contains(schemesWithoutUserinfo, strings.ToLower(u.Scheme)) {
		// An opaque part is not parsed: only a slash certainly ends a password.
		rest := strings.TrimPrefix(u.Opaque, "//")
		host, _, _ := strings.Cut(rest, "/")
		if at := lastAt(host); at > 0 {
			start := strings.Index(s, u.Opaque) + len(u.Opaque) - len(rest)
			f.hideUserinfo(layer.Text{S: s}, start, start+at)
		}
	}
	f.searchWholeURL(s)
	return f.applyURL(s)
}

// Query returns a function that redacts the values of the parameters with these names
// in a query, and in URLs nested in it. It changes nothing else.
func Query(names ...string) func(rawQuery string) string {
	p := &Policy{names: secret.NewNames(names)}
	return func(rawQuery string) string {
		f := finder{policy: p, budget: nestedBudget}
		f.searchQuery(layer.Text{S: rawQuery}, 0, len(rawQuery), layer.Percent|layer.Plus)
		return f.edits.Apply(rawQuery, 0)
	}
}

// searchWholeURL hides credentials in a URL of any length.
func (f *finder) searchWholeURL(s string) {
	end := len(s)
	if end > maxURL {
		end = strings.LastIndexAny(s[:maxURL], "/?#&") + 1
		f.hide(layer.Text{S: s}, end, len(s))
		if host, ok := hostStart(s, 0); ok {
			f.searchUserinfo(layer.Text{S: s}, host, len(s)) // a password may be that long
		}
	}
	f.searchURL(layer.Text{S: s}, 0, end)
}

// schemesWithoutUserinfo lists schemes whose @ does not end userinfo.
var schemesWithoutUserinfo = []string{
	"acct", "cid", "data", "did", "im", "mailto", "mid", "news", "pkg", "pres", "sip", "sips", "sms", "tag", "tel", "urn", "xmpp",
}

// searchURL hides credentials in the URL l.S[start:end]. Most URLs have nothing to hide:
// the scan avoids all searches in them.
func (f *finder) searchURL(l layer.Text, start, end int) {
	s := l.S[:end]
	host, hasHost := hostStart(s, start)
	shape := scanURL(f.policy.names, s, host, hasHost)
	if hasHost && shape.has(userinfoMark|encodedMark) {
		before := shape.marks & (webhookMark | highMark) // marks of the host, which the second scan skips
		shape = scanURL(f.policy.names, s, f.searchUserinfo(l, host, end), false)
		shape.marks |= before
	}
	f.marks |= shape.marks
	path := shape.path
	if shape.has(userinfoMark) {
		f.hideNestedUserinfo(l, path, end)
	}
	e := layer.Percent | layer.Plus
	if !shape.has(encodedMark) {
		e = 0
	}
	if shape.has(encodedMark | parametersMark | namedMark) {
		if l.Depth > 0 && path == start && isForm(s[path:shape.query], shape.query < end) {
			f.searchQuery(l, path, shape.fragment, e)
		} else {
			f.searchPath(l, path, shape.query)
			if shape.query < shape.fragment {
				f.searchQuery(l, shape.query+1, shape.fragment, e)
			}
		}
		if shape.fragment < end {
			f.searchQuery(l, shape.fragment+1, end, e)
		}
	}
	if shape.mayHoldValue() {
		f.hideValues(l, path, end)
	}
	if shape.has(webhookMark) {
		f.hideWebhooks(l, start, end)
	}
	if shape.has(encodedMark|dotMark) && hasHost {
		f.hideDisguisedWebhook(l, host, path, shape.query)
	}
}

// isForm reports whether s, a nested value up to its question mark, begins a form
// instead of a path. hasMark: there is a question mark.
func isForm(s string, hasMark bool) bool {
	return s != "" && s[0] != '/' && s[0] != '.' && (!hasMark || strings.IndexByte(s, '=') >= 0)
}

// searchUserinfo hides the user name and password before a host, and returns the index
// of the path.
func (f *finder) searchUserinfo(l layer.Text, host, end int) (path int) {
	s := l.S[:end]
	path = end
	if i := strings.IndexAny(s[host:], "/?#"); i >= 0 {
		path = host + i
	}
	at := lastAt(s[host:path])
	// A password may contain / ? or #. Then what precedes them is not a port.
	if !endsInPort(s[host+at+1 : path]) {
		if later := strings.LastIndexByte(s[path:], '@'); later >= 0 {
			path += later
			at = path - host
		}
	}
	if at >= 0 {
		f.hideUserinfo(l, host, host+at)
	}
	return path
}

// endsInPort reports whether a host has no colon, or a port after it.
func endsInPort(host string) bool {
	if strings.HasPrefix(host, "[") {
		bracket := strings.LastIndexByte(host, ']')
		return bracket >= 0 && isPort(strings.TrimPrefix(host[bracket+1:], ":"))
	}
	colon := strings.LastIndexByte(host, ':')
	return colon < 0 || isPort(host[colon+1:])
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

var encodedAt = regexp.MustCompile(`%(?:25)*40`)

// lastAt returns the index of the last @ in s, encoded or not, or -1.
func lastAt(s string) int {
	if at := strings.LastIndexByte(s, '@'); at >= 0 || strings.IndexByte(s, '%') < 0 || strings.HasPrefix(s, "[") {
		return at // in brackets, %2540 is part of a zone
	}
	at := -1
	for _, m := range encodedAt.FindAllStringIndex(s, -1) {
		at = m[0]
	}
	return at
}

// nestedUserinfo matches a user name, with or without password, in a URL within
// another URL. Proxies that clean paths remove one of two slashes.
var nestedUserinfo = regexp.MustCompile(
	`(?i:https?|wss?|ftp):[/\\]?([^/\\?#&\s"<>]+)@` +
		`|[a-zA-Z][\w+.-]*:[/\\]{2,}([^/\\?#&\s"<>]+)@` +
		`|[/\\]{2}([^/\\?#&\s"<>:@]*:[^/\\?#&\s"<>]*)@` +
		// A password with a slash, which is certainly no port.
		`|(?i:https?|wss?|ftp):[/\\]+([^/\\?#&\s"'<>:@{}$*\[\]%]+:(?:\d*[a-zA-Z]|[~!^_-])[^?#&\s"'<>:@]*[/\\][^?#&\s"'<>@]*)@`)

func (f *finder) hideNestedUserinfo(l layer.Text, start, end int) {
	for _, m := range nestedUserinfo.FindAllStringSubmatchIndex(l.S[start:end], -1) {
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				f.hideUserinfo(l, start+m[g], start+m[g+1])
			}
		}
	}
}

// searchPath hides the parameters in a path, which follow a semicolon, Akamai's tilde,
// or an ampersand if the question mark is missing, and credentials in its encoded
// parts.
func (f *finder) searchPath(l layer.Text, start, end int) {
	s := l.S[:end]
	for i := start; i < end; {
		if !beginsParameter(s[i]) {
			i++
			continue
		}
		i++
		stop := i
		for stop < end && !beginsParameter(s[stop]) && s[stop] != '/' {
			stop++
		}
		if name, _, ok := strings.Cut(s[i:stop], "="); ok {
			if value := i + len(name) + 1; f.policy.names.Hides(name, s[value:stop]) {
				f.hide(l, value, stop)
			}
		}
		i = stop
	}
	f.searchDecoded(l, start, end, layer.Percent)
}

func beginsParameter(c byte) bool { return c == ';' || c == '~' || c == '&' }

// searchQuery hides the values of the parameters of a query or a fragment with these
// encodings.
func (f *finder) searchQuery(l layer.Text, start, end int, e layer.Encoding) {
	for start < end {
		next := strings.IndexByte(l.S[start:end], '&')
		if next < 0 {
			next = end - start
		}
		f.searchParameter(l, start, start+next, e)
		start += next + 1
	}
}

// searchParameter hides the value of a parameter. A semicolon and the delimiters of a
// nested URL begin another name, but do not end a hidden value: servers interpret them
// differently.
func (f *finder) searchParameter(l layer.Text, start, end int, e layer.Encoding) {
	s := l.S[:end]
	first := true
	for i := start; i < end; {
		equals := strings.IndexByte(s[i:], '=')
		if equals < 0 {
			break
		}
		equals += i
		name := s[i:equals]
		separated := first
		for d := len(name) - 1; d >= 0; d-- {
			if c := name[d]; c == '/' || beginsName(c) || !first && strings.IndexByte(`,|:('" `, c) >= 0 {
				name, separated = name[d+1:], true
				break
			}
		}
		// q=a\u0026token=x is searched after decoding.
		if (separated || strings.IndexByte(name, '\\') < 0) && f.policy.names.Hides(name, s[equals+1:]) && !beginsWithBoolean(s[equals+1:]) {
			f.hide(l, equals+1, end)
			f.searchDecoded(l, start, equals, e)
			return
		}
		if first {
			f.searchDecoded(l, start, equals, e)
			start, first = equals+1, false
		}
		i = equals + 1 // q=token=x
	}
	f.searchDecoded(l, start, end, e)
}

// beginsWithBoolean reports whether a value is a boolean that another pair may follow,
// as in labelSelector=auth==true,app=x.
func beginsWithBoolean(value string) bool {
	value = strings.TrimPrefix(value, "=")
	for _, boolean := range [...]string{"true", "false"} {
		if n := len(boolean); len(value) >= n && strings.EqualFold(value[:n], boolean) {
			return len(value) == n || strings.IndexByte(",;|) ", value[n]) >= 0
		}
	}
	return false
}

// beginsName reports whether some servers begin a name after c.
func beginsName(c byte) bool {
	return c == ';' || c == '?' || c == '#' || c == '~'
}

// searchDecoded hides the credentials in a part of a URL after decoding it.
func (f *finder) searchDecoded(l layer.Text, start, end int, e layer.Encoding) {
	if e == 0 || start == end {
		return
	}
	part := l.S[start:end]
	if strings.IndexByte(part, '\\') >= 0 {
		e |= layer.Escapes
	}
	if l.Depth == layer.MaxDepth && strings.IndexByte(part, '%') >= 0 && layer.DecodeOnce(part) != part {
		f.hide(l, start, end) // nothing legitimate is encoded this often
		return
	}
	if l.Depth == layer.MaxDepth || strings.IndexByte(part, '%') < 0 && e&layer.Escapes == 0 &&
		(e&layer.Plus == 0 || strings.IndexByte(part, '+') < 0) {
		if looksLikeText(part) {
			inner := l.Part(start, end)
			inner.Depth = layer.MaxDepth
			f.searchText(inner)
		}
		return
	}
	if f.budget -= len(part); f.budget < 0 {
		f.hide(l, start, end)
		return
	}
	inner, ok := l.Decode(start, end, e)
	if !ok {
		return
	}
	if strings.ContainsAny(inner.S, " \t\r\n\"'{}<>\\") {
		f.searchText(inner)
		f.searchFirstUserinfo(inner)
	} else {
		f.searchURL(inner, 0, len(inner.S))
	}
}

// looksLikeText reports whether a part of a URL is unencoded text, such as JSON.
func looksLikeText(part string) bool {
	return strings.ContainsAny(part, " \t\r\n") || strings.IndexByte(part, '"') >= 0 && strings.IndexByte(part, ':') >= 0
}

// searchFirstUserinfo hides the user name and password of the URL that a text begins
// with, also if it has slashes and line breaks that browsers ignore.
func (f *finder) searchFirstUserinfo(l layer.Text) {
	start := len(l.S) - len(strings.TrimLeft(l.S, " \t\r\n"))
	host, ok := hostStart(l.S, start)
	if !ok || strings.IndexByte(l.S[start:host], ':') < 0 {
		return
	}
	end := len(l.S)
	if i := strings.IndexAny(l.S[host:], " \t\r\n\"'<>"); i >= 0 {
		end = host + i
	}
	f.searchUserinfo(l, host, end)
}
