//go:build !(linux && amd64)

package jit

import (
	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Code is the native code of one program.
type Code struct{}

var _ interp.Native = (*Code)(nil)

// Compile gives nil: there is no compiler for this processor, or nobody has tried
// it on this system, and programs are interpreted.
func Compile(*interp.Program, *host.Budget) (*Code, error) { return nil, nil }

// Enter is never called.
func (*Code) Enter(*interp.Thread, int) { panic("BUG: no native code on this processor") }

// Close does nothing.
func (*Code) Close() error { return nil }
