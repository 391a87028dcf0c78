package otelhttpclient

import "testing"

func TestSameSlices(t *testing.T) {
	type list []func()
	a, b := list{nil}, list{nil}
	if !same(a, a) || same(a, b) || same(a, a[:0]) || same(a, nil) || same(nil, nil) {
		t.Error("same: got a wrong answer for slices, want true for one and false for two")
	}
}
