package sample

type B struct{ field int }

func (b B) name() string { return nameOf(b) }
