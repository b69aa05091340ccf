package jit

import (
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// shape takes a code apart: the 64-bit code with an immediate, the width, and
// whether the operand is a register.
func shape(code, first64, first32, paired interp.Code) (base interp.Code, w asm.Width, isX bool) {
	w = asm.W64
	if code >= first32 {
		code -= first32 - first64
		w = asm.W32
	}
	if code < paired && (code-first64)&1 != 0 {
		return code - 1, w, true
	}
	return code, w, false
}

// simple are the operations that an assembler has as they are.
func simple(base interp.Code) (op asm.ALU, ok bool) {
	switch base {
	case interp.OpAddK:
		return asm.Add, true
	case interp.OpSubK:
		return asm.Sub, true
	case interp.OpOrK:
		return asm.Or, true
	case interp.OpAndK:
		return asm.And, true
	case interp.OpXorK:
		return asm.Xor, true
	}
	return 0, false
}

func shiftOf(base interp.Code) (op asm.Shift, ok bool) {
	switch base {
	case interp.OpLshK:
		return asm.Shl, true
	case interp.OpRshK:
		return asm.Shr, true
	case interp.OpArshK:
		return asm.Sar, true
	}
	return 0, false
}

func (c *compiler) arithmetic(op *interp.Op) {
	if op.Code >= interp.OpZext16 {
		c.byteOrder(op)
		return
	}
	base, w, isX := shape(op.Code, interp.OpAddK, interp.OpAddK32, interp.OpNeg)
	d := c.R[op.Dst]
	if alu, ok := simple(base); ok {
		if isX {
			c.Arith(alu, w, d, c.R[op.Src])
		} else {
			c.ArithImm(alu, w, d, int32(op.Imm))
		}
		return
	}
	if sh, ok := shiftOf(base); ok {
		c.shift(op, sh, w, d, isX)
		return
	}
	switch base {
	case interp.OpMulK:
		if isX {
			c.Mul(w, d, c.R[op.Src])
		} else {
			c.MulImm(w, d, int32(op.Imm))
		}
	case interp.OpMovK:
		c.move(op, w, d, isX)
	case interp.OpNeg:
		c.Neg(w, d)
	case interp.OpMovS8:
		c.MovSext(w, 8, d, c.R[op.Src])
	case interp.OpMovS16:
		c.MovSext(w, 16, d, c.R[op.Src])
	case interp.OpMovS32:
		c.MovSext(w, 32, d, c.R[op.Src])
	default:
		c.divide(op, base, w, d, isX)
	}
}

func (c *compiler) move(op *interp.Op, w asm.Width, d asm.Reg, isX bool) {
	switch {
	case isX:
		c.Mov(w, d, c.R[op.Src])
	case w == asm.W32:
		c.MovImm(d, uint64(uint32(op.Imm)))
	default:
		c.MovImm(d, uint64(op.Imm))
	}
}

func (c *compiler) shift(op *interp.Op, sh asm.Shift, w asm.Width, d asm.Reg, isX bool) {
	switch {
	case isX:
		c.ShiftBy(sh, w, d, c.R[op.Src])
	case w == asm.W32:
		c.ShiftImm(sh, w, d, uint8(op.Imm)&31)
	default:
		c.ShiftImm(sh, w, d, uint8(op.Imm)&63)
	}
}

// divide gives 0 for divisions by zero and the dividend for their rest (RFC
// 9669, 4.1), and keeps the processor from trapping where the quotient does
// not fit: the lowest number by -1.
func (c *compiler) divide(op *interp.Op, base interp.Code, w asm.Width, d asm.Reg, isX bool) {
	s := c.B
	if isX {
		s = c.R[op.Src]
	} else {
		c.MovImm(s, uint64(op.Imm))
	}
	rest := base == interp.OpModK || base == interp.OpSModK
	signed := base == interp.OpSDivK || base == interp.OpSModK
	var done []int
	c.Test(w, s, s)
	some := c.Jcc(asm.NotEqual)
	if rest {
		c.Mov(w, d, d) // 32 bits of the dividend
	} else {
		c.Arith(asm.Xor, asm.W32, d, d)
	}
	done = append(done, c.Jmp())
	c.Patch(some, c.Pos())
	if signed {
		c.ArithImm(asm.Cmp, w, s, -1)
		other := c.Jcc(asm.NotEqual)
		if rest {
			c.Arith(asm.Xor, asm.W32, d, d)
		} else {
			c.Neg(w, d)
		}
		done = append(done, c.Jmp())
		c.Patch(other, c.Pos())
	}
	c.Divide(w, d, s, signed, rest)
	for _, place := range done {
		c.Patch(place, c.Pos())
	}
}

func (c *compiler) byteOrder(op *interp.Op) {
	d := c.R[op.Dst]
	switch op.Code {
	case interp.OpZext16:
		c.Zext16(d)
	case interp.OpZext32:
		c.Mov(asm.W32, d, d)
	case interp.OpSwap16:
		c.Swap16(d)
	case interp.OpSwap32:
		c.Swap(asm.W32, d)
	case interp.OpSwap64:
		c.Swap(asm.W64, d)
	}
}
