package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/secret"
)

// URL returns what may be recorded of a URL that has passed the filter. What is
// not hidden stays as [Wire](u).String() writes it.
func (p *Policy) URL(u *url.URL) string {
	if s, ok := p.plain(u); ok {
		return s
	}
	return p.Filtered(u, u)
}

// plain returns a URL that has nothing to hide or to encode, as most have not. It
// is a short way for them: less than half of the instructions.
func (p *Policy) plain(u *url.URL) (s string, ok bool) {
	if u == nil || u.Opaque != "" || u.User != nil || u.RawPath != "" || u.Fragment != "" || u.ForceQuery || u.Host == "" ||
		u.Scheme != "http" && u.Scheme != "https" || u.Path != "" && u.Path[0] != '/' || !isPlain(u.Host) || !isPlain(u.Path) {
		return "", false
	}
	if u.RawQuery == "" {
		s = u.Scheme + "://" + u.Host + u.Path
	} else {
		s = u.Scheme + "://" + u.Host + u.Path + "?" + u.RawQuery
	}
	shape := scan(p.names, s, len(u.Scheme)+len("://"), true)
	return s, shape.marks&^capitalMark == 0 && !shape.mayHoldValue() && len(s) <= maxURL
}

// isPlain reports whether net/url writes a host or path as it is, and there is
// nothing to decode in it.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plainBytes[s[i]] {
			return false
		}
	}
	return true
}

// plainBytes are letters, digits, dots, colons, slashes, underscores and dashes.
var plainBytes = func() (t [256]bool) {
	for c := range len(t) {
		t[c] = secret.IsWordByte(byte(c)) || strings.IndexByte(".:/-", byte(c)) >= 0
	}
	return t
}()

// placeholder is one of a path or a host, such as {sku}, as net/url writes it.
var placeholder = regexp.MustCompile(`%7B([\w.*$-]+)%7D`)

// Filtered is URL for what the filter has made of before. Placeholders that the
// filter wrote stay readable.
func (p *Policy) Filtered(u, before *url.URL) string {
	if u == nil {
		return ""
	}
	filtered := u != before
	if u.Opaque != "" {
		u = Wire(u)
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
		s = placeholder.ReplaceAllString(s[:end], "{$1}") + s[end:]
	}
	f := finder{policy: p, budget: nestedBudget}
	if u.Opaque != "" && !slices.Contains(withoutUserinfo, strings.ToLower(u.Scheme)) {
		// An opaque part is not parsed: only a slash surely ends a password.
		rest := strings.TrimPrefix(u.Opaque, "//")
		host, _, _ := strings.Cut(rest, "/")
		if at := lastAt(host); at > 0 {
			start := strings.Index(s, u.Opaque) + len(u.Opaque) - len(rest)
			f.hideUserinfo(layer.Text{S: s}, start, start+at)
		}
	}
	f.wholeURL(s)
	return f.applyURL(s)
}

// Query returns a function that redacts the values of the parameters with these
// names in a query, and in the URLs that are nested in it. All else stays as it
// is written.
func Query(names ...string) func(rawQuery string) string {
	p := &Policy{names: secret.NewNames(names)}
	return func(rawQuery string) string {
		f := finder{policy: p, budget: nestedBudget}
		f.query(layer.Text{S: rawQuery}, 0, len(rawQuery), layer.Percent|layer.Plus)
		return f.edits.Apply(rawQuery, 0)
	}
}

// wholeURL hides credentials in a URL of any length.
func (f *finder) wholeURL(s string) {
	end := len(s)
	if end > maxURL {
		end = strings.LastIndexAny(s[:maxURL], "/?#&") + 1
		f.hide(layer.Text{S: s}, end, len(s))
		if host, ok := hostStart(s, 0); ok {
			f.userinfo(layer.Text{S: s}, host, len(s)) // a password may be as long
		}
	}
	f.url(layer.Text{S: s}, 0, end)
}

// withoutUserinfo lists schemes whose @ does not end userinfo.
var withoutUserinfo = []string{
	"acct", "cid", "data", "did", "im", "mailto", "mid", "news", "pkg", "pres", "sip", "sips", "sms", "tag", "tel", "urn", "xmpp",
}

// url hides credentials in the URL s[start:end]. The scan saves the work of all
// searches in most URLs, which have nothing to hide.
func (f *finder) url(l layer.Text, start, end int) {
	s := l.S[:end]
	host, hasHost := hostStart(s, start)
	is := scan(f.policy.names, s, host, hasHost)
	if hasHost && is.has(userinfoMark|encodedMark) {
		before := is.marks & (webhookMark | highMark) // of the host, which the second scan leaves out
		is = scan(f.policy.names, s, f.userinfo(l, host, end), false)
		is.marks |= before
	}
	f.marks |= is.marks
	path := is.path
	if is.has(userinfoMark) {
		f.nestedUserinfo(l, path, end)
	}
	e := layer.Percent | layer.Plus
	if !is.has(encodedMark) {
		e = 0
	}
	if is.has(encodedMark | parametersMark | namedMark) {
		if l.Depth > 0 && path == start && isForm(s[path:is.query], is.query < end) {
			f.query(l, path, is.fragment, e)
		} else {
			f.path(l, path, is.query)
			if is.query < is.fragment {
				f.query(l, is.query+1, is.fragment, e)
			}
		}
		if is.fragment < end {
			f.query(l, is.fragment+1, end, e)
		}
	}
	if is.mayHoldValue() {
		f.values(l, path, end)
	}
	if is.has(webhookMark) {
		f.webhooks(l, start, end)
	}
	if is.has(encodedMark|dotMark) && hasHost {
		f.disguisedWebhook(l, host, path, is.query)
	}
}

// isForm reports whether the part of a nested value before its question mark, if
// it has one, begins a form instead of a path.
func isForm(s string, hasMark bool) bool {
	return s != "" && s[0] != '/' && s[0] != '.' && (!hasMark || strings.IndexByte(s, '=') >= 0)
}

// userinfo hides the user name and password before a host, and returns where the
// path begins.
func (f *finder) userinfo(l layer.Text, host, end int) (path int) {
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

// endsInPort reports whether what follows the colon of a host is a port, if there
// is one.
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
		return at // %2540 in brackets is a zone
	}
	at := -1
	for _, m := range encodedAt.FindAllStringIndex(s, -1) {
		at = m[0]
	}
	return at
}

// nestedUserinfo matches a user name, with or without password, in a URL that is
// part of another one. Proxies that clean paths make one slash of two.
var nestedUserinfo = regexp.MustCompile(
	`(?i:https?|wss?|ftp):[/\\]?([^/\\?#&\s"<>]+)@` +
		`|[a-zA-Z][\w+.-]*:[/\\]{2,}([^/\\?#&\s"<>]+)@` +
		`|[/\\]{2}([^/\\?#&\s"<>:@]*:[^/\\?#&\s"<>]*)@` +
		// A password with a slash, which is surely no port.
		`|(?i:https?|wss?|ftp):[/\\]+([^/\\?#&\s"'<>:@{}$*\[\]%]+:(?:\d*[a-zA-Z]|[~!^_-])[^?#&\s"'<>:@]*[/\\][^?#&\s"'<>@]*)@`)

func (f *finder) nestedUserinfo(l layer.Text, start, end int) {
	for _, m := range nestedUserinfo.FindAllStringSubmatchIndex(l.S[start:end], -1) {
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				f.hideUserinfo(l, start+m[g], start+m[g+1])
			}
		}
	}
}

// path hides the parameters in a path, which follow a semicolon, Akamai's tilde,
// or an ampersand where the question mark was forgotten, and what is encoded in
// it.
func (f *finder) path(l layer.Text, start, end int) {
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
	f.nested(l, start, end, layer.Percent)
}

func beginsParameter(c byte) bool { return c == ';' || c == '~' || c == '&' }

// query hides the values of the parameters of a query, or of a fragment, in which
// there may be encodings.
func (f *finder) query(l layer.Text, start, end int, e layer.Encoding) {
	for start < end {
		next := strings.IndexByte(l.S[start:end], '&')
		if next < 0 {
			next = end - start
		}
		f.parameter(l, start, start+next, e)
		start += next + 1
	}
}

// parameter hides the value of a parameter. A semicolon and the delimiters of a
// nested URL begin another name, but do not end a value that is hidden: servers
// differ in how they read them.
func (f *finder) parameter(l layer.Text, start, end int, e layer.Encoding) {
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
			f.nested(l, start, equals, e)
			return
		}
		if first {
			f.nested(l, start, equals, e)
			start, first = equals+1, false
		}
		i = equals + 1 // q=token=x
	}
	f.nested(l, start, end, e)
}

// beginsWithBoolean reports whether a value is a boolean with another pair behind
// it, as in labelSelector=auth==true,app=x.
func beginsWithBoolean(value string) bool {
	value = strings.TrimPrefix(value, "=")
	for _, boolean := range [...]string{"true", "false"} {
		if n := len(boolean); len(value) >= n && strings.EqualFold(value[:n], boolean) {
			return len(value) == n || strings.IndexByte(",;|) ", value[n]) >= 0
		}
	}
	return false
}

// beginsName reports whether some servers read what follows c as a name.
func beginsName(c byte) bool {
	return c == ';' || c == '?' || c == '#' || c == '~'
}

// nested hides what a part of a URL holds once it is decoded.
func (f *finder) nested(l layer.Text, start, end int, e layer.Encoding) {
	if e == 0 || start == end {
		return
	}
	part := l.S[start:end]
	if strings.IndexByte(part, '\\') >= 0 {
		e |= layer.Escapes
	}
	if l.Depth == layer.MaxDepth && strings.IndexByte(part, '%') >= 0 && layer.Once(part) != part {
		f.hide(l, start, end) // nothing legitimate is encoded this often
		return
	}
	if l.Depth == layer.MaxDepth || strings.IndexByte(part, '%') < 0 && e&layer.Escapes == 0 &&
		(e&layer.Plus == 0 || strings.IndexByte(part, '+') < 0) {
		if looksLikeText(part) {
			inner := l.Part(start, end)
			inner.Depth = layer.MaxDepth
			f.text(inner)
		}
		return
	}
	if f.budget -= len(part); f.budget < 0 {
		f.hide(l, start, end)
		return
	}
	inner, ok := l.Decoded(start, end, e)
	if !ok {
		return
	}
	if strings.ContainsAny(inner.S, " \t\r\n\"'{}<>\\") {
		f.text(inner)
		f.firstUserinfo(inner)
	} else {
		f.url(inner, 0, len(inner.S))
	}
}

// looksLikeText reports whether a part of a URL is a text without encoding, such as
// JSON.
func looksLikeText(part string) bool {
	return strings.ContainsAny(part, " \t\r\n") || strings.IndexByte(part, '"') >= 0 && strings.IndexByte(part, ':') >= 0
}

// firstUserinfo hides the user name and password of the URL at the beginning of a
// text, whatever slashes and line breaks browsers ignore in it.
func (f *finder) firstUserinfo(l layer.Text) {
	start := len(l.S) - len(strings.TrimLeft(l.S, " \t\r\n"))
	host, ok := hostStart(l.S, start)
	if !ok || strings.IndexByte(l.S[start:host], ':') < 0 {
		return
	}
	end := len(l.S)
	if i := strings.IndexAny(l.S[host:], " \t\r\n\"'<>"); i >= 0 {
		end = host + i
	}
	f.userinfo(l, host, end)
}
