package gen

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// stepForEach runs a function for each value of a map.
func (w *writer) stepForEach() {
	if len(w.pending) >= maxFuncs {
		return
	}
	m := []int{hashMap, arrayMap}[w.rng.IntN(2)]
	f := function{callback: true}
	f.args[1] = reg{kind: mapPointer, m: m}
	f.args[3] = reg{kind: value, size: int32(Maps()[m].ValueSize), m: m, id: w.newID()}
	w.mapAddress(isa.R1, m)
	f.calls = []int{len(w.out)}
	w.emit(isa.Instruction{Op: isa.LdImm64, Dst: isa.R2, Src: isa.PseudoFunc}, isa.Instruction{})
	w.pending = append(w.pending, f)
	w.setImm(isa.R3, 0)
	w.setImm(isa.R4, 0)
	w.call(abi.FnForEachMapElem, reg{kind: scalar})
}

// initialised writes the stack slots of n bytes from first down, as far as they
// were not yet.
func (w *writer) initialised(first int, n int32) {
	for i := range int(n+slotSize-1) / slotSize {
		if slot := first - i; w.stack[slot].kind != scalar && !w.careless() {
			w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeDW, Dst: isa.FP, Off: slotOff(slot), Imm: w.imm()})
			w.stack[slot] = reg{kind: scalar}
		}
	}
}

// stepSocket looks a socket up, reads of it and releases it.
func (w *writer) stepSocket() {
	c := w.pickKind(context)
	if c < 0 || !w.hasPacket() || len(w.refs) > 1 {
		return
	}
	const tuple = 12 // IPv4 addresses and ports
	first := w.memory(isa.R2, 16)
	w.initialised(first, 16)
	if c != isa.R1 {
		w.copy(isa.R1, uint8(c))
	}
	w.setImm(isa.R3, tuple)
	w.setImm(isa.R4, -1) // this network namespace
	w.setImm(isa.R5, 0)
	fn := abi.FnSkLookupTcp
	if w.rng.IntN(3) == 0 {
		fn = abi.FnSkcLookupTcp
	}
	w.call(fn, reg{kind: socketOrNull, id: w.newID()})
	w.owned()
}

// readField reads a field of a socket.
func (w *writer) readField(s int) {
	off := []int16{4, 8, 12, 16, 24, 44}[w.rng.IntN(6)]
	if w.regs[s].kind == task {
		off = 0
	}
	if w.careless() {
		off = int16(w.rng.IntN(100))
	}
	d := w.any()
	w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: d, Src: uint8(s), Off: off})
	w.set(d, reg{kind: scalar})
}

// stepDynptr makes a dynptr of a map value.
func (w *writer) stepDynptr() {
	v := w.pick(func(r reg) bool { return r.kind == value && r.loose == 0 && r.off >= 0 && r.off < r.size })
	if v < 0 {
		return
	}
	size := 1 + w.rng.Int32N(w.regs[v].size-w.regs[v].off)
	if w.careless() {
		size = w.regs[v].size + 1
	}
	if v != isa.R1 {
		w.copy(isa.R1, uint8(v))
	}
	w.setImm(isa.R2, size)
	w.setImm(isa.R3, 0)
	first := w.memory(isa.R4, 16)
	w.call(abi.FnDynptrFromMem, reg{kind: scalar})
	w.markDynptr(first, size)
	if w.rng.IntN(2) == 0 {
		w.stepSlice()
	}
}

func (w *writer) markDynptr(first int, size int32) {
	d := reg{kind: dynptr, id: w.newID(), size: size}
	w.stack[first], w.stack[first-1] = d, d
}

// dynptrAt is the slot of a dynptr, or -1.
func (w *writer) dynptrAt() int {
	var fit []int
	for i := 1; i < slots; i++ {
		if w.stack[i].kind == dynptr && w.stack[i] == w.stack[i-1] {
			fit = append(fit, i)
		}
	}
	switch {
	case len(fit) > 0:
		return fit[w.rng.IntN(len(fit))]
	case w.careless():
		return 1 + w.rng.IntN(slots-1)
	}
	return -1
}

// stepDynptrUse reads, writes or asks for the data of a dynptr.
func (w *writer) stepDynptrUse() {
	slot := w.dynptrAt()
	if slot < 0 {
		return
	}
	at := int32(slotOff(slot))
	n := int32(1 + w.rng.IntN(16))
	switch w.rng.IntN(3) {
	case 0:
		w.frameAddress(isa.R3, at)
		w.setImm(isa.R2, n)
		first := w.memory(isa.R1, n)
		if w.overlaps(first, n, slot) && !w.careless() {
			return // it would destroy the dynptr
		}
		w.setImm(isa.R4, int32(w.rng.IntN(8)))
		w.setImm(isa.R5, 0)
		w.call(abi.FnDynptrRead, reg{kind: scalar})
		w.written(first, n)
	case 1:
		s := w.dataSource(isa.R3, n)
		if !s {
			return
		}
		w.frameAddress(isa.R1, at)
		w.setImm(isa.R2, int32(w.rng.IntN(8)))
		w.setImm(isa.R4, n)
		w.setImm(isa.R5, 0)
		w.call(abi.FnDynptrWrite, reg{kind: scalar})
	default:
		w.frameAddress(isa.R1, at)
		w.setImm(isa.R2, int32(w.rng.IntN(4)))
		w.setImm(isa.R3, n)
		w.call(abi.FnDynptrData, reg{kind: sliceOrNull, id: w.newID(), size: n})
		if w.rng.IntN(3) > 0 {
			w.checked(isa.R0, 1+w.rng.IntN(4))
		}
	}
}

func (w *writer) overlaps(first int, n int32, slot int) bool {
	last := first - int(n+slotSize-1)/slotSize + 1
	return first >= slot-1 && last <= slot
}

// dataSource points a register to n readable bytes, if there are any.
func (w *writer) dataSource(r uint8, n int32) bool {
	p := w.pick(func(v reg) bool {
		return (v.kind == value || v.kind == slice) && v.loose == 0 && v.off >= 0 && v.off+n <= v.size
	})
	if p >= 0 && w.rng.IntN(2) == 0 {
		w.copy(r, uint8(p))
		return true
	}
	first := w.memory(r, n)
	for i := range int(n+slotSize-1) / slotSize {
		if w.stack[first-i].kind == dynptr {
			return false
		}
	}
	w.initialised(first, n)
	return true
}

// stepSampleDynptr reserves a sample through a dynptr, and submits it.
func (w *writer) stepSampleDynptr() {
	size := int32(8 + w.rng.IntN(32))
	w.mapAddress(isa.R1, ringMap)
	w.setImm(isa.R2, size)
	w.setImm(isa.R3, 0)
	first := w.memory(isa.R4, 16)
	w.call(abi.FnRingbufReserveDynptr, reg{kind: scalar})
	w.frameAddress(isa.R1, int32(slotOff(first)))
	w.setImm(isa.R2, 0)
	w.setImm(isa.R3, 1+w.rng.Int32N(size))
	id := w.newID()
	w.call(abi.FnDynptrData, reg{kind: sliceOrNull, id: id, size: size})
	if w.rng.IntN(2) == 0 {
		at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJEQ, Dst: isa.R0})
		w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeB, Dst: isa.R0, Imm: 1})
		w.land(at)
	}
	w.narrow(id, func(r *reg) { *r = reg{} })
	w.frameAddress(isa.R1, int32(slotOff(first)))
	w.setImm(isa.R2, 0)
	w.stack[first], w.stack[first-1] = reg{}, reg{}
	if w.careless() {
		return
	}
	w.call([]abi.HelperID{abi.FnRingbufSubmitDynptr, abi.FnRingbufDiscardDynptr}[w.rng.IntN(2)], reg{})
}

// stepReshape changes a packet's bounds, after which pointers into it are void.
func (w *writer) stepReshape() {
	c := w.pickKind(context)
	if c < 0 || w.typ != abi.ProgXDP && w.typ != abi.ProgSchedCLS {
		return
	}
	if c != isa.R1 {
		w.copy(isa.R1, uint8(c))
	}
	w.setImm(isa.R2, int32(w.rng.IntN(64)))
	fns := []abi.HelperID{abi.FnXdpAdjustHead, abi.FnXdpAdjustTail, abi.FnXdpAdjustMeta}
	if w.typ == abi.ProgSchedCLS {
		fns = []abi.HelperID{abi.FnSkbPullData, abi.FnSkbChangeHead}
		w.setImm(isa.R3, 0)
	}
	w.call(fns[w.rng.IntN(len(fns))], reg{kind: scalar})
	if w.careless() {
		return // and forgets that they are
	}
	void := func(r *reg) {
		if r.kind == packet || r.kind == packetEnd || (r.kind == slice || r.kind == view) && r.m == ofPacket {
			*r = reg{}
		}
	}
	for i := range w.regs {
		void(&w.regs[i])
	}
	for i := range w.stack {
		void(&w.stack[i])
	}
}

// stepChecksum takes memory that may be absent if its size is zero.
func (w *writer) stepChecksum() {
	if w.typ != abi.ProgXDP && w.typ != abi.ProgSchedCLS {
		return
	}
	n := int32(4 * (1 + w.rng.IntN(4)))
	if !w.dataSource(isa.R3, n) {
		return
	}
	w.setImm(isa.R1, 0)
	w.setImm(isa.R2, 0)
	if w.careless() {
		w.setImm(isa.R2, 4)
	}
	w.setImm(isa.R4, n)
	w.setImm(isa.R5, 0)
	w.call(abi.FnCsumDiff, reg{kind: scalar})
}

// stepQueue pushes a value, or takes one into memory that needs no content.
func (w *writer) stepQueue() {
	const n = 16
	if w.rng.IntN(2) == 0 {
		if !w.dataSource(isa.R2, n) {
			return
		}
		w.mapAddress(isa.R1, queueMap)
		w.setImm(isa.R3, 0)
		w.call(abi.FnMapPushElem, reg{kind: scalar})
		return
	}
	first := w.memory(isa.R2, n)
	w.mapAddress(isa.R1, queueMap)
	w.call([]abi.HelperID{abi.FnMapPopElem, abi.FnMapPeekElem}[w.rng.IntN(2)], reg{kind: scalar})
	w.written(first, n)
}
