package jit

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
)

// What a register holds, as far as the code alone tells. Everything is true in
// every run, also of code that nobody has verified, except for the hints.
type kind uint8

const (
	unseen      kind = iota // no path comes here
	unknown                 // anything
	constant                // n
	frame                   // the frame pointer plus n
	context                 // the context pointer plus n
	valueOrNull             // the result of a lookup in map m
	mapValue                // the start of a value of map m, plus n
	packetHint              // probably an address in the packet
	valueHint               // probably one in a map value
	frameHint               // probably one in the stack frame
)

type held struct {
	kind kind
	m    uint16
	n    int64
}

type state [isa.Registers]held

// join is what is known where two paths meet.
func (a held) join(b held) held {
	switch {
	case a == b || b.kind == unseen:
		return a
	case a.kind == unseen:
		return b
	case a.kind == b.kind && (a.kind == packetHint || a.kind == valueHint || a.kind == frameHint):
		return a
	case isNull(a) && isValue(b) && b.n == 0, isNull(b) && isValue(a) && a.n == 0, isValue(a) && isValue(b) && a.m == b.m && a.n == 0 && b.n == 0:
		m := a.m
		if isNull(a) {
			m = b.m
		}
		return held{kind: valueOrNull, m: m}
	case hint(a) != unknown && hint(a) == hint(b):
		return held{kind: hint(a)}
	}
	return held{kind: unknown}
}

func isNull(h held) bool  { return h.kind == constant && h.n == 0 }
func isValue(h held) bool { return h.kind == mapValue || h.kind == valueOrNull }

// hint is what remains of h if where exactly it points is lost.
func hint(h held) kind {
	switch h.kind {
	case packetHint, valueHint, frameHint:
		return h.kind
	case mapValue, valueOrNull:
		return valueHint
	case frame:
		return frameHint
	}
	return unknown
}

// note is what the flow says about one slot: what its base register, or for
// calls of helpers r1 to r4, hold.
type note struct{ base, arg, third, fourth held }

// flow follows what registers hold along all paths.
type flow struct {
	p     *interp.Program
	ops   []interp.Op
	isXDP bool
	isTC  bool
	// at are the states where paths meet, by leader; leader numbers them by
	// slot, from 1.
	at     []state
	leader []int32
	queued []bool
	work   []int32 // slots of leaders
	notes  []note
	// reached says which slots a run can come to.
	reached []bool
}

// follow analyses a program.
func follow(p *interp.Program) *flow {
	ops := p.Ops()
	f := &flow{
		p: p, ops: ops, isXDP: p.Type == abi.ProgXDP, isTC: p.Type == abi.ProgSchedCLS || p.Type == abi.ProgSchedACT,
		leader: make([]int32, len(ops)), notes: make([]note, len(ops)), reached: make([]bool, len(ops)),
	}
	f.findLeaders()
	var start state
	for i := range start {
		start[i] = held{kind: unknown}
	}
	for to := range p.Callbacks() {
		s := start
		s[isa.R10] = held{kind: frame}
		f.meet(to, &s)
	}
	start[isa.R1], start[isa.R10] = held{kind: context}, held{kind: frame}
	f.meet(0, &start)
	for len(f.work) > 0 {
		i := f.work[len(f.work)-1]
		f.work = f.work[:len(f.work)-1]
		f.queued[f.leader[i]] = false
		f.block(int(i), false)
	}
	for i := range ops {
		if l := f.leader[i]; l != 0 && f.at[l][isa.R10].kind != unseen {
			f.block(i, true)
		}
	}
	return f
}

func (f *flow) findLeaders() {
	lead := func(i int32) {
		if f.leader[i] == 0 {
			f.leader[i] = int32(len(f.at))
			f.at = append(f.at, state{})
		}
	}
	f.at = append(f.at, state{}) // nobody's
	lead(0)
	for to := range f.p.Callbacks() {
		lead(to)
	}
	for i := range f.ops {
		if op := &f.ops[i]; op.Code >= interp.OpJA && op.Code <= interp.OpMayGoto || op.Code == interp.OpCall {
			lead(op.Off)
		}
	}
	f.queued = make([]bool, len(f.at))
}

// meet adds a path to the leader at slot i.
func (f *flow) meet(i int32, s *state) {
	l := f.leader[i]
	at, changed := &f.at[l], false
	for r := range at {
		if j := at[r].join(s[r]); j != at[r] {
			at[r], changed = j, true
		}
	}
	if changed && !f.queued[l] {
		f.queued[l] = true
		f.work = append(f.work, i)
	}
}

// block follows one path from a leader to where it ends or comes to the next.
// The last time through it notes what it knows.
func (f *flow) block(i int, final bool) {
	s := f.at[f.leader[i]]
	for first := true; ; first = false {
		if l := f.leader[i]; l != 0 && !first {
			if !final {
				f.meet(int32(i), &s)
			}
			return
		}
		op := &f.ops[i]
		if final {
			f.reached[i] = true
			f.notes[i] = noteOf(op, &s)
		}
		switch c := op.Code; {
		case c == interp.OpExit || c == 0:
			return
		case c == interp.OpJA:
			if !final {
				f.meet(op.Off, &s)
			}
			return
		case c > interp.OpJA && c <= interp.OpMayGoto:
			f.branch(op, &s, final)
		case c == interp.OpCall:
			f.call(op, &s, final)
		default:
			f.step(op, &s)
		}
		if f.ops[i].Code == interp.OpLoadImm {
			i++
		}
		i++
	}
}

func noteOf(op *interp.Op, s *state) note {
	switch c := op.Code; {
	case c >= interp.OpLoad8 && c <= interp.OpLoadStack64:
		return note{base: s[op.Src]}
	case c >= interp.OpStore8 && c <= interp.OpStoreStackK64, c == interp.OpAtomic32, c == interp.OpAtomic64:
		return note{base: s[op.Dst]}
	case c == interp.OpTailCall:
		return note{base: s[isa.R2], arg: s[isa.R1], third: s[isa.R3]}
	case c == interp.OpHelper:
		return note{base: s[isa.R1], arg: s[isa.R2], third: s[isa.R3], fourth: s[isa.R4]}
	}
	return note{}
}

// branch splits: the way that is taken meets its target, the other goes on in s.
func (f *flow) branch(op *interp.Op, s *state, final bool) {
	taken := *s
	if op.Imm == 0 && s[op.Dst].kind == valueOrNull {
		null, value := held{kind: constant}, held{kind: mapValue, m: s[op.Dst].m}
		switch op.Code {
		case interp.OpJEqK:
			taken[op.Dst], s[op.Dst] = null, value
		case interp.OpJNeK:
			taken[op.Dst], s[op.Dst] = value, null
		}
	}
	if !final {
		f.meet(op.Off, &taken)
	}
}

// call passes what holds in any frame to the function that is called.
func (f *flow) call(op *interp.Op, s *state, final bool) {
	if !final {
		var to state
		for r := range to {
			to[r] = held{kind: unknown}
			if k := s[r].kind; r >= isa.R1 && r <= isa.R5 && (k == context || k == constant || k == mapValue || k == valueOrNull || k == packetHint) {
				to[r] = s[r]
			}
		}
		to[isa.R10] = held{kind: frame}
		f.meet(op.Off, &to)
	}
	for r := isa.R0; r <= isa.R5; r++ {
		s[r] = held{kind: unknown}
	}
}

// step is any other operation.
func (f *flow) step(op *interp.Op, s *state) {
	d := &s[op.Dst&15%isa.Registers]
	switch c := op.Code; {
	case c == interp.OpMovX:
		*d = s[op.Src]
	case c == interp.OpMovK || c == interp.OpLoadImm:
		*d = held{kind: constant, n: op.Imm}
	case c == interp.OpMovK32:
		*d = held{kind: constant, n: int64(uint32(op.Imm))}
	case c == interp.OpAddK:
		*d = d.plus(op.Imm)
	case c == interp.OpSubK:
		*d = d.plus(-op.Imm)
	case c == interp.OpAddX:
		*d = sum(*d, s[op.Src])
	case c == interp.OpSubX:
		if s[op.Src].kind == constant {
			*d = d.plus(-s[op.Src].n)
		} else if s[op.Src].kind == packetHint {
			*d = held{kind: unknown}
		} else {
			*d = held{kind: hint(*d)}
		}
	case c == interp.OpLoad32 && s[op.Src].kind == context && f.isPacketField(s[op.Src].n+int64(op.Off)):
		*d = held{kind: packetHint}
	case c >= interp.OpAddK && c <= interp.OpLoadStack64:
		*d = held{kind: unknown}
	case c == interp.OpAtomic32 || c == interp.OpAtomic64:
		s[isa.R0] = held{kind: unknown}
		s[op.Src] = held{kind: unknown}
		if op.Dst != isa.R10 {
			*d = held{kind: unknown}
		}
	case c == interp.OpLoadAbs || c == interp.OpLoadInd:
		s[isa.R0] = held{kind: unknown}
	case c == interp.OpHelper:
		f.helper(op, s)
	case c == interp.OpTailCall:
		s[isa.R0] = held{kind: unknown} // and nothing else changes if it fails
	}
	s[isa.R10] = held{kind: frame}
}

func (h held) plus(n int64) held {
	switch h.kind {
	case constant, frame, context, mapValue:
		h.n += n
		return h
	}
	return held{kind: hint(h)}
}

func sum(a, b held) held {
	switch {
	case b.kind == constant:
		return a.plus(b.n)
	case a.kind == constant:
		return b.plus(a.n)
	case hint(a) != unknown:
		return held{kind: hint(a)}
	}
	return held{kind: hint(b)}
}

func (f *flow) isPacketField(off int64) bool {
	return f.isXDP && (off == 0 || off == 4) || f.isTC && (off == 76 || off == 80)
}

func (f *flow) helper(op *interp.Op, s *state) {
	result := held{kind: unknown}
	if f.p.HelperID(op) == abi.FnMapLookupElem {
		if m, ok := f.mapOf(s[isa.R1]); ok && f.p.Maps[m].HasValues() {
			result = held{kind: valueOrNull, m: uint16(m)}
		}
	}
	// Callbacks leave their arguments in r1 to r5.
	for r := isa.R1; r <= isa.R5; r++ {
		s[r] = held{kind: unknown}
	}
	s[isa.R0] = result
}

// mapOf is the map that a register's value refers to.
func (f *flow) mapOf(h held) (int, bool) {
	if h.kind != constant || len(f.p.Maps) > 1<<16 {
		return 0, false
	}
	for i, m := range f.p.Maps {
		if uint64(h.n) == uint64(m.Handle()) {
			return i, true
		}
	}
	return 0, false
}
