package jit

import (
	"unsafe"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/amd64"
)

// Code is the native code of one program, outside Go's heap.
type Code struct {
	mem    []byte
	memory *host.Budget
}

// Compile compiles a program, whose runs execute the code from now on; the code
// counts against memory. Nil without an error means that this build has no
// compiler.
func Compile(p *interp.Program, memory *host.Budget) (*Code, error) {
	if !interp.HasNative {
		return nil, nil
	}
	c := compile(p, &amd64.Code{})
	mem, err := memory.MapCode(c.Code())
	if err != nil {
		return nil, err
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	p.SetNative(&interp.Native{
		Resume: at, Begin: at + uintptr(c.begin),
		Exit: at + uintptr(c.exit), LeaveAtExit: at + uintptr(c.leaveAtExit), Slots: c.slots,
	})
	return &Code{mem: mem, memory: memory}, nil
}

// Close gives the code's memory back. No run may be in it. It is safe on nil.
func (c *Code) Close() error {
	if c == nil {
		return nil
	}
	return c.memory.Unmap(c.mem)
}

// Size is the code's length in bytes.
func (c *Code) Size() int {
	if c == nil {
		return 0
	}
	return len(c.mem)
}
