package gen

import (
	"math"

	"github.com/skepdev/skep/isa"
)

// line is an instruction in a form that can be edited: where it leads is a line
// number, not a distance.
type line struct {
	ins  isa.Instruction
	high int32 // second slot of a 64-bit load
	to   int   // line to which it jumps, or that it calls or takes the address of; -1: nowhere
	kind target
}

type target uint8

const (
	noTarget target = iota
	byOff           // jumps
	byImm           // gotol, calls, function addresses
)

func targetOf(ins isa.Instruction) target {
	switch {
	case ins.Op == isa.JA32, ins.IsSubprogCall(), ins.Op == isa.LdImm64 && ins.Src == isa.PseudoFunc:
		return byImm
	case ins.IsJump():
		return byOff
	}
	return noTarget
}

// text is a program's code as lines.
type text struct{ lines []line }

// parse takes valid code apart.
func parse(p *Program) (*text, bool) {
	if isa.ValidateCode(p.Insns) != nil {
		return nil, false
	}
	at := make([]int, len(p.Insns)) // line of each slot
	t := &text{}
	for i := 0; i < len(p.Insns); {
		l := line{ins: p.Insns[i], to: -1, kind: targetOf(p.Insns[i])}
		if l.ins.Width() == 2 {
			l.high = p.Insns[i+1].Imm
		}
		at[i] = len(t.lines)
		t.lines = append(t.lines, l)
		i += l.ins.Width()
	}
	for i, n := 0, 0; i < len(p.Insns); i, n = i+p.Insns[i].Width(), n+1 {
		l := &t.lines[n]
		switch l.kind {
		case byOff:
			l.to = at[i+1+int(l.ins.Off)]
		case byImm:
			l.to = at[i+1+int(l.ins.Imm)]
		}
	}
	return t, true
}

// code puts lines together; false if a jump would be too far or the result invalid.
func (t *text) code() (insns []isa.Instruction, ok bool) {
	slot := make([]int, len(t.lines)+1)
	for i, l := range t.lines {
		slot[i+1] = slot[i] + l.ins.Width()
	}
	for i, l := range t.lines {
		ins := l.ins
		if l.kind != noTarget {
			by := slot[l.to] - slot[i] - 1
			if l.kind == byImm {
				ins.Imm = int32(by)
			} else if by < math.MinInt16 || by > math.MaxInt16 {
				return nil, false
			} else {
				ins.Off = int16(by)
			}
		}
		insns = append(insns, ins)
		if ins.Width() == 2 {
			insns = append(insns, isa.Instruction{Imm: l.high})
		}
	}
	return insns, isa.ValidateCode(insns) == nil
}

// program is p with this code, or nil.
func (t *text) program(p *Program) *Program {
	insns, ok := t.code()
	if !ok {
		return nil
	}
	q := *p
	q.Insns = insns
	return &q
}

func (t *text) clone() *text {
	return &text{append([]line(nil), t.lines...)}
}

// remove takes n lines out. What led to them leads to the line behind, calls of
// functions that are gone altogether too; false if something would lead nowhere.
func (t *text) remove(first, n int) bool {
	moved := func(i int) int {
		switch {
		case i >= first+n:
			return i - n
		case i > first:
			return first
		}
		return i
	}
	rest := append(append([]line(nil), t.lines[:first]...), t.lines[first+n:]...)
	for i := range rest {
		if rest[i].kind == noTarget {
			continue
		}
		if rest[i].to = moved(rest[i].to); rest[i].to >= len(rest) {
			return false
		}
	}
	t.lines = rest
	return len(rest) > 0
}

// insert puts a line in front of another. Jumps to that one do not meet it.
func (t *text) insert(at int, l line) {
	for i := range t.lines {
		if t.lines[i].kind != noTarget && t.lines[i].to >= at {
			t.lines[i].to++
		}
	}
	if l.kind != noTarget && l.to >= at {
		l.to++
	}
	t.lines = append(t.lines[:at:at], append([]line{l}, t.lines[at:]...)...)
}
