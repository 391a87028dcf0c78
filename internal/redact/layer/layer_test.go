package layer

import "testing"

func TestDecodedKeepsOrigins(t *testing.T) {
	const all = Percent | Plus | Escapes
	for _, row := range []struct {
		in       string
		encoding Encoding
		want     string
		origins  []int // of its bytes and of its end
	}{
		{"a%3Db", all, "a=b", []int{0, 1, 4, 5}},
		{"a+b", all, "a b", []int{0, 1, 2, 3}},
		{`\u0026\"`, all, `&"`, []int{0, 6, 8}},
		{`\u00e9x`, all, "éx", []int{0, 0, 6, 7}},
		{"%c3%a9", all, "é", []int{0, 3, 6}},
		{"&amp;%zz%", all, "&%zz%", []int{0, 5, 6, 7, 8, 9}},
		{"a+b%3D", Percent, "a+b=", []int{0, 1, 2, 3, 6}},
		{"a%", all, "", nil},
		{"a+", Percent, "", nil},
	} {
		got, ok := Text{S: row.in}.Decode(0, len(row.in), row.encoding)
		if got.S != row.want || ok != (row.origins != nil) {
			t.Errorf("%s: got %q, %v, want %q", row.in, got.S, ok, row.want)
			continue
		}
		for i, want := range row.origins {
			if at := got.Offset(i); at != want {
				t.Errorf("%s: got origin %d of byte %d of %q, want %d", row.in, at, i, got.S, want)
			}
		}
	}
}

func TestOriginsOfSecondDecoding(t *testing.T) {
	once, _ := Text{S: "a%253Db%253D"}.Decode(0, len("a%253Db%253D"), Percent)
	twice, ok := once.Decode(4, len(once.S), Percent)
	if !ok || twice.S != "b=" || twice.Offset(0) != 6 || twice.Offset(1) != 7 || twice.Offset(2) != 12 || twice.Depth != 2 || twice.Percent != 2 {
		t.Errorf("got %+v, want b= from 6 to 12, decoded twice", twice)
	}
	if part := once.Part(4, 5); part.S != "b" || part.Offset(0) != 6 || part.Offset(1) != 7 {
		t.Errorf("got %+v, want b from 6 to 7", part)
	}
	without, ok := once.DecodeExcept([][2]int{{0, 4}}, Percent)
	if !ok || without.S != " b=" || without.Offset(0) != 0 || without.Offset(1) != 6 || without.Offset(3) != 12 {
		t.Errorf("got %+v, want a space and b=", without)
	}
}

func TestFully(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "%2541": "A", "%25252525252541": "%252541", "%": "%"} {
		if got := DecodeFully(in); got != want {
			t.Errorf("Fully(%s): got %s, want %s", in, got, want)
		}
	}
	if got, want := DecodeOnce("%2541"), "%41"; got != want {
		t.Errorf("Once: got %s, want %s", got, want)
	}
}
