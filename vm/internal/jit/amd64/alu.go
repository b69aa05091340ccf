package amd64

import "encoding/binary"

// Arith is dst = dst op src, or for Cmp only the flags.
func (c *Code) Arith(op ALU, w Width, dst, src Reg) { c.rr(w, src, dst, false, byte(op)<<3|1) }

// ArithImm is Arith with an immediate, sign-extended.
func (c *Code) ArithImm(op ALU, w Width, dst Reg, imm int32) {
	if imm >= -128 && imm <= 127 {
		c.rr(w, Reg(op), dst, false, 0x83)
		c.emit(byte(imm))
		return
	}
	c.rr(w, Reg(op), dst, false, 0x81)
	c.imm32(imm)
}

// ArithFrom is Arith with the 64-bit source at [base+disp].
func (c *Code) ArithFrom(op ALU, dst, base Reg, disp int32) {
	c.rm(W64, dst, base, disp, false, byte(op)<<3|3)
}

// ArithMemImm is Arith on the 64-bit word at [base+disp] with an immediate.
func (c *Code) ArithMemImm(op ALU, base Reg, disp, imm int32) {
	c.rm(W64, Reg(op), base, disp, false, 0x81)
	c.imm32(imm)
}

// Test sets the flags of dst & src.
func (c *Code) Test(w Width, dst, src Reg) { c.rr(w, src, dst, false, 0x85) }

// TestImm sets the flags of dst & imm.
func (c *Code) TestImm(w Width, dst Reg, imm int32) {
	c.rr(w, 0, dst, false, 0xf7)
	c.imm32(imm)
}

// Mov is dst = src.
func (c *Code) Mov(w Width, dst, src Reg) { c.rr(w, src, dst, false, 0x89) }

// MovImm is dst = v in the fewest bytes.
func (c *Code) MovImm(dst Reg, v uint64) {
	switch {
	case v == uint64(uint32(v)):
		c.rex(W32, 0, dst, false)
		c.emit(0xb8 | byte(dst&7))
		c.imm32(int32(uint32(v)))
	case v == uint64(int64(int32(v))):
		c.rr(W64, 0, dst, false, 0xc7)
		c.imm32(int32(v))
	default:
		c.rex(W64, 0, dst, false)
		c.emit(0xb8 | byte(dst&7))
		c.Bytes = binary.LittleEndian.AppendUint64(c.Bytes, v)
	}
}

// Mul is dst *= src.
func (c *Code) Mul(w Width, dst, src Reg) { c.rr(w, dst, src, false, 0x0f, 0xaf) }

// MulImm is dst *= imm. A sum of two shifts takes a third of a product's time.
func (c *Code) MulImm(w Width, dst Reg, imm int32) {
	switch imm {
	case 3, 5, 9:
		c.rex4(w, dst, dst, dst)
		scale := byte(imm-1) >> 2 // 2, 4 or 8 times: 0, 1, 2
		c.emit(0x8d, 0x44|byte(dst&7)<<3, (scale+1)<<6|byte(dst&7)<<3|byte(dst&7), 0)
		return
	}
	c.rr(w, dst, dst, false, 0x69)
	c.imm32(imm)
}

// Neg is dst = -dst.
func (c *Code) Neg(w Width, dst Reg) { c.rr(w, 3, dst, false, 0xf7) }

// Div divides RDX:RAX by src: the quotient goes to RAX, the rest to RDX.
func (c *Code) Div(w Width, src Reg) { c.rr(w, 6, src, false, 0xf7) }

// SDiv is Div for signed numbers.
func (c *Code) SDiv(w Width, src Reg) { c.rr(w, 7, src, false, 0xf7) }

// SignRDX fills RDX with the sign of RAX.
func (c *Code) SignRDX(w Width) {
	c.rex(w, 0, 0, false)
	c.emit(0x99)
}

// ShiftImm shifts dst by n bits.
func (c *Code) ShiftImm(op Shift, w Width, dst Reg, n uint8) {
	c.rr(w, Reg(op), dst, false, 0xc1)
	c.emit(n)
}

// ShiftCL shifts dst by CL bits, modulo the width.
func (c *Code) ShiftCL(op Shift, w Width, dst Reg) { c.rr(w, Reg(op), dst, false, 0xd3) }

// Swap16 exchanges the two low bytes of dst and clears the others.
func (c *Code) Swap16(dst Reg) {
	c.emit(0x66)
	c.rr(W32, 1, dst, false, 0xc1) // ror
	c.emit(8)
	c.Zext16(dst)
}

// Swap reverses the bytes of dst.
func (c *Code) Swap(w Width, dst Reg) {
	c.rex(w, 0, dst, false)
	c.emit(0x0f, 0xc8|byte(dst&7))
}

// Zext16 clears all but the low 16 bits of dst.
func (c *Code) Zext16(dst Reg) { c.rr(W32, dst, dst, false, 0x0f, 0xb7) }

// MovSext is dst = src, sign-extended from bits (8, 16, 32) to w.
func (c *Code) MovSext(w Width, bits int, dst, src Reg) {
	switch bits {
	case 8:
		c.rr(w, dst, src, true, 0x0f, 0xbe)
	case 16:
		c.rr(w, dst, src, false, 0x0f, 0xbf)
	default:
		c.rr(w, dst, src, false, 0x63)
	}
}

// MulFold is RAX = the halves of RAX*src, xored. It changes RDX.
func (c *Code) MulFold(src Reg) {
	c.rr(W64, 4, src, false, 0xf7)
	c.Arith(Xor, W64, RAX, RDX)
}

// ShiftBy shifts dst by src, modulo the width. It changes RCX.
func (c *Code) ShiftBy(op Shift, w Width, dst, src Reg) {
	if src != RCX {
		c.Mov(W32, RCX, src)
	}
	c.ShiftCL(op, w, dst)
}

// Divide is dst = dst / src or the rest. It changes RAX and RDX.
func (c *Code) Divide(w Width, dst, src Reg, signed, rest bool) {
	c.Mov(w, RAX, dst)
	if signed {
		c.SignRDX(w)
		c.SDiv(w, src)
	} else {
		c.Arith(Xor, W32, RDX, RDX)
		c.Div(w, src)
	}
	if rest {
		c.Mov(w, dst, RDX)
	} else {
		c.Mov(w, dst, RAX)
	}
}
