//go:build !linux

package main

import (
	"runtime"

	"github.com/skepdev/skep/engine"
)

// execInNamespace needs Linux.
func execInNamespace(string, string, []string) error {
	return &engine.NotSupportedError{Feature: "lab exec", Reason: runtime.GOOS + " has no network namespaces"}
}
