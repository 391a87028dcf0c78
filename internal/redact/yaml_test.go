package redact

import (
	"strings"
	"testing"
)

// Lines of YAML are no running prose.
func TestPolicyYAML(t *testing.T) {
	checkTexts(t,
		row{"username: app\npassword: hunter2\nhost: db", "username: app\npassword: REDACTED\nhost: db"},
		row{"password: hunter2\nhost: db", "password: REDACTED\nhost: db"},
		row{"cannot parse:\n  username: app\n  password: hunter2\n", "cannot parse:\n  username: app\n  password: REDACTED\n"},
		row{"bad config: password: hunter2\nhost: db", "bad config: password: REDACTED\nhost: db"},
		row{"db:\r\n  password: swordfish\r\n  port: 1\r\n", "db:\r\n  password: REDACTED\r\n  port: 1\r\n"},
		row{"users:\n- name: a\n  token: x-1\n- token: y\n", "users:\n- name: a\n  token: REDACTED\n- token: REDACTED\n"},
		row{"data:\n  password: aHVudGVyMg==   # base64\n", "data:\n  password: REDACTED   # base64\n"},
		row{"db:\n  \"password\": hunter2\n  port: 1", "db:\n  \"password\": REDACTED\n  port: 1"},
		row{"db:\n  client_secret:\n    hunter2\n  port: 1", "db:\n  client_secret:\n    REDACTED\n  port: 1"},
		row{"password:\n  hunter2secret", "password:\n  REDACTED"},
		row{"tls:\n  secret: |\n    line one\n\n    line two\n  port: 1\n", "tls:\n  secret: |\n    REDACTED\n  port: 1\n"},
		row{"tls:\n  secret: >-\n    line one\n    line two", "tls:\n  secret: >-\n    REDACTED"},
		row{"tls:\n  \"secret\": |2-\n    line one\n  port: 1\n", "tls:\n  \"secret\": |2-\n    REDACTED\n  port: 1\n"},
		row{"db:\n  password:\n    \"hunter two\"\n", "db:\n  password:\n    \"REDACTED\"\n"},
		row{"env:\n- name: DB_PASSWORD\n  value: hunter2\n- name: X\n  value: y\n", "env:\n- name: DB_PASSWORD\n  value: REDACTED\n- name: X\n  value: y\n"},
		row{`{"message":"bad values:\nuser: a\npassword: hunter2\n"}`, `{"message":"bad values:\nuser: a\npassword: REDACTED\n"}`},
		row{"a:\n  auth: hunter2\n  session: 5\n  pass: true\n  key: value\n  token: null\n", "a:\n  auth: REDACTED\n  session: 5\n  pass: true\n  key: value\n  token: null\n"},
		row{"log:\n  password: secret: inner\n", "log:\n  password: secret: inner\n"},
	)
	for _, prose := range []string{
		"password: hunter2", "token: 400", "cannot fetch token: 400\nstatus: bad", "2 errors occurred:\n\t* password: required\n\t* token: invalid\n",
		"email: invalid\npassword: required\n", "password: must not be empty\nemail: is taken\n", "ExpiredToken: The provided token has expired\nstatus: 403",
		"unexpected token: EOF\nline: 4", "invalid token:\n\tunexpected end", "Password:\n  is wrong", "password:\n\nhost: x", "secret:\n  name: db\n  key: x\n",
		"token:\n- a\n- b\n", "access denied: token: expired\nrequest: 7", "pageToken: abc\nnextToken: def\n",
		"Enter password:\nLogin incorrect", "token:\nexpired", "goroutine 1:\nkey: 4\ncode: 12\n", "auth: none\ntoken: <none>\n", "password: |", "password: |\nhost: x", "password:   \n", "token:abc\nhost: x", "a: b\npass:ok\n",
	} {
		checkTexts(t, row{in: prose})
	}
	p := New(Config{})
	long := "a:\n" + strings.Repeat(" ", 1<<10) + "password:" + strings.Repeat(" ", 1<<10) + "hunter2\n"
	if got := p.Text(long); strings.Contains(got, "hunter2") {
		t.Errorf("got the password in %q, want it hidden however far it is indented", got)
	}
}
