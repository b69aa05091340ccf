package jit

import (
	"runtime"
	"unsafe"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/amd64"
	"github.com/skepdev/skep/vm/internal/jit/arm64"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// Code is the native code of one program, outside Go's heap.
type Code struct {
	mem    []byte
	memory *host.Budget
	// profile is referred to by mem.
	profile *Profile
}

// Hits is how often each slot was run, nil if nobody counts.
func (c *Code) Hits() []uint64 {
	if c == nil {
		return nil
	}
	return c.profile.Hits()
}

// address is where native code counts the runs of the block at slot i.
func (p *Profile) address(i int) uint64 { return uint64(uintptr(unsafe.Pointer(&p.counts[i]))) }

// Compile compiles a program, whose runs execute the code from now on; the code
// counts against memory. Nil without an error means that this build has no
// compiler.
// With count it counts what runs.
func Compile(p *interp.Program, memory *host.Budget, count bool) (*Code, error) {
	if !interp.HasNative {
		return nil, nil
	}
	var profile *Profile
	if count {
		profile = &Profile{}
	}
	c := compile(p, assembler(runtime.GOARCH, false), profile)
	if c.Err() != nil {
		c = compile(p, assembler(runtime.GOARCH, true), profile)
	}
	if err := c.Err(); err != nil {
		return nil, err
	}
	mem, err := memory.MapCode(c.Code())
	if err != nil {
		return nil, err
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
	interp.Flush(at, at+uintptr(len(mem)))
	p.SetNative(&interp.Native{
		Resume: at, Begin: at + uintptr(c.begin),
		Exit: at + uintptr(c.exit), LeaveAtExit: at + uintptr(c.leaveAtExit), Tail: at + uintptr(c.tail), Slots: c.slots, Places: c.places(),
	})
	return &Code{mem: mem, memory: memory, profile: profile}, nil
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

// assembler is a fresh one for a processor, whose jumps reach far if asked for.
func assembler(arch string, far bool) asm.Assembler {
	if arch == "arm64" {
		return &arm64.Code{Far: far}
	}
	return &amd64.Code{}
}
