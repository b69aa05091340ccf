package scalar

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/skepdev/skep/isa"
)

// walker follows Linux's verifier through a program, instruction by instruction
// as its log tells, and keeps what this package knows of each register.
const valueSize = 64

type walker struct {
	insns  []isa.Instruction
	regs   registers
	next   int
	queue  []branch // jumps not yet followed, in the order in which Linux does
	report func(difference)

	refused     bool // an access outside of the value
	paths, seen int  // branches followed, registers compared
}

type registers [11]*Range // nil: no number

type branch struct {
	from, to int
	regs     registers
}

// difference is a register of which Linux and we know different things.
type difference struct {
	at           int
	ins          isa.Instruction
	before       registers
	reg          int
	ours, theirs Range
}

func (d difference) String() string {
	text, _ := isa.Disassemble([]isa.Instruction{d.ins}, 0)
	var b strings.Builder
	fmt.Fprintf(&b, "%d: %s\n", d.at, text)
	for _, reg := range []uint8{d.ins.Dst, d.ins.Src} {
		if r := d.before[reg]; r != nil {
			fmt.Fprintf(&b, "\tR%d was  %s\n", reg, logForm(*r))
		}
	}
	which := "looser"
	if d.theirs.Contains(d.ours) {
		which = "tighter"
	}
	fmt.Fprintf(&b, "\tR%d ours  %s, which is %s\n\tR%d Linux %s", d.reg, logForm(d.ours), which, d.reg, logForm(d.theirs))
	return b.String()
}

var (
	logInsn = regexp.MustCompile(`^(\d+): \([0-9a-f]{2}\) `)
	logFrom = regexp.MustCompile(`^from (\d+) to (\d+): (.*)`)
	logMore = regexp.MustCompile(`^(\d+): (R\d.*)`)
)

func (w *walker) walk(log string) error {
	last := difference{at: -1}
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if m := logFrom.FindStringSubmatch(line); m != nil {
			from, _ := strconv.Atoi(m[1])
			to, _ := strconv.Atoi(m[2])
			if len(w.queue) == 0 {
				return fmt.Errorf("%q: nothing is queued", line)
			}
			b := w.queue[len(w.queue)-1]
			w.queue = w.queue[:len(w.queue)-1]
			if b.from != from || b.to != to {
				return fmt.Errorf("%q, but queued is %d to %d", line, b.from, b.to)
			}
			w.paths++
			last = difference{at: from, ins: w.insns[from], before: w.regs}
			w.regs, w.next = b.regs, to
			if err := w.compare(last, m[3]); err != nil {
				return err
			}
			continue
		}
		if m := logInsn.FindStringSubmatch(line); m != nil {
			at, _ := strconv.Atoi(m[1])
			if at != w.next {
				return fmt.Errorf("%q, but next is %d, after %v", line, w.next, last)
			}
			last = difference{at: at, ins: w.insns[at], before: w.regs}
			w.step(at)
			_, state, _ := strings.Cut(line, " ; ")
			if err := w.compare(last, state); err != nil {
				return err
			}
			continue
		}
		if m := logMore.FindStringSubmatch(line); m != nil && last.at >= 0 {
			if err := w.compare(last, m[2]); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare holds our registers against those that Linux names, reports what
// differs, and goes on with what Linux says.
func (w *walker) compare(d difference, state string) error {
	for _, m := range logRegister.FindAllStringSubmatch(state, -1) {
		reg, theirs, err := parseLogRegister(m)
		if err != nil {
			return err
		}
		if w.regs[reg] == nil {
			return fmt.Errorf("%v: no number here in R%d, but Linux says %s", d, reg, m[0])
		}
		w.seen++
		if d.reg, d.ours, d.theirs = reg, *w.regs[reg], theirs; logForm(d.ours) != logForm(theirs) {
			w.report(d)
			w.regs[reg] = &theirs
		}
	}
	return nil
}

func (w *walker) step(at int) {
	ins := w.insns[at]
	w.next = at + ins.Width()
	regs := w.regs // pointers; what they point to is never changed
	switch ins.Class() {
	case isa.ClassLD:
		if ins.Src == 0 {
			r := Const(isa.Imm64(ins, w.insns[at+1]))
			regs[ins.Dst] = &r
		}
	case isa.ClassLDX:
		r := Unknown()
		switch {
		case ins.Mode() == isa.ModeMEMSX:
			r.SignExtend(ins.Bytes())
		case ins.Bytes() < 8:
			r.Truncate(ins.Bytes())
		}
		regs[ins.Dst] = &r
	case isa.ClassALU, isa.ClassALU64:
		if regs[ins.Dst] == nil && ins.ALUOp() != isa.OpMov {
			w.access(*regs[ins.Src])
			break
		}
		r := w.alu(at, ins)
		regs[ins.Dst] = &r
	case isa.ClassJMP, isa.ClassJMP32:
		if ins.IsConditional() {
			regs = w.jump(at, ins)
		}
	}
	w.regs = regs
}

// access moves the pointer to the value by r, to load a byte from there.
func (w *walker) access(r Range) {
	if r.SMin < 0 || r.UMax >= valueSize {
		w.refused = true
	}
}

func (w *walker) source(ins isa.Instruction) Range {
	if ins.Source() == isa.SrcX {
		return *w.regs[ins.Src]
	}
	return Const(uint64(int64(ins.Imm)))
}

func (w *walker) alu(at int, ins isa.Instruction) Range {
	is64 := ins.Class() == isa.ClassALU64
	switch ins.ALUOp() {
	case isa.OpEnd:
		return Swap(ins.Op, int(ins.Imm), *w.regs[ins.Dst])
	case isa.OpNeg:
		return Alu(isa.OpNeg, is64, *w.regs[ins.Dst], Range{})
	case isa.OpMov:
		r := w.source(ins)
		switch {
		case is64 && ins.Off > 0:
			r.SignExtend(int(ins.Off) / 8)
		case !is64 && ins.Off > 0:
			r.SignExtend32(int(ins.Off) / 8)
		case !is64:
			r.ZeroExtend32()
		}
		return r
	}
	src, dst := w.source(ins), *w.regs[ins.Dst]
	if zero, ones, ok := Fork(ins.ALUOp(), &dst, &src); ok {
		queued := w.regs
		queued[ins.Dst] = &zero
		w.queue = append(w.queue, branch{at, at, queued})
		dst = ones
	}
	return Alu(ins.ALUOp(), is64, dst, src)
}

func (w *walker) jump(at int, ins isa.Instruction) registers {
	is32 := ins.Class() == isa.ClassJMP32
	a, b := *w.regs[ins.Dst], w.source(ins)
	target := at + 1 + int(ins.Off)
	switch Taken(ins.JumpOp(), is32, a, b) {
	case Always:
		w.next = target
		return w.regs
	case Never:
		return w.regs
	}
	taken, not := w.regs, w.regs
	if ins.Source() == isa.SrcX && ins.Src == ins.Dst {
		ta, fa := a, a
		Assume(ins.JumpOp(), is32, &ta, &ta)
		Deny(ins.JumpOp(), is32, &fa, &fa)
		taken[ins.Dst], not[ins.Dst] = &ta, &fa
	} else {
		ta, tb, fa, fb := Refine(ins.JumpOp(), is32, a, b)
		taken[ins.Dst], not[ins.Dst] = &ta, &fa
		if ins.Source() == isa.SrcX {
			taken[ins.Src], not[ins.Src] = &tb, &fb
		}
	}
	w.queue = append(w.queue, branch{at, target, taken})
	return not
}
