package sample

import "strconv"

func nameOf(b B) string { return strconv.Itoa(b.field) }
