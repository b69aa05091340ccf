// Package arm64 encodes the instructions of AArch64 that the compiler needs
// (Arm ARM, chapter C6). It is plain Go and works on every platform.
package arm64

import (
	"encoding/binary"
	"errors"

	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// Reg is a general register by its number.
type Reg = asm.Reg

// Registers that the compiler does not see: for immediates, displacements and
// words in memory that an instruction has no room for, and the one that is
// always zero.
const (
	imm  Reg = 15
	disp Reg = 16
	word Reg = 17
	zero Reg = 31
)

var spare = []Reg{19}

// Code is machine code being written. Positions are offsets in bytes.
type Code struct {
	// Far makes conditional jumps reach 128 MiB rather than 1.
	Far bool

	bytes []byte
	err   error
}

var _ asm.Assembler = (*Code)(nil)

// ErrFar says that a jump does not reach its target.
var ErrFar = errors.New("jump out of reach")

// Err says whether something could not be encoded.
func (c *Code) Err() error { return c.err }

// Machine leaves to others X18, which some systems own, X28, which is Go's g,
// the frame pointer X29 and the return address X30.
func (c *Code) Machine() asm.Machine {
	return asm.Machine{
		R:      [11]Reg{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
		Thread: 11, A: 12, B: 13, C: 14, Spare: spare,
	}
}

// Code is what was written.
func (c *Code) Code() []byte { return c.bytes }

// Pos is where the next instruction comes.
func (c *Code) Pos() int { return len(c.bytes) }

func (c *Code) emit(in uint32) { c.bytes = binary.LittleEndian.AppendUint32(c.bytes, in) }

// sf is the bit that makes an operation one of 64 bits.
func sf(w asm.Width) uint32 {
	if w {
		return 1 << 31
	}
	return 0
}

// rrr emits an operation on three registers.
func (c *Code) rrr(op uint32, w asm.Width, d, n, m Reg) {
	c.emit(op | sf(w) | uint32(m)<<16 | uint32(n)<<5 | uint32(d))
}

// rr emits an operation on two registers.
func (c *Code) rr(op uint32, d, n Reg) { c.emit(op | uint32(n)<<5 | uint32(d)) }

// Ret returns.
func (c *Code) Ret() { c.emit(0xd65f03c0) }
