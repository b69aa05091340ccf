//go:build !linux

package agent

import "github.com/skepdev/skep/engine"

// MountPins makes dir a place for pins; that takes Linux.
func MountPins(string) error {
	return &engine.NotSupportedError{Feature: "pins", Reason: "they take a bpffs, which Linux has", Remedy: "run without pins"}
}

// UnmountPins undoes MountPins.
func UnmountPins(string) error { return nil }
