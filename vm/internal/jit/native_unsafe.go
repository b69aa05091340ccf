//go:build linux && amd64

package jit

import (
	"unsafe"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/interp"
)

// Code is the native code of one program, outside Go's heap.
type Code struct {
	mem     []byte
	entries []uint32
	memory  *host.Budget
}

var _ interp.Native = (*Code)(nil)

// Compile compiles a program, whose code counts against memory. Nil without an
// error means that this build has no compiler.
func Compile(p *interp.Program, memory *host.Budget) (*Code, error) {
	c := compile(p)
	mem, err := memory.MapCode(c.Bytes)
	if err != nil {
		return nil, err
	}
	return &Code{mem: mem, entries: c.entries, memory: memory}, nil
}

// Enter runs t from slot pc on until something is to be done in Go; it leaves
// t.pc at that slot.
func (c *Code) Enter(t *interp.Thread, pc int) {
	start := unsafe.Pointer(unsafe.SliceData(c.mem))
	enter(start, unsafe.Add(start, c.entries[pc]), t)
}

// Close gives the code's memory back. No run may be in it. It is safe on nil.
func (c *Code) Close() error {
	if c == nil {
		return nil
	}
	return c.memory.Unmap(c.mem)
}

// enter calls prologue with the address to go on at in RAX and the thread in
// R15.
//
//go:noescape
func enter(prologue, target unsafe.Pointer, t *interp.Thread)
