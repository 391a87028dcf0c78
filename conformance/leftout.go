package main

// leftOut are the tests that are left out of every run.
var leftOut = []struct{ pkg, name, reason string }{}
