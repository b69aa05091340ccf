package interp

import "math/bits"

// rare executes the arithmetic that programs use seldom, or that takes so long
// that a call does not matter; t.pc is set.
func (t *Thread) rare(op *Op) bool {
	r := &t.R
	d, s := op.Dst&15, op.Src&15
	switch op.Code {
	case opDivK:
		r[d] = div64(r[d], uint64(op.Imm))
	case opDivK32:
		r[d] = uint64(div32(uint32(r[d]), uint32(op.Imm)))
	case opDivX:
		r[d] = div64(r[d], r[s])
	case opDivX32:
		r[d] = uint64(div32(uint32(r[d]), uint32(r[s])))
	case opModK:
		r[d] = mod64(r[d], uint64(op.Imm))
	case opModK32:
		r[d] = uint64(mod32(uint32(r[d]), uint32(op.Imm)))
	case opModX:
		r[d] = mod64(r[d], r[s])
	case opModX32:
		r[d] = uint64(mod32(uint32(r[d]), uint32(r[s])))
	case opSDivK:
		r[d] = sdiv64(r[d], uint64(op.Imm))
	case opSDivK32:
		r[d] = uint64(sdiv32(uint32(r[d]), uint32(op.Imm)))
	case opSDivX:
		r[d] = sdiv64(r[d], r[s])
	case opSDivX32:
		r[d] = uint64(sdiv32(uint32(r[d]), uint32(r[s])))
	case opSModK:
		r[d] = smod64(r[d], uint64(op.Imm))
	case opSModK32:
		r[d] = uint64(smod32(uint32(r[d]), uint32(op.Imm)))
	case opSModX:
		r[d] = smod64(r[d], r[s])
	case opSModX32:
		r[d] = uint64(smod32(uint32(r[d]), uint32(r[s])))
	case opSwap16:
		r[d] = uint64(bits.ReverseBytes16(uint16(r[d])))
	case opSwap32:
		r[d] = uint64(bits.ReverseBytes32(uint32(r[d])))
	case opSwap64:
		r[d] = bits.ReverseBytes64(r[d])
	case opZext16:
		r[d] = uint64(uint16(r[d]))
	case opZext32:
		r[d] = uint64(uint32(r[d]))
	case opNop:
	default:
		t.Fail("control reached the middle of a 64-bit immediate load")
		return false
	}
	return true
}
