package identity

import "testing"

func TestSameSlices(t *testing.T) {
	type list []func()
	a, b := list{nil}, list{nil}
	if !Same(a, a) || Same(a, b) || Same(a, a[:0]) || Same(a, nil) || Same(nil, nil) {
		t.Error("same: got a wrong answer for slices, want true for one and false for two")
	}
}
