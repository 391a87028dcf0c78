// Package streams tests that a Transport leaves streams as they are: data
// arrives when it is sent, replays and upgrades work, and each span ends once,
// when its body does.
package streams
