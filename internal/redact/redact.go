// Package redact decides what may be recorded of URLs, texts, errors and
// headers.
package redact

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/otelhttpclient/otelhttpclient/internal/bounded"
)

// Config configures a [Policy].
type Config struct {
	Query   []string                // names of sensitive query parameters; empty: DefaultQuery
	Headers []string                // patterns of sensitive headers; empty: DefaultHeaders
	Off     bool                    // redact user names and passwords only
	Filter  func(*url.URL) *url.URL // applied to URLs in texts and headers; nil result: not recorded
}

// Policy decides what may be recorded. It is safe for concurrent use.
type Policy struct {
	filter  func(*url.URL) *url.URL
	query   queryNames
	headers headerPatterns
	rules   bounded.Cache[string, headerRule] // by the name as it is written
}

// New returns the Policy of a configuration.
func New(c Config) *Policy {
	p := &Policy{filter: c.Filter, query: defaultQueryNames, headers: defaultHeaders}
	if len(c.Query) > 0 {
		p.query = newQueryNames(c.Query)
	}
	if len(c.Headers) > 0 {
		p.headers = newHeaderPatterns(c.Headers)
	}
	if c.Off {
		p.query, p.headers = nil, nil
	}
	return p
}

// Replacement stands in the place of what is redacted.
const Replacement = "REDACTED"

const redacted = Replacement

var redactedUser = url.UserPassword(redacted, redacted)

// DefaultQuery returns the names of the query parameters that are redacted
// unless [Config] has others.
func DefaultQuery() []string {
	return []string{
		// The conventions' list for url.full.
		"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature",
		// Signed URLs of the same kind.
		"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Credential",
		// OAuth 2.0 and OpenID Connect.
		"access_token", "refresh_token", "id_token", "id_token_hint", "client_secret", "client_assertion",
		"assertion", "code_verifier", "subject_token", "actor_token", "request_token", "oauth_token",
		"oauth_signature", "oauth_verifier", "SAMLResponse",
		// Names that APIs give to keys, passwords and sessions.
		"api_key", "apikey", "api-key", "x-api-key", "api_token", "app_key", "application_key", "subscription-key",
		"token", "auth", "auth_token", "authtoken", "authorization", "bearer", "jwt", "credential", "credentials",
		"password", "passwd", "passphrase", "pwd", "pass", "secret", "secret_key", "secretkey", "private_key",
		"session", "session_id", "sessionid", "session_token", "sid", "otp", "signature", "hmac",
		"csrf_token", "xsrf_token", "sas", "webhook_secret", "accesskey", "access_key", "access_key_id",
	}
}

// URL returns u with credentials redacted. What is not redacted stays byte for
// byte. Filters are the caller's business.
func (r *Policy) URL(u *url.URL) string {
	c := *u
	// The part of a host before an @ is no host; net/http would not connect
	// to it, but it may hold a password.
	if at := strings.LastIndexByte(c.Host, '@'); at >= 0 {
		c.Host = c.Host[at+1:]
		c.User = redactedUser
	}
	if c.User != nil {
		c.User = redactedUser
	}
	if c.Opaque != "" {
		c.Opaque = r.redactOpaque(c.Opaque)
	}
	c.RawQuery = r.query.redact(c.RawQuery)
	if escaped := suspicious(c.Fragment, c.RawFragment, c.EscapedFragment); escaped != "" {
		if clean := r.redactPart(escaped); clean != escaped {
			c.Fragment, c.RawFragment = unescape(clean), clean
		}
	}
	if escaped := suspicious(c.Path, c.RawPath, c.EscapedPath); escaped != "" {
		clean := escaped
		if c.Host == "" {
			// With one slash or three in place of two, the host and the user
			// in front of it are read as a path.
			clean = strings.TrimPrefix(r.redactPath("://"+escaped), "://")
		} else {
			clean = r.redactPath(escaped)
		}
		if clean != escaped {
			c.Path, c.RawPath = unescape(clean), clean
		}
	}
	return c.String()
}

// suspicious is a path or a fragment as it is written, if it may hold anything
// to be hidden at all, or an empty text.
func suspicious(decoded, raw string, escaped func() string) string {
	if raw == "" && strings.IndexByte(decoded, '=') < 0 && strings.IndexByte(decoded, '@') < 0 && strings.IndexByte(decoded, '%') < 0 {
		return ""
	}
	return escaped()
}

// redactPath is a path, as it is written, without the credentials of a URL that
// it contains. A path is no query, but has parameters after a semicolon, and
// whatever the URL that is encoded in it has.
func (r *Policy) redactPath(escaped string) string {
	clean := withoutUserinfoDecoded(escaped)
	if parameters := strings.IndexAny(clean, ";%?"); parameters >= 0 {
		clean = clean[:parameters] + r.query.redact(clean[parameters:])
	}
	return clean
}

// redactPart is redactPath for a fragment, or what else may be a query.
func (r *Policy) redactPart(escaped string) string {
	return r.query.redact(withoutUserinfoDecoded(escaped))
}

func (r *Policy) redactOpaque(opaque string) string {
	rest, authority := strings.CutPrefix(opaque, "//")
	// Nobody has parsed this: only a slash surely ends what may be a password.
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	if at := strings.LastIndexByte(rest[:end], '@'); at >= 0 {
		rest = redacted + ":" + redacted + rest[at:]
	}
	rest = r.redactPart(rest)
	if authority {
		return "//" + rest
	}
	return rest
}

// userinfo is a user name with or without password in the URL that another URL
// or a text contains. Some write slashes the other way round, and proxies that
// clean paths make one slash of two; without a scheme in front only a colon
// tells a user from other text.
var userinfo = regexp.MustCompile(`(:[/\\]+)[^/?#\s]+@|([/\\]{2})[^/?#\s]+:[^/?#\s]*@`)

// decodings is how often a text is decoded to find what it hides: gateways
// encode what is encoded already.
const decodings = 4

// withoutUserinfo is a text without the user names and passwords of the URLs in
// it.
func withoutUserinfo(s string) string {
	if strings.IndexByte(s, '@') < 0 {
		return s
	}
	return userinfo.ReplaceAllString(s, "${1}${2}"+redacted+":"+redacted+"@")
}

// withoutUserinfoDecoded also finds those that are encoded. It decodes the text
// for that, but only if there are any.
func withoutUserinfoDecoded(s string) string {
	found := s
	for range decodings {
		if clean := withoutUserinfo(s); clean != s {
			s, found = clean, clean
		}
		decoded := unescape(s)
		if decoded == s {
			break
		}
		s = decoded
	}
	return found
}

func hasUserinfo(s string) bool {
	return withoutUserinfo(s) != s
}

// Error returns the text of err with credentials redacted, bounded to 2 KiB.
// request is the URL that was requested, or nil.
func (r *Policy) Error(err error, request *url.URL) string {
	text := cut(err.Error(), longestRedacted)
	if request == nil {
		return cut(r.text(text), longestText)
	}
	// The request's own URL is known, and found even where its end is not to
	// be told from the text around it. What replaces it and its secrets is not
	// searched again: a secret may be a part of REDACTED.
	u := request
	full := ""
	if filtered := r.filtered(u); filtered != nil {
		full = r.URL(filtered)
	}
	if full == "" {
		full = redacted
	}
	secrets := r.secrets(u, len(text))
	var b strings.Builder
	raw := u.String()
	if raw == full || raw == "" {
		b.WriteString(hide(text, secrets))
	} else {
		urls := []string{raw}
		if quoted := strconv.Quote(raw); quoted[1:len(quoted)-1] != raw {
			urls = append(urls, quoted[1:len(quoted)-1])
		}
		for {
			start, end := firstOf(text, urls)
			b.WriteString(hide(text[:start], secrets))
			if start == end {
				break
			}
			b.WriteString(full)
			text = text[end:]
		}
	}
	return cut(r.text(b.String()), longestText)
}

const (
	longestText     = 2 << 10 // of what is recorded
	longestRedacted = 8 << 10 // of what is searched for credentials
)

// cut returns s without what is beyond n bytes, and no part of a rune at the
// end. What is short enough stays as it is.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

func (r *Policy) filtered(u *url.URL) *url.URL {
	if r.filter == nil {
		return u
	}
	return r.filter(u)
}

// firstOf returns where the first of the parts stands in s. Where none does,
// start and end are the end of s.
func firstOf(s string, parts []string) (start, end int) {
	start, end = len(s), len(s)
	for _, part := range parts {
		if i := strings.Index(s, part); i >= 0 && i < start {
			start, end = i, i+len(part)
		}
	}
	return start, end
}

// hide replaces the secrets in a text, in one pass: all their places are found
// before the first is replaced, and places that touch are replaced as one.
func hide(text string, secrets []string) string {
	var hidden []bool
	for _, secret := range secrets {
		for from := 0; ; {
			i := strings.Index(text[from:], secret)
			if i < 0 {
				break
			}
			if hidden == nil {
				hidden = make([]bool, len(text))
			}
			for j := range secret {
				hidden[from+i+j] = true
			}
			from += i + len(secret)
		}
	}
	if hidden == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

// secrets are the parts of a URL that are not recorded of it, as they may
// appear on their own in a text of this length.
func (r *Policy) secrets(u *url.URL, length int) []string {
	const tooShort = 3 // to be told from ordinary text
	found := map[string]struct{}{}
	add := func(s string) {
		if len(s) < tooShort || len(s) > length {
			return
		}
		found[s] = struct{}{}
		if quoted := strconv.Quote(s); len(quoted) != len(s)+2 {
			found[quoted[1:len(quoted)-1]] = struct{}{}
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		add(password)
		add(url.PathEscape(password))
		add(u.User.String())
	}
	if at := strings.LastIndexByte(u.Host, '@'); at > 0 {
		add(u.Host[:at])
	}
	r.query.each(u.RawQuery, func(value string) {
		add(value)
		add(unescape(value))
	})
	// A URL with more of them is an attack, and not worth the time: what
	// stands alone in the text is hidden by the rules for texts, if at all.
	const most = 256
	secrets := slices.Sorted(maps.Keys(found))
	return secrets[:min(most, len(secrets))]
}

// badPort is what net/url says where a password with a slash ends what it takes
// for the host: then the password's beginning is the port.
var badPort = regexp.MustCompile(`invalid port "(?:[^"\\]|\\.)*" after host`)

// text is any text, without what URLs and query parameters in it must not
// tell.
// Text returns s with the credentials in it redacted, bounded to 2 KiB.
func (r *Policy) Text(s string) string {
	return cut(r.text(cut(s, longestRedacted)), longestText)
}

func (r *Policy) text(s string) string {
	if !strings.ContainsAny(s, "=@:%") {
		return s
	}
	if strings.Contains(s, "invalid port") {
		s = badPort.ReplaceAllString(s, `invalid port "`+redacted+`" after host`)
	}
	var b strings.Builder
	start := 0 // of the word
	for i := range len(s) {
		if !isTextBoundary(s[i]) || s[i] == '"' && i > start && s[i-1] == '\\' {
			continue // a quoted quote is a part of what it is in
		}
		b.WriteString(r.word(s[start:i]))
		b.WriteByte(s[i])
		start = i + 1
	}
	b.WriteString(r.word(s[start:]))
	return b.String()
}

func isTextBoundary(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', '"', '<', '>', '`':
		return true
	}
	return false
}

// word is a text without spaces: a URL, a part of one, or neither.
func (r *Policy) word(w string) string {
	if i := strings.Index(w, "://"); i >= 0 {
		start := i
		for start > 0 && isSchemeByte(w[start-1]) {
			start--
		}
		// What looks like a scheme may be the value of a parameter.
		if clean := r.query.redact(w); start > 0 && clean != w {
			return r.word(clean)
		}
		// Nor is it certain that this is a URL: a space may have stood in
		// the one that it is a part of.
		return r.fragment(w[:start]) + r.query.redact(r.urlText(w[start:]))
	}
	return r.fragment(w)
}

// fragment is a word without a scheme, which may be a part of a URL still.
func (r *Policy) fragment(w string) string {
	if at := strings.LastIndexByte(w, '@'); at >= 0 && strings.IndexByte(w[:at], ':') >= 0 {
		w = redacted + ":" + redacted + w[at:]
	}
	return r.query.redact(w)
}

func isNoSchemeRune(c rune) bool { return c >= unicode.MaxASCII || !isSchemeByte(byte(c)) }

func isSchemeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'
}

// urlText is a URL in a text or in a header. What cannot be parsed is treated
// as if everything in it were in the worst place.
func (r *Policy) urlText(s string) string {
	u, err := url.Parse(s)
	if err == nil && strings.IndexByte(u.Host, '=') < 0 { // or it is no host
		if r.filter != nil {
			if u = r.filter(u); u == nil {
				return redacted
			}
		}
		clean := r.URL(u)
		if r.filter == nil && clean == u.String() {
			return s
		}
		return clean
	}
	scheme, rest := "", s
	if i := strings.Index(s, "://"); i > 0 && strings.IndexFunc(s[:i], isNoSchemeRune) < 0 {
		scheme, rest = s[:i+3], s[i+3:]
	}
	if r.filter != nil {
		return scheme + redacted
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = redacted + ":" + redacted + rest[at:]
	}
	return scheme + r.query.redact(rest)
}

// queryNames are names of query parameters, in lower case.
type queryNames map[string]struct{}

var defaultQueryNames = newQueryNames(DefaultQuery())

func newQueryNames(names []string) queryNames {
	q := make(queryNames, len(names))
	for _, n := range names {
		q[strings.ToLower(n)] = struct{}{}
	}
	return q
}

// include reports whether a key, as it is written, is one of the names: in any
// case, percent-encoded (more than once, as gateways decode too), or as a part
// of a nested key such as user[password].
func (q queryNames) include(key string) bool {
	if strings.ContainsAny(key, "%+") {
		for range 3 {
			key = unescape(key)
		}
		key = strings.ReplaceAll(key, "+", " ")
	}
	if i := strings.LastIndexAny(key, ";?/#"); i >= 0 {
		key = key[i+1:]
	}
	key = strings.ToLower(strings.TrimFunc(key, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }))
	if _, ok := q[key]; ok {
		return true
	}
	if !strings.ContainsAny(key, "[].") {
		return false
	}
	return slices.ContainsFunc(strings.FieldsFunc(key, func(c rune) bool { return c == '[' || c == ']' || c == '.' }), func(part string) bool {
		_, ok := q[part]
		return ok
	})
}

// redact replaces the values of the parameters with these names.
func (q queryNames) redact(query string) string {
	var b strings.Builder
	done := 0
	q.find(query, decodings, func(start, end int) {
		b.WriteString(query[done:start])
		b.WriteString(redacted)
		done = end
	})
	if done == 0 {
		return query
	}
	b.WriteString(query[done:])
	return b.String()
}

// each calls f with the values that redact replaces.
func (q queryNames) each(query string, f func(value string)) {
	q.find(query, decodings, func(start, end int) { f(query[start:end]) })
}

// find calls f with the places of the values that are to be redacted, of which
// some are found only when the values are decoded, up to depth times.
//
// A value goes on to the next ampersand. Semicolons and question marks begin a
// new key, as some servers read them so, but do not end a value that is to be
// hidden, as others do not.
func (q queryNames) find(query string, depth int, f func(start, end int)) {
	plain := isPlain(query)
	for start := 0; start < len(query); {
		end := strings.IndexByte(query[start:], '&')
		if end < 0 {
			end = len(query)
		} else {
			end += start
		}
		from := 0
		if plain {
			from = q.plainValue(query[start:end])
		} else {
			from = q.sensitiveValue(query[start:end], depth)
		}
		if from >= 0 && start+from < end {
			f(start+from, end)
		}
		start = end + 1
	}
}

// isPlain reports whether a query is nothing but names and values of letters,
// digits and the like, as most are. Then it can be taken apart with little
// effort, as it has to be for each request, sampled or not.
func isPlain(query string) bool {
	for i := range len(query) {
		switch c := query[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '&', c == '=', c == '-', c == '_', c == ',':
		default:
			return false
		}
	}
	return true
}

// plainValue is sensitiveValue for a plain query.
func (q queryNames) plainValue(pair string) int {
	equals := strings.IndexByte(pair, '=')
	if equals < 0 {
		return -1
	}
	if _, ok := q[strings.ToLower(pair[:equals])]; !ok {
		return -1
	}
	return equals + 1
}

// sensitiveValue is where, in the text between two ampersands, the part begins
// that is to be hidden, or -1. That is a value as a rule, and all of the text
// where the key itself is what must not be told.
func (q queryNames) sensitiveValue(pair string, depth int) int {
	key, _, ok := strings.Cut(pair, "=")
	if q.nested(key, depth) {
		return 0
	}
	if !ok {
		return -1
	}
	first := len(key) + 1
	if q.include(key) || q.nested(pair[first:], depth) {
		return first
	}
	// What is nested in a later value is nested in the first, which goes on to
	// the end. Looking at each again would take a time that grows with the
	// square of their number, for each time that they are decoded.
	for start := first; ; {
		next := strings.IndexAny(pair[start:], ";?#")
		if next < 0 {
			return -1
		}
		start += next + 1
		equals := strings.IndexByte(pair[start:], '=')
		if equals < 0 {
			return -1
		}
		if q.include(pair[start : start+equals]) {
			return start + equals + 1
		}
		start += equals + 1
	}
}

// nested reports whether a key or a value is itself a URL, encoded or not, that
// holds something to be hidden.
func (q queryNames) nested(text string, depth int) bool {
	if hasUserinfo(text) {
		return true
	}
	if depth == 0 {
		return false
	}
	decoded := unescape(text)
	if decoded == text {
		return false
	}
	if hasUserinfo(decoded) {
		return true
	}
	found := false
	q.find(decoded, depth-1, func(int, int) { found = true })
	return found
}

// unescape decodes what is validly percent-encoded, and leaves the rest.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// Query returns a function that redacts the parameters with these names in a
// query.
func Query(names ...string) func(rawQuery string) string {
	return newQueryNames(names).redact
}

// Unescape decodes what is validly percent-encoded, and leaves the rest.
func Unescape(s string) string { return unescape(s) }
