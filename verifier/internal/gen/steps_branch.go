package gen

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

var jumps = [...]uint8{
	isa.OpJEQ, isa.OpJGT, isa.OpJGE, isa.OpJSET, isa.OpJNE, isa.OpJSGT, isa.OpJSGE, isa.OpJLT, isa.OpJLE, isa.OpJSLT, isa.OpJSLE,
}

// stepBranch compares and makes a block for each outcome, or for one.
func (w *writer) stepBranch() {
	if w.depth > 5 {
		return
	}
	if p := w.pickKind(valueOrNull, sliceOrNull, viewOrNull); p >= 0 && w.rng.IntN(2) == 0 {
		w.checked(uint8(p), 1+w.rng.IntN(4))
		return
	}
	a := w.pickKind(scalar)
	if a < 0 {
		return
	}
	ins := isa.Instruction{Op: isa.ClassJMP | jumps[w.rng.IntN(len(jumps))], Dst: uint8(a), Imm: w.imm()}
	if w.rng.IntN(3) == 0 {
		ins.Op += isa.ClassJMP32 - isa.ClassJMP
	}
	if b := w.pickKind(scalar); w.rng.IntN(3) == 0 {
		ins.Op, ins.Src, ins.Imm = ins.Op|isa.SrcX, uint8(b), 0
	}
	at := w.hole(ins)
	taken := w.state.clone()
	w.block(1 + w.rng.IntN(4))
	if w.ended || w.rng.IntN(2) == 0 {
		w.land(at)
		w.state.join(&taken)
		return
	}
	over := w.hole(isa.Instruction{Op: isa.JA})
	w.land(at)
	fell := w.state
	w.state = taken
	w.block(1 + w.rng.IntN(4))
	w.land(over)
	w.state.join(&fell)
}

func (w *writer) writesPacket() bool {
	return w.typ == abi.ProgXDP || w.typ == abi.ProgSchedCLS || w.careless()
}

func (w *writer) hasPacket() bool {
	return w.typ == abi.ProgXDP || w.typ == abi.ProgSchedCLS || w.typ == abi.ProgCgroupSKB
}

// stepPacket checks that a number of bytes is there, and makes a block with them.
func (w *writer) stepPacket() {
	if !w.hasPacket() {
		return
	}
	p, end := w.pick(func(r reg) bool { return r.kind == packet && r.off < 200 }), w.pickKind(packetEnd)
	if p < 0 || end < 0 {
		if p, end = w.loadPacket(); p < 0 {
			return
		}
	}
	t := w.any()
	for t == uint8(p) || t == uint8(end) {
		t = w.any()
	}
	id, n := w.regs[p].id, int32(1+w.rng.IntN(64))
	w.copy(t, uint8(p))
	w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: t, Imm: n})
	reach := w.regs[p].off + n
	w.set(t, reg{})
	ops := []isa.Instruction{
		{Op: isa.ClassJMP | isa.OpJGT | isa.SrcX, Dst: t, Src: uint8(end)},
		{Op: isa.ClassJMP | isa.OpJLT | isa.SrcX, Dst: uint8(end), Src: t},
	}
	ins := ops[w.rng.IntN(2)]
	if w.careless() {
		ins.Op ^= isa.OpJGT ^ isa.OpJGE
	}
	at := w.hole(ins)
	short := w.state.clone()
	w.narrow(id, func(r *reg) {
		if r.kind == packet {
			r.size = max(r.size, reach)
		}
	})
	w.block(2 + w.rng.IntN(5))
	w.land(at)
	w.state.join(&short)
}

// loadPacket reads the packet's start and end from the context.
func (w *writer) loadPacket() (p, end int) {
	c := w.pickKind(context)
	if c < 0 {
		return -1, -1
	}
	fields := fieldsOf(w.typ)
	data, last := fields[len(fields)-2], fields[len(fields)-1]
	a, b := w.free(), w.any()
	if a == uint8(c) || b == uint8(c) || a == b {
		return -1, -1
	}
	w.emit(isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | data.size, Dst: a, Src: uint8(c), Off: data.off},
		isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | last.size, Dst: b, Src: uint8(c), Off: last.off})
	w.set(a, reg{kind: packet, id: w.newID()})
	w.set(b, reg{kind: packetEnd})
	return int(a), int(b)
}

// stepLoop repeats a block a number of times.
func (w *writer) stepLoop() {
	if w.depth > 2 || w.looping && w.rng.IntN(8) > 0 {
		return
	}
	defer func(was bool) { w.looping = was }(w.looping)
	w.looping = true
	counter := w.free()
	mayGoto := w.rng.IntN(4) == 0
	before := w.loopState(counter)
	if !mayGoto {
		w.emit(isa.Instruction{Op: isa.MovK, Dst: counter})
	}
	top := len(w.out)
	at := -1
	if mayGoto {
		at = w.hole(isa.Instruction{Op: isa.MayGoto})
	}
	held, entry := w.held, w.state.clone()
	w.state = before.clone()
	for i, r := range w.regs {
		if r.kind == context || r.kind == frame {
			w.held |= 1 << i
		}
	}
	w.held |= 1 << counter
	w.block(1 + w.rng.IntN(5))
	w.held = held
	if !w.ended {
		w.again(counter, top, mayGoto)
	}
	if mayGoto {
		w.land(at)
	}
	after := w.state
	w.state = before
	w.state.join(&after)
	w.refs = entry.refs
	if !mayGoto {
		w.set(counter, reg{kind: scalar})
	} else {
		w.set(counter, reg{})
	}
	w.ended = after.ended && !mayGoto
}

// again is the end of a loop's body: back to the top, or on.
func (w *writer) again(counter uint8, top int, mayGoto bool) {
	if mayGoto {
		w.emit(isa.Instruction{Op: isa.JA, Off: int16(top - len(w.out) - 1)})
		return
	}
	step, times := int32(1+w.rng.IntN(2)), int32(1+w.rng.IntN(12))
	if w.seldom() && w.rng.IntN(4) == 0 {
		step = 0
	}
	w.emit(isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: counter, Imm: step})
	ins := isa.Instruction{Op: isa.ClassJMP | isa.OpJLT, Dst: counter, Imm: times, Off: int16(top - len(w.out) - 1)}
	if n := w.pick(func(r reg) bool { return r.kind == scalar && r.max > 0 && r.max < 64 }); n >= 0 && n != int(counter) && w.rng.IntN(4) == 0 {
		ins.Op, ins.Src, ins.Imm = ins.Op|isa.SrcX, uint8(n), 0
	}
	w.emit(ins)
}

// loopState is what holds at the top of a loop in every round: the body may
// overwrite all but what is held.
func (w *writer) loopState(counter uint8) state {
	s := w.state.clone()
	for i := range s.regs {
		if kept := s.regs[i].kind == context || i == isa.FP || w.held&(1<<i) != 0; !kept || i == int(counter) {
			s.regs[i] = reg{}
		}
	}
	for i := range s.stack {
		switch s.stack[i].kind {
		case nothing:
		case dynptr:
			s.stack[i] = reg{}
		default:
			s.stack[i] = reg{kind: scalar}
		}
	}
	return s
}
