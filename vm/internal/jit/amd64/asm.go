// Package amd64 encodes the instructions of x86-64 that the compiler needs
// (Intel SDM volume 2). It is plain Go and works on every platform.
package amd64

import "encoding/binary"

// Reg is a general register by its number in the encoding.
type Reg uint8

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

// Width is the size of an operation: 32-bit operations clear the upper half of
// their destination.
type Width bool

// The widths.
const (
	W32 Width = false
	W64 Width = true
)

// Code is machine code being written. Positions are offsets in it.
type Code struct{ Bytes []byte }

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

// Ret returns.
func (c *Code) Ret() { c.emit(0xc3) }

// JmpReg jumps to the address in r.
func (c *Code) JmpReg(r Reg) { c.rr(W32, 4, r, false, 0xff) }
