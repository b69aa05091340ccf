package gen

import "github.com/skepdev/skep/isa"

var sizes = [...]uint8{isa.SizeB, isa.SizeH, isa.SizeW, isa.SizeDW}

// size is a size of an access, often a whole register.
func (w *writer) size() (code uint8, bytes int32) {
	n := w.rng.IntN(4)
	if w.rng.IntN(3) == 0 {
		n = 3
	}
	return sizes[n], 1 << n
}

// loaded is a number of that many bytes.
func loaded(bytes int32) reg {
	if bytes == 8 {
		return reg{kind: scalar}
	}
	return reg{kind: scalar, max: 1<<(8*bytes) - 1}
}

func (w *writer) stepStackStore() {
	slot, code, bytes := w.rng.IntN(slots), uint8(isa.SizeDW), int32(8)
	if w.rng.IntN(3) == 0 {
		code, bytes = w.size()
	}
	off := slotOff(slot) + int16(w.rng.IntN(int(9-bytes)))
	off -= off & int16(bytes-1) // aligned
	if off < slotOff(slot) {
		off = slotOff(slot)
	}
	s := w.pickKind(scalar)
	var v reg
	if s >= 0 && w.rng.IntN(2) == 0 {
		w.emit(isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | code, Dst: isa.FP, Src: uint8(s), Off: off})
		v = w.regs[s]
	} else {
		imm := w.imm()
		w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | code, Dst: isa.FP, Off: off, Imm: imm})
		v = number(int64(imm))
	}
	switch {
	case bytes == 8:
		w.stack[slot] = v
	case w.stack[slot].kind != nothing:
		w.stack[slot] = reg{kind: scalar}
	}
}

func (w *writer) stepSpill() {
	r := w.pick(func(r reg) bool { return r.kind != nothing })
	if r < 0 {
		return
	}
	slot := w.rng.IntN(slots)
	w.emit(isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | isa.SizeDW, Dst: isa.FP, Src: uint8(r), Off: slotOff(slot)})
	w.stack[slot] = w.regs[r]
}

// slot is a stack slot that was written, or -1; seldom one that was not.
func (w *writer) slot(want func(reg) bool) int {
	if w.careless() {
		return w.rng.IntN(slots)
	}
	var fit []int
	for i, r := range w.stack {
		if r.kind != nothing && want(r) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[w.rng.IntN(len(fit))]
}

func (w *writer) stepStackLoad() {
	slot := w.slot(func(reg) bool { return true })
	if slot < 0 {
		return
	}
	d, held := w.any(), w.stack[slot]
	if held.kind == dynptr {
		if !w.careless() {
			return
		}
		held = reg{kind: scalar}
	}
	if held.kind != scalar || w.rng.IntN(2) == 0 {
		w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeDW, Dst: d, Src: isa.FP, Off: slotOff(slot)})
		w.set(d, held)
		return
	}
	code, bytes := w.size()
	mode := uint8(isa.ModeMEM)
	r := loaded(bytes)
	if bytes < 8 && w.rng.IntN(4) == 0 {
		mode, r = isa.ModeMEMSX, reg{kind: scalar}
	}
	off := slotOff(slot) + int16(bytes)*int16(w.rng.IntN(int(8/bytes)))
	w.emit(isa.Instruction{Op: isa.ClassLDX | mode | code, Dst: d, Src: isa.FP, Off: off})
	w.set(d, r)
}

// stepStackVariable accesses the stack at an offset that is not known.
func (w *writer) stepStackVariable() {
	n := w.pick(func(r reg) bool { return r.kind == scalar && r.max > 0 && r.max < 32 })
	if n < 0 || w.held&(1<<n) != 0 {
		return
	}
	d := w.any()
	if d == uint8(n) {
		return
	}
	base := int32(-8 * (4 + w.rng.IntN(slots-3)))
	if w.careless() {
		base += 32
	}
	w.frameAddress(d, base)
	w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: d, Src: uint8(n)})
	w.set(d, reg{})
	if w.rng.IntN(2) == 0 {
		w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeB, Dst: d, Imm: w.imm()})
		for i := range w.stack { // anything may have been hit
			if w.stack[i].kind != nothing {
				w.stack[i] = reg{kind: scalar}
			}
		}
		return
	}
	w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeB, Dst: d, Src: d})
	w.set(d, loaded(1))
}

// stepAccess reads or writes what a pointer points to.
func (w *writer) stepAccess() {
	if s := w.pickKind(socket, task); s >= 0 && w.rng.IntN(3) == 0 {
		w.readField(s)
		return
	}
	p := w.pick(func(r reg) bool { return r.accessible() > r.off+int32(r.loose) })
	if p < 0 {
		if p = w.pickKind(value, sample, packet, slice, valueOrNull, sampleOrNull, sliceOrNull); p < 0 || !w.careless() {
			return
		}
	}
	r := w.regs[p]
	code, bytes := w.size()
	low, high := -r.off, r.accessible()-r.off-int32(r.loose)-bytes
	if r.kind == packet {
		low = max(low, 0)
	}
	if high < low && !w.careless() {
		return
	}
	off := low
	if high > low {
		off += w.rng.Int32N(high - low + 1)
	}
	if w.careless() {
		off = []int32{low - 1, high + 1, high + bytes, 1 << 14}[w.rng.IntN(4)]
	}
	src := w.pickKind(scalar)
	if w.seldom() {
		src = w.rng.IntN(11)
	}
	switch k := w.rng.IntN(6); {
	case k < 3:
		d := w.any()
		w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | code, Dst: d, Src: uint8(p), Off: int16(off)})
		w.set(d, loaded(bytes))
	case r.kind == packet && !w.writesPacket():
	case (r.kind == view || r.kind == value && r.m == constMap) && !w.careless():
	case k < 5 && src >= 0:
		w.emit(isa.Instruction{Op: isa.ClassSTX | isa.ModeMEM | code, Dst: uint8(p), Src: uint8(src), Off: int16(off)})
	default:
		w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | code, Dst: uint8(p), Off: int16(off), Imm: w.imm()})
	}
}

// word is where eight aligned bytes are that hold a number: a map's value or a
// slot of the stack.
func (w *writer) word() (base int, off int16, ok bool) {
	if p := w.pick(func(r reg) bool {
		return r.kind == value && r.m != constMap && r.loose == 0 && r.off >= 0 && r.off%8 == 0 && r.off+8 <= r.size
	}); p >= 0 {
		return p, 0, true
	}
	slot := w.slot(func(r reg) bool { return r.kind == scalar })
	if slot < 0 {
		return 0, 0, false
	}
	w.stack[slot] = reg{kind: scalar}
	return isa.FP, slotOff(slot), true
}

// stepAtomic does an atomic operation on a stack slot or a map value.
func (w *writer) stepAtomic() {
	base, off, ok := w.word()
	if !ok {
		return
	}
	s := w.pickKind(scalar)
	if s < 0 || w.held&(1<<s) != 0 {
		return
	}
	op := isa.Instruction{Op: isa.Atomic, Dst: uint8(base), Src: uint8(s), Off: off}
	if w.rng.IntN(2) == 0 {
		op.Op = isa.Atomic32
	}
	switch w.rng.IntN(6) {
	case 0:
		op.Imm = isa.AtomicXchg
	case 1:
		if w.regs[isa.R0].kind != scalar {
			return
		}
		op.Imm = isa.AtomicCmpXchg
		w.set(isa.R0, reg{kind: scalar})
	default:
		op.Imm = []int32{isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor}[w.rng.IntN(4)] | int32(w.rng.IntN(2))
	}
	w.emit(op)
	if op.Imm&isa.AtomicFetch != 0 && op.Imm != isa.AtomicCmpXchg {
		w.set(uint8(s), reg{kind: scalar})
	}
}
