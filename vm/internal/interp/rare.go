package interp

import "math/bits"

// rare executes the arithmetic that programs use seldom, or that takes so long
// that a call does not matter; t.pc is set.
func (t *Thread) rare(op *Op) bool {
	r := &t.R
	d, s := op.Dst&15, op.Src&15
	switch op.Code {
	case OpDivK:
		r[d] = div64(r[d], uint64(op.Imm))
	case OpDivK32:
		r[d] = uint64(div32(uint32(r[d]), uint32(op.Imm)))
	case OpDivX:
		r[d] = div64(r[d], r[s])
	case OpDivX32:
		r[d] = uint64(div32(uint32(r[d]), uint32(r[s])))
	case OpModK:
		r[d] = mod64(r[d], uint64(op.Imm))
	case OpModK32:
		r[d] = uint64(mod32(uint32(r[d]), uint32(op.Imm)))
	case OpModX:
		r[d] = mod64(r[d], r[s])
	case OpModX32:
		r[d] = uint64(mod32(uint32(r[d]), uint32(r[s])))
	case OpSDivK:
		r[d] = sdiv64(r[d], uint64(op.Imm))
	case OpSDivK32:
		r[d] = uint64(sdiv32(uint32(r[d]), uint32(op.Imm)))
	case OpSDivX:
		r[d] = sdiv64(r[d], r[s])
	case OpSDivX32:
		r[d] = uint64(sdiv32(uint32(r[d]), uint32(r[s])))
	case OpSModK:
		r[d] = smod64(r[d], uint64(op.Imm))
	case OpSModK32:
		r[d] = uint64(smod32(uint32(r[d]), uint32(op.Imm)))
	case OpSModX:
		r[d] = smod64(r[d], r[s])
	case OpSModX32:
		r[d] = uint64(smod32(uint32(r[d]), uint32(r[s])))
	case OpSwap16:
		r[d] = uint64(bits.ReverseBytes16(uint16(r[d])))
	case OpSwap32:
		r[d] = uint64(bits.ReverseBytes32(uint32(r[d])))
	case OpSwap64:
		r[d] = bits.ReverseBytes64(r[d])
	case OpZext16:
		r[d] = uint64(uint16(r[d]))
	case OpZext32:
		r[d] = uint64(uint32(r[d]))
	case OpCastUser:
		t.castUser(op)
	case OpNop:
	default:
		t.Fail("control reached the middle of a 64-bit immediate load")
		return false
	}
	return true
}
