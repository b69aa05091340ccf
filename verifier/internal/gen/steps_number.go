package gen

import "github.com/skepdev/skep/isa"

// stepLinked copies a number, adds a constant to the copy and bounds one of the two:
// the other is bounded by that.
func (w *writer) stepLinked() {
	r := w.pickKind(scalar)
	if r < 0 {
		return
	}
	src, d := uint8(r), w.any()
	if d == src || w.held&(1<<src) != 0 {
		return
	}
	by, most := int32(w.rng.IntN(16)), int32(1+w.rng.IntN(40))
	move, add, jump := uint8(isa.MovX), uint8(isa.ClassALU64|isa.OpAdd), uint8(isa.ClassJMP|isa.OpJGT)
	if w.rng.IntN(3) == 0 { // in 32 bits, of a number that has no more
		w.emit(isa.Instruction{Op: isa.Mov32X, Dst: src, Src: src})
		move, add, jump = isa.Mov32X, isa.ClassALU|isa.OpAdd, jump&^isa.ClassMask|isa.ClassJMP32
	}
	w.emit(isa.Instruction{Op: move, Dst: d, Src: src}, isa.Instruction{Op: add, Dst: d, Imm: by})
	w.set(src, reg{kind: scalar})
	w.set(d, reg{kind: scalar})
	bounded, follows, limit := src, d, most+by
	if w.rng.IntN(2) == 0 {
		// Below by the source would wrap around.
		bounded, follows, limit = d, src, most
		most += by
	}
	at := w.hole(isa.Instruction{Op: jump, Dst: bounded, Imm: most})
	low := -1
	if bounded == d && by > 0 && !w.careless() {
		low = w.hole(isa.Instruction{Op: jump&^isa.OpMask | isa.OpJLT, Dst: bounded, Imm: by})
	}
	out := w.state.clone()
	w.set(bounded, reg{kind: scalar, max: uint64(most)})
	w.set(follows, reg{kind: scalar, max: uint64(limit)})
	w.use(follows)
	w.block(1 + w.rng.IntN(3))
	w.land(at)
	if low >= 0 {
		w.land(low)
	}
	w.state.join(&out)
}

// use accesses memory at a bounded number, so that the bound matters.
func (w *writer) use(n uint8) {
	most := int32(w.regs[n].max)
	p := w.pick(func(r reg) bool {
		return (r.kind == value || r.kind == slice || r.kind == view) && r.loose == 0 && r.off >= 0 && r.off+most < r.size
	})
	if p < 0 || p == int(n) {
		return
	}
	d := w.any()
	if d == n || w.held&(1<<d) != 0 {
		return
	}
	w.copy(d, uint8(p))
	off := w.regs[p].size - w.regs[p].off - most - 1
	if w.careless() {
		off++
	}
	w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: d, Src: n},
		isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeB, Dst: d, Src: d, Off: int16(off)})
	w.set(d, loaded(1))
}

// stepOrdered loads with acquire or stores with release semantics.
func (w *writer) stepOrdered() {
	code, bytes := w.size()
	base, off, ok := w.word()
	if !ok {
		return
	}
	if w.careless() {
		off++
	}
	ins := isa.Instruction{Op: isa.ClassSTX | isa.ModeATOMIC | code, Off: off}
	if w.rng.IntN(2) == 0 {
		s := w.pickKind(scalar)
		if s < 0 {
			return
		}
		ins.Imm, ins.Dst, ins.Src = isa.AtomicStoreRel, uint8(base), uint8(s)
		w.emit(ins)
		return
	}
	d := w.any()
	ins.Imm, ins.Dst, ins.Src = isa.AtomicLoadAcq, d, uint8(base)
	w.emit(ins)
	w.set(d, loaded(bytes))
}

// stepKnown reads a constant of a frozen map, and branches on it: one way is dead,
// and may do there what no program may.
func (w *writer) stepKnown() {
	slot := w.rng.IntN(len(constants) / 8)
	d := w.free()
	w.emit(isa.Instruction{Op: isa.LdImm64, Dst: d, Src: isa.PseudoMapIdxValue, Imm: constMap}, isa.Instruction{Imm: int32(8 * slot)},
		isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeB, Dst: d, Src: d})
	v := int32(constants[8*slot])
	w.set(d, number(int64(v)))
	if w.depth > 4 {
		return
	}
	if w.careless() {
		v++
	}
	at := w.hole(isa.Instruction{Op: isa.ClassJMP | isa.OpJEQ, Dst: d, Imm: v})
	live := w.state.clone()
	for range 1 + w.rng.IntN(3) { // dead
		w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeDW, Dst: uint8(w.rng.IntN(10)), Src: uint8(w.rng.IntN(10)), Off: int16(w.rng.IntN(64))})
	}
	w.land(at)
	w.state = live
}

// constants are the content of the frozen map.
var constants = []byte{
	0, 0, 0, 0, 0, 0, 0, 0,
	1, 0, 0, 0, 0, 0, 0, 0,
	7, 0xff, 0xff, 0xff, 0, 0, 0, 0x80,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
}
