// Package housetest holds the tests that keep the plan of the house true: which
// floor may import which, what the public API is, what the binary must not
// contain. It has no code of its own.
package housetest
