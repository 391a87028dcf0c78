package redact

import (
	"net/url"
	"strings"
	"testing"
)

func wantHidden(t *testing.T, p *Policy, raw, secret string) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.URL(u); strings.Contains(got, secret) {
		t.Errorf("URL %s: got %s, want no %s", raw, got, secret)
	}
	if got := p.Header("Location", []string{raw}, nil)[0]; strings.Contains(got, secret) {
		t.Errorf("Location %s: got %s, want no %s", raw, got, secret)
	}
}

func TestNameThatEndsInAnEscape(t *testing.T) {
	p := New(Config{})
	wantHidden(t, p, "https://h/?sessi%6Fn=hunter2", "hunter2")
	wantHidden(t, p, "https://h/?client_asserti%6fn=hunter2", "hunter2")
	wantHidden(t, p, "https://h/?authorizati%256Fn=hunter2", "hunter2")
	wantHidden(t, New(Config{Query: []string{"menü"}}), "https://h/?men%C3%BC=hunter2", "hunter2") // as every client encodes it
	wantHidden(t, New(Config{Query: []string{"пин"}}), "https://h/?"+url.QueryEscape("пин")+"=hunter2", "hunter2")
	if got := Query("menü")("men%C3%BC=hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("Query: got %s", got)
	}
}

// Slashes stand in tokens: no part is long, but the token is.
func TestTokenWithSlashes(t *testing.T) {
	const token = "whsec_MfKQ9r8/GKYqrTwjUPD/8ILPZIo2La" // base64 of 21 bytes
	for _, raw := range []string{"https://h/?q=" + token, "https://h/?q=" + url.QueryEscape(token), "https://h/a/" + token, "https://h/#" + token} {
		wantHidden(t, New(Config{}), raw, "8ILPZIo2La")
	}
	wantHidden(t, New(Config{}), "https://h/?q=FwoGZXIvYXdz/aaaaaaaaaaaaaa/bbbbbbbbbbbbbb/cccccccccccccc/dd", "bbbbbb")
}

// url.Parse leaves spaces in a query.
func TestSpacesInAQuery(t *testing.T) {
	for _, raw := range []string{
		"https://h/?q=Bearer hunter2hunter2hunter2", "https://h/?q=a token=hunter2",
		"https://h/?q=-----BEGIN PRIVATE KEY-----hunter2-----END PRIVATE KEY-----",
	} {
		wantHidden(t, New(Config{}), raw, "hunter2")
	}
}

func TestOddWebhooks(t *testing.T) {
	for _, raw := range []string{
		"https://hooks.slack.com:/services/T0/B0/hunter2", // an empty port; net/http connects to 443
		"https://api.telegram.org:/bot123:hunter2/getMe",
		"https://discord.com:/api/webhooks/1/hunter2",
		"https://HooKs.slack.com/services/T0/B0/hunter2", // the search before the search knows hook, Hook and HOOK only
		"https://hOOks.slack.com/services/T0/B0/hunter2",
		"https://h/?u=https%3A%2F%2FhoOks.slack.com%2Fservices%2FT0%2FB0%2Fhunter2",
		"https://hooks.slack.com/%73ervices/T0/B0/hunter2",
		"https://hooks.slack.com/services%2FT0%2FB0%2Fhunter2",
		"https://hooks.slack.com/./services/T0/B0/hunter2", "https://discord.com/api/webhooks/1/./hunter2", "https://api.telegram.org/botx/../bot1:hunter2/getMe",
	} {
		wantHidden(t, New(Config{}), raw, "hunter2")
	}
}

// The number of a zone may look like an encoded @.
func TestZoneIsNoUser(t *testing.T) {
	for _, raw := range []string{"http://[fe80::1%2540]/x", "http://[fe80::1%25401]:80/x"} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := New(Config{}).URL(u); got != raw {
			t.Errorf("%s: got %s", raw, got)
		}
	}
}

func TestNestedForms(t *testing.T) {
	for _, raw := range []string{
		"https://h/?state=" + url.QueryEscape("password=hunter2?"), "https://h/?state=" + url.QueryEscape("token=hunter2?x=y"),
		"https://h/?q=token=hunter2",   // hidden if written token%3Dhunter2
		"https://h/?q=a+token=hunter2", // hidden if written a%20token=, or of 16 bytes
		"https://h/?q=x;DOMAIN%5Ctoken=hunter2", `https://h/?q=x;DOMAIN\token=hunter2`, "https://h/?q=a=b,sig=hunter2", "https://h/?q=a=b|sig=hunter2",
	} {
		wantHidden(t, New(Config{}), raw, "hunter2")
	}
}

func TestPasswordsOfNestedURLs(t *testing.T) {
	for _, raw := range []string{
		"https://h/?next=https://u:hunter2/x@g/", "https://h/p/" + url.PathEscape("https://u:hunter2/x@g/"),
		"https://h/?next=https:/%09/u:hunter2@g/",
	} {
		wantHidden(t, New(Config{}), raw, "hunter2")
	}
	// The fragment is written anew, with / for %2F, because of the é.
	wantHidden(t, New(Config{}), "https://h/#é&next=https://u:hunter2%2Fx@g/", "hunter2")
}

// The first is longer than what is searched; the second is not an image's digest.
func TestOddPasswords(t *testing.T) {
	p := New(Config{})
	u := &url.URL{Scheme: "https", Opaque: "u:hunter2/" + strings.Repeat("x", maxURL) + "@h/"}
	if got := p.URL(u); strings.Contains(got, "hunter2") {
		t.Errorf("long password: got %.60s", got)
	}
	wantHidden(t, p, "https://u:hunter2@sha256:443/", "hunter2")
}

// The names of an application need not be ASCII.
func TestNamesInOtherAlphabets(t *testing.T) {
	wantHidden(t, New(Config{Query: []string{"*menü"}}), "https://h/?my_MENÜ=hunter2", "hunter2")
}

func TestCleanNestedURLs(t *testing.T) {
	for _, in := range []string{
		"https://h/?u=https://host:8080%2Fpath/@user", "https://h/?redirect_uri=http://localhost:3000%23/@me", "https://h/?u=http://%5B::1%5D/@me",
		"https://x/f/git://github.com:o/r?author=a@b.com", "https://h/?u=s3://arn:aws:s3:us-west-2:123456789012:accesspoint/test/logo@2x.png",
		"https://h/?u=at://did:plc:abc/app.bsky@x", "https://h/?u=ssh://github.com:org/repo@v1", "https://h/?u=https://host:{port}/a@b", "https://h/?u=https://host:$PORT/@x",
		"https://h/?u=https://*.e.com:*/@b", "https://h/?u=(https://e.com:8080)/@b", "https://h/?u=https://e.com:8080|a/@b", "https://h/?u=http://2001:db8::beef/@u",
		"https://web.archive.org/web/2020/https://host:8080/@user", "https://www.google.com/maps/@52.5,13.4,15z",
		"https://h/?fields=a=1,max_token=5", "https://h/?filter=a=1,sync_token=abc", "https://h/?q=//note:read/me@x+y",
		"https://h/?i=docker://redis@sha256:0123456789abcdef", "https://h/?i=docker://redis@sha256:" + strings.Repeat("0123ABCD", 8),
		"https://office.example.com/r/a%20b/./c",
	} {
		checkURLs(t, row{in: in})
	}
	checkURLs(t, row{"https://office.example.com/r/https%3A%2F%2Fhooks.slack.com%2Fservices%2FT0%2FB0%2FXX", "https://office.example.com/r/https%3A%2F%2Fhooks.slack.com%2Fservices%2FREDACTED%2FREDACTED%2FREDACTED"})
}
