package shadow

import (
	"math/bits"

	"github.com/skepdev/skep/isa"
)

// alu is what the machine computes (RFC 9669, section 4.1).
func alu(ins isa.Instruction, x, y uint64) uint64 {
	if ins.Op == isa.Bswap {
		return reverse(x, int(ins.Imm))
	}
	if ins.ALUOp() == isa.OpEnd {
		if ins.Op == isa.ToBE {
			return reverse(x, int(ins.Imm))
		}
		return x & (1<<(uint(ins.Imm)-1)<<1 - 1)
	}
	if ins.Class() == isa.ClassALU {
		return uint64(alu32(ins, uint32(x), uint32(y)))
	}
	signed := ins.Off == 1
	switch ins.ALUOp() {
	case isa.OpAdd:
		return x + y
	case isa.OpSub:
		return x - y
	case isa.OpMul:
		return x * y
	case isa.OpOr:
		return x | y
	case isa.OpAnd:
		return x & y
	case isa.OpXor:
		return x ^ y
	case isa.OpNeg:
		return -x
	case isa.OpLsh:
		return x << (y & 63)
	case isa.OpRsh:
		return x >> (y & 63)
	case isa.OpArsh:
		return uint64(int64(x) >> (y & 63))
	case isa.OpMov:
		return extend(y, int(ins.Off))
	case isa.OpDiv:
		switch {
		case y == 0:
			return 0
		case signed && int64(y) == -1:
			return -x
		case signed:
			return uint64(int64(x) / int64(y))
		}
		return x / y
	case isa.OpMod:
		switch {
		case y == 0:
			return x
		case signed && int64(y) == -1:
			return 0
		case signed:
			return uint64(int64(x) % int64(y))
		}
		return x % y
	}
	panic("no such operation")
}

func alu32(ins isa.Instruction, x, y uint32) uint32 {
	signed := ins.Off == 1
	switch ins.ALUOp() {
	case isa.OpLsh:
		return x << (y & 31)
	case isa.OpRsh:
		return x >> (y & 31)
	case isa.OpArsh:
		return uint32(int32(x) >> (y & 31))
	case isa.OpMov:
		return uint32(extend(uint64(y), int(ins.Off)))
	case isa.OpDiv, isa.OpMod:
		a, b := uint64(x), uint64(y)
		if signed {
			a, b = uint64(int64(int32(x))), uint64(int64(int32(y)))
		}
		return uint32(alu(isa.Instruction{Op: isa.ClassALU64 | ins.ALUOp(), Off: ins.Off}, a, b))
	}
	return uint32(alu(isa.Instruction{Op: isa.ClassALU64 | ins.ALUOp()}, uint64(x), uint64(y)))
}

func extend(v uint64, width int) uint64 {
	if width == 0 {
		return v
	}
	return uint64(int64(v<<(64-width)) >> (64 - width))
}

func reverse(v uint64, width int) uint64 {
	return bits.ReverseBytes64(v) >> (64 - width)
}

// holds decides a comparison.
func holds(ins isa.Instruction, x, y uint64) bool {
	if ins.Class() == isa.ClassJMP32 {
		if ins.JumpOp() == isa.OpJSET {
			return uint32(x)&uint32(y) != 0
		}
		x, y = extend(x, 32), extend(y, 32) // keeps both orders
	}
	switch ins.JumpOp() {
	case isa.OpJEQ:
		return x == y
	case isa.OpJNE:
		return x != y
	case isa.OpJSET:
		return x&y != 0
	case isa.OpJGT:
		return x > y
	case isa.OpJGE:
		return x >= y
	case isa.OpJLT:
		return x < y
	case isa.OpJLE:
		return x <= y
	case isa.OpJSGT:
		return int64(x) > int64(y)
	case isa.OpJSGE:
		return int64(x) >= int64(y)
	case isa.OpJSLT:
		return int64(x) < int64(y)
	case isa.OpJSLE:
		return int64(x) <= int64(y)
	}
	panic("no such comparison")
}
