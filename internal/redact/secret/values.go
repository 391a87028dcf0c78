package secret

import (
	"iter"
	"regexp"
	"strings"
	"sync"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// A valueRule describes credentials that are known by their shape.
type valueRule struct {
	name, pattern, source string
	needs                 string // literal in every match, for patterns without a literal prefix
}

// failingPrefixes lists, by pattern prefix, rules that scan a whole part of letters,
// digits and the listed bytes before they fail. Such a rule fails everywhere in that
// part, so it is tried once per part: this keeps the search linear.
var failingPrefixes = map[string]string{"eyJ": "-_", "LS0": "+/", "ABSK": "+/"}

// valueRules lists the credentials that are hidden in any place. A match counts only
// without a letter or a digit before and after it.
var valueRules = []valueRule{
	{"JSON Web Token", `eyJ[\w-]{6,}\.[\w-]{10,}(?:\.[\w-]*){0,3}`, "RFC 7519, RFC 7516", ""},
	{"PEM private key in base64", `LS0tLS1CRUdJTiBQUklWQVRF[A-Za-z0-9+/]{16,}={0,2}`, "RFC 7468, RFC 4648", ""},
	{"PEM private key in base64", `LS0tLS1CRUdJTiBSU0EgUFJJVkFURS[A-Za-z0-9+/]{16,}={0,2}`, "RFC 7468, RFC 4648", ""},
	{"PEM private key in base64", `LS0tLS1CRUdJTiBFQyBQUklWQVRF[A-Za-z0-9+/]{16,}={0,2}`, "RFC 7468, RFC 4648", ""},
	{"AWS access key id", `A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}`, "AWS IAM: unique identifiers", ""},
	{"AWS session token", `IQoJb3JpZ2lu[\w/+=-]{40,}`, "AWS STS", ""},
	{"AWS session token", `FwoGZXIvYXdz[\w/+=-]{40,}`, "AWS STS", ""},
	{"AWS session token", `FQoGZXIvYXdz[\w/+=-]{40,}`, "AWS STS", ""},
	{"AWS Bedrock API key", `ABSK[A-Za-z0-9+/]{80,}={0,2}`, "Amazon Bedrock: API keys", ""},
	{"Google API key", `AIza[\w-]{30,}`, "Google Cloud: API keys", ""},
	{"Google access token", `ya29\.[\w.-]{16,}`, "Google Cloud: token types", ""},
	{"Google refresh token", `1//0[\w-]{20,}`, "Google Cloud: token types", ""},
	{"Google authorization code", `4/0[A-Za-z][\w-]{30,}`, "Google Identity: OAuth 2.0", ""},
	{"Google OAuth client secret", `GOCSPX-[\w-]{20,}`, "Google Cloud: OAuth clients", ""},
	{"Google HMAC key", `GOOG[A-Z0-9]{20,}`, "Cloud Storage: HMAC keys", ""},
	{"GitHub token", `gh[pousr]_[A-Za-z0-9_]{16,}`, "GitHub: token formats", ""},
	{"GitHub fine-grained token", `github_pat_[A-Za-z0-9_]{20,}`, "GitHub: token formats", ""},
	{"GitLab token", `gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt|tt|tfs)-[\w.-]{16,}`, "GitLab: token overview", ""},
	{"GitLab runner registration token", `GR1348941[\w-]{16,}`, "GitLab: token overview", ""},
	{"Slack token", `xox[a-eprs](?:\.xox[a-eprs])?-[\w%-]{8,}`, "Slack: token types", ""},
	{"Slack app-level token", `xapp-[\w-]{16,}`, "Slack: token types", ""},
	{"Stripe key", `sk_(?:live|test)_[A-Za-z0-9_]{10,}`, "Stripe: API keys", ""},
	{"Stripe key", `rk_(?:live|test)_[A-Za-z0-9_]{10,}`, "Stripe: API keys", ""},
	{"Stripe webhook secret", `whsec_[A-Za-z0-9+/=_-]{16,}`, "Stripe: webhooks; Standard Webhooks", ""},
	{"OpenAI and Anthropic key", `sk-(?:(?:proj|svcacct|service|admin|ant|or|lf|None)-[\w*-]{16,}|[A-Za-z0-9*]{16,})`, "OpenAI: API keys; Anthropic: API keys", ""},
	{"OpenAI session key", `sess-[A-Za-z0-9]{24,}`, "OpenAI: API keys", ""},
	{"npm token", `npm_[A-Za-z0-9]{16,}`, "npm: access tokens", ""},
	{"PyPI token", `pypi-[\w-]{16,}`, "PyPI: API tokens", ""},
	{"RubyGems key", `rubygems_[0-9a-f]{32,}`, "RubyGems: API keys", ""},
	{"NuGet key", `oy2[a-z0-9]{43}`, "NuGet: API keys", ""},
	{"crates.io token", `cio[A-Za-z0-9]{32}`, "crates.io: API tokens", ""},
	{"Docker token", `dckr_(?:pat|oat)_[\w-]{16,}`, "Docker Hub: access tokens", ""},
	{"SendGrid key", `SG\.[\w-]{10,}\.[\w-]{10,}`, "SendGrid: API keys", ""},
	{"Mailgun key", `key-[0-9a-f]{32}`, "Mailgun: API keys", ""},
	{"Mailchimp key", `[0-9a-f]{32}-us[0-9]{1,2}`, "Mailchimp: API keys", "-us"},
	{"Brevo key", `xkeysib-[\w-]{16,}`, "Brevo: API keys", ""},
	{"Brevo SMTP key", `xsmtpsib-[\w-]{16,}`, "Brevo: SMTP keys", ""},
	{"Resend key", `re_[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}`, "Resend: API keys", ""},
	{"Postman key", `PMAK-[0-9a-f]{24}-[0-9a-f]{34}`, "Postman: API keys", ""},
	{"Hugging Face token", `hf_[A-Za-z0-9]{16,}`, "Hugging Face: user access tokens", ""},
	{"Hugging Face organization token", `api_org_[A-Za-z0-9]{16,}`, "Hugging Face: organization tokens", ""},
	{"Replicate token", `r8_[A-Za-z0-9]{30,}`, "Replicate: API tokens", ""},
	{"Groq key", `gsk_[A-Za-z0-9]{20,}`, "Groq: API keys", ""},
	{"xAI key", `xai-[A-Za-z0-9]{40,}`, "xAI: API keys", ""},
	{"Perplexity key", `pplx-[A-Za-z0-9]{20,}`, "Perplexity: API keys", ""},
	{"DigitalOcean token", `do[opr]_v1_[0-9a-f]{32,}`, "DigitalOcean: token formats", ""},
	{"Vault token", `hv[sbr]\.[\w.-]{16,}`, "HashiCorp Vault: tokens", ""},
	{"Terraform Cloud token", `[A-Za-z0-9]{14}\.atlasv1\.[\w=-]{40,}`, "HCP Terraform: API tokens", ".atlasv1."},
	{"Twilio API key", `SK[0-9a-f]{32}`, "Twilio: API keys", ""},
	{"Shopify token", `shp(?:at|ca|pa|ss|ua|tka)_[A-Za-z0-9]{16,}`, "Shopify: access tokens", ""},
	{"Square token", `EAAA[\w-]{40,}`, "Square: access tokens", ""},
	{"Square OAuth secret", `sq0(?:atp|csp|idp)-[\w-]{16,}`, "Square: OAuth", ""},
	{"Facebook access token", `EAA[A-Z][A-Za-z0-9]{40,}`, "Meta: access tokens", ""},
	{"Databricks token", `dapi[0-9a-f]{32}(?:-\d+)?`, "Databricks: personal access tokens", ""},
	{"Grafana service account token", `glsa_[A-Za-z0-9]{16,}_[0-9a-fA-F]{8}`, "Grafana: service accounts", ""},
	{"Grafana Cloud token", `glc_[A-Za-z0-9+/=]{20,}`, "Grafana Cloud: access policies", ""},
	{"Linear key", `lin_(?:api|oauth|wh)_[A-Za-z0-9]{16,}`, "Linear: API keys", ""},
	{"Notion token", `ntn_[A-Za-z0-9]{20,}`, "Notion: authorization", ""},
	{"Notion token", `secret_[A-Za-z0-9]{32,}`, "Notion: authorization", ""},
	{"Figma token", `fig(?:d|o|ur|uh|oh|or)_[\w-]{16,}`, "Figma: access tokens", ""},
	{"Doppler token", `dp\.(?:pt|st|ct|sa|scim|audit|said)\.[\w.-]{16,}`, "Doppler: token formats", ""},
	{"Pulumi token", `pul-[0-9a-f]{40}`, "Pulumi Cloud: access tokens", ""},
	{"New Relic user key", `NRAK-[A-Z0-9]{20,}`, "New Relic: API keys", ""},
	{"New Relic insights key", `NRI[IQ]-[\w-]{20,}`, "New Relic: API keys", ""},
	{"New Relic browser key", `NRJS-[0-9a-f]{16,}`, "New Relic: API keys", ""},
	{"New Relic license key", `[0-9a-f]{36,}(?:FFFF)?NRAL`, "New Relic: API keys", "NRAL"},
	{"Atlassian token", `AT(?:ATT|CTT|BB|SCT)[\w=+/-]{20,}`, "Atlassian: API tokens", ""},
	{"Azure common annotated key", `[A-Za-z0-9]{40,}JQQJ99[A-Za-z0-9]{20,}`, "Microsoft: common annotated security keys", "JQQJ99"},
	{"age secret key", `AGE-SECRET-KEY-1[A-Z0-9]{50,}`, "age: specification", ""},
	{"Telegram bot token", `\d{6,12}:AA[\w-]{30,}`, "Telegram: Bot API", ":AA"},
	{"Discord bot token", `M[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,}`, "Discord: authentication", ""},
	{"Discord bot token", `N[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,}`, "Discord: authentication", ""},
	{"Discord bot token", `O[\w-]{22,27}\.[\w-]{6}\.[\w-]{27,}`, "Discord: authentication", ""},
	{"Sentry token", `sntr(?:ys|yu|ya|yi)_[\w=+/-]{20,}`, "Sentry: auth tokens", ""},
	{"Dynatrace token", `dt0[a-z]\d{2}\.[A-Z0-9]{8,}\.[A-Z0-9]{30,}`, "Dynatrace: token format", ""},
	{"PlanetScale token", `pscale_(?:tkn|oauth|pw)_[\w.=-]{20,}`, "PlanetScale: service tokens", ""},
	{"Supabase key", `sb(?:p|_secret)_[\w-]{16,}`, "Supabase: API keys", ""},
	{"Netlify token", `nf[pcoub]_[A-Za-z0-9]{30,}`, "Netlify: tokens", ""},
	{"Vercel token", `vc[pkiar]_[A-Za-z0-9]{20,}`, "Vercel: tokens", ""},
	{"Fly.io token", `fm[12][ra]?_[\w+/=-]{40,}`, "Fly.io: access tokens", ""},
	{"Heroku token", `HRKU-[\w-]{30,}`, "Heroku: API keys", ""},
	{"Cloudflare token", `cf(?:k|ut|at)_[A-Za-z0-9]{30,}`, "Cloudflare: token formats", ""},
	{"Cloudflare origin CA key", `v1\.0-[0-9a-f]{20,}-[0-9a-f]{100,}`, "Cloudflare: origin CA keys", ""},
	{"Tailscale key", `tskey-[a-z]+-[\w-]{10,}`, "Tailscale: key prefixes", ""},
	{"Airtable token", `pat[A-Za-z0-9]{14}\.[0-9a-f]{64}`, "Airtable: personal access tokens", ""},
	{"Asana token", `1/\d{10,}(?:/\d{10,})?:[0-9a-f]{32}`, "Asana: personal access tokens", ""},
	{"Asana token", `2/\d{10,}(?:/\d{10,})?:[0-9a-f]{32}`, "Asana: personal access tokens", ""},
	{"HubSpot token", `pat-(?:na|eu|ap)\d-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`, "HubSpot: private apps", ""},
	{"Okta token", `00[A-Za-z0-9_-]{40}`, "Okta: API tokens", ""},
	{"Alibaba access key id", `LTAI[A-Za-z0-9]{12,}`, "Alibaba Cloud: access keys", ""},
	{"Tencent secret id", `AKID[A-Za-z0-9]{28,}`, "Tencent Cloud: access keys", ""},
	{"JFrog token", `cmVmd[A-Za-z0-9]{50,}`, "JFrog: reference tokens", ""},
	{"JFrog key", `AKC[a-zA-Z0-9]{60,}`, "JFrog: API keys", ""},
	{"Sonar token", `sq[pua]_[0-9a-f]{40}`, "SonarQube: tokens", ""},
	{"Buildkite token", `bk(?:ua|rt|at)_[0-9a-f]{32,}`, "Buildkite: token formats", ""},
	{"CircleCI token", `CCIP(?:AT|RJ)_[\w]{20,}`, "CircleCI: API tokens", ""},
	{"Contentful token", `CFPAT-[\w-]{30,}`, "Contentful: personal access tokens", ""},
	{"ReadMe key", `rdme_[a-z0-9]{40,}`, "ReadMe: API keys", ""},
}

// A compiledRule is a valueRule whose pattern matches at the beginning of a text.
type compiledRule struct {
	prefix, needs string
	expression    *regexp.Regexp
	failingBytes  string // from failingPrefixes; "" for other rules
}

// match returns the length of the credential that s begins with, or 0.
func (r *compiledRule) match(s string) int {
	if !strings.HasPrefix(s, r.prefix) || r.needs != "" && !strings.Contains(s[:min(len(s), maxRuleStart)], r.needs) {
		return 0
	}
	m := r.expression.FindStringIndex(s)
	if m == nil || m[1] < len(s) && IsWordByte(s[m[1]]) {
		return 0
	}
	return m[1]
}

// A ruleTable holds the rules by the first byte of their matches.
type ruleTable struct {
	byFirst       [128][]compiledRule
	withoutPrefix []compiledRule // rules whose pattern does not begin with a literal
}

var compiledRules = sync.OnceValue(func() *ruleTable {
	var t ruleTable
	for _, rule := range valueRules {
		prefix, _ := regexp.MustCompile(rule.pattern).LiteralPrefix()
		c := compiledRule{prefix: prefix, needs: rule.needs, expression: regexp.MustCompile(`^(?:` + rule.pattern + `)`)}
		for begin, others := range failingPrefixes {
			if strings.HasPrefix(prefix, begin) {
				c.failingBytes = others
			}
		}
		if prefix == "" {
			t.withoutPrefix = append(t.withoutPrefix, c)
		} else {
			t.byFirst[prefix[0]] = append(t.byFirst[prefix[0]], c)
		}
	}
	return &t
})

// ShortestValue is the length of the shortest credential that is known by its shape.
const MinValue = 16

const (
	minLooseWord = 14  // minimum length of the first word of a match without prefix, unless a colon follows
	maxRuleStart = 128 // the literal that a rule needs ends within this length
)

// Values calls found for each credential in s that is known by its shape.
func Values(s string, found func(start, end int)) {
	if len(s) < MinValue {
		return
	}
	table := compiledRules()
	var failed map[*compiledRule]int // end of the part in which the rule fails
	for i := 0; i+MinValue <= len(s); {
		word := i
		for word < len(s) && IsWordByte(s[word]) {
			word++
		}
		if word == i {
			i++
			continue
		}
		length := 0
		for r := range table.starting(s, i) {
			if i < failed[r] {
				continue
			}
			if length = r.match(s[i:]); length > 0 {
				break
			}
			if r.failingBytes != "" {
				if failed == nil {
					failed = map[*compiledRule]int{}
				}
				failed[r] = partEnd(s, word, r.failingBytes)
			}
		}
		if length == 0 && (word-i >= minLooseWord || word < len(s) && s[word] == ':' && s[i] <= '9') {
			length = firstMatchLength(table.withoutPrefix, s[i:])
		}
		if length > 0 {
			found(i, i+length)
		}
		i = max(word, i+length)
	}
}

// starting returns the rules whose literal prefix s[i:] begins with.
func (t *ruleTable) starting(s string, i int) iter.Seq[*compiledRule] {
	return func(yield func(*compiledRule) bool) {
		for j := range t.byFirst[s[i]] {
			if r := &t.byFirst[s[i]][j]; strings.HasPrefix(s[i:], r.prefix) && !yield(r) {
				return
			}
		}
	}
}

// partEnd returns the end of the letters, digits and other bytes that begin at i.
func partEnd(s string, i int, others string) int {
	for i < len(s) && (IsWordByte(s[i]) || strings.IndexByte(others, s[i]) >= 0) {
		i++
	}
	return i
}

func firstMatchLength(rules []compiledRule, s string) int {
	for i := range rules {
		if n := rules[i].match(s); n > 0 {
			return n
		}
	}
	return 0
}

// wordBytes contains letters and digits.
var wordBytes = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
	}
	return t
}()

// IsWordByte reports whether c is an ASCII letter or digit.
func IsWordByte(c byte) bool { return wordBytes[c] }

// IsPlaceholder reports whether a value is certainly no secret: it is empty, a
// boolean, a placeholder, or the mask of another program.
func IsPlaceholder(value string) bool {
	if len(value) > 24 {
		return strings.Trim(value, "*") == ""
	}
	value = strings.Trim(value, " \t\"'[](){}<>")
	switch strings.ToLower(value) {
	case "?", "%s", "%v", "%q":
		return true // a placeholder
	case "", "true", "false", "yes", "no", "on", "off", "null", "nil", "none", "undefined", "redacted", "filtered", "masked", "hidden":
		return true
	}
	if n, ok := strings.CutPrefix(value, "$"); ok && len(n) <= 2 && strings.Trim(n, "0123456789") == "" {
		return true // a placeholder of SQL
	}
	return strings.Trim(value, "*") == "" || value == "REDACTED:REDACTED"
}

// isSmallNumber reports whether a value is a number of up to four digits.
func isSmallNumber(value string) bool {
	return len(value) <= 4 && strings.Trim(value, "0123456789") == ""
}

var (
	uuidValue    = regexp.MustCompile(`(?i)^[{(]?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}[)}]?$`)
	base64URL    = regexp.MustCompile(`^[\w~+/.-]+={0,2}$`)
	paddedBase64 = regexp.MustCompile(`^[\w+/-]{18,}={1,2}$`)
)

// MaxInspected is the length of the prefix of a value that decides whether it looks
// like a secret.
const MaxInspected = 256

// isRandom reports whether a value, or a segment of it if it is a path, looks random:
// 20 characters or more with a digit, a capital and a small letter, and no UUID.
func isRandom(value string) bool {
	const shortest = 20
	value = value[:min(len(value), MaxInspected)] // keeps queries of many names linear
	if i := strings.IndexAny(value, ";?#"); i >= 0 {
		value = value[:i] // another parameter follows
	}
	// Decoding cannot make this a token.
	if i := strings.IndexByte(value, '='); i >= 0 && strings.Trim(value[i:], "=") != "" {
		return false
	}
	if strings.IndexByte(value, '%') >= 0 {
		value = layer.DecodeFully(value)
	}
	if i := strings.IndexAny(value, ";?#"); i >= 0 {
		value = value[:i] // the delimiter was encoded
	}
	if len(value) < shortest || !base64URL.MatchString(value) || uuidValue.MatchString(value) {
		return false
	}
	if paddedBase64.MatchString(value) && isMixed(value) {
		return true
	}
	for segment := range strings.FieldsFuncSeq(value, func(c rune) bool { return c == '/' || c == '.' }) {
		if len(segment) >= shortest && isMixed(segment) {
			return true
		}
	}
	return false
}

func isMixed(s string) bool {
	return strings.ContainsAny(s, "0123456789") && strings.ToLower(s) != s && strings.ToUpper(s) != s
}
