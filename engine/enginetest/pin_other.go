//go:build !linux

package enginetest

import "testing"

// onOneCPU has nothing to do where only the embedded engine runs.
func onOneCPU(*testing.T) {}
