package redact

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A corpusRow is something that a real system writes: see testdata/README.md.
type corpusRow struct {
	ID      string
	System  string
	Channel string
	Text    string
	Hide    []string
	Keep    []string
	Rule    string
}

func readCorpus(t *testing.T, name string) (rows []corpusRow) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		var row corpusRow
		// The dot keeps scanners for secrets from what looks like one.
		line := strings.ReplaceAll(lines.Text(), "·", "")
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// channels returns what is recorded of a row's text on each way out.
func (row corpusRow) channels(t *testing.T) map[string]string {
	t.Helper()
	p := New(Config{})
	request := &url.URL{Scheme: "https", Host: "request.example", Path: "/"}
	out := map[string]string{}
	header, isHeader := strings.CutPrefix(row.Channel, "header:")
	switch {
	case isHeader:
		out["header"] = p.Header(header, []string{row.Text}, request)[0]
		return out
	case row.Channel == "url":
		if u, err := url.Parse(row.Text); err == nil {
			got := p.URL(u)
			if u.String() != row.Text && got == u.String() {
				got = row.Text // net/url writes it otherwise
			}
			out["url"] = got
		}
		out["location"] = p.Header("Location", []string{row.Text}, request)[0]
		quoted := p.Error(&url.Error{Op: "Get", URL: row.Text, Err: errors.New("EOF")}, request)
		quoted, ok1 := strings.CutPrefix(quoted, "Get ")
		quoted, ok2 := strings.CutSuffix(quoted, ": EOF")
		known, err := strconv.Unquote(quoted)
		if !ok1 || !ok2 || err != nil {
			t.Errorf("url.Error: got %s, want a quoted URL", quoted)
		}
		out["url.Error"] = known
		return out
	}
	err := errors.New(row.Text)
	out["error"] = p.Error(err, request)
	out["error with request"] = p.Error(err, nil)
	out["wrapped error"] = strings.TrimPrefix(p.Error(fmt.Errorf("outer: %w", err), request), "outer: ")
	out["header"] = p.Header("X-Message", []string{row.Text}, request)[0]
	out["panic"] = p.Text(row.Text)
	return out
}

func TestCorpusOfSecrets(t *testing.T) {
	for _, row := range readCorpus(t, "secret.jsonl") {
		t.Run(row.ID, func(t *testing.T) {
			for channel, got := range row.channels(t) {
				for _, s := range row.Hide {
					if strings.Contains(got, s) {
						t.Errorf("%s: got %q of %q in\n\t%s\nfrom\n\t%s\nwant it hidden: %s", channel, s, row.System, got, row.Text, row.Rule)
					}
				}
				for _, s := range row.Keep {
					if !strings.Contains(got, s) {
						t.Errorf("%s: got no %q of %s in\n\t%s\nfrom\n\t%s\nwant it kept: %s", channel, s, row.System, got, row.Text, row.Rule)
					}
				}
			}
		})
	}
}

func TestCorpusOfCleanTexts(t *testing.T) {
	for _, row := range readCorpus(t, "clean.jsonl") {
		t.Run(row.ID, func(t *testing.T) {
			for channel, got := range row.channels(t) {
				if got != row.Text {
					t.Errorf("%s: got\n\t%s\nwant it as %s writes it:\n\t%s\n%s", channel, got, row.System, row.Text, row.Rule)
				}
			}
		})
	}
}
