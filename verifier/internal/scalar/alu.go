package scalar

import "github.com/skepdev/skep/isa"

// Alu is what dst holds after dst op= src, where op is one of isa.OpAdd to
// isa.OpArsh except moves; isa.OpNeg ignores src. Without is64 the operation is
// one on w registers. It is adjust_scalar_min_max_vals of Linux 6.18 together
// with the sanity check that follows it.
//
// Nothing is known of the result, not even of its high half, of divisions,
// remainders, and shifts by an amount that is not constant or not less than the
// width: Linux 6.18 knows nothing there either.
func Alu(op uint8, is64 bool, dst, src Range) Range {
	dst.Apply(op, is64, &src)
	return dst
}

// Apply is Alu in place. src may be r itself.
func (r *Range) Apply(op uint8, is64 bool, src *Range) {
	s := *src
	if !computable(op, is64, &s) {
		*r = Unknown()
		return
	}
	if r.isConstant() && s.isConstant() {
		*r = Const(compute(op, is64, r.Bits.Value, s.Bits.Value))
		return
	}
	if is64 {
		r.alu64(op, &s)
	} else {
		r.alu32(op, &s)
		r.assign32()
	}
	r.Sync()
	r.forgetIfBroken()
}

// computable is is_safe_to_compute_dst_reg_range.
func computable(op uint8, is64 bool, src *Range) bool {
	switch op {
	case isa.OpAdd, isa.OpSub, isa.OpMul, isa.OpAnd, isa.OpOr, isa.OpXor, isa.OpNeg:
		return true
	case isa.OpLsh, isa.OpRsh, isa.OpArsh:
		// Linux compares the whole of src with the width, also for w registers.
		if is64 {
			return src.IsConst() && src.SMin == src.SMax && src.UMin == src.UMax && src.UMax < 64
		}
		return src.IsConst32() && src.S32Min == src.S32Max && src.U32Min == src.U32Max && src.UMax < 32
	}
	return false
}

// alu64 computes the whole and, where it is simple, the low half on its own.
func (r *Range) alu64(op uint8, s *Range) {
	switch op {
	case isa.OpAdd:
		r.add32(s)
		r.add64(s)
		r.Bits = r.Bits.Add(s.Bits)
	case isa.OpSub:
		r.sub32(s)
		r.sub64(s)
		r.Bits = r.Bits.Sub(s.Bits)
	case isa.OpNeg:
		was := *r
		*r = Const(0)
		r.sub32(&was)
		r.sub64(&was)
		r.Bits = was.Bits.Neg()
	case isa.OpMul:
		r.Bits = r.Bits.Mul(s.Bits)
		r.mul32(s)
		r.mul64(s)
	case isa.OpAnd:
		r.and32(s)
		r.and64(s)
	case isa.OpOr:
		r.or32(s)
		r.or64(s)
	case isa.OpXor:
		r.xor32(s)
		r.xor64(s)
	case isa.OpLsh:
		r.lsh64(int(s.UMin))
	case isa.OpRsh:
		r.rsh64(int(s.UMin))
	case isa.OpArsh:
		r.arsh64(int(s.UMin))
	}
}

// alu32 computes the low half; assign32 makes it the whole. What Linux works
// out for the high half meanwhile is lost there, so it is left out here.
func (r *Range) alu32(op uint8, s *Range) {
	switch op {
	case isa.OpAdd:
		r.add32(s)
		r.Bits = r.Bits.Add(s.Bits)
	case isa.OpSub:
		r.sub32(s)
		r.Bits = r.Bits.Sub(s.Bits)
	case isa.OpNeg:
		was := *r
		*r = Const(0)
		r.sub32(&was)
		r.Bits = was.Bits.Neg()
	case isa.OpMul:
		r.Bits = r.Bits.Subreg().Mul(s.Bits.Subreg())
		r.mul32(s)
	case isa.OpAnd:
		r.and32(s)
		r.Bits = r.Bits.And(s.Bits)
	case isa.OpOr:
		r.or32(s)
		r.Bits = r.Bits.Or(s.Bits)
	case isa.OpXor:
		r.xor32(s)
		r.Bits = r.Bits.Xor(s.Bits)
	case isa.OpLsh:
		r.lsh32(int(s.U32Min))
	case isa.OpRsh:
		r.rsh32(int(s.U32Min))
	case isa.OpArsh:
		r.arsh32(int(s.U32Min))
	}
}

// compute is the operation itself, on constants. Of a shift the amount is less
// than the width.
func compute(op uint8, is64 bool, x, y uint64) uint64 {
	if !is64 {
		if op == isa.OpArsh {
			return uint64(uint32(int32(x) >> y))
		}
		return uint64(uint32(compute(op, true, uint64(uint32(x)), uint64(uint32(y)))))
	}
	switch op {
	case isa.OpAdd:
		return x + y
	case isa.OpSub:
		return x - y
	case isa.OpMul:
		return x * y
	case isa.OpNeg:
		return -x
	case isa.OpAnd:
		return x & y
	case isa.OpOr:
		return x | y
	case isa.OpXor:
		return x ^ y
	case isa.OpLsh:
		return x << y
	case isa.OpRsh:
		return x >> y
	case isa.OpArsh:
		return uint64(int64(x) >> y)
	}
	return 0
}
