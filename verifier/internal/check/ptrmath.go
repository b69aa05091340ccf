package check

import (
	"fmt"
	"math"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// pointerMath is ptr += off or ptr -= off, into the destination register, which
// may be the one that off was in (adjust_ptr_min_max_vals).
func (c *Checker) pointerMath(ins isa.Instruction, ptr, off *Reg) error {
	dstNo := int(ins.Dst)
	dst := &c.cur.regs()[ins.Dst]
	known := off.IsConst()
	if known && (off.SMin != off.SMax || off.UMin != off.UMax) || off.SMin > off.SMax || off.UMin > off.UMax {
		c.setUnknown(dst) // a path that cannot be
		return nil
	}
	op := ins.ALUOp()
	if ins.Class() != isa.ClassALU64 {
		if op == isa.OpSub && c.opts.allowPtrLeaks() {
			c.setUnknown(dst)
			return nil
		}
		return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d 32-bit pointer arithmetic prohibited", ins.Dst)
	}
	if ptr.maybeNull() {
		return c.rejectReg(dstNo, RuleNullPointer, EACCES, "R%d pointer arithmetic on %s prohibited, null-check it first", ins.Dst, ptr.name(c))
	}
	if !mathAllowed(ptr.Kind, known, off, op, c) {
		return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d pointer arithmetic on %s prohibited", ins.Dst, ptr.name(c))
	}
	name := ptr.name(c)
	if err := c.saneOffset(off, name); err != nil {
		return err
	}
	if err := c.saneOffset(ptr, name); err != nil {
		return err
	}
	limit, left, err := c.maskPointer(ins, ptr, off)
	if err != nil {
		return err
	}
	ptrWasDst, offset := dst == ptr, *off
	var res Reg
	switch op {
	case isa.OpAdd:
		res = c.addToPointer(ptr, off, known)
	case isa.OpSub:
		if dst != ptr {
			return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d tried to subtract pointer from scalar", ins.Dst)
		}
		if ptr.Kind == Stack {
			return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d subtraction from stack pointer prohibited", ins.Dst)
		}
		res = c.subFromPointer(ptr, off, known)
	case isa.OpAnd, isa.OpOr, isa.OpXor:
		return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d bitwise operator %s on pointer prohibited", ins.Dst, aluText(op))
	default:
		return c.rejectReg(dstNo, RulePointerMath, EACCES, "R%d pointer arithmetic with %s operator prohibited", ins.Dst, aluText(op))
	}
	if err := c.saneOffset(&res, name); err != nil {
		return err
	}
	c.era.Sync(&res.Range)
	*dst = res
	if err := c.checkUnprivOffset(ins, dst); err != nil {
		return err
	}
	return c.commitMask(ins, ptrWasDst, &offset, limit, left)
}

func mathAllowed(k Kind, known bool, off *Reg, op uint8, c *Checker) bool {
	switch k {
	case Ctx, MapValue, MapKey, Stack, PacketMeta, Packet, TPBuffer, BTFPtr, Mem, Buf, FuncPtr, ConstDynptr:
		return true
	case FlowKeys:
		return known
	case ConstMap:
		return known && off.SMin == 0 && op == isa.OpAdd
	}
	return false
}

// addToPointer keeps a known offset apart from the variable part.
func (c *Checker) addToPointer(ptr, off *Reg, known bool) Reg {
	res := *ptr
	if sum := int64(ptr.Off) + off.SMin; known && sum == int64(int32(sum)) {
		res.Off = int32(sum)
		unbound32(&res)
		return res
	}
	res.SMin, res.SMax = addSigned(ptr.SMin, off.SMin, ptr.SMax, off.SMax)
	res.UMin, res.UMax = addUnsigned(ptr.UMin, off.UMin, ptr.UMax, off.UMax)
	res.Bits = ptr.Bits.Add(off.Bits)
	unbound32(&res)
	if ptr.Kind.isPacket() {
		res.ID, res.Aux, res.Obj = c.newID(), 0, 0
	}
	return res
}

func (c *Checker) subFromPointer(ptr, off *Reg, known bool) Reg {
	res := *ptr
	if diff := int64(ptr.Off) - off.SMin; known && diff == int64(int32(diff)) {
		res.Off = int32(diff)
		unbound32(&res)
		return res
	}
	res.SMin, res.SMax = subSigned(ptr.SMin, off.SMax, ptr.SMax, off.SMin)
	if ptr.UMin < off.UMax {
		res.UMin, res.UMax = 0, math.MaxUint64
	} else {
		res.UMin, res.UMax = ptr.UMin-off.UMax, ptr.UMax-off.UMin
	}
	res.Bits = ptr.Bits.Sub(off.Bits)
	unbound32(&res)
	if ptr.Kind.isPacket() {
		res.ID = c.newID()
		if off.SMin < 0 {
			res.Aux, res.Obj = 0, 0
		}
	}
	return res
}

// unbound32 forgets the lower half's bounds, which pointers do not keep; Sync
// finds them again.
func unbound32(r *Reg) {
	r.S32Min, r.S32Max = math.MinInt32, math.MaxInt32
	r.U32Min, r.U32Max = 0, math.MaxUint32
}

func addSigned(a, b, c, d int64) (lo, hi int64) {
	lo, hi = a+b, c+d
	if (a^lo)&(b^lo) < 0 || (c^hi)&(d^hi) < 0 {
		return math.MinInt64, math.MaxInt64
	}
	return lo, hi
}

func subSigned(a, b, c, d int64) (lo, hi int64) {
	lo, hi = a-b, c-d
	if (a^b)&(a^lo) < 0 || (c^d)&(c^hi) < 0 {
		return math.MinInt64, math.MaxInt64
	}
	return lo, hi
}

func addUnsigned(a, b, c, d uint64) (lo, hi uint64) {
	lo, hi = a+b, c+d
	if lo < a || hi < c {
		return 0, math.MaxUint64
	}
	return lo, hi
}

// checkUnprivOffset keeps pointers of unprivileged programs inside their object
// at all times: a processor may run ahead of the comparison that bounds them
// (sanitize_check_bounds).
func (c *Checker) checkUnprivOffset(ins isa.Instruction, r *Reg) error {
	if c.opts.bypassSpec() {
		return nil
	}
	switch r.Kind {
	case Stack:
		off := int(r.Off) + int(int64(r.Value()))
		if !r.IsConst() {
			return c.rejectReg(int(ins.Dst), RulePointerMath, EACCES, "R%d variable stack access prohibited for !root, var_off=%s off=%d", ins.Dst, tnumText(r.Bits), off)
		}
		if off >= 0 || off < -maxStack {
			return c.rejectReg(int(ins.Dst), RulePointerMath, EACCES, "R%d stack pointer arithmetic goes out of range, prohibited for !root; off=%d", ins.Dst, off)
		}
	case MapValue:
		if err := c.mapAccess(int(ins.Dst), r, int(r.Off), 1, false, accessHelper); err != nil {
			return c.rejectReg(int(ins.Dst), RulePointerMath, EACCES, "R%d pointer arithmetic of map value goes out of range, prohibited for !root", ins.Dst)
		}
	}
	return nil
}

// tnumText is the kernel's form of partly known bits (tnum_strn).
func tnumText(t scalar.Tnum) string {
	if t.Mask == 0 {
		return unum(t.Value)
	}
	return fmt.Sprintf("(%#x; %#x)", t.Value, t.Mask)
}
