package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
	"github.com/otelhttpclient/otelhttpclient/internal/redact/splice"
)

// Text returns any text with credentials redacted, cut to 2 KiB.
func (p *Policy) Text(s string) string {
	return p.redactText(s, maxTextInput, maxText)
}

func (p *Policy) redactText(whole string, maxInput, maxOutput int) string {
	if len(whole) <= maxOutput && p.isPlainWord(whole) {
		return whole
	}
	return p.searchedText(whole, maxInput, maxOutput)
}

// searchedText is redactText for a text that may have something to hide.
func (p *Policy) searchedText(whole string, maxInput, maxOutput int) string {
	s := splice.Cut(whole, maxInput)
	f := finder{policy: p, budget: nestedBudget}
	f.searchText(layer.Text{S: s})
	f.hideEnd(s, whole)
	return f.applyText(s, maxOutput)
}

// searchText hides the credentials in a text and in its decoded form.
func (f *finder) searchText(l layer.Text) {
	urls := f.searchURLs(l)
	f.hidePrinted(l)
	f.hideSchemeTokens(l)
	f.hidePrivateKeys(l)
	f.hideValues(l, 0, len(l.S))
	f.hideWebhooks(l, 0, len(l.S))
	f.hidePairs(l, urls)
	if l.Depth < layer.MaxDepth && strings.ContainsAny(l.S, `%\&`) {
		f.searchDecodedText(l, urls)
	}
}

// textURL matches a URL in a text: with a scheme and two slashes or more; with another
// number of slashes if browsers accept it; with a password but without a scheme. In
// quotes, a password may contain spaces.
var textURL = regexp.MustCompile(
	`["']([a-zA-Z][a-zA-Z0-9+.-]*:[/\\]{2}[^\s/"'<>@]*:[^\s/"'<>@][^/"'<>@\n]* [^/"'<>@\n]*@[^\s"<>` + "`" + `]*)` +
		`|[a-zA-Z][a-zA-Z0-9+.-]*:[/\\]{2}[^\s"<>` + "`" + `]*` +
		`|\b(?i:https?|wss?|ftp):[/\\]?[^\s"<>` + "`" + `/\\]+@[^\s"<>` + "`" + `]*` +
		`|(?:^|[\s"'(=,<>\[{|;])([/\\]{2}[^\s/\\"<>:]*:[^\s/"<>]*@[^\s"<>` + "`" + `]*)`)

// searchURLs hides the credentials in the URLs of a text, and returns their ranges.
func (f *finder) searchURLs(l layer.Text) (places [][2]int) {
	if !strings.ContainsAny(l.S, `/\@`) || strings.IndexByte(l.S, ':') < 0 {
		return nil
	}
	for _, m := range textURL.FindAllStringSubmatchIndex(l.S, -1) {
		start, end := max(m[0], m[2], m[4]), m[1]
		length := urlLength(l.S[start:end], l.S[:start])
		if start+length < end && l.S[start+length] == ';' && strings.IndexByte(l.S[start:end], '@') >= 0 {
			if host, ok := hostStart(l.S[:end], start); ok { // the semicolon may be part of a password
				f.searchUserinfo(l, host, end)
			}
		}
		end = start + length
		places = append(places, [2]int{start, end})
		if f.policy.filter != nil && l.Depth == 0 && f.replaceFiltered(l, start, end) {
			continue
		}
		f.searchURL(l, start, end)
	}
	return places
}

// connectionString matches a URL that settings follow: sb://host/;SharedAccessKey=…
var connectionString = regexp.MustCompile(`^[^/?#;]*//[\w.-]+(?::\d+)?/?;[\w ]+=`)

// urlLength returns the length of the URL that s begins with. A quote before the URL
// ends it.
func urlLength(s, before string) int {
	if before != "" && before[len(before)-1] == '\'' {
		if i := strings.IndexByte(s, '\''); i >= 0 {
			return i
		}
	}
	if m := connectionString.FindString(s); m != "" {
		return strings.IndexByte(m, ';')
	}
	return len(trimPunctuation(s))
}

// replaceFiltered replaces a URL by the result of the application's filter. It reports
// whether the filter changed the URL.
func (f *finder) replaceFiltered(l layer.Text, start, end int) bool {
	text, changed := f.policy.filterReference(l.S[start:end], nil)
	if changed {
		f.replace(l.Offset(start), l.Offset(end), text)
	}
	return changed
}

// filterReference returns the filter's result for a URL, and whether the filter changed
// it. A relative URL is resolved against base for the filter, and the result is relative
// again.
func (p *Policy) filterReference(raw string, base *url.URL) (string, bool) {
	if p.filter == nil {
		return raw, false
	}
	written, err := url.Parse(raw)
	if err != nil {
		scheme, _, _ := strings.Cut(raw, "://")
		if len(scheme) < len(raw) && strings.IndexFunc(scheme, func(c rune) bool { return c > 'z' || !isSchemeByte(byte(c)) }) < 0 {
			return scheme + "://" + Replacement, true
		}
		return Replacement, true
	}
	absolute := written
	if base != nil && !written.IsAbs() {
		absolute = base.ResolveReference(written)
	}
	before := absolute.String()
	seen := *absolute
	result := p.filter(&seen)
	if result == nil {
		return Replacement, true
	}
	if result.String() == before {
		return raw, false
	}
	if absolute == written || result.Scheme != absolute.Scheme || result.Host != absolute.Host {
		return p.Filtered(result, absolute), true
	}
	relative := *result
	relative.Scheme = ""
	if written.Host == "" {
		relative.Host, relative.User = "", nil
	}
	if result.EscapedPath() == absolute.EscapedPath() {
		relative.Path, relative.RawPath = written.Path, written.RawPath
	}
	return p.Filtered(&relative, written), true
}

var (
	// printedUserinfo matches userinfo in a url.URL that fmt prints field by field, the
	// value of a header that net/http rejects, and userinfo in Oracle's URLs.
	printedUserinfo = regexp.MustCompile(
		`\{[a-zA-Z][a-zA-Z0-9+.-]*  ([^\s{}<>]+) [^\s{}]+ ` +
			`|\bOpaque:\S* User:([^\s{}<>(]+) Host:` +
			`|jdbc:oracle:\w+:([^\s@/]+/[^\s@]+)@` +
			`|invalid header field value "((?:[^"\\]|\\.)*)" for key "?([\w-]+)`)

	// printedPort matches a password that net/url mistakes for a port. As a part of the
	// pattern above, it would search the rest of the text for each match of the others.
	printedPort = regexp.MustCompile(`invalid port \\*"((?:[^"\\]|\\.)*)"? after host`)
)

func (f *finder) hidePrinted(l layer.Text) {
	if !strings.Contains(l.S, "  ") && !strings.Contains(l.S, "User:") && !strings.Contains(l.S, "invalid ") &&
		!strings.Contains(l.S, "jdbc:") {
		return
	}
	for _, m := range printedUserinfo.FindAllStringSubmatchIndex(l.S, -1) {
		switch {
		case m[8] < 0:
			for g := 2; g < 8; g += 2 {
				if m[g] >= 0 {
					f.hideUserinfo(l, m[g], m[g+1])
				}
			}
		case f.policy.headers.Hides(l.S[m[10]:m[11]]):
			f.hide(l, m[8], m[9])
		}
	}
	for _, m := range parsedURL.FindAllStringSubmatchIndex(l.S, -1) {
		start, end := max(m[2], m[4]), max(m[3], m[5])
		if i := passwordStart(l.S[start:end]); i >= 0 {
			f.hide(l, start+i, end)
		}
	}
	for _, m := range printedPort.FindAllStringSubmatchIndex(l.S, -1) {
		port := l.S[m[2]:m[3]]
		before, ok := strings.CutSuffix(l.S[:m[0]], `": `) // the URL
		if !f.isWrittenPort(l, port) || ok && f.hidesPort(l, len(before)-1, len(before), port) {
			f.hide(l, m[2], m[3])
		}
	}
}

// isWrittenPort reports whether a text's non-numeric port is really a port, and not
// the start of a password: nothing is hidden at its place.
func (f *finder) isWrittenPort(l layer.Text, port string) bool {
	at := strings.Index(l.S, port)
	if strings.HasPrefix(l.S[max(0, at-len(`port "`)):], "port ") {
		return isPort(strings.TrimPrefix(port, ":"))
	}
	return !f.hidesPort(l, at, at+len(port), port)
}

// hidesPort reports whether an edit hides a port in this range.
func (f *finder) hidesPort(l layer.Text, start, end int, port string) bool {
	return start >= 0 && slices.ContainsFunc(f.edits, func(e splice.Edit) bool {
		return e.Start < l.Offset(end) && l.Offset(start) < e.End && !(e.Known && strings.Contains(e.Text, port))
	})
}

var (
	// parsedURL matches a URL that net/url could not parse, in its error or in a
	// string that contains the error.
	parsedURL = regexp.MustCompile(`\bparse (?:"((?:[^"\\]|\\.)*)"|\\+"([^"\\]*)\\+")`)

	// portVariable matches a variable in place of a port: $DB_PORT.
	portVariable = regexp.MustCompile(`(?i)^\W*(?:\w*_)?port\W*$`)
)

// passwordStart returns the index of the password in a URL that net/url could not
// parse, or -1. The parser cuts the URL at the first number sign. If the sign is part
// of a password, the part before it looks like a host and a port, but its port has
// letters, or its host is empty.
func passwordStart(raw string) int {
	host, ok := hostStart(raw, 0)
	if !ok || strings.IndexByte(raw[host:], '@') >= 0 {
		return -1
	}
	authority := raw[host:]
	if i := strings.IndexAny(authority, "/?"); i >= 0 {
		authority = authority[:i]
	}
	colon := strings.IndexByte(authority, ':')
	switch {
	case colon < 0, authority[0] == '[', endsInPort(authority), portVariable.MatchString(authority[colon:]):
		return -1
	case colon > 0 && len(authority) < len(raw)-host:
		return -1 // a path follows the port
	}
	return host + colon + len(":")
}

var (
	// schemeToken matches a token after the name of an authentication scheme.
	schemeToken = regexp.MustCompile(`(?i)\b(?:bearer|basic|negotiate|ntlm)[ \t+]+([a-z0-9._~+/-]{16,}={0,2})`)

	// noToken matches a parameter of a challenge, or a word in basic
	// username/password authentication.
	noToken = regexp.MustCompile(`^(?:[a-z_]+=[^\s=]|[A-Za-z]?[a-z]+[/_][A-Za-z]?[a-z]+(?:[^\w/+=-]|$))`)
)

func (f *finder) hideSchemeTokens(l layer.Text) {
	if !f.policy.values || !containsFold(l.S, "bearer", "basic", "negotiate", "ntlm") {
		return
	}
	for _, m := range schemeToken.FindAllStringSubmatchIndex(l.S, -1) {
		if !noToken.MatchString(l.S[m[2]:min(len(l.S), m[3]+1)]) {
			f.hide(l, m[2], m[3])
		}
	}
}

// privateKey matches a PEM block with a private key, or the beginning of one.
var privateKey = regexp.MustCompile(`(?s)-----BEGIN[ +](?:[A-Z0-9]+[ +])*PRIVATE[ +]KEY(?:[ +]BLOCK)?-----.*?(?:-----END[ +](?:[A-Z0-9]+[ +])*PRIVATE[ +]KEY(?:[ +]BLOCK)?-----|$)`)

func (f *finder) hidePrivateKeys(l layer.Text) {
	if !f.policy.values || !strings.Contains(l.S, "-----BEGIN") {
		return
	}
	for _, m := range privateKey.FindAllStringIndex(l.S, -1) {
		f.hide(l, m[0], m[1])
	}
}

// searchDecodedText hides the credentials in the decoded text. Its URLs were decoded
// part by part before, unless they are part of an encoded text.
func (f *finder) searchDecodedText(l layer.Text, urls [][2]int) {
	if f.budget -= len(l.S); f.budget < 0 {
		f.hide(l, 0, len(l.S))
		return
	}
	urls = slices.DeleteFunc(urls, func(u [2]int) bool {
		s := l.S[u[0]:u[1]]
		return strings.Contains(s, `\`) || strings.Contains(s, "&amp;")
	})
	if next, ok := l.DecodeExcept(urls, layer.Percent|layer.Escapes); ok {
		f.searchText(next)
	}
}
