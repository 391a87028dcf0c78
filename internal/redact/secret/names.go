// Package secret recognizes secrets by the name of a parameter, a field or a header,
// and by the shape of a value. It is given names and values. It does not know the
// text that they are from, or how they are replaced.
package secret

import (
	"slices"
	"strings"
	"sync"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// DefaultQuery returns the names of the parameters whose values are hidden. An
// entry is
//
//   - a name, whose value is always hidden;
//   - "*suffix", every name with this suffix, except paging tokens;
//   - "name?", a name whose value is hidden unless it is evidently no secret: a
//     number of up to four digits; for "key?" and "code?" anything but a long
//     random text.
//
// Names are compared in lower case, decoded, without "-", "_" and "."; of
// user[password] only password counts. Empty values and booleans are never
// hidden.
func DefaultQuery() []string {
	return slices.Clone(defaultQuery)
}

var defaultQuery = []string{
	// The semantic conventions' list for url.full.
	"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature",
	// Signed URLs of the same kind: AWS, Google, Alibaba, Tencent, Akamai, Facebook.
	"X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
	"X-Goog-Credential", "GoogleAccessId",
	"x-oss-signature", "x-oss-credential", "OSSAccessKeyId",
	"q-signature", "q-ak", "x-cos-security-token",
	"hdnts", "hdnea", "hdntl", "appsecret_proof",
	// OAuth 2.0, OpenID Connect and SAML.
	"assertion", "client_assertion", "code_verifier", "id_token_hint", "device_code",
	"oauth_verifier", "SAMLResponse", "SAMLart",
	// Names of APIs and frameworks.
	"jwt", "hmac", "otp", "PHPSESSID",
	// Names with these suffixes.
	"*password", "*passwd", "*passphrase", "*secret", "*signature",
	"*api_key", "*access_key", "*access_key_id", "*private_key", "*secret_key", "*account_key",
	"*subscription_key", "*application_key", "*app_key", "*session_id", "*token",
	// Names that also stand for values that are no secrets.
	"auth?", "authorization?", "pass?", "pwd?", "session?", "sid?", "sas?",
	"credential?", "credentials?", "bearer?", "key?", "code?",
}

// notSecretNames lists names, in normal form, that have the suffix of a secret's name
// but are none. An entry with a star is a suffix itself. It must not be the suffix of
// a secret's name, as mintoken is of admintoken.
var notSecretNames = []string{
	"*pagetoken", "*nexttoken", "*continuationtoken", "*paginationtoken", "*pagingtoken", "*skiptoken", "*deltatoken",
	"*cursortoken", "*resumetoken", "*resumptiontoken", "*nextsynctoken", "synctoken", "starttoken", "startingtoken",
	"continuetoken", "prevtoken", "previoustoken", "pagertoken", "scrolltoken", "markertoken", "offsettoken",
	"nextforwardtoken", "nextbackwardtoken", "forwardtoken", "backwardtoken", "maxtoken", "mintoken", "numtoken",
	"counttoken", "totaltoken",
}

// A Class determines which values of a name are hidden.
type Class uint8

const (
	Ordinary  Class = iota // no secret
	ambiguous              // a secret unless the value evidently is none
	Code                   // a secret if the value looks like one
	always
)

// Names lists names of secrets. The zero Names hides nothing.
type Names struct {
	exact       map[string]Class // by normal form
	suffixes    [256][]string    // by last byte
	lastLetters [26]uint32       // by last letter, the set of the letters before it
}

var (
	defaultNames      = sync.OnceValue(func() *Names { return NewNames(defaultQuery) })
	defaultExceptions = sync.OnceValue(func() *Names { return NewNames(notSecretNames) })
)

// DefaultNames returns the names of [DefaultQuery].
func DefaultNames() *Names { return defaultNames() }

// NewNames returns the names of a list in the language of [DefaultQuery].
func NewNames(list []string) *Names {
	n := &Names{exact: map[string]Class{}}
	for _, entry := range list {
		name, isSuffix := strings.CutPrefix(entry, "*")
		name, isAmbiguous := strings.CutSuffix(name, "?")
		var buf nameBuffer
		name = string(normalize(&buf, name))
		if name == "" {
			continue
		}
		n.addLastLetters(name)
		last := name[len(name)-1]
		switch {
		case isSuffix:
			n.suffixes[last] = append(n.suffixes[last], name)
		case !isAmbiguous:
			n.exact[name] = always
		case n.exact[name] == always:
		case name == "key" || name == "code":
			n.exact[name] = Code
		default:
			n.exact[name] = ambiguous
		}
	}
	return n
}

// Class returns the class of a name, which need not be in normal form.
func (n *Names) Class(name string) Class {
	if !n.MayEndLike(name) {
		return Ordinary
	}
	var buf nameBuffer
	key := normalize(&buf, name)
	if c, ok := n.exact[string(key)]; ok {
		return c
	}
	if n.hasSuffix(key) {
		e := defaultExceptions()
		if _, ok := e.exact[string(key)]; !ok && !e.hasSuffix(key) {
			return always
		}
	}
	return Ordinary
}

// MayEndLike returns false if no listed name ends with the last two letters of this
// name. This is so for most names, and saves further comparisons.
func (n *Names) MayEndLike(name string) bool {
	if len(name) < 2 {
		return true
	}
	a, b := name[len(name)-2]|0x20, name[len(name)-1]|0x20
	if a < 'a' || a > 'z' || b < 'a' || b > 'z' {
		return true // not in normal form
	}
	return n.lastLetters[b-'a']&(1<<(a-'a')) != 0 || strings.IndexByte(name, '%') >= 0
}

// addLastLetters adds the last two letters of a name in normal form.
func (n *Names) addLastLetters(name string) {
	last := name[len(name)-1]
	switch {
	case last < 'a' || last > 'z':
	case len(name) == 1:
		n.lastLetters[last-'a'] = 1<<26 - 1
	case name[len(name)-2] >= 'a' && name[len(name)-2] <= 'z':
		n.lastLetters[last-'a'] |= 1 << (name[len(name)-2] - 'a')
	}
}

func (n *Names) hasSuffix(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	for _, s := range n.suffixes[key[len(key)-1]] {
		if len(key) >= len(s) && string(key[len(key)-len(s):]) == s {
			return true
		}
	}
	return false
}

// Hides reports whether the value of a name is hidden.
func (n *Names) Hides(name, value string) bool {
	switch n.Class(name) {
	case always:
		return !IsPlaceholder(value)
	case ambiguous:
		return !IsPlaceholder(value) && !isSmallNumber(value)
	case Code:
		return isRandom(value)
	}
	return false
}

// outerPunctuation lists the punctuation to trim from names.
var outerPunctuation = func() (t [256]bool) {
	for _, c := range []byte("!\"#$&'()*,/:;<>?@\\]^`{|}~") {
		t[c] = true
	}
	return t
}()

// nameBuffer has space for the end of a name in normal form. No listed name is
// longer.
type nameBuffer [64]byte

// normalize returns the form in which names are compared: decoded, in lower case,
// without dashes, underscores, dots and spaces, without punctuation around it, and
// only the innermost key of brackets.
func normalize(buf *nameBuffer, name string) []byte {
	if strings.IndexByte(name, '%') >= 0 {
		name = layer.DecodeFully(name)
	}
	name = innermostKey(name)
	if !isASCII(name) {
		name = strings.ToLower(name)
	}
	for name != "" && outerPunctuation[name[0]] {
		name = name[1:]
	}
	for name != "" && outerPunctuation[name[len(name)-1]] {
		name = name[:len(name)-1]
	}
	// From the end: names are compared by suffix.
	i := len(buf)
	for j := len(name) - 1; j >= 0 && i > 0; j-- {
		c := name[j]
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case c <= ' ', c == '-', c == '_', c == '.', c == '+', c == 0x7f:
			continue
		}
		i--
		buf[i] = c
	}
	return buf[i:]
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// innermostKey returns the last key in brackets that is a name, or the name before
// the brackets: password of user[password], token of token[] and token[0].
func innermostKey(name string) string {
	if i := strings.LastIndexByte(name, ']'); i >= 0 && strings.ContainsFunc(name[i:], func(c rune) bool { return c < 0x80 && IsWordByte(byte(c)) }) {
		name = name[i+1:] // the brackets precede the name: [debug]password
	}
	for {
		open := strings.LastIndexByte(name, '[')
		if open < 0 {
			return name
		}
		inner := strings.TrimRight(name[open+1:], "]")
		if strings.Trim(inner, "0123456789 ") != "" {
			return inner
		}
		name = name[:open]
	}
}
