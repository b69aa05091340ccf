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
	era    Era
	insns  []isa.Instruction
	regs   registers
	next   int
	ids    uint32
	live   map[int]string // the registers read after an instruction, as Linux lists them
	queue  []branch       // jumps not yet followed, in the order in which Linux does
	report func(difference)

	refused     bool // an access outside of the value
	paths, seen int  // branches followed, registers compared
}

type registers [11]*number // nil: no number

// number is a register's; those with the same id, if not 0, are the same but for
// a constant.
type number struct {
	Range
	id    uint32
	delta int32
	sum   uint8 // how delta was added: not at all, or in 64 or 32 bits
}

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
			fmt.Fprintf(&b, "\tR%d was  %s id=%d%+d by %d\n", reg, logForm(r.Range), r.id, r.delta, r.sum)
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
	logLive = regexp.MustCompile(`^(\d+): ([0-9.]{10}) \(`)
	logInsn = regexp.MustCompile(`^(\d+): \([0-9a-f]{2}\) `)
	logFrom = regexp.MustCompile(`^from (\d+) to (\d+): (.*)`)
	logMore = regexp.MustCompile(`^(\d+): (R\d.*)`)
)

func (w *walker) walk(log string) error {
	w.live = map[int]string{}
	last := difference{at: -1}
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if m := logLive.FindStringSubmatch(line); m != nil {
			at, _ := strconv.Atoi(m[1])
			w.live[at] = m[2]
			continue
		}
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
	if w.era < linux6_8 {
		return w.compareOld(d, state)
	}
	for _, m := range logRegister.FindAllStringSubmatch(state, -1) {
		reg, theirs, err := parseLogRegister(m)
		if err != nil {
			return err
		}
		if w.regs[reg] == nil {
			return fmt.Errorf("%v: no number here in R%d, but Linux says %s", d, reg, m[0])
		}
		w.seen++
		if d.reg, d.ours, d.theirs = reg, w.regs[reg].Range, theirs; logForm(d.ours) != logForm(theirs) {
			w.report(d)
			better := *w.regs[reg]
			better.Range = theirs
			w.regs[reg] = &better
		}
	}
	return nil
}

// compareOld compares what is printed: an old log leaves out bounds that are the
// same as others.
func (w *walker) compareOld(d difference, state string) error {
	for _, m := range logRegister.FindAllStringSubmatch(state, -1) {
		reg, err := strconv.Atoi(m[1])
		if err != nil || w.regs[reg] == nil {
			return fmt.Errorf("%v: no number here in R%d, but Linux says %s", d, reg, m[0])
		}
		w.seen++
		theirs := logID.ReplaceAllString(m[2], "")
		if ours := oldLogForm(w.regs[reg].Range); ours != theirs {
			d.reg, d.ours, d.theirs = reg, w.regs[reg].Range, Unknown()
			w.report(d)
			return fmt.Errorf("R%d is %s here, but Linux says %s", reg, ours, theirs)
		}
	}
	return nil
}

func (w *walker) step(at int) {
	ins := w.insns[at]
	w.next = at + ins.Width()
	switch ins.Class() {
	case isa.ClassLD:
		if ins.Src == 0 {
			w.set(ins.Dst, Const(isa.Imm64(ins, w.insns[at+1])))
		}
	case isa.ClassLDX:
		r := Unknown()
		switch {
		case ins.Mode() == isa.ModeMEMSX:
			r.SignExtend(ins.Bytes())
		case ins.Bytes() < 8:
			w.era.Truncate(&r, ins.Bytes())
		}
		w.set(ins.Dst, r)
	case isa.ClassALU, isa.ClassALU64:
		switch {
		case ins.ALUOp() == isa.OpMov:
			w.move(ins)
		case w.regs[ins.Dst] == nil: // the pointer
			w.access(w.regs[ins.Src])
		default:
			w.alu(at, ins)
		}
	case isa.ClassJMP, isa.ClassJMP32:
		if ins.IsConditional() {
			w.jump(at, ins)
		}
	}
}

// set gives a register a number that is linked to no other. What registers
// point to is never changed, so that queued ones keep theirs.
func (w *walker) set(reg uint8, r Range) { w.regs[reg] = &number{Range: r} }

// access moves the pointer to the value by n, to load a byte from there. Linux
// takes the constant between linked numbers for an offset, and limits it.
func (w *walker) access(n *number) {
	const maxOffset = 1 << 29 // BPF_MAX_VAR_OFF
	if w.era < linux6_8 && n.contradictsOld(true) {
		w.set(pointer, Unknown()) // of a path that no run takes
		w.refused = true
		return
	}
	if n.SMin < 0 || n.UMax >= valueSize || n.delta >= maxOffset || n.delta <= -maxOffset {
		w.refused = true
	}
}

func (w *walker) source(ins isa.Instruction) Range {
	if ins.Source() == isa.SrcX {
		return w.regs[ins.Src].Range
	}
	return Const(uint64(int64(ins.Imm)))
}

// move links the two registers if they hold the same number afterwards.
func (w *walker) move(ins isa.Instruction) {
	r := w.source(ins)
	is64, size := ins.Class() == isa.ClassALU64, int(ins.Off)/8
	same := is64 && size == 0 || size == 0 && r.UMax>>32 == 0 && w.era >= linux6_6 || size > 0 && r.UMax < 1<<(ins.Off-1)
	var src number
	if ins.Source() == isa.SrcX && same {
		src = *w.regs[ins.Src]
		if src.sum != 0 {
			src.id, src.delta, src.sum = 0, 0, 0
		}
		if src.id == 0 && !src.IsConst() {
			w.ids++
			src.id = w.ids
		}
		w.regs[ins.Src] = &src
	}
	dst := src
	dst.Range = r
	switch {
	case is64 && size > 0:
		dst.SignExtend(size)
	case size > 0:
		dst.SignExtend32(size)
	case !is64:
		w.era.ZeroExtend32(&dst.Range)
	}
	w.regs[ins.Dst] = &dst
}

func (w *walker) alu(at int, ins isa.Instruction) {
	op, is64, dst := ins.ALUOp(), ins.Class() == isa.ClassALU64, *w.regs[ins.Dst]
	switch op {
	case isa.OpEnd:
		if w.era < linux6_8 {
			w.set(ins.Dst, Unknown())
			return
		}
		dst.Range = Swap(ins.Op, int(ins.Imm), dst.Range)
		if ins.Op != isa.ToLE || ins.Imm != 64 {
			dst = number{Range: dst.Range}
		}
		w.regs[ins.Dst] = &dst
		return
	case isa.OpNeg:
		r := Unknown()
		if w.era >= linux6_8 {
			r = Alu(op, is64, dst.Range, Range{})
		}
		w.set(ins.Dst, r)
		return
	}
	src := w.source(ins)
	if zero, ones, ok := Fork(op, &dst.Range, &src); ok && w.era >= linux6_8 {
		queued, forked := w.regs, dst
		forked.Range = zero
		queued[ins.Dst] = &forked
		w.queue = append(w.queue, branch{at, at, queued})
		dst.Range = ones
	}
	delta, ok := Delta(op, is64, &dst.Range, &src)
	w.era.Apply(op, is64, &dst.Range, &src)
	if !ok || w.era < linux6_8 || dst.id == 0 || dst.sum != 0 || ins.Source() == isa.SrcX && ins.Src == ins.Dst {
		dst = number{Range: dst.Range}
	} else {
		dst.delta, dst.sum = delta, 32
		if is64 {
			dst.sum = 64
		}
	}
	w.regs[ins.Dst] = &dst
}

func (w *walker) jump(at int, ins isa.Instruction) {
	is32 := ins.Class() == isa.ClassJMP32
	a, b := w.regs[ins.Dst].Range, w.source(ins)
	target := at + 1 + int(ins.Off)
	switch w.era.Outcome(ins.JumpOp(), is32, &a, &b) {
	case Always:
		w.next = target
		return
	case Never:
		return
	}
	links := w.links(at, ins)
	taken, not := w.regs, w.regs
	if ins.Source() == isa.SrcX && ins.Src == ins.Dst {
		ta, fa := a, a
		w.era.Assume(ins.JumpOp(), is32, &ta, &ta)
		w.era.Deny(ins.JumpOp(), is32, &fa, &fa)
		taken.know(ins.Dst, ta)
		not.know(ins.Dst, fa)
	} else {
		ta, tb, fa, fb := a, b, a, b
		w.era.Assume(ins.JumpOp(), is32, &ta, &tb)
		w.era.Deny(ins.JumpOp(), is32, &fa, &fb)
		taken.know(ins.Dst, ta)
		not.know(ins.Dst, fa)
		if ins.Source() == isa.SrcX {
			taken.know(ins.Src, tb)
			not.know(ins.Src, fb)
		}
	}
	for _, rs := range []*registers{&taken, &not} {
		if ins.Source() == isa.SrcX {
			rs.tell(ins.Src, links)
		}
		rs.tell(ins.Dst, links)
	}
	w.queue = append(w.queue, branch{at, target, taken})
	w.regs = not
}

// links lists the live registers linked to those of a jump (collect_linked_regs):
// at most six, and what is beyond them loses its link, even if it is listed twice.
func (w *walker) links(at int, ins isa.Instruction) (list []int) {
	of := []uint8{ins.Dst}
	if ins.Source() == isa.SrcX {
		of = []uint8{ins.Src, ins.Dst}
	}
	for _, reg := range of {
		id := w.regs[reg].id
		for i, r := range w.regs[:10] {
			switch {
			case id == 0 || r == nil || r.id != id || w.live[at] != "" && w.live[at][i] == '.':
			case len(list) < 6 || w.era < linux6_8:
				list = append(list, i)
			default:
				w.set(uint8(i), r.Range)
			}
		}
	}
	return list
}

func (rs *registers) know(reg uint8, r Range) {
	n := *rs[reg]
	n.Range = r
	rs[reg] = &n
}

// tell gives what is known of a register to those linked to it (sync_linked_regs).
func (rs *registers) tell(reg uint8, links []int) {
	known := rs[reg]
	for _, i := range links {
		r := rs[i]
		if r == known || known.id == 0 || r.id != known.id || r.sum+known.sum == 32+64 {
			continue // sums of different width say nothing of each other
		}
		n := *known
		if (r.sum != 0 || known.sum != 0) && r.delta != known.delta {
			n = *r
			n.Range = Linked(known.Range, int64(r.delta)-int64(known.delta), r.sum == 32 || known.sum == 32)
		}
		rs[i] = &n
	}
}
