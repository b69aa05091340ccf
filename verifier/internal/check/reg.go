package check

import (
	"math"
	"math/bits"

	"github.com/skepdev/skep/verifier/internal/scalar"
)

// Reg is what is known of a register or of a spilled one (struct
// bpf_reg_state). It holds no Go pointers, so that states are plain memory to
// the garbage collector.
type Reg struct {
	// Range bounds a number; of a pointer it bounds the variable part of its
	// offset.
	scalar.Range
	// Off is the constant part of a pointer's offset in bytes, or the distance
	// of a number from others with the same ID (see linked).
	Off int32
	// ID is shared by registers that hold the same number, the same possible
	// NULL, or packet pointers of the same variable offset. 0 is none.
	ID uint32
	// Ref is the acquired reference that the pointer stems from, or 0.
	Ref uint32
	// Aux depends on Kind: bytes known to be in the packet (Packet; negative:
	// at or beyond the end), uid of an inner map (ConstMap, MapValue), size in
	// bytes (Mem), depth (SlotIter).
	Aux int32
	// Obj depends on Kind: index of the map, handle of the type (BTFPtr,
	// SlotIter), subprogram (Func), dynptr id (Mem), type of dynptr.
	Obj     uint32
	Flags   Flags
	Kind    Kind
	Frame   uint8 // Stack: number of the frame
	State   uint8 // SlotIter: state; SlotDynptr: 1 in the first slot
	Precise bool  // the exact range mattered to safety
}

// In the ID of a number: it is the number of that ID plus Off, in 64-bit
// arithmetic or in 32-bit arithmetic that leaves the upper half zero.
const (
	linked64 = 1 << 31
	linked32 = 1 << 30
	linked   = linked64 | linked32
)

// Packet pointers beyond the end: values of Aux.
const (
	atPacketEnd     = -1
	beyondPacketEnd = -2
)

// States of an iterator.
const (
	iterActive  = 1
	iterDrained = 2
)

func unknownReg() Reg { return Reg{Kind: Scalar, Range: scalar.Unknown()} }

func constReg(v uint64) Reg { return Reg{Kind: Scalar, Range: scalar.Const(v)} }

// pointerReg is a pointer at offset 0 of what kind says.
func pointerReg(k Kind, f Flags) Reg { return Reg{Kind: k, Flags: f, Range: scalar.Const(0)} }

// setUnknown makes r a number of which nothing is known. Without CAP_BPF all
// numbers count as precise.
func (c *Checker) setUnknown(r *Reg) {
	*r = unknownReg()
	r.Precise = !c.opts.bpfCapable()
}

// setConst makes r a known number.
func (c *Checker) setConst(r *Reg, v uint64) {
	*r = constReg(v)
	r.Precise = !c.opts.bpfCapable()
}

func (r *Reg) maybeNull() bool { return r.Flags&MaybeNull != 0 }

// isNull reports the number 0.
func (r *Reg) isNull() bool { return r.Kind == Scalar && r.IsConst() && r.Value() == 0 }

// isConstScalar reports a known number, of 64 or of 32 bits.
func (r *Reg) isConstScalar(is32 bool) bool {
	if r.Kind != Scalar {
		return false
	}
	if is32 {
		return r.IsConst32()
	}
	return r.IsConst()
}

// width is how many low bits may be set.
func (r *Reg) width() int { return bits.Len64(r.UMax) }

func (r *Reg) unlink() { r.ID, r.Off = 0, 0 }

// notNull reports a pointer that cannot be 0 (reg_not_null). Before Linux 6.5
// maps, memory and the kernel's own objects did not count.
func (c *Checker) notNull(r *Reg) bool {
	// An offset without bounds may wrap around to 0.
	if r.maybeNull() || r.SMin <= -maxVarOff || r.SMax >= maxVarOff {
		return false
	}
	switch r.Kind {
	case Socket, TCPSock, XDPSock, SockCommon, MapValue, MapKey:
		return r.Flags == 0
	case ConstMap:
		return r.Flags == 0 && c.opts.since(6, 5)
	case Mem, Buf:
		return r.Flags&^(RdOnly|RingBuf) == 0 && c.opts.since(6, 5)
	case BTFPtr:
		return r.trusted() && c.opts.since(6, 5)
	}
	return false
}

// trusted reports kernel pointers that are valid now (is_trusted_reg).
func (r *Reg) trusted() bool {
	if r.Ref != 0 {
		return true
	}
	const trust = Alloc | Trusted
	bad := r.Flags &^ (trust | RdOnly)
	return r.Flags&trust != 0 && bad == 0
}

// name is what a register holds in a word, as in messages.
func (r *Reg) name(*Checker) string { return typeName(r.Kind, r.Flags) }

// Offsets further out than this are refused before they can overflow.
const (
	maxVarOff  = 1 << 29
	maxVarSize = 1 << 29
	maxPacket  = 0xffff
	maxStack   = 512
	maxFrames  = 8
)

// saneOffset refuses offsets that could overflow later (check_reg_sane_offset).
func (c *Checker) saneOffset(r *Reg, name string) error {
	switch v := int64(r.Value()); {
	case r.IsConst() && (v >= maxVarOff || v <= -maxVarOff):
		return c.reject(RulePointerMath, EINVAL, "math between %s pointer and %d is not allowed", name, v)
	case r.Off >= maxVarOff || r.Off <= -maxVarOff:
		return c.reject(RulePointerMath, EINVAL, "%s pointer offset %d is not allowed", name, r.Off)
	case r.SMin == math.MinInt64:
		return c.reject(RuleUnboundedMath, EINVAL, "math between %s pointer and register with unbounded min value is not allowed", name)
	case r.SMin >= maxVarOff || r.SMin <= -maxVarOff:
		return c.reject(RulePointerMath, EINVAL, "value %d makes %s pointer be out of bounds", r.SMin, name)
	}
	return nil
}
