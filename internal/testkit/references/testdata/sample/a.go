// Package sample has one reference that goes one way, and a cycle of two files.
package sample

type A struct{ b B }
