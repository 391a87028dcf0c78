package redact

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// A row is an input and what is recorded of it; an empty want is the input.
type row struct{ in, want string }

func (r row) expected() string {
	if r.want == "" {
		return r.in
	}
	return r.want
}

func checkTexts(t *testing.T, rows ...row) {
	t.Helper()
	p := New(Config{})
	for _, r := range rows {
		for channel, got := range map[string]string{
			"text": p.Text(r.in), "error": p.Error(errors.New(r.in), nil), "header": p.Header("X-Message", []string{r.in}, nil)[0],
		} {
			if got != r.expected() {
				t.Errorf("%s of %q: got\n\t%s\nwant\n\t%s", channel, r.in, got, r.expected())
			}
		}
	}
}

func checkURLs(t *testing.T, rows ...row) {
	t.Helper()
	p := New(Config{})
	for _, r := range rows {
		u, err := url.Parse(r.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.URL(u); got != r.expected() {
			t.Errorf("URL: got\n\t%s\nwant\n\t%s\nfor\n\t%s", got, r.expected(), r.in)
		}
		if got := p.Header("Location", []string{r.in}, nil)[0]; got != r.expected() {
			t.Errorf("Location: got\n\t%s\nwant\n\t%s\nfor\n\t%s", got, r.expected(), r.in)
		}
	}
}

func TestPolicyKeepsKeys(t *testing.T) {
	checkURLs(t,
		row{"https://h/?a=1&sig=abc&b=2", "https://h/?a=1&sig=REDACTED&b=2"},
		row{"https://user:pw@h/", "https://REDACTED:REDACTED@h/"},
		row{"https://token@h/", "https://REDACTED:REDACTED@h/"},
	)
}

func TestPolicyKeepsTheRestByteForByte(t *testing.T) {
	checkURLs(t,
		row{"https://h/?b=2&sig=1&a=%20+&&c", "https://h/?b=2&sig=REDACTED&a=%20+&&c"},
		row{"https://h/%2f%2F?a=%3a%3A;&&=&token=x#%20", "https://h/%2f%2F?a=%3a%3A;&&=&token=REDACTED#%20"},
		row{in: "https://h/a//b@c"}, row{in: "https://h/%40a%2Fb"}, row{in: "https://h/a%2525?b=%25&c=d+e"}, row{in: "https://h/?"},
		row{in: "https://h/sig=1"}, row{in: "https://h/?design=1"}, row{in: "https://h/?sig"}, row{in: "https://h/#/a=b?c"},
	)
}

func TestPolicyReplacesOnce(t *testing.T) {
	p := New(Config{})
	for _, c := range []struct{ url, text, want string }{
		{"https://h.example/?token=EOF&token=RED&token=TED", "unexpected EOF", "unexpected REDACTED"},
		{"https://h.example/?token=abcdef&sig=cdefgh", "x abcdefgh y", "x REDACTED y"},
		{"https://h.example/?token=secret", `Get "https://h.example/?token=secret": secret failed`, `Get "https://h.example/?token=REDACTED": REDACTED failed`},
		{"https://h.example/?token=REDACTED", `Get "https://h.example/?token=REDACTED": EOF`, `Get "https://h.example/?token=REDACTED": EOF`},
		{"https://h.example/?token=test", "testing a test", "testing a REDACTED"},
	} {
		u, _ := url.Parse(c.url)
		if got := p.Error(errors.New(c.text), u); got != c.want {
			t.Errorf("%s: got %q, want %q", c.url, got, c.want)
		}
	}
	for _, s := range []string{"token=abc https://u:p@h/?sig=x", `{"password":"x","n":1}`, "Authorization: Basic x\nHost: y"} {
		once := p.Text(s)
		if twice := p.Text(once); twice != once {
			t.Errorf("%q: got %q at first and %q then, want no change", s, once, twice)
		}
	}
}

func TestPolicyCutsTextsAfterRedaction(t *testing.T) {
	p := New(Config{})
	for _, before := range []int{maxText - 30, maxText - 12, maxText - 3, maxTextInput - 20, maxTextInput - 8, maxTextInput - 3} {
		for _, form := range []string{"https://user:S@h.example/", "token=S", `{"token":"S"}`, "Authorization: Basic S\n", "-----BEGIN PRIVATE KEY-----\nS\n-----END", "ghp_SSSSS", "Bearer SSSSSSSSS"} {
			for _, filler := range []string{"é", "x ", "token=a "} {
				text := strings.Repeat(filler, before/len(filler)) + " " + strings.ReplaceAll(form, "S", "hunter2hunter2")
				got := p.Text(text)
				if len(got) > maxText || !utf8.ValidString(got) || strings.Contains(got, "hunter") {
					t.Errorf("%d bytes and %s: got %d bytes, valid: %v, want at most %d and no part of the secret: …%s",
						before, form, len(got), utf8.ValidString(got), maxText, got[max(0, len(got)-60):])
				}
			}
		}
	}
	long := "token=" + strings.Repeat("hunter2", maxTextInput) + " tail"
	if got := p.Text(long); strings.Contains(got, "hunter") {
		t.Errorf("a secret beyond the bound: got %.60q, want nothing of it", got)
	}
	long = `{"items":[` + strings.Repeat(`{"id":1,"ok":true},`, maxTextInput/8)
	if got, want := p.Text("status 500: "+long), ("status 500: " + long)[:maxText]; got != want {
		t.Errorf("one long word: got %d bytes …%s, want the first %d", len(got), got[max(0, len(got)-60):], maxText)
	}
	long = "https://user:" + strings.Repeat("hunter2", maxTextInput) + "@h.example/"
	if got := p.Text("see " + long); strings.Contains(got, "hunter") {
		t.Errorf("a password beyond the bound: got %.60q, want nothing of it", got)
	}
}

// What is too long to be decoded is hidden as a whole.
func TestPolicyHidesWhatIsTooLongToDecode(t *testing.T) {
	p := New(Config{})
	const nested = "https%253A%252F%252Fu%253Ahunter2hunter2%2540h"
	for name, query := range map[string]string{
		"many values": strings.Repeat("a=%2541%3D&", 5000) + "next=" + nested,
		"one value":   "next=" + strings.Repeat("%2541%3D", 5000) + nested,
		"long URL":    "next=" + strings.Repeat("a", maxURL) + nested,
		"JSON":        "next=%7B%22a%22%3A%22" + strings.Repeat("%5C%2541", 5000) + nested,
	} {
		u := &url.URL{Scheme: "https", Host: "h.example", RawQuery: query}
		if got := p.URL(u); strings.Contains(got, "hunter2") || !strings.HasPrefix(got, "https://h.example?") {
			t.Errorf("%s: got %.40s…%s, want the beginning and nothing of the password", name, got, got[max(0, len(got)-80):])
		}
	}
}

func TestPolicyComparesNamesInNormalForm(t *testing.T) {
	for _, name := range []string{
		"access_token", "accessToken", "Access-Token", "ACCESS.TOKEN", "access%5Ftoken", "acc%65ss_token", "%2561ccess_token", "user[access_token]",
		"user%5Baccess_token%5D", "a[b][access_token]", "access_token[]", "access_token[0]", "__token__", "private_token", "user.password",
	} {
		checkURLs(t, row{"https://h/?x=1&" + name + "=abc&y=2", "https://h/?x=1&" + name + "=REDACTED&y=2"})
		checkTexts(t, row{"x=1 " + name + "=abc y=2", "x=1 " + name + "=REDACTED y=2"})
	}
}

func TestPolicySecretNames(t *testing.T) {
	names := []string{
		"AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token",
		"x-oss-signature", "x-oss-credential", "OSSAccessKeyId", "q-signature", "q-ak", "x-cos-security-token", "GoogleAccessId",
		"X-Goog-Credential", "hdnts", "hdnea", "appsecret_proof", "assertion", "client_assertion", "code_verifier", "id_token_hint",
		"SAMLResponse", "jwt", "hmac", "otp",
	}
	for _, suffix := range []string{
		"password", "passwd", "passphrase", "secret", "signature", "apikey", "accesskey", "accesskeyid", "privatekey", "secretkey",
		"accountkey", "subscriptionkey", "applicationkey", "appkey", "sessionid", "token",
	} {
		names = append(names, suffix, "my_"+suffix, "x-"+suffix)
	}
	for _, name := range names {
		checkURLs(t, row{"https://h/?" + name + "=7", "https://h/?" + name + "=REDACTED"})
		checkTexts(t, row{name + "=7", name + "=REDACTED"}, row{`{"` + name + `": 7}`, `{"` + name + `": REDACTED}`})
	}
}

func TestPolicyPagingTokensStay(t *testing.T) {
	for _, name := range []string{
		"pageToken", "nextPageToken", "next_page_token", "NextToken", "continuation-token", "NextContinuationToken", "syncToken", "nextSyncToken",
		"startToken", "starting-token", "max_tokens", "maxTokens", "tokenCount", "total_tokens", "$skiptoken", "pagination_token",
	} {
		checkURLs(t, row{in: "https://h/?" + name + "=CAoQAA7f1"})
		checkTexts(t, row{in: name + "=CAoQAA7f1"}, row{in: `{"` + name + `":"CAoQAA7f1"}`})
	}
	for _, name := range []string{"admin_token", "exchange_token", "async_token"} {
		checkURLs(t, row{"https://h/?" + name + "=abc", "https://h/?" + name + "=REDACTED"})
	}
}

func TestPolicyAmbiguousNames(t *testing.T) {
	for _, name := range []string{"auth", "authorization", "pass", "pwd", "session", "sid", "sas", "credential", "credentials", "bearer"} {
		checkURLs(t, row{"https://h/?" + name + "=abc", "https://h/?" + name + "=REDACTED"}, row{"https://h/?" + name + "=12345", "https://h/?" + name + "=REDACTED"},
			row{in: "https://h/?" + name + "=1234"}, row{in: "https://h/?" + name + "=true"}, row{in: "https://h/?" + name + "="}, row{in: "https://h/?my" + name + "=abc"})
	}
	const random = "Zx8KqPfWn3YbT5vHc2Lm"
	for _, name := range []string{"key", "code"} {
		checkURLs(t, row{"https://h/?" + name + "=" + random, "https://h/?" + name + "=REDACTED"},
			row{"https://h/?" + name + "=4%2F0" + random + random, "https://h/?" + name + "=REDACTED"},
			row{"https://h/?" + name + "=AKIAIOSFODNN7EXAMPLE", "https://h/?" + name + "=REDACTED"},
			row{in: "https://h/?" + name + "=" + random[1:]}, row{in: "https://h/?" + name + "=" + strings.ToLower(random)},
			row{in: "https://h/?" + name + "=550E8400-e29b-41d4-a716-446655440000"}, row{in: "https://h/?" + name + "=users/42/a.jpg"},
			row{in: "https://h/?" + name + "=404"}, row{in: "https://h/?" + name + "=Backups/2024-01-01/Export/File.tar.gz"})
		checkTexts(t, row{name + "=" + random, name + "=REDACTED"}, row{`"` + name + `":"` + random + `"`, `"` + name + `":"REDACTED"`},
			row{in: name + ": users/42/a.jpg"}, row{in: `"` + name + `":"invalid_grant"`})
	}
}

func TestPolicyEmptyValuesAndBooleansStay(t *testing.T) {
	checkURLs(t, row{in: "https://h/?token="}, row{in: "https://h/?token=true&password=FALSE"}, row{in: "https://@h/"})
	checkTexts(t, row{in: "token= a=b"}, row{"token= ab==", "token= REDACTED"}, row{"token = a=b", "token = REDACTED"}, row{in: `{"token":"","password":false,"secret":null}`}, row{in: "token=true"}, row{in: "password: false"})
	if got := New(Config{}).Header("Authorization", []string{"", "true"}, nil); !slices.Equal(got, []string{"", "true"}) {
		t.Errorf("Authorization: got %q, want an empty value and a boolean as they are", got)
	}
}

func TestPolicyValuesKnownByShape(t *testing.T) {
	jwt := "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
	for _, value := range []string{jwt, "AKIAIOSFODNN7EXAMPLE", "ghp_" + strings.Repeat("a1", 18), "glpat-" + strings.Repeat("x9", 10), "npm_" + strings.Repeat("a1", 18)} {
		checkURLs(t, row{"https://h/a/" + value + "/b?q=" + value + "#" + value, "https://h/a/REDACTED/b?q=REDACTED#REDACTED"})
		checkTexts(t, row{"bad value " + value + ", sorry", "bad value REDACTED, sorry"}, row{`x="` + value + `"`, `x="REDACTED"`},
			row{"x-" + value, "x-REDACTED"}, row{in: "x" + strings.TrimPrefix(value, jwt)})
	}
}

func TestPolicyTokensOfAuthenticationSchemes(t *testing.T) {
	checkTexts(t,
		row{"sent Bearer mF_9.B5f-4.1JqM7 to h", "sent Bearer REDACTED to h"}, row{"BASIC dXNlcjpwYXNzd29yZA==", "BASIC REDACTED"},
		row{"(Negotiate YIIabcdefghijklmnop)", "(Negotiate REDACTED)"}, row{"NTLM TlRMTVNTUAABAAAA", "NTLM REDACTED"},
		row{in: `Bearer realm="x"`}, row{in: "Basic plan"}, row{in: "Basic username/password authentication"}, row{in: "Bearer short"},
		row{"Bearer my-secret-token-value", "Bearer REDACTED"}, row{"Bearer my_secret_token_value", "Bearer REDACTED"},
		row{in: `Bearer authorization_uri="https://login.example/x"`}, row{in: "Bearer resource_metadata=https://h.example/x"},
	)
	checkURLs(t, row{"https://h/?q=Bearer%20mF_9.B5f-4.1JqM7", "https://h/?q=Bearer%20REDACTED"}, row{"https://h/?q=Bearer+mF_9.B5f-4.1JqM7", "https://h/?q=Bearer+REDACTED"})
}

func TestPolicyPrivateKeys(t *testing.T) {
	key := "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAAAA\n-----END RSA PRIVATE KEY-----"
	checkTexts(t, row{"bad key:\n" + key + "\nend", "bad key:\nREDACTED\nend"}, row{`{"pem":"` + strings.ReplaceAll(key, "\n", `\n`) + `"}`, `{"pem":"REDACTED"}`},
		row{"cut " + key[:40], "cut REDACTED"}, row{in: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"})
	checkURLs(t, row{"https://h/?x=" + url.QueryEscape(key), "https://h/?x=REDACTED"})
}

func TestPolicyUserinfoInOddPlaces(t *testing.T) {
	checkURLs(t,
		row{"https:/user:pw@host/x", "https:/REDACTED:REDACTED@host/x"}, row{"https:///user:pw@host/x", "https:///REDACTED:REDACTED@host/x"},
		row{"https:////user:pw@host/x", "https:////REDACTED:REDACTED@host/x"}, row{"https:user:pw@host/x", "https:REDACTED:REDACTED@host/x"},
		row{"https://h/p/https://u:pw@x/y", "https://h/p/https://REDACTED:REDACTED@x/y"}, row{"https://h/p/https:/u:pw@x/y", "https://h/p/https:/REDACTED:REDACTED@x/y"},
		row{"https://h/p/https%3A%2F%2Fu:pw@x", "https://h/p/https%3A%2F%2FREDACTED%3AREDACTED@x"}, row{"https://h//u:pw@x/y", "https://h//REDACTED:REDACTED@x/y"},
		row{"https://h/?https://u:pw@x/", "https://h/?https://REDACTED:REDACTED@x/"}, row{"https://h/#/p/https://u:pw@x/y", "https://h/#/p/https://REDACTED:REDACTED@x/y"},
		row{"https://h/?n=https%253A%252F%252Fu%253Apw%2540x", "https://h/?n=https%253A%252F%252FREDACTED%253AREDACTED%2540x"},
		row{in: "https://h/@scope/package@1.2.3"}, row{in: "https://h/a@b:c"}, row{in: "https://h/?q=a@b.example&to=c:d@e"}, row{in: "https://h/p/https:/x/y"},
	)
	p := New(Config{})
	for _, c := range []struct {
		u    url.URL
		want string
	}{
		{url.URL{Scheme: "https", Host: "u:pw@h", Path: "/x"}, "https://REDACTED:REDACTED@h/x"},
		{url.URL{Scheme: "https", Opaque: "u:pw@h/x"}, "https:REDACTED:REDACTED@h/x"},
		{url.URL{Scheme: "https", Opaque: "//u:p?w@h/x"}, "https://REDACTED:REDACTED@h/x"},
		{url.URL{Scheme: "user", Opaque: "pw@h/x"}, "user:REDACTED:REDACTED@h/x"},
		{url.URL{Scheme: "https", Path: "/u:pw@h/x"}, "https:///REDACTED:REDACTED@h/x"},
		{url.URL{Scheme: "mailto", Opaque: "a@b.example"}, "mailto:a@b.example"},
	} {
		if got := p.URL(&c.u); got != c.want {
			t.Errorf("%#v: got %s, want %s", c.u, got, c.want)
		}
	}
	checkTexts(t, row{`see \\u:pw@h\x`, `see \\REDACTED:REDACTED@h\x`}, row{"see //u:pw@h/x", "see //REDACTED:REDACTED@h/x"},
		row{"jdbc:oracle:thin:scott/tiger@//h:1521/x", "jdbc:oracle:thin:REDACTED:REDACTED@//h:1521/x"},
		row{"redis://:pw@h:6379/0", "redis://REDACTED:REDACTED@h:6379/0"}, row{"https://u:p/w@h/x", "https://REDACTED:REDACTED@h/x"})
}

func TestPolicyOddURLs(t *testing.T) {
	value := "https://h/?token=hunter2"
	for range layer.MaxDepth + 3 {
		value = url.QueryEscape(value)
		if got := urlOf(t, "https://h/?a="+value+"&b=c"); leaksIn(got, "hunter2") || !strings.HasSuffix(got, "&b=c") {
			t.Errorf("%s: got %s, want the token hidden", value, got)
		}
	}
	for _, value := range []string{"aB3dE6gH9jK2mN5pQ8rS;x", "aB3dE6gH9jK2mN5pQ8rS%3Bx"} {
		if got := urlOf(t, "https://h/?code="+value); strings.Contains(got, "aB3") {
			t.Errorf("%s: got %s, want it hidden", value, got)
		}
	}
	if got, want := urlOf(t, "https://h/a&token=x&b=c"), "https://h/a&token=REDACTED&b=c"; got != want {
		t.Errorf("without a question mark: got %s, want %s", got, want)
	}
	// Browsers remove tabs.
	location := New(Config{}).Header("Location", []string{"https:/\t/u:hunter2@h/"}, nil)[0]
	if want := "https:/\t/REDACTED:REDACTED@h/"; location != want {
		t.Errorf("Location: got %q, want %q", location, want)
	}
}

func urlOf(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{}).URL(u)
}

func leaksIn(text, secret string) bool {
	for range 2 {
		text = layer.DecodeFully(text)
	}
	return strings.Contains(text, secret)
}

func TestPolicyPathsThatAreCredentials(t *testing.T) {
	checkURLs(t,
		row{"https://hooks.slack.com/services/T0/B0/abc", "https://hooks.slack.com/services/REDACTED/REDACTED/REDACTED"},
		row{"https://hooks.slack.com/workflows/T0/A0/1/abc?x=1", "https://hooks.slack.com/workflows/REDACTED/REDACTED/REDACTED/REDACTED?x=1"},
		row{"https://hooks.slack.com/triggers/T0/1/abc", "https://hooks.slack.com/triggers/REDACTED/REDACTED/REDACTED"},
		row{"https://HOOKS.SLACK.COM/services/T0/B0/abc?x=+", "https://HOOKS.SLACK.COM/services/REDACTED/REDACTED/REDACTED?x=+"},
		row{"https://user@hooks.slack.com/services/T0/B0/abc", "https://REDACTED:REDACTED@hooks.slack.com/services/REDACTED/REDACTED/REDACTED"},
		row{"https://canary.discord.com/api/v10/webhooks/123/abc/slack", "https://canary.discord.com/api/v10/webhooks/123/REDACTED/slack"},
		row{"https://discordapp.com/api/webhooks/123/abc", "https://discordapp.com/api/webhooks/123/REDACTED"},
		row{"https://x.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", "https://x.webhook.office.com/webhookb2/REDACTED/IncomingWebhook/REDACTED/REDACTED"},
		row{"https://outlook.office.com/webhook/a@b/IncomingWebhook/c/d", "https://outlook.office.com/webhook/REDACTED/IncomingWebhook/REDACTED/REDACTED"},
		row{"https://api.telegram.org/bot123:abc/getMe", "https://api.telegram.org/botREDACTED/getMe"},
		row{"https://api.telegram.org/file/bot123:abc/a.jpg", "https://api.telegram.org/file/botREDACTED/a.jpg"},
		row{"https://h/?u=https%3A%2F%2Fhooks.slack.com%2Fservices%2FT0%2FB0%2Fabc", "https://h/?u=https%3A%2F%2Fhooks.slack.com%2Fservices%2FREDACTED%2FREDACTED%2FREDACTED"},
		row{in: "https://h/services/T0/B0/abc"}, row{in: "https://discord.com/api/webhooks/123"}, row{in: "https://slack.com/api/chat.postMessage"},
	)
	checkTexts(t, row{`Post "https://api.telegram.org/bot123:abc/x": EOF`, `Post "https://api.telegram.org/botREDACTED/x": EOF`})
}

func TestPolicyFiltersByPattern(t *testing.T) {
	filter, err := Paths("hooks.example.com/in/{secret}", "/files/{rest...}", "/users/{id}/a", "port.example:8443/in/{secret}", "[::1]/in/{secret}")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{
		"https://hooks.example.com/in/abc":      "https://hooks.example.com/in/REDACTED",
		"https://HOOKS.example.com:8443/in/abc": "https://HOOKS.example.com:8443/in/REDACTED",
		"https://hooks.example.com//in//abc?x":  "https://hooks.example.com//in//REDACTED?x",
		"https://hooks.example.com/in/a%2Fb/":   "https://hooks.example.com/in/REDACTED/",
		"https://hooks.example.com/in/abc/def":  "https://hooks.example.com/in/abc/def",
		"https://other.example.com/in/abc":      "https://other.example.com/in/abc",
		"https://h/files/a/b":                   "https://h/files/REDACTED",
		"https://h/%66iles/a":                   "https://h/%66iles/REDACTED",
		"https://h/users/7/a":                   "https://h/users/REDACTED/a",
		"https://h/users/7/b":                   "https://h/users/7/b",
		"https://hooks.example.com./in/abc":     "https://hooks.example.com./in/REDACTED",
		"https://hooks.example.com/in/./abc":    "https://hooks.example.com/in/./REDACTED",
		"https://hooks.example.com/a/%2E./in/b": "https://hooks.example.com/a/%2E./in/REDACTED",
		"https://hooks.example.com/in/a/../b":   "https://hooks.example.com/in/a/../REDACTED",
		"https://port.example:8443/in/abc":      "https://port.example:8443/in/REDACTED",
		"https://[::1]:8443/in/abc":             "https://[::1]:8443/in/REDACTED",
	} {
		u, _ := url.Parse(in)
		if got := filter(u).String(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
		if u.String() != in {
			t.Errorf("the caller's URL: got %s, want it unchanged: %s", u, in)
		}
	}
	opaque := &url.URL{Scheme: "https", Host: "h", Opaque: "//hooks.example.com/in/abc"}
	if got, want := filter(opaque).String(), "https://hooks.example.com/in/REDACTED"; got != want {
		t.Errorf("an opaque URL: got %s, want %s", got, want)
	}
	if got := filter(nil); got != nil {
		t.Errorf("nil: got %v, want nil", got)
	}
	for _, bad := range []string{"", "/{", "in/{a}{b}", "GET /x/{y}", "x"} {
		if f, err := Paths("/ok", bad); err == nil || f != nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("pattern %q: got %v, want an error that names it, and no filter", bad, err)
		}
	}
}

func TestPolicyJSONValuesAreTexts(t *testing.T) {
	checkURLs(t,
		row{`https://h/?p=%7B%22user%22%3A%22a%22%2C%22password%22%3A%22x%22%7D`, `https://h/?p=%7B%22user%22%3A%22a%22%2C%22password%22%3A%22REDACTED%22%7D`},
		row{`https://h/?p={"a":1,"password":"x"}&q=1`, `https://h/?p={"a":1,"password":"REDACTED"}&q=1`},
		row{in: `https://h/?p=%7B%22user%22%3A%22a%22%7D`},
	)
}

func TestPolicyNestedValuesAreRewritten(t *testing.T) {
	checkURLs(t,
		row{"https://h/?next=https%3A%2F%2Fi%2F%3Fa%3D1%26token%3Dx%26b%3D2&c=3", "https://h/?next=https%3A%2F%2Fi%2F%3Fa%3D1%26token%3DREDACTED%26b%3D2&c=3"},
		row{"https://h/?next=%2Fcb%3Ftoken%3Dx", "https://h/?next=%2Fcb%3Ftoken%3DREDACTED"}, row{"https://h/?form=a%3D1%26token%3Dx", "https://h/?form=a%3D1%26token%3DREDACTED"},
		row{"https://h/?a=b&token%3Dpw&c=d", "https://h/?a=b&token%3DREDACTED&c=d"}, row{"https://h/a%3Ftoken%3Dpw", "https://h/a%3Ftoken%3DREDACTED"},
		row{"https://h/?h=Authorization%3A+Basic+x&a=b", "https://h/?h=Authorization%3A+REDACTED&a=b"},
		row{"https://h/a%253Ftoken%253Dpw", "https://h/a%253Ftoken%253DREDACTED"}, row{"https://h/a;token=pw/b", "https://h/a;token=REDACTED/b"},
		row{"https://h/#a=b&token=pw", "https://h/#a=b&token=REDACTED"}, row{"https://h/#/route?token=pw", "https://h/#/route?token=REDACTED"},
	)
}

// A placeholder is recorded as the filter writes it, in errors and headers too.
func TestPolicyPlaceholdersOfFilters(t *testing.T) {
	p := New(Config{Filter: func(u *url.URL) *url.URL {
		if strings.HasPrefix(u.Path, "/items/") {
			u.Path, u.RawPath = "/items/{sku}", ""
		}
		return u
	}})
	request := &url.URL{Scheme: "https", Host: "h.example", Path: "/items/42", RawQuery: "a"}
	if got, want := p.Error(errors.New("lost https://h.example/items/42?a: items/42"), request), "lost https://h.example/items/{sku}?a: items/42"; got != want {
		t.Errorf("error: got %s, want %s", got, want)
	}
	for in, want := range map[string]string{"/items/7?b": "/items/{sku}?b", "https://h.example/items/7": "https://h.example/items/{sku}", "/a/%7Bsku%7D": "/a/%7Bsku%7D"} {
		if got := p.Header("Location", []string{in}, request)[0]; got != want {
			t.Errorf("Location: got %s, want %s", got, want)
		}
	}
	long := strings.Repeat("{", 1<<20)
	// A time that grows faster than the length would exceed the time limit of all tests.
	if got := p.Filtered(&url.URL{Scheme: "https", Host: "h", Path: "/" + long}, request); len(got) > 4*len(long) {
		t.Errorf("a long path: got %d bytes, want at most %d", len(got), 4*len(long))
	}
}

func TestPolicyFiltersSeeAbsoluteURLs(t *testing.T) {
	var seen []string
	p := New(Config{Filter: func(u *url.URL) *url.URL {
		seen = append(seen, u.String())
		if strings.HasPrefix(u.Path, "/gone") {
			return nil
		}
		if rest, ok := strings.CutPrefix(u.Path, "/users/"); ok && u.Host == "h.example" {
			u.Path = strings.Replace(u.Path, rest, "id", 1)
		}
		return u
	}})
	request := &url.URL{Scheme: "https", Host: "h.example", Path: "/users/bob"}
	for _, c := range []struct{ header, in, want string }{
		{"Location", "https://h.example/users/bob?token=x", "https://h.example/users/id?token=REDACTED"}, {"Location", "/users/bob?x=1", "/users/id?x=1"},
		{"Location", "//h.example/users/bob", "//h.example/users/id"}, {"Location", "bob", "/users/id"}, {"Location", "/a/%2f?b=%2F&token=x", "/a/%2f?b=%2F&token=REDACTED"},
		{"Location", "../x?y", "../x?y"}, {"Location", "/gone/x", "REDACTED"}, {"Location", "https://other.example/users/bob", "https://other.example/users/bob"},
		{"Link", `</users/bob>; rel="next", <https://h.example/a?sig=x>; rel=b`, `</users/id>; rel="next", <https://h.example/a?sig=REDACTED>; rel=b`},
		{"Link", "https://h.example/users/bob", "https://h.example/users/id"}, {"Refresh", "5; url=/users/bob", "5; url=/users/id"}, {"Refresh", "5; URL='https://u:p@h.example/x'", "5; URL='https://REDACTED:REDACTED@h.example/x'"},
		{"Via", "1.1 https://h.example/users/bob", "1.1 https://h.example/users/id"}, {"Location", "https://h.example/%zz", "https://REDACTED"},
	} {
		seen = nil
		if got := p.Header(c.header, []string{c.in}, request)[0]; got != c.want {
			t.Errorf("%s: %s: got %s, want %s", c.header, c.in, got, c.want)
		}
		for _, s := range seen {
			if !strings.HasPrefix(s, "https://") {
				t.Errorf("%s: the filter got %s, want an absolute URL", c.in, s)
			}
		}
	}
}

func TestPolicyHidesWhatFiltersRemove(t *testing.T) {
	p := New(Config{Filter: func(u *url.URL) *url.URL {
		u.RawQuery, u.Host, u.Path = "", "tenant.example", strings.Replace(u.Path, "bob", "{user}", 1)
		return u
	}})
	request, _ := url.Parse("https://tenant-7.example/users/bob?email=bob%40mail.example&page=2")
	err := &url.Error{Op: "Get", URL: request.String(), Err: errors.New("lookup tenant-7.example: no user bob@mail.example, bob, bobby")}
	want := `Get "https://tenant.example/users/{user}": lookup REDACTED: no user REDACTED, REDACTED, bobby`
	if got := p.Error(err, request); got != want {
		t.Errorf("got\n\t%s\nwant\n\t%s", got, want)
	}
	none := New(Config{Filter: func(*url.URL) *url.URL { return nil }})
	if got, want := none.Error(err, request), `Get "REDACTED": lookup REDACTED: no user REDACTED, REDACTED, bobby`; got != want {
		t.Errorf("got\n\t%s\nwant\n\t%s", got, want)
	}
}

func TestPolicyKnownURLsInErrors(t *testing.T) {
	p := New(Config{})
	odd := `https://h.example/?token=a b"c&x=1`
	inner := &url.Error{Op: "Get", URL: odd, Err: errors.New("EOF")}
	want := `Get "https://h.example/?token=REDACTED&x=1": EOF`
	for name, err := range map[string]error{
		"alone": inner, "wrapped": fmt.Errorf("%w", inner), "joined": errors.Join(inner),
	} {
		if got := p.Error(err, nil); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	request, _ := url.Parse("https://h.example/a?token=x,y;z&b=c")
	if got, want := p.Error(errors.New("lost https://h.example/a?token=x,y;z&b=c, then x,y;z"), request), "lost https://h.example/a?token=REDACTED&b=c, then REDACTED"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	request, _ = url.Parse("https://h.example/?password=p+w%2Bd%2Fx")
	if got, want := p.Error(errors.New("p w+d/x is no password"), request), "REDACTED is no password"; got != want {
		t.Errorf("form-encoded: got %s, want %s", got, want)
	}
	known := "https://h.example/?q=Basic+information+technologies"
	request, _ = url.Parse(known)
	if got, want := p.Error(errors.New("lost "+known), request), "lost "+p.URL(request); got != want {
		t.Errorf("without secrets: got %s, want %s", got, want)
	}
	if got := p.Error(nil, request); got != "" {
		t.Errorf("nil: got %q, want nothing", got)
	}
}

func TestPolicySpellingsInTexts(t *testing.T) {
	checkTexts(t,
		row{"a=1 token=x b=2", "a=1 token=REDACTED b=2"}, row{`token="x y" b=2`, `token="REDACTED" b=2`}, row{`token: "x"`, `token: "REDACTED"`},
		row{`{"access_token":"x","n":1}`, `{"access_token":"REDACTED","n":1}`}, row{`{"password":"a\"b","n":1}`, `{"password":"REDACTED","n":1}`},
		row{`{\"access_token\":\"x\",\"n\":1}`, `{\"access_token\":\"REDACTED\",\"n\":1}`}, row{`{\\\"token\\\":\\\"x\\\"}`, `{\\\"token\\\":\\\"REDACTED\\\"}`},
		row{`a=1\u0026token=x\u0026b=2`, `a=1\u0026token=REDACTED\u0026b=2`}, row{"a=1&client_secret=x&b=2", "a=1&client_secret=REDACTED&b=2"},
		row{"form a%3D1%26token%3Dx%26b", "form a%3D1%26token%3DREDACTED%26b"},
		row{"AccountName=a;AccountKey=x+/==;EndpointSuffix=b", "AccountName=a;AccountKey=REDACTED;EndpointSuffix=b"},
		row{"Endpoint=sb://h.example/;SharedAccessKeyName=a;SharedAccessKey=x/y=;EntityPath=b", "Endpoint=sb://h.example/;SharedAccessKeyName=a;SharedAccessKey=REDACTED;EntityPath=b"},
		row{"Server=a;Pwd=x;Encrypt=b", "Server=a;Pwd=REDACTED;Encrypt=b"}, row{"Pwd={a;b};c=d", "Pwd={REDACTED};c=d"},
		row{"GET /\r\nAuthorization: Basic x\r\nHost: h", "GET /\r\nAuthorization: REDACTED\r\nHost: h"}, row{`"Authorization: Basic x\r\nHost: h"`, `"Authorization: REDACTED\r\nHost: h"`},
		row{"X-Api-Key: x y\nHost: h", "X-Api-Key: REDACTED\nHost: h"}, row{"cookie: a=b; c=d", "cookie: REDACTED"}, row{"X-Amz-Security-Token:x", "X-Amz-Security-Token:REDACTED"},
		row{fmt.Sprint(http.Header{"Authorization": {"Bearer x"}, "Cookie": {"a=b; c=d"}, "Host": {"h"}}), "map[Authorization:[REDACTED] Cookie:[REDACTED] Host:[h]]"},
		row{fmt.Sprintf("%#v", http.Header{"Authorization": {"Bearer x"}}), `http.Header{"Authorization":[]string{"REDACTED"}}`},
		row{fmt.Sprint(url.Values{"token": {"x"}, "a": {"b"}}), "map[a:[b] token:[REDACTED]]"},
		row{fmt.Sprint(url.URL{Scheme: "https", User: url.UserPassword("u", "p"), Host: "h", RawQuery: "token=x"}), "{https  REDACTED:REDACTED h   token=REDACTED   false false}"},
		row{"{Name:a Password:x}", "{Name:a Password:REDACTED}"}, row{"{password=x, user=a}", "{password=REDACTED, user=a}"}, row{"{'token': 'x', 'n': 1}", "{'token': 'REDACTED', 'n': 1}"},
		row{"form-data; name=\"password\"\r\n\r\nx\r\n--b", "form-data; name=\"password\"\r\n\r\nREDACTED\r\n--b"},
		row{`parse "https://u:p/w@h/": invalid port ":p" after host`, `parse "https://REDACTED:REDACTED@h/": invalid port "REDACTED" after host`},
		row{`net/http: invalid header field value "a b\x00" for key Authorization`, `net/http: invalid header field value "REDACTED" for key Authorization`},
		row{"{ Accept: 'a', Authorization: 'Basic x', Host: 'h' }", "{ Accept: 'a', Authorization: 'REDACTED', Host: 'h' }"},
		row{in: `parse "https://h:port/": invalid port ":port" after host`},
		row{"{\"password\":\n  \"x\"\n}", "{\"password\":\n  \"REDACTED\"\n}"}, row{`{\"password\" :\n \"x\"}`, `{\"password\" :\n \"REDACTED\"}`},
		row{`"password":"!@#$%^"`, `"password":"REDACTED"`}, row{"password=<x", "password=<REDACTED"}, row{"password={x", "password=REDACTED"}, row{"[debug]sig=x", "[debug]sig=REDACTED"},
		row{"bad token: [aB3dE6gH9jK2mN5pQ8rS]", "bad token: [REDACTED]"}, row{"bad token: “aB3dE6gH9jK2mN5pQ8rS”", "bad token: “REDACTED”"},
		row{`\feyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x`, `\fREDACTED`},
	)
}

func TestPolicyProseStays(t *testing.T) {
	checkTexts(t,
		row{in: "cannot fetch token: 400"}, row{in: "unexpected token: EOF"}, row{in: "ExpiredToken: The provided token has expired"}, row{in: "missing password"},
		row{in: `unexpected token: "}"`}, row{in: `Unexpected token: "fi"`}, row{in: "Unexpected token: [START_OBJECT]"}, row{in: `password authentication failed for user "x"`},
		row{"token: abcdefgh12345678 failed", "token: REDACTED failed"}, row{`token: "abc" failed`, `token: "REDACTED" failed`}, row{in: "token: abcdefghijklmnop"}, row{in: "token: abcdefg12345678"},
		row{"Authorization: anything else", "Authorization: REDACTED"},
	)
}

func TestPolicyLeftAlone(t *testing.T) {
	checkTexts(t,
		row{in: "mail bob@example.com and bob:x@example.com"}, row{in: "git@github.com:org/repo.git"}, row{in: "redis:7@sha256:" + strings.Repeat("0123abcd", 8)},
		row{in: "docker-pullable://redis@sha256:" + strings.Repeat("0123abcd", 8)},
		row{in: "pkg:npm/%40angular/animation@12.3.1"}, row{in: "com.example:artifact:1.0@jar"}, row{in: "mailto:bob@example.com"}, row{in: "acct:bob@example.com"},
		row{in: "@scope/name@1.2.3"}, row{in: "at 12:30:01"}, row{in: "dial tcp 10.0.0.1:443: connect: connection refused"}, row{in: "dial tcp [::1]:8080: i/o timeout"},
	)
}

// TestPolicyNotPromised checks what users must know: these are not hidden, and
// docs/redaction.md says so.
func TestPolicyNotPromised(t *testing.T) {
	page, err := os.ReadFile("../../docs/redaction.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## What is not hidden")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, tt := range []struct{ words, text string }{
		{"Application-specific secrets", "voucher=summer24"},
		{"XML bodies", "<Password>summer24</Password>"},
		{"command lines", "mysql -psummer24 -h db"},
		{"`user:pw@tcp(host)/db`", "user:summer24@tcp(db:3306)/orders"},
		{"ordinary word as the value of an ordinary name", "label=summer"},
	} {
		checkTexts(t, row{in: tt.text})
		if !strings.Contains(section, tt.words) {
			t.Errorf("docs/redaction.md, what is not hidden: got no %q", tt.words)
		}
	}
}

func TestPolicyHeaders(t *testing.T) {
	p := New(Config{})
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "X-Auth-Token", "X-Amz-Security-Token", "X-Csrf-Token", "X-Goog-Iap-Jwt-Assertion",
		"Api-Key", "Ocp-Apim-Subscription-Key", "X-Vault-Token", "X-Client-Secret", "Private-Token", "X-Hub-Signature-256", "X-Password", "X-Passphrase", "X-Access-Key",
		"X-Amz-Credential", "X-Functions-Key", "X-Registry-Auth", "X-Github-Otp", "X-Session", "X-Session-Id", "X-User-Jwt", "x_api_key",
	} {
		if got := p.Header(name, []string{"abc"}, nil)[0]; got != Replacement {
			t.Errorf("%s: got %s, want it hidden", name, got)
		}
	}
	for _, name := range []string{
		"Access-Control-Allow-Credentials", "Access-Control-Expose-Headers", "X-Ratelimit-Remaining-Tokens", "Anthropic-Ratelimit-Tokens-Limit", "X-Rate-Limit-Token", "X-Prompt-Token-Count",
		"Sec-WebSocket-Key", "Idempotency-Key", "Surrogate-Key", "X-Next-Page-Token", "Etag", "X-Request-Id", "Content-Type",
	} {
		if got := p.Header(name, []string{"abc"}, nil)[0]; got != "abc" {
			t.Errorf("%s: got %s, want it as it is", name, got)
		}
	}
	for in, want := range map[string]string{
		`Bearer realm="https://auth.example/token",service="x"`: `Bearer realm="https://auth.example/token",service="x"`,
		`Basic realm="x", token="abc"`:                          `Basic realm="x", token="REDACTED"`,
	} {
		if got := p.Header("WWW-Authenticate", []string{in}, nil)[0]; got != want {
			t.Errorf("WWW-Authenticate: got %s, want %s", got, want)
		}
	}
	many := p.Header("X-Many", slices.Repeat([]string{strings.Repeat("é ", maxHeader)}, 100), nil)
	if len(many) != maxHeaderValues || len(many[0]) > maxHeader || !utf8.ValidString(many[0]) {
		t.Errorf("got %d values of %d bytes, want at most %d of %d", len(many), len(many[0]), maxHeaderValues, maxHeader)
	}
}

func TestPolicyListsReplaceTheDefaults(t *testing.T) {
	u, _ := url.Parse("https://u:p@h/?own=1&sig=2&next_token=3&maybe=4&maybe=12345&x=AKIAIOSFODNN7EXAMPLE")
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, "https://REDACTED:REDACTED@h/?own=1&sig=REDACTED&next_token=3&maybe=4&maybe=12345&x=REDACTED"},
		{[]string{}, "https://REDACTED:REDACTED@h/?own=1&sig=REDACTED&next_token=3&maybe=4&maybe=12345&x=REDACTED"},
		{[]string{"own"}, "https://REDACTED:REDACTED@h/?own=REDACTED&sig=2&next_token=3&maybe=4&maybe=12345&x=REDACTED"},
		{append(DefaultQuery(), "O-W-N", "next_token"), "https://REDACTED:REDACTED@h/?own=REDACTED&sig=REDACTED&next_token=REDACTED&maybe=4&maybe=12345&x=REDACTED"},
		{[]string{"maybe?", "*token"}, "https://REDACTED:REDACTED@h/?own=1&sig=2&next_token=3&maybe=4&maybe=REDACTED&x=REDACTED"},
	} {
		if got := New(Config{Query: c.names}).URL(u); got != c.want {
			t.Errorf("%q: got %s, want %s", c.names, got, c.want)
		}
	}
	for _, c := range []struct {
		patterns      []string
		authorization string
		accept        string
	}{
		{nil, Replacement, "abc"}, {[]string{"Acc*"}, "abc", Replacement}, {append(DefaultHeaders(), "accept"), Replacement, Replacement},
		{append(DefaultHeaders(), "!Authorization", "[bad"), "abc", "abc"},
	} {
		p := New(Config{Headers: c.patterns})
		if a, b := p.Header("Authorization", []string{"abc"}, nil)[0], p.Header("Accept", []string{"abc"}, nil)[0]; a != c.authorization || b != c.accept {
			t.Errorf("%q: got %s and %s, want %s and %s", c.patterns, a, b, c.authorization, c.accept)
		}
	}
	p := New(Config{Query: []string{"voucher"}, Headers: []string{"x-voucher"}})
	if got, want := p.Text("voucher=a X-Voucher: b c"), "voucher=REDACTED X-Voucher: REDACTED"; got != want {
		t.Errorf("names of both lists in texts: got %s, want %s", got, want)
	}
	p = New(Config{Headers: []string{"!x-*"}, HeaderExpressions: []*regexp.Regexp{regexp.MustCompile("^(x-.*voucher|xplan)$")}})
	for name, want := range map[string]string{"X-My-Voucher": Replacement, "X-Voucher-My": "abc", "X-Plan": "abc"} {
		if got := p.Header(name, []string{"abc"}, nil)[0]; got != want {
			t.Errorf("%s with an expression: got %s, want %s", name, got, want)
		}
	}
	list := DefaultQuery()
	list[0] = "changed"
	if DefaultQuery()[0] == "changed" {
		t.Error("the default list: got a change to a copy in it, want none")
	}
}

func TestPolicyOffLeavesUserinfo(t *testing.T) {
	p := New(Config{Off: true})
	u, _ := url.Parse("https://u:p@h/?token=x&n=https%3A%2F%2Fu%3Ap%40h&k=AKIAIOSFODNN7EXAMPLE")
	want := "https://REDACTED:REDACTED@h/?token=x&n=https%3A%2F%2FREDACTED%3AREDACTED%40h&k=AKIAIOSFODNN7EXAMPLE"
	if got := p.URL(u); got != want {
		t.Errorf("URL: got %s, want %s", got, want)
	}
	if got, want := p.Text("token=x Bearer abcdefghijklmnop1 https://u:p@h/"), "token=x Bearer abcdefghijklmnop1 https://REDACTED:REDACTED@h/"; got != want {
		t.Errorf("Text: got %s, want %s", got, want)
	}
	if got := p.Header("Authorization", []string{"Bearer x"}, nil)[0]; got != "Bearer x" {
		t.Errorf("Authorization: got %s, want it as it is", got)
	}
}

func TestPolicyCleanURLAllocatesOnce(t *testing.T) {
	p := New(Config{})
	for _, raw := range []string{"https://h.example/items/42", "https://h.example/items/3f2b8c1e-9d4a-4b6f-8a51-0c7d2e9f1b34?limit=10&page=2&key=a#frag"} {
		u, _ := url.Parse(raw)
		bare := testing.AllocsPerRun(100, func() { _ = u.String() })
		if got := testing.AllocsPerRun(100, func() { _ = p.URL(u) }); got > bare {
			t.Errorf("%s: got %v allocations, want those of String: %v", raw, got, bare)
		}
	}
}

func TestQueryRedactsTheNamesAlone(t *testing.T) {
	redact := Query("email", "name")
	for in, want := range map[string]string{
		"z=1&email=a%40b&y&email=c&NAME=d&token=x": "z=1&email=REDACTED&y&email=REDACTED&NAME=REDACTED&token=x",
		"e%6Dail=a": "e%6Dail=REDACTED", "email=": "email=", "n=https%3A%2F%2Fu%3Ap%40h%2F%3Femail%3Da": "n=https%3A%2F%2Fu%3Ap%40h%2F%3Femail%3DREDACTED", "": "",
	} {
		if got := redact(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
