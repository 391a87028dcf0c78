package redact

import (
	"path"
	"regexp"
	"strings"

	"github.com/otelhttpclient/otelhttpclient/internal/redact/layer"
)

// webhook matches URLs whose path is a credential: Slack's, Discord's and Teams'
// webhooks and Telegram's bots.
var webhook = regexp.MustCompile(`(?i)` +
	`hooks\.slack(?:-gov)?\.com\.?(?::\d*)?/+(?:services|workflows|triggers)/+([^\s?#"'<>\\]+)` +
	`|discord(?:app)?\.com\.?(?::\d*)?/+api/+(?:v\d+/+)?webhooks/+\d+/+([^\s?#"'<>\\/]+)` +
	`|webhook\.office\.com\.?(?::\d*)?/+\w+/+([^\s?#"'<>\\]+)` +
	`|outlook\.office(?:365)?\.com\.?(?::\d*)?/+webhook/+([^\s?#"'<>\\]+)` +
	`|api\.telegram\.org\.?(?::\d*)?/+(?:file/+)?(?-i:bot)([^\s?#"'<>\\/]+)`)

func (f *finder) webhooks(l layer.Text, start, end int) {
	if !f.policy.values || !containsFold(l.S[start:end], "hook", "/bot") {
		return
	}
	for _, m := range webhook.FindAllStringSubmatchIndex(l.S[start:end], -1) {
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

// dotSegment is a segment of a path that a server may remove.
var dotSegment = regexp.MustCompile(`(?i)/(?:\.|%2e)`)

// disguisedWebhook hides the path of a webhook that has encoded parts or dot
// segments.
func (f *finder) disguisedWebhook(l layer.Text, host, begin, end int) {
	s := l.S[:end]
	if !f.policy.values || begin == end || !containsFold(s[host:begin], "hooks.slack", "discord", "office", "telegram") {
		return
	}
	if isWebhook(s[host:], begin-host) && !dotSegment.MatchString(s[begin:]) {
		return // found as it is written
	}
	if isWebhook(s[host:begin]+path.Clean(layer.Fully(s[begin:])), begin-host) {
		f.hide(l, begin+1, end)
	}
}

// isWebhook reports whether a URL whose path begins there is a webhook's.
func isWebhook(s string, path int) bool {
	m := webhook.FindStringIndex(s)
	return m != nil && m[0] < path
}
