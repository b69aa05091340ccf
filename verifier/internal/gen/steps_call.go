package gen

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func (w *writer) call(fn abi.HelperID, result reg) {
	w.emit(isa.Instruction{Op: isa.Call, Imm: int32(fn)})
	w.clobber()
	w.set(isa.R0, result)
}

func (w *writer) mapAddress(r uint8, m int) {
	w.emit(isa.Instruction{Op: isa.LdImm64, Dst: r, Src: isa.PseudoMapIdx, Imm: int32(m)}, isa.Instruction{})
	w.set(r, reg{kind: mapPointer, m: m})
}

// key puts a key on the stack and its address into R2.
func (w *writer) key(m int) {
	slot := w.slot(func(r reg) bool { return r.kind == scalar })
	if slot < 0 || w.rng.IntN(2) == 0 {
		slot = w.rng.IntN(slots)
		if !w.careless() {
			w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeDW, Dst: isa.FP, Off: slotOff(slot), Imm: int32(w.rng.IntN(6))})
			w.stack[slot] = reg{kind: scalar, max: 5}
		}
	}
	w.frameAddress(isa.R2, int32(slotOff(slot)))
	if w.careless() {
		w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: isa.R2, Imm: int32(w.rng.IntN(32)) - 16})
	}
	w.mapAddress(isa.R1, m)
}

// stepLookup looks a value up and mostly goes on with it.
func (w *writer) stepLookup() {
	m := []int{hashMap, arrayMap}[w.rng.IntN(2)]
	w.key(m)
	w.call(abi.FnMapLookupElem, reg{kind: valueOrNull, id: w.newID(), size: int32(Maps()[m].ValueSize), m: m})
	if w.rng.IntN(2) == 0 {
		w.copy(w.free(), isa.R0)
	}
	switch w.rng.IntN(6) {
	case 0: // later, or never
	case 1:
		if len(w.refs) == 0 && w.depth < 4 {
			w.checkOrLeave(isa.R0)
			return
		}
		fallthrough
	default:
		w.checked(isa.R0, 1+w.rng.IntN(5))
	}
}

// checked makes a block where a pointer that may be null is not.
func (w *writer) checked(r uint8, n int) {
	id, found := w.regs[r].id, w.regs[r].kind+1 // value or sample
	if w.careless() {
		w.narrow(id, func(r *reg) { r.kind = found })
		return
	}
	at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJEQ, Dst: r})
	null := w.state.clone()
	null.narrow(id, func(r *reg) { *r = number(0) })
	w.narrow(id, func(r *reg) { r.kind = found })
	w.block(n)
	w.land(at)
	w.state.join(&null)
}

// checkOrLeave ends the function where the pointer is null.
func (w *writer) checkOrLeave(r uint8) {
	id := w.regs[r].id
	at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJNE, Dst: r})
	saved := w.state.clone()
	w.set(isa.R0, reg{})
	w.exit()
	w.land(at)
	w.state = saved
	w.narrow(id, func(r *reg) { r.kind = value })
}

func (w *writer) stepMapAddress() {
	r := w.any()
	if w.rng.IntN(4) == 0 {
		w.mapAddress(r, w.rng.IntN(len(Maps())))
		return
	}
	size := int32(Maps()[dataMap].ValueSize)
	off := w.rng.Int32N(size)
	if w.careless() {
		off = size
	}
	w.emit(isa.Instruction{Op: isa.LdImm64, Dst: r, Src: isa.PseudoMapIdxValue, Imm: dataMap}, isa.Instruction{Imm: off})
	w.set(r, reg{kind: value, off: off, size: size, m: dataMap, id: w.newID()})
}

// stepPlainCall calls a helper without arguments.
func (w *writer) stepPlainCall() {
	fns := []abi.HelperID{abi.FnKtimeGetNs, abi.FnGetPrandomU32, abi.FnGetSmpProcessorId, abi.FnJiffies64}
	w.call(fns[w.rng.IntN(len(fns))], reg{kind: scalar})
}

// memory points R to stack memory of n bytes that helpers may write.
func (w *writer) memory(r uint8, n int32) (first int) {
	last := (n + slotSize - 1) / slotSize
	first = int(last) + w.rng.IntN(slots-int(last)+1) - 1
	w.frameAddress(r, int32(slotOff(first)))
	return first
}

func (w *writer) written(first int, n int32) {
	for i := range int(n / slotSize) {
		w.stack[first-i] = reg{kind: scalar}
	}
}

// stepMemoryCall calls a helper that takes memory and its size.
func (w *writer) stepMemoryCall() {
	n := int32(1 + w.rng.IntN(64))
	size := func(r uint8) {
		if s := w.pick(func(v reg) bool { return v.kind == scalar && v.max > 0 && v.max < 64 }); s > 5 && w.rng.IntN(2) == 0 {
			n = int32(w.regs[s].max)
			w.copy(r, uint8(s))
			if !w.careless() {
				// Some helpers do not take zero.
				w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpOr, Dst: r, Imm: 1})
				n |= 1
			}
			return
		}
		if w.careless() {
			n += 64
		}
		w.setImm(r, n)
		n = min(n, 64)
	}
	c := w.pick(func(r reg) bool { return r.kind == context })
	switch {
	case w.rng.IntN(3) == 0:
		w.output(n)
	case w.typ == abi.ProgRawTracepoint:
		size(isa.R2)
		first := w.memory(isa.R1, n)
		w.setImm(isa.R3, w.imm())
		w.call(abi.FnProbeReadKernel, reg{kind: scalar})
		w.written(first, n)
	case c < 0:
	default:
		size(isa.R4)
		first := w.memory(isa.R3, n)
		if c != isa.R1 {
			w.copy(isa.R1, uint8(c))
		}
		w.setImm(isa.R2, int32(w.rng.IntN(64)))
		fn := abi.FnSkbLoadBytes
		if w.typ == abi.ProgXDP {
			fn = abi.FnXdpLoadBytes
		}
		w.call(fn, reg{kind: scalar})
		w.written(first, n)
	}
}

// output sends stack memory to the ring buffer.
func (w *writer) output(n int32) {
	n = min(n, 8*slots)
	first := w.memory(isa.R2, n)
	if !w.careless() {
		for i := range int(n+slotSize-1) / slotSize {
			if slot := first - i; w.stack[slot].kind == nothing {
				w.emit(isa.Instruction{Op: isa.ClassST | isa.ModeMEM | isa.SizeDW, Dst: isa.FP, Off: slotOff(slot)})
				w.stack[slot] = number(0)
			}
		}
	}
	w.mapAddress(isa.R1, ringMap)
	w.setImm(isa.R3, n)
	w.setImm(isa.R4, 0)
	w.call(abi.FnRingbufOutput, reg{kind: scalar})
}

// stepMapWrite stores a value in a map, or deletes one.
func (w *writer) stepMapWrite() {
	if w.rng.IntN(3) == 0 {
		w.key(hashMap)
		w.call(abi.FnMapDeleteElem, reg{kind: scalar})
		return
	}
	m := []int{hashMap, arrayMap}[w.rng.IntN(2)]
	need := int32(Maps()[m].ValueSize)
	v := w.pick(func(r reg) bool { return r.kind == value && r.off == 0 && r.loose == 0 && r.size >= need })
	if v < 0 {
		return
	}
	w.copy(isa.R3, uint8(v))
	w.key(m)
	w.setImm(isa.R4, 0)
	w.call(abi.FnMapUpdateElem, reg{kind: scalar})
}

// stepSample reserves a ring buffer sample, works with it and lets it go.
func (w *writer) stepSample() {
	if len(w.refs) > 1 {
		return
	}
	size := int32(8 * (1 + w.rng.IntN(8)))
	w.mapAddress(isa.R1, ringMap)
	w.setImm(isa.R2, size)
	w.setImm(isa.R3, 0)
	w.call(abi.FnRingbufReserve, reg{kind: sampleOrNull, id: w.newID(), size: size, m: ringMap})
	w.owned()
}

// owned makes a block that works with what R0 refers to, if it is there, and lets
// it go at the end.
func (w *writer) owned() {
	id, found := w.regs[isa.R0].id, w.regs[isa.R0].kind+1
	keep := w.free()
	w.copy(keep, isa.R0)
	at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJEQ, Dst: isa.R0})
	null := w.state.clone()
	null.narrow(id, func(r *reg) { *r = number(0) })
	w.narrow(id, func(r *reg) { r.kind = found })
	w.refs = append(w.refs, id)
	held := w.held
	w.held |= 1 << keep
	if found == task && w.rng.IntN(2) == 0 {
		w.stepTask() // a further reference to it
	}
	w.block(1 + w.rng.IntN(6))
	w.held = held
	if !w.ended {
		w.letGo(id)
	}
	w.land(at)
	w.state.join(&null)
}

// letGo submits or discards a sample, or releases a socket.
func (w *writer) letGo(id int) {
	for i := range w.refs {
		if w.refs[i] == id {
			w.refs = append(w.refs[:i:i], w.refs[i+1:]...)
			break
		}
	}
	r := w.pick(func(r reg) bool {
		return (r.kind == sample || r.kind == socket || r.kind == task) && r.id == id && r.off == 0 && r.loose == 0
	})
	if r < 0 || w.careless() {
		return // lost, or forgotten
	}
	if r != isa.R1 {
		w.copy(isa.R1, uint8(r))
	}
	if w.regs[isa.R1].kind == task {
		w.kcall(taskRelease, reg{})
	} else if w.regs[isa.R1].kind == socket {
		w.call(abi.FnSkRelease, reg{kind: scalar})
	} else {
		w.setImm(isa.R2, 0)
		w.call([]abi.HelperID{abi.FnRingbufSubmit, abi.FnRingbufDiscard}[w.rng.IntN(2)], reg{})
	}
	if !w.careless() {
		w.narrow(id, func(r *reg) { *r = reg{} })
	}
}

// stepSubprogram calls a function of this program.
func (w *writer) stepSubprogram() {
	f := w.index + 1 + w.rng.IntN(2)
	if f >= maxFuncs {
		return
	}
	if f >= len(w.pending) {
		f = len(w.pending)
		if f >= maxFuncs {
			return
		}
		w.pending = append(w.pending, function{args: arguments(&w.state)})
	} else if w.pending[f].callback || !w.suits(w.pending[f].args) && !w.careless() {
		return
	}
	w.pending[f].calls = append(w.pending[f].calls, len(w.out))
	w.emit(isa.Instruction{Op: isa.Call, Src: isa.PseudoCall})
	w.clobber()
	w.set(isa.R0, reg{kind: scalar})
}

// arguments are what a function gets: what is in the registers, without what the
// caller alone knows of them.
func arguments(s *state) [6]reg {
	var args [6]reg
	for i := 1; i < 6; i++ {
		switch r := s.regs[i]; r.kind {
		case sample, sampleOrNull, socket, socketOrNull, task, taskOrNull:
		default:
			args[i] = r
		}
	}
	return args
}

func (w *writer) suits(args [6]reg) bool {
	for i := 1; i < 6; i++ {
		if have := joinReg(args[i], w.regs[i]); have != args[i] {
			return false
		}
	}
	return true
}

// stepCallback runs a function a number of times.
func (w *writer) stepCallback() {
	if len(w.pending) >= maxFuncs {
		return
	}
	times := int32(1 + w.rng.IntN(20))
	f := function{callback: true, calls: []int{len(w.out)}}
	f.args[1] = reg{kind: scalar} // Linux 6.18 knows no bound of it
	w.emit(isa.Instruction{Op: isa.LdImm64, Dst: isa.R2, Src: isa.PseudoFunc}, isa.Instruction{})
	w.pending = append(w.pending, f)
	w.setImm(isa.R1, times)
	w.setImm(isa.R3, 0)
	w.setImm(isa.R4, 0)
	w.call(abi.FnLoop, reg{kind: scalar})
}

func (w *writer) stepTailCall() {
	c := w.pickKind(context)
	if c < 0 || len(w.refs) > 0 && !w.careless() {
		return
	}
	if c != isa.R1 {
		w.copy(isa.R1, uint8(c))
	}
	w.mapAddress(isa.R2, progMap)
	w.setImm(isa.R3, int32(w.rng.IntN(4)))
	w.call(abi.FnTailCall, reg{})
}
