package arm64

import "github.com/skepdev/skep/vm/internal/jit/asm"

// Operations of 32 bits on registers; Add, Sub and Cmp set the flags.
var onRegisters = [8]uint32{
	asm.Add: 0x2b000000, asm.Sub: 0x6b000000, asm.Cmp: 0x6b000000,
	asm.And: 0x0a000000, asm.Or: 0x2a000000, asm.Xor: 0x4a000000,
}

// Arith is dst = dst op src, or for Cmp only the flags.
func (c *Code) Arith(op asm.ALU, w asm.Width, dst, src Reg) {
	d := dst
	if op == asm.Cmp {
		d = zero
	}
	c.rrr(onRegisters[op], w, d, dst, src)
}

const (
	addsImm = 0x31000000
	subsImm = 0x71000000
)

// ArithImm is Arith with an immediate, sign-extended.
func (c *Code) ArithImm(op asm.ALU, w asm.Width, dst Reg, v int32) {
	d, in := dst, uint32(0)
	switch op {
	case asm.Add:
		in = addsImm
	case asm.Sub:
		in = subsImm
	case asm.Cmp:
		in, d = subsImm, zero
	}
	switch {
	case in != 0 && v >= 0 && v < 4096:
		c.emit(in | sf(w) | uint32(v)<<10 | uint32(dst)<<5 | uint32(d))
	case in != 0 && v < 0 && v > -4096:
		in ^= addsImm ^ subsImm
		c.emit(in | sf(w) | uint32(-v)<<10 | uint32(dst)<<5 | uint32(d))
	default:
		c.MovImm(imm, uint64(int64(v)))
		c.Arith(op, w, dst, imm)
	}
}

// ArithFrom is Arith with the 64-bit source at [base+off].
func (c *Code) ArithFrom(op asm.ALU, dst, base Reg, off int32) {
	c.Load(8, word, base, off)
	c.Arith(op, asm.W64, dst, word)
}

// ArithMemImm is Arith on the 64-bit word at [base+off] with an immediate.
func (c *Code) ArithMemImm(op asm.ALU, base Reg, off, v int32) {
	c.Load(8, word, base, off)
	c.ArithImm(op, asm.W64, word, v)
	if op != asm.Cmp {
		c.Store(8, base, off, word)
	}
}

// Test sets the flags of dst & src.
func (c *Code) Test(w asm.Width, dst, src Reg) { c.rrr(0x6a000000, w, zero, dst, src) }

// TestImm sets the flags of dst & v.
func (c *Code) TestImm(w asm.Width, dst Reg, v int32) {
	c.MovImm(imm, uint64(int64(v)))
	c.Test(w, dst, imm)
}

// Mov is dst = src.
func (c *Code) Mov(w asm.Width, dst, src Reg) { c.rrr(0x2a0003e0, w, dst, 0, src) }

// MovImm is dst = v: the words of v that are not all zeros, or not all ones,
// one by one.
func (c *Code) MovImm(dst Reg, v uint64) {
	const movz, movn, movk = 0xd2800000, 0x92800000, 0xf2800000
	zeros, ones := 0, 0
	for i := range 4 {
		switch uint16(v >> (16 * i)) {
		case 0:
			zeros++
		case 0xffff:
			ones++
		}
	}
	first, skip, flip := uint32(movz), uint16(0), uint16(0)
	if ones > zeros {
		first, skip, flip = movn, 0xffff, 0xffff
	}
	op, done := first, false
	for i := range 4 {
		part := uint16(v >> (16 * i))
		if part == skip && (done || i < 3) {
			continue
		}
		c.emit(op | uint32(i)<<21 | uint32(part^flip)<<5 | uint32(dst))
		op, flip, done = movk, 0, true
	}
}

// MovSext is dst = src, sign-extended from bits (8, 16, 32) to w.
func (c *Code) MovSext(w asm.Width, bits int, dst, src Reg) {
	in := uint32(0x13000000)
	if w {
		in = 0x93400000
	}
	c.rr(in|uint32(bits-1)<<10, dst, src)
}

// Zext16 clears all but the low 16 bits of dst.
func (c *Code) Zext16(dst Reg) { c.rr(0x53003c00, dst, dst) }

// Swap16 exchanges the two low bytes of dst and clears the others.
func (c *Code) Swap16(dst Reg) {
	c.rr(0x5ac00400, dst, dst)
	c.Zext16(dst)
}

// Swap reverses the bytes of dst.
func (c *Code) Swap(w asm.Width, dst Reg) {
	if w {
		c.rr(0xdac00c00, dst, dst)
	} else {
		c.rr(0x5ac00800, dst, dst)
	}
}

// Mul is dst *= src.
func (c *Code) Mul(w asm.Width, dst, src Reg) { c.rrr(0x1b007c00, w, dst, dst, src) }

// MulImm is dst *= v.
func (c *Code) MulImm(w asm.Width, dst Reg, v int32) {
	c.MovImm(imm, uint64(int64(v)))
	c.Mul(w, dst, imm)
}

// MulFold is A = the halves of A*src, xored.
func (c *Code) MulFold(src Reg) {
	a := c.Machine().A
	c.rrr(0x1bc07c00, asm.W64, imm, a, src) // umulh
	c.Mul(asm.W64, a, src)
	c.Arith(asm.Xor, asm.W64, a, imm)
}

// Neg is dst = -dst.
func (c *Code) Neg(w asm.Width, dst Reg) { c.rrr(0x4b0003e0, w, dst, 0, dst) }

// ShiftImm shifts dst by n bits, fewer than it has.
func (c *Code) ShiftImm(op asm.Shift, w asm.Width, dst Reg, n uint8) {
	in, width := uint32(0x53000000), uint32(32)
	if w {
		in, width = 0xd3400000, 64
	}
	immr, imms := uint32(n), width-1
	switch op {
	case asm.Shl:
		immr, imms = (width-uint32(n))&(width-1), width-1-uint32(n)
	case asm.Sar:
		in &^= 1 << 30 // sbfm
	}
	c.rr(in|immr<<16|imms<<10, dst, dst)
}

// ShiftBy shifts dst by src modulo the width.
func (c *Code) ShiftBy(op asm.Shift, w asm.Width, dst, src Reg) {
	in := map[asm.Shift]uint32{asm.Shl: 0x1ac02000, asm.Shr: 0x1ac02400, asm.Sar: 0x1ac02800}[op]
	c.rrr(in, w, dst, dst, src)
}

// Divide is dst = dst / src or the rest.
func (c *Code) Divide(w asm.Width, dst, src Reg, signed, rest bool) {
	in := uint32(0x1ac00800)
	if signed {
		in = 0x1ac00c00
	}
	if !rest {
		c.rrr(in, w, dst, dst, src)
		return
	}
	c.rrr(in, w, imm, dst, src)
	c.rrr(0x1b008000|uint32(dst)<<10, w, dst, imm, src) // msub: dst - imm*src
}
