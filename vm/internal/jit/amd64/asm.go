// Package amd64 encodes the instructions of x86-64 that the compiler needs
// (Intel SDM volume 2). It is plain Go and works on every platform.
package amd64

import (
	"encoding/binary"

	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// The general registers.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// The types of operands and operations are the compiler's.
type (
	Reg   = asm.Reg
	Width = asm.Width
	ALU   = asm.ALU
	Shift = asm.Shift
	Cond  = asm.Cond
)

// What they may be.
const (
	W32 = asm.W32
	W64 = asm.W64

	Add = asm.Add
	Or  = asm.Or
	And = asm.And
	Sub = asm.Sub
	Xor = asm.Xor
	Cmp = asm.Cmp

	Shl = asm.Shl
	Shr = asm.Shr
	Sar = asm.Sar

	Below        = asm.Below
	AboveEqual   = asm.AboveEqual
	Equal        = asm.Equal
	NotEqual     = asm.NotEqual
	BelowEqual   = asm.BelowEqual
	Above        = asm.Above
	Sign         = asm.Sign
	Less         = asm.Less
	GreaterEqual = asm.GreaterEqual
	LessEqual    = asm.LessEqual
	Greater      = asm.Greater
)

// Code is machine code being written. Positions are offsets in it.
type Code struct{ Bytes []byte }

var _ asm.Assembler = (*Code)(nil)

// Machine gives RSP to nobody: it is Go's.
func (c *Code) Machine() asm.Machine {
	return asm.Machine{
		R:      [11]Reg{RBX, RDI, RSI, R8, R9, R10, R11, R12, R13, R14, RBP},
		Thread: R15, A: RAX, B: RCX, C: RDX, LoadsInOrder: true,
	}
}

// Code is what was written.
func (c *Code) Code() []byte { return c.Bytes }

// Err is nil: everything can be encoded.
func (c *Code) Err() error { return nil }

// Pos is where the next instruction comes.
func (c *Code) Pos() int { return len(c.Bytes) }

func (c *Code) emit(b ...byte) { c.Bytes = append(c.Bytes, b...) }

func (c *Code) imm32(v int32) { c.Bytes = binary.LittleEndian.AppendUint32(c.Bytes, uint32(v)) }

// rex emits the prefix if it says anything; force is for byte registers, whose
// numbers 4 to 7 mean AH to BH without one.
func (c *Code) rex(w Width, reg, rm Reg, force bool) {
	b := byte(0x40) | byte(reg>>3)<<2 | byte(rm>>3)
	if w {
		b |= 8
	}
	if b != 0x40 || force {
		c.emit(b)
	}
}

// rex4 is rex for an instruction with an index register.
func (c *Code) rex4(w Width, reg, index, base Reg) {
	b := byte(0x40) | byte(reg>>3)<<2 | byte(index>>3)<<1 | byte(base>>3)
	if w {
		b |= 8
	}
	if b != 0x40 {
		c.emit(b)
	}
}

// rr emits an instruction on two registers.
func (c *Code) rr(w Width, reg, rm Reg, force bool, opcode ...byte) {
	c.rex(w, reg, rm, force)
	c.emit(opcode...)
	c.emit(0xc0 | byte(reg&7)<<3 | byte(rm&7))
}

// rm emits an instruction on a register and memory at [base+disp].
func (c *Code) rm(w Width, reg, base Reg, disp int32, force bool, opcode ...byte) {
	c.rex(w, reg, base, force)
	c.emit(opcode...)
	short := disp >= -128 && disp <= 127
	mod := byte(0x80)
	if short {
		mod = 0x40
	}
	c.emit(mod | byte(reg&7)<<3 | byte(base&7))
	if base&7 == RSP {
		c.emit(0x24) // a SIB byte that says: this base, no index
	}
	if short {
		c.emit(byte(disp))
	} else {
		c.imm32(disp)
	}
}

// rmx is rm for memory at [base+index+disp].
func (c *Code) rmx(w Width, reg, base, index Reg, disp int32, force bool, opcode ...byte) {
	if force && !bool(w) && (reg|index|base)>>3 == 0 {
		c.emit(0x40)
	}
	c.rex4(w, reg, index, base)
	c.emit(opcode...)
	mod := byte(0x80)
	if disp >= -128 && disp <= 127 {
		mod = 0x40
	}
	c.emit(mod|byte(reg&7)<<3|4, byte(index&7)<<3|byte(base&7))
	if mod == 0x40 {
		c.emit(byte(disp))
	} else {
		c.imm32(disp)
	}
}

// Ret returns.
func (c *Code) Ret() { c.emit(0xc3) }

// JmpReg jumps to the address in r.
func (c *Code) JmpReg(r Reg) { c.rr(W32, 4, r, false, 0xff) }

// JmpMem jumps to the address at [base+disp].
func (c *Code) JmpMem(base Reg, disp int32) { c.rm(W32, 4, base, disp, false, 0xff) }

// Address is dst = the address of a position in the code, for PatchAddress.
func (c *Code) Address(dst Reg) int {
	c.rex(W64, dst, 0, false)
	c.emit(0x8d, byte(dst&7)<<3|5)
	c.imm32(0)
	return len(c.Bytes) - 4
}

// PatchAddress makes Address give target.
func (c *Code) PatchAddress(place, target int) { c.Patch(place, target) }
