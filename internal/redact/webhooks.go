package redact

import (
	"path"
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// webhookURL matches URLs whose path is a credential: webhooks of Slack, Discord and
// Teams, and bots of Telegram.
var webhookURL = regexp.MustCompile(`(?i)` +
	`hooks\.slack(?:-gov)?\.com\.?(?::\d*)?/+(?:services|workflows|triggers)/+([^\s?#"'<>\\]+)` +
	`|discord(?:app)?\.com\.?(?::\d*)?/+api/+(?:v\d+/+)?webhooks/+\d+/+([^\s?#"'<>\\/]+)` +
	`|webhook\.office\.com\.?(?::\d*)?/+\w+/+([^\s?#"'<>\\]+)` +
	`|outlook\.office(?:365)?\.com\.?(?::\d*)?/+webhook/+([^\s?#"'<>\\]+)` +
	`|api\.telegram\.org\.?(?::\d*)?/+(?:file/+)?(?-i:bot)([^\s?#"'<>\\/]+)`)

func (f *finder) hideWebhooks(l layer.Text, start, end int) {
	if !f.policy.values || !containsFold(l.S[start:end], "hook", "/bot") {
		return
	}
	for _, m := range webhookURL.FindAllStringSubmatchIndex(l.S[start:end], -1) {
		for g := 2; g < len(m); g += 2 {
			if m[g] < 0 {
				continue
			}
			from := start + m[g]
			for segment := range strings.SplitSeq(l.S[from:start+m[g+1]], "/") {
				if segment != "IncomingWebhook" {
					f.hide(l, from, from+len(segment))
				}
				from += len(segment) + 1
			}
		}
	}
}

// dotSegment matches a path segment that a server may remove.
var dotSegment = regexp.MustCompile(`(?i)/(?:\.|%2e)`)

// disguisedWebhook hides the path of a webhook that has encoded parts or dot
// segments.
func (f *finder) hideDisguisedWebhook(l layer.Text, host, begin, end int) {
	s := l.S[:end]
	if !f.policy.values || begin == end || !containsFold(s[host:begin], "hooks.slack", "discord", "office", "telegram") {
		return
	}
	if isWebhook(s[host:], begin-host) && !dotSegment.MatchString(s[begin:]) {
		return // hideWebhooks finds it
	}
	if isWebhook(s[host:begin]+path.Clean(layer.DecodeFully(s[begin:])), begin-host) {
		f.hide(l, begin+1, end)
	}
}

// isWebhook reports whether a URL, whose path begins at this index, is a webhook's.
func isWebhook(s string, path int) bool {
	m := webhookURL.FindStringIndex(s)
	return m != nil && m[0] < path
}
