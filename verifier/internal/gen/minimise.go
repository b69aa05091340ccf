package gen

import "github.com/skepdev/skep/isa"

// Minimise makes a program smaller for as long as holds says that it still shows
// what it is kept for. It asks at most tries times (0 means 2000) and returns the
// smallest program for which holds said yes; p itself if there is none. Programs
// that holds is asked about are valid encodings and not to be changed by it.
func Minimise(p *Program, holds func(*Program) bool, tries int) *Program {
	if tries <= 0 {
		tries = 2000
	}
	m := &minimiser{best: p, holds: holds, left: tries}
	t, ok := parse(p)
	if !ok {
		return p
	}
	m.text = t
	for m.left > 0 {
		before := m.left
		if !m.removeRuns() && !m.simplify() {
			break
		}
		if m.left == before {
			break
		}
	}
	return m.best
}

type minimiser struct {
	best  *Program
	text  *text
	holds func(*Program) bool
	left  int
}

// try keeps a change if the result still holds.
func (m *minimiser) try(t *text) bool {
	if m.left <= 0 {
		return false
	}
	p := t.program(m.best)
	if p == nil {
		return false
	}
	m.left--
	if !m.holds(p) {
		return false
	}
	m.best, m.text = p, t
	return true
}

// removeRuns takes out runs of lines, long ones first.
func (m *minimiser) removeRuns() (changed bool) {
	for n := len(m.text.lines) / 2; n > 0; n /= 2 {
		for at := len(m.text.lines) - n; at >= 0; {
			t := m.text.clone()
			if t.remove(at, n) && m.try(t) {
				changed = true
				at = min(at, len(m.text.lines)-n)
				continue
			}
			at -= max(1, n/2)
		}
	}
	return changed
}

// simplify makes single instructions plainer.
func (m *minimiser) simplify() (changed bool) {
	for i := 0; i < len(m.text.lines); i++ {
		for _, plain := range plainer(m.text.lines[i]) {
			t := m.text.clone()
			t.lines[i] = plain
			if m.try(t) {
				changed = true
				break
			}
		}
	}
	return changed
}

// plainer are lines that are easier to read than l, the plainest first. None of
// them has l among its own plainer ones, so simplifying ends.
func plainer(l line) []line {
	var out []line
	with := func(f func(*line)) {
		c := l
		f(&c)
		if c != l {
			out = append(out, c)
		}
	}
	move := func(c *line) { *c = line{ins: isa.Instruction{Op: isa.MovK, Dst: l.ins.Dst}, to: -1} }
	switch class := l.ins.Class(); {
	case l.ins.IsHelperCall() && l.ins.Imm != 7:
		with(func(c *line) { c.ins.Imm = 7 }) // get_prandom_u32: any number
	case l.ins.IsCall(), l.ins.Op == isa.Exit, l.ins.Op == isa.JA:
	case l.kind == byOff && l.ins.Op != isa.MayGoto:
		with(func(c *line) { c.ins = isa.Instruction{Op: isa.JA} })
		fallthrough
	case l.ins.Op == isa.LdImm64 || class == isa.ClassLDX:
		if l.kind != byOff && !(l.ins.Op == isa.LdImm64 && l.kind == byImm) {
			with(move)
		}
	case class == isa.ClassALU || class == isa.ClassALU64:
		if l.ins.ALUOp() != isa.OpMov {
			with(move)
		}
		if l.ins.Source() == isa.SrcX && l.ins.ALUOp() == isa.OpMov {
			with(move)
		}
	}
	if l.kind != byImm && !l.ins.IsCall() && l.ins.Op != isa.LdImm64 {
		for _, v := range []int32{0, 1, l.ins.Imm / 2} {
			if abs(v) < abs(l.ins.Imm) {
				with(func(c *line) { c.ins.Imm = v })
			}
		}
	}
	return out
}

func abs(v int32) int64 { return max(int64(v), -int64(v)) }
