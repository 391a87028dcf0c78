package redact

import (
	"path"
	"regexp"
	"strings"
)

// webhook is a URL whose path is a credential: Slack's, Discord's and Teams'
// webhooks and Telegram's bots.
var webhook = regexp.MustCompile(`(?i)` +
	`hooks\.slack(?:-gov)?\.com\.?(?::\d*)?/+(?:services|workflows|triggers)/+([^\s?#"'<>\\]+)` +
	`|discord(?:app)?\.com\.?(?::\d*)?/+api/+(?:v\d+/+)?webhooks/+\d+/+([^\s?#"'<>\\/]+)` +
	`|webhook\.office\.com\.?(?::\d*)?/+\w+/+([^\s?#"'<>\\]+)` +
	`|outlook\.office(?:365)?\.com\.?(?::\d*)?/+webhook/+([^\s?#"'<>\\]+)` +
	`|api\.telegram\.org\.?(?::\d*)?/+(?:file/+)?(?-i:bot)([^\s?#"'<>\\/]+)`)

func (f *finder) webhooks(l layer, start, end int) {
	if !f.policy.values || !containsFold(l.s[start:end], "hook", "/bot") {
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

// disguisedWebhook hides the path of a webhook whose fixed parts are encoded, or
// stand behind dots.
func (f *finder) disguisedWebhook(l layer, host, begin, end int) {
	s := l.s[:end]
	if !f.policy.values || begin == end || !containsFold(s[host:begin], "hooks.slack", "discord", "office", "telegram") || webhook.MatchString(s[host:]) {
		return
	}
	if plain := s[host:begin] + path.Clean(decodedFully(s[begin:])); webhook.MatchString(plain) {
		f.hide(l, begin+1, end)
	}
}
