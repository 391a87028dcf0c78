package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// URL returns what may be recorded of a URL that has passed the filter. What is
// not hidden stays as u.String() writes it.
func (p *Policy) URL(u *url.URL) string {
	if u == nil {
		return ""
	}
	if at := strings.LastIndexByte(u.Host, '@'); at >= 0 {
		// The part before an @ is no host, but may hold a password.
		odd := *u
		odd.Host = u.Host[at+1:]
		odd.User = url.UserPassword(Replacement, Replacement)
		u = &odd
	}
	s := u.String()
	f := finder{policy: p, budget: nestedBudget}
	if u.Opaque != "" && !slices.Contains(withoutUser, strings.ToLower(u.Scheme)) {
		// An opaque part is not parsed: only a slash surely ends a password.
		rest := strings.TrimPrefix(u.Opaque, "//")
		host, _, _ := strings.Cut(rest, "/")
		if at := lastAt(host); at > 0 {
			start := strings.Index(s, u.Opaque) + len(u.Opaque) - len(rest)
			f.hideUser(layer{s: s}, start, start+at)
		}
	}
	f.wholeURL(s)
	return f.apply(s, 0)
}

// wholeURL hides credentials in a URL of any length.
func (f *finder) wholeURL(s string) {
	end := len(s)
	if end > maxURL {
		end = strings.LastIndexAny(s[:maxURL], "/?#&") + 1
		f.hide(layer{s: s}, end, len(s))
	}
	f.url(layer{s: s}, 0, end)
}

// withoutUser are schemes of URLs in which an @ ends no user name of an account.
var withoutUser = []string{
	"acct", "cid", "data", "did", "im", "mailto", "mid", "news", "pkg", "pres", "sip", "sips", "sms", "tag", "tel", "urn", "xmpp",
}

// url hides credentials in the URL s[start:end]. One scan finds what there may be
// to hide; most URLs have nothing of it.
func (f *finder) url(l layer, start, end int) {
	s := l.s[:end]
	host, hasHost := hostStart(s, start)
	is := f.policy.names.scan(s, host, hasHost)
	if hasHost && is.has(user|encoded) {
		hooks := is.marks & hook
		is = f.policy.names.scan(s, f.user(l, host, end), false)
		is.marks |= hooks
	}
	path := is.path
	if is.has(user) {
		f.nestedUsers(l, path, end)
	}
	e := percent | plus
	if !is.has(encoded) {
		e = 0
	}
	if is.has(encoded | parameters | named) {
		if l.depth > 0 && is.query == end && path == start && path < end && s[path] != '/' && s[path] != '.' {
			f.query(l, path, is.fragment, e) // a form
		} else {
			f.path(l, path, is.query)
		}
		if is.query < is.fragment {
			f.query(l, is.query+1, is.fragment, e)
		}
		if is.fragment < end {
			f.query(l, is.fragment+1, end, e)
		}
	}
	if is.longest >= shortestValue {
		f.values(l, path, end)
	}
	if is.has(hook) {
		f.webhooks(l, start, end)
	}
}

// A mark is what a URL may have that is to be hidden.
type mark uint8

const (
	user mark = 1 << iota
	encoded
	parameters
	named     // by a name that may be listed
	hook      // or a bot
	separator // between parts, of which none is a credential if none is long
)

// marks are the marks of bytes. For some it depends on the bytes before: see scan.
var marks = func() (t [256]mark) {
	t['@'] = user
	for _, c := range `%+"\` {
		t[c] = encoded
	}
	t[';'], t['~'] = parameters, parameters
	t['k'], t['K'] = hook, hook
	for _, c := range "/?&#=" {
		t[c] = separator
	}
	return t
}()

// A shape summarizes a URL.
type shape struct {
	path, query, fragment int // where they begin, or the end
	longest               int // part of them
	marks                 mark
}

func (s shape) has(m mark) bool { return s.marks&m != 0 }

// scan returns the shape of s[start:], which begins with the host or, if it has
// none, with the path.
func (n *names) scan(s string, start int, hasHost bool) shape {
	is := shape{path: start, query: len(s), fragment: len(s)}
	if hasHost {
		is.path = len(s)
	}
	part := start
	for i := start; i < len(s); i++ {
		switch m := marks[s[i]]; m {
		case 0:
		default:
			is.marks |= m
		case hook:
			if i > start && s[i-1]|0x20 == 'o' {
				is.marks |= hook // hooks.slack.com
			}
		case separator:
			c := s[i]
			switch {
			case !hasHost && c == '=' && n.mayEndLike(s[part:i]):
				is.marks |= named
			case !hasHost:
			case c == '/' || c == '?' || c == '#':
				hasHost, is.path, part = false, i, i
			default:
				continue
			}
			if c == '/' && strings.HasPrefix(s[i:], "/bot") {
				is.marks |= hook // api.telegram.org/bot
			}
			is.longest = max(is.longest, i-part)
			part = i + 1
			if c == '#' && is.fragment == len(s) {
				is.fragment = i
			} else if c == '?' && is.query == len(s) {
				is.query = i
			}
		}
	}
	if !hasHost {
		is.longest = max(is.longest, len(s)-part)
	}
	is.query = min(is.query, is.fragment)
	return is
}

// special are the schemes of which browsers find the host whatever slashes
// stand before it.
var special = regexp.MustCompile(`^(?i:https?|wss?|ftp):$`)

// hostStart returns where the host of the URL s[start:] begins, with its user
// name and password. If it has no host, it returns where the path begins.
func hostStart(s string, start int) (at int, hasHost bool) {
	host := start
	for host < len(s) && isSchemeByte(s[host]) {
		host++
	}
	if host < len(s) && s[host] == ':' && host > start {
		host++
	} else {
		host = start
	}
	scheme := s[start:host]
	slashes := host
	for slashes < len(s) && (s[slashes] == '/' || s[slashes] == '\\' || s[slashes] == '\t' || s[slashes] == '\r' || s[slashes] == '\n') {
		slashes++ // browsers remove tabs and line breaks
	}
	switch n := slashes - host; {
	case n < 2 && !special.MatchString(scheme):
		return start, false
	case n > 2 && scheme != "" && !special.MatchString(scheme):
		return host, false // file:///path
	}
	return slashes, true
}

// user hides the user name and password before a host, and returns where the path
// begins.
func (f *finder) user(l layer, host, end int) (path int) {
	s := l.s[:end]
	path = end
	if i := strings.IndexAny(s[host:], "/?#"); i >= 0 {
		path = host + i
	}
	at := lastAt(s[host:path])
	// A password may hold what ends a host for others. Its beginning is no port.
	if !endsInPort(s[host+at+1 : path]) {
		if later := strings.LastIndexByte(s[path:], '@'); later >= 0 {
			path += later
			at = path - host
		}
	}
	if at >= 0 {
		f.hideUser(l, host, host+at)
	}
	return path
}

func isSchemeByte(c byte) bool {
	return isWordByte(c) || c == '+' || c == '-' || c == '.'
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
	if at := strings.LastIndexByte(s, '@'); at >= 0 || strings.IndexByte(s, '%') < 0 {
		return at
	}
	at := -1
	for _, m := range encodedAt.FindAllStringIndex(s, -1) {
		at = m[0]
	}
	return at
}

// nestedUser is a user name, with or without password, in a URL that is a part
// of another one. Proxies that clean paths make one slash of two.
var nestedUser = regexp.MustCompile(
	`(?i:https?|wss?|ftp):[/\\]?([^/\\?#&\s"<>]+)@` +
		`|[a-zA-Z][\w+.-]*:[/\\]{2,}([^/\\?#&\s"<>]+)@` +
		`|[/\\]{2}([^/\\?#&\s"<>:@]*:[^/\\?#&\s"<>]*)@`)

func (f *finder) nestedUsers(l layer, start, end int) {
	for _, m := range nestedUser.FindAllStringSubmatchIndex(l.s[start:end], -1) {
		for g := 2; g < len(m); g += 2 {
			if m[g] >= 0 {
				f.hideUser(l, start+m[g], start+m[g+1])
			}
		}
	}
}

// path hides the parameters in a path, which follow a semicolon, Akamai's tilde,
// or an ampersand where the question mark was forgotten, and what is encoded in
// it.
func (f *finder) path(l layer, start, end int) {
	s := l.s[:end]
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
			if value := i + len(name) + 1; f.policy.names.hides(name, s[value:stop]) {
				f.hide(l, value, stop)
			}
		}
		i = stop
	}
	f.nested(l, start, end, percent)
}

func beginsParameter(c byte) bool { return c == ';' || c == '~' || c == '&' }

// query hides the values of the parameters of a query, or of a fragment, in which
// there may be encodings.
func (f *finder) query(l layer, start, end int, e encoding) {
	for start < end {
		next := strings.IndexByte(l.s[start:end], '&')
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
func (f *finder) parameter(l layer, start, end int, e encoding) {
	s := l.s[:end]
	first := true
	for i := start; i < end; {
		equals := strings.IndexByte(s[i:], '=')
		if equals < 0 {
			break
		}
		equals += i
		name := s[i:equals]
		for d := len(name) - 1; d >= 0; d-- {
			if name[d] == '/' || beginsName(name[d]) {
				name = name[d+1:]
				break
			}
		}
		if f.policy.names.hides(name, s[equals+1:]) {
			f.hide(l, equals+1, end)
			f.nested(l, start, equals, e)
			return
		}
		if first {
			f.nested(l, start, equals, e)
			start, first = equals+1, false
		}
		for i = equals + 1; i < end && !beginsName(s[i]); i++ {
		}
		i++
	}
	f.nested(l, start, end, e)
}

// beginsName reports whether some servers read what follows c as a name.
func beginsName(c byte) bool {
	return c == ';' || c == '?' || c == '#' || c == '~'
}

// nested hides what a part of a URL holds once it is decoded.
func (f *finder) nested(l layer, start, end int, e encoding) {
	if e == 0 || start == end {
		return
	}
	part := l.s[start:end]
	if strings.IndexByte(part, '\\') >= 0 {
		e |= escapes
	}
	if l.depth == maxDepth && strings.IndexByte(part, '%') >= 0 && decodedOnce(part) != part {
		f.hide(l, start, end) // nobody decodes so often but who hides something
		return
	}
	if l.depth == maxDepth || strings.IndexByte(part, '%') < 0 && e&escapes == 0 &&
		(e&plus == 0 || len(part) < shortestValue || strings.IndexByte(part, '+') < 0) {
		if looksLikeText(part) {
			f.text(layer{s: part, origin: l.origins(start, end), depth: maxDepth, percent: l.percent})
		}
		return
	}
	if f.budget -= len(part); f.budget < 0 {
		f.hide(l, start, end)
		return
	}
	inner, ok := l.decoded(start, end, e)
	if !ok {
		return
	}
	if strings.ContainsAny(inner.s, " \t\r\n\"'{}<>\\") {
		f.text(inner)
	} else {
		f.url(inner, 0, len(inner.s))
	}
}

// looksLikeText reports whether a part of a URL is JSON without encoding.
func looksLikeText(part string) bool {
	return strings.IndexByte(part, '"') >= 0 && strings.IndexByte(part, ':') >= 0
}

func (l layer) origins(start, end int) []int32 {
	if l.origin != nil {
		return l.origin[start : end+1]
	}
	origin := make([]int32, end-start+1)
	for i := range origin {
		origin[i] = int32(start + i)
	}
	return origin
}

// webhook is a URL whose path is a credential: Slack's, Discord's and Teams'
// webhooks and Telegram's bots.
var webhook = regexp.MustCompile(`(?i)` +
	`hooks\.slack(?:-gov)?\.com\.?(?::\d+)?/+(?:services|workflows|triggers)/+([^\s?#"'<>\\]+)` +
	`|discord(?:app)?\.com\.?(?::\d+)?/+api/+(?:v\d+/+)?webhooks/+\d+/+([^\s?#"'<>\\/]+)` +
	`|webhook\.office\.com\.?(?::\d+)?/+\w+/+([^\s?#"'<>\\]+)` +
	`|outlook\.office(?:365)?\.com\.?(?::\d+)?/+webhook/+([^\s?#"'<>\\]+)` +
	`|api\.telegram\.org\.?(?::\d+)?/+(?:file/+)?bot([^\s?#"'<>\\/]+)`)

func (f *finder) webhooks(l layer, start, end int) {
	// In hook, Hook or HOOK: hosts may be in capitals, but paths of bots may not.
	if s := l.s[start:end]; !f.policy.values || !strings.Contains(s, "ook") && !strings.Contains(s, "OOK") && !strings.Contains(s, "/bot") {
		return
	}
	for _, m := range webhook.FindAllStringSubmatchIndex(l.s[start:end], -1) {
		for g := 2; g < len(m); g += 2 {
			if m[g] < 0 {
				continue
			}
			from := start + m[g]
			for segment := range strings.SplitSeq(l.s[from:start+m[g+1]], "/") {
				if segment != "IncomingWebhook" {
					f.hide(l, from, from+len(segment))
				}
				from += len(segment) + 1
			}
		}
	}
}
