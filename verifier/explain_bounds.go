package verifier

import (
	"fmt"
	"strings"

	"github.com/skepdev/skep/isa"
)

// What became of the bounds of a number.

// sum is the step that made a pointer of a base and a number, and the register
// of the number; -1 if there is none.
func (s *story) sum() (at, reg int) {
	t := s.trace
	i := t.last()
	if ins := s.instruction(); ins.Class() == isa.ClassALU64 || ins.Class() == isa.ClassALU {
		i++ // the offending instruction is the sum
	}
	for r := s.reg(); i >= 0; {
		w := i - 1
		if i <= t.last() {
			w = t.writer(i, r)
		}
		if w < 0 {
			return -1, -1
		}
		ins := t.ins(w)
		if at, from, ok := t.copied(w); ok {
			i, r = at, from
			continue
		}
		switch {
		case ins.Class() == isa.ClassALU64 && ins.ALUOp() == isa.OpAdd && ins.Source() == isa.SrcX:
			return w, int(ins.Src)
		case ins.Class() == isa.ClassALU64 && ins.ALUOp() == isa.OpAdd:
		default:
			return -1, -1
		}
		i = w
	}
	return -1, -1
}

// index is the C expression of the number that was added to the pointer, or "".
func (s *story) index() string {
	at, reg := s.sum()
	if at < 0 {
		return ""
	}
	return s.trace.variable(at, reg)
}

// lostBound says why an earlier comparison of the number in a pointer does not
// bound it, if there was one.
func (s *story) lostBound() {
	if at, reg := s.sum(); at >= 0 {
		s.lostBoundOf(at, reg)
	}
}

// lostBoundOf does so for a register before a step.
func (s *story) lostBoundOf(at, reg int) {
	t := s.trace
	name := t.variable(at, reg)
	line := func(i int) int { return PlaceOf(s.r.code, t.run[i]).Line }
	changed := -1
	want := newWanted(t, reg)
	for i := at - 1; i >= 0 && !want.done(); i-- {
		ins := t.ins(i)
		switch {
		case ins.IsConditional():
			if !want.regs[ins.Dst] && (ins.Source() == isa.SrcK || !want.regs[ins.Src]) || ins.Source() == isa.SrcK && ins.Imm == 0 ||
				changed < 0 || line(changed) <= line(i) {
				continue // no bound, or one that still holds
			}
			s.Cause = fmt.Sprintf("the comparison on %s bounded %s, but %s changes it afterwards",
				s.lineOf(t.run[i]), or(name, "the number"), s.lineOf(t.run[changed]))
			s.Advice = "compare after the last change"
			return
		case ins.Class() == isa.ClassLDX && want.regs[ins.Dst] && changed < 0 && t.spill(i) < 0:
			if s.readAgain(i, name) {
				return
			}
		case (ins.Class() == isa.ClassALU || ins.Class() == isa.ClassALU64) && want.regs[ins.Dst] && ins.ALUOp() != isa.OpMov && changed < 0:
			changed = i
		}
		want.before(i)
	}
	s.changedInSource(at, reg, name)
}

// changedInSource does so by the source alone: compilers add the parts of a sum
// to the pointer one by one, so that no register holds the variable.
func (s *story) changedInSource(at, reg int, name string) {
	t := s.trace
	w := t.writer(at, reg)
	if w < 0 || name == "" {
		return
	}
	change := PlaceOf(s.r.code, t.run[w])
	if assigned(change.Text, change.Column) != name {
		return
	}
	for i := w - 1; i >= 0; i-- {
		p := PlaceOf(s.r.code, t.run[i])
		if ins := t.ins(i); ins.IsConditional() && p.Line < change.Line && hasWord(p.Text, name) && (ins.Source() == isa.SrcX || ins.Imm != 0) {
			s.Cause = fmt.Sprintf("the comparison on %s bounded %s, but %s changes it afterwards", s.lineOf(t.run[i]), name, s.lineOf(t.run[w]))
			s.Advice = "compare after the last change"
			return
		}
	}
}

// hasWord reports a name in a line of C that is no part of another.
func hasWord(line, name string) bool {
	for rest := line; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		end := i + len(name)
		if (i == 0 || !isWord(rest[i-1])) && (end == len(rest) || !isWord(rest[end])) {
			return true
		}
		rest = rest[end:]
	}
}

// readAgain looks for a comparison of another read of the memory that step i
// reads.
func (s *story) readAgain(i int, name string) bool {
	t := s.trace
	load := t.ins(i)
	base := t.source(i, int(load.Src))
	for j := t.last() - 1; j >= 0; j-- {
		ins := t.ins(j)
		if !ins.IsConditional() {
			continue
		}
		for _, reg := range []int{int(ins.Dst), int(ins.Src)} {
			w := t.source(j, reg)
			if w < 0 || w == i || t.ins(w).Op != load.Op || t.ins(w).Off != load.Off || t.source(w, int(t.ins(w).Src)) != base {
				continue
			}
			s.Cause = fmt.Sprintf("%s is read from memory again; what %s compares is an earlier read, and the value may have changed since",
				or(name, "the number"), s.lineOf(t.run[j]))
			s.Advice = "read it once into a variable, compare that, and use it"
			return true
		}
	}
	return false
}
