//go:build !linux

package main

import "github.com/skepdev/skep/trace"

// sessionSignals: systems without a tracing kernel have no signals for it.
func sessionSignals(*trace.Session) func() { return func() {} }

// mayTraceKernel: what is missing the kernel's engine says itself.
func mayTraceKernel() bool { return true }
