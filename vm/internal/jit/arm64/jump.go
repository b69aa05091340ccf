package arm64

import (
	"encoding/binary"

	"github.com/skepdev/skep/vm/internal/jit/asm"
)

var conditions = [...]uint32{
	asm.Equal: 0, asm.NotEqual: 1, asm.AboveEqual: 2, asm.Carry: 2, asm.Below: 3, asm.Sign: 4,
	asm.Above: 8, asm.BelowEqual: 9, asm.GreaterEqual: 10, asm.Less: 11, asm.Greater: 12, asm.LessEqual: 13,
}

// Jcc jumps if the condition holds.
func (c *Code) Jcc(x asm.Cond) int {
	cond := conditions[x]
	if c.Far {
		c.emit(0x54000000 | 2<<5 | cond ^ 1) // over the next
		return c.Jmp()
	}
	c.emit(0x54000000 | cond)
	return len(c.bytes) - 4
}

// Jmp jumps.
func (c *Code) Jmp() int {
	c.emit(0x14000000)
	return len(c.bytes) - 4
}

// Align does nothing: instructions are aligned as they are.
func (c *Code) Align() {}

// Patch makes the jump at place go to target.
func (c *Code) Patch(place, target int) {
	at := c.bytes[place:]
	in := binary.LittleEndian.Uint32(at)
	distance := (target - place) / 4
	reach, shift := 1<<18, 5
	if in>>26 == 0x14000000>>26 {
		reach, shift = 1<<25, 0
	}
	if distance < -reach || distance >= reach {
		c.err = ErrFar
		return
	}
	mask := uint32(2*reach-1) << shift
	binary.LittleEndian.PutUint32(at, in&^mask|uint32(distance)<<shift&mask)
}

// Address is dst = the address of a position in the code.
func (c *Code) Address(dst Reg) int {
	c.emit(0x10000000 | uint32(dst))
	return len(c.bytes) - 4
}

// PatchAddress makes Address give target, which is within 1 MiB.
func (c *Code) PatchAddress(place, target int) {
	distance := target - place
	if distance < -1<<20 || distance >= 1<<20 {
		c.err = ErrFar
		return
	}
	at := c.bytes[place:]
	in := binary.LittleEndian.Uint32(at) &^ (3<<29 | 0x7ffff<<5)
	binary.LittleEndian.PutUint32(at, in|uint32(distance)&3<<29|uint32(distance>>2)&0x7ffff<<5)
}

// JmpReg jumps to the address in r.
func (c *Code) JmpReg(r Reg) { c.rr(0xd61f0000, 0, r) }

// JmpMem jumps to the address at [base+off].
func (c *Code) JmpMem(base Reg, off int32) {
	c.Load(8, word, base, off)
	c.JmpReg(word)
}
