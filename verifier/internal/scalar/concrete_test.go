package scalar

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/skepdev/skep/isa"
)

// concrete is what the machine computes: the truth that transfer functions are
// held against. It is written for this test and shares nothing with them.
func concrete(op uint8, is64 bool, x, y uint64) uint64 {
	if is64 {
		switch op {
		case isa.OpAdd:
			return x + y
		case isa.OpSub:
			return x - y
		case isa.OpMul:
			return x * y
		case isa.OpAnd:
			return x & y
		case isa.OpOr:
			return x | y
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
		case isa.OpDiv:
			if y == 0 {
				return 0
			}
			return x / y
		case isa.OpMod:
			if y == 0 {
				return x
			}
			return x % y
		}
		panic("no such operation")
	}
	a, b := uint32(x), uint32(y)
	switch op {
	case isa.OpLsh:
		return uint64(a << (b & 31))
	case isa.OpRsh:
		return uint64(a >> (b & 31))
	case isa.OpArsh:
		return uint64(uint32(int32(a) >> (b & 31)))
	case isa.OpMod:
		if b == 0 {
			return uint64(a)
		}
	}
	return uint64(uint32(concrete(op, true, uint64(a), uint64(b))))
}

// holds is what the machine decides.
func holds(op uint8, is32 bool, x, y uint64) bool {
	if is32 {
		x, y = uint64(int64(int32(x))), uint64(int64(int32(y))) // keeps both orders
	}
	switch op {
	case isa.OpJEQ:
		return x == y
	case isa.OpJNE:
		return x != y
	case isa.OpJSET:
		if is32 {
			return uint32(x)&uint32(y) != 0
		}
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

// swapped is what a byte-order instruction does on a little-endian machine.
func swapped(op uint8, width int, x uint64) uint64 {
	switch width {
	case 16:
		if v := uint16(x); op == isa.ToLE {
			return uint64(v)
		}
		return uint64(bits.ReverseBytes16(uint16(x)))
	case 32:
		if v := uint32(x); op == isa.ToLE {
			return uint64(v)
		}
		return uint64(bits.ReverseBytes32(uint32(x)))
	}
	if op == isa.ToLE {
		return x
	}
	return bits.ReverseBytes64(x)
}

var aluNames = map[uint8]string{
	isa.OpAdd: "add", isa.OpSub: "sub", isa.OpMul: "mul", isa.OpDiv: "div", isa.OpOr: "or", isa.OpAnd: "and",
	isa.OpLsh: "lsh", isa.OpRsh: "rsh", isa.OpNeg: "neg", isa.OpMod: "mod", isa.OpXor: "xor", isa.OpArsh: "arsh",
}

var jumpNames = map[uint8]string{
	isa.OpJEQ: "jeq", isa.OpJNE: "jne", isa.OpJSET: "jset", isa.OpJGT: "jgt", isa.OpJGE: "jge", isa.OpJLT: "jlt",
	isa.OpJLE: "jle", isa.OpJSGT: "jsgt", isa.OpJSGE: "jsge", isa.OpJSLT: "jslt", isa.OpJSLE: "jsle",
}

var (
	aluOps  = slices.Sorted(maps.Keys(aluNames))
	jumpOps = slices.Sorted(maps.Keys(jumpNames))
)
