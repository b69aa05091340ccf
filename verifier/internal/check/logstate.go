package check

import (
	"fmt"
	"math/bits"
	"path"
	"sort"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// before prints the state, where it is new, and the instruction to come.
func (l *logger) before(c *Checker, fresh bool) {
	if !l.on() {
		return
	}
	if l.level&2 != 0 && fresh && c.prev >= 0 {
		l.printf("\nfrom %d to %d%s:", c.cur.Last, c.insn, speculative(c.cur))
		l.state(c, c.cur.frame(), true)
	}
	if l.scratch != 0 || l.slots != 0 {
		l.insnState(c)
	}
	l.source(c, c.insn)
	l.insnAt = l.buf.Len()
	l.printf("%d: (%02x) %s\n", c.insn, c.insns[c.insn].Op, c.disassemble(c.insn))
	l.insnEnd = l.buf.Len()
}

func speculative(s *State) string {
	if s.Speculative {
		return " (speculative execution)"
	}
	return ""
}

// safe prints that a path ends where another was proved.
func (l *logger) safe(c *Checker, fresh bool) {
	if !l.on() {
		return
	}
	if fresh {
		l.printf("\nfrom %d to %d%s: safe\n", c.cur.Last, c.insn, speculative(c.cur))
		return
	}
	l.printf("%d: safe\n", c.insn)
}

// insnState prints what the last instruction changed, behind it if nothing came
// between (print_insn_state).
func (l *logger) insnState(c *Checker) {
	if l.insnEnd != 0 && l.insnEnd == l.buf.Len() {
		l.buf.Truncate(l.insnEnd - 1)
		pos := l.insnEnd - l.insnAt
		pad := (max(pos+4, 40)+7)/8*8 - pos - 1
		l.printf("%*s;", pad, "")
	} else {
		l.printf("%d:", c.insn)
	}
	l.state(c, c.cur.frame(), false)
}

func (l *logger) afterBranch(c *Checker) {
	if l.on() {
		l.insnState(c)
	}
}

func (l *logger) enterCall(c *Checker, caller, callee *Frame) {
	if l.on() {
		l.printf("caller:\n")
		l.state(c, caller, true)
		l.printf("callee:\n")
		l.state(c, callee, true)
	}
}

func (l *logger) leaveCall(c *Checker, callee, caller *Frame, to int) {
	if l.on() {
		l.printf("returning from callee:\n")
		l.state(c, callee, true)
		l.printf("to caller at %d:\n", to)
		l.state(c, caller, true)
	}
}

// source prints the C line of an instruction if it differs from the last
// (verbose_linfo).
func (l *logger) source(c *Checker, insn int) {
	lines := c.prog.Lines
	i := sort.Search(len(lines), func(i int) bool { return lines[i].Slot > insn })
	if i == 0 || i == l.line {
		return
	}
	cur := &lines[i-1]
	if l.line > 0 && lines[l.line-1].Line == cur.Line && lines[l.line-1].File == cur.File {
		return
	}
	l.line = i
	l.printf("; %s @ %s:%d\n", strings.TrimLeft(cur.Text, " \t"), path.Base(cur.File), cur.Line)
}

func (c *Checker) disassemble(i int) string {
	p := isa.Printer{
		Helper: func(id int32) string { return abi.HelperID(id).String() },
		Kfunc:  func(ins isa.Instruction) string { return c.prog.Kfuncs[ins.Imm] },
		Load: func(_ int, lo, hi isa.Instruction) string {
			switch lo.Src {
			case isa.PseudoMapIdx, isa.PseudoMapFD, isa.PseudoMapIdxValue, isa.PseudoMapValue:
				if c.opts.allowPtrLeaks() {
					return fmt.Sprintf("0xffff%04x%08x", uint16(lo.Imm), uint32(hi.Imm))
				}
				return "0x0"
			}
			return ""
		},
	}
	text, _ := p.Text(c.insns, i)
	return text
}

// state prints registers and stack (print_verifier_state).
func (l *logger) state(c *Checker, f *Frame, all bool) {
	if f.No > 0 {
		l.printf(" frame%d:", f.No)
	}
	for i := range f.Regs {
		r := &f.Regs[i]
		if r.Kind == NotInit || !all && l.scratch>>i&1 == 0 {
			continue
		}
		l.printf(" R%d=%s", i, c.regText(r, f.No))
	}
	for i := 0; i < len(f.Slots); i++ {
		if all || l.slots>>i&1 != 0 {
			l.slot(c, f, i)
		}
	}
	sep := " refs="
	for i := range c.cur.Refs {
		l.printf("%s%d", sep, c.cur.Refs[i].ID)
		sep = ","
	}
	if f.InCallback {
		l.printf(" cb")
	}
	if f.InAsync {
		l.printf(" async_cb")
	}
	l.printf("\n")
	if !all {
		l.clean()
	}
}

func (l *logger) slot(c *Checker, f *Frame, i int) {
	s := &f.Slots[i]
	var types [8]byte
	valid := false
	for j, t := range s.Types {
		types[j] = slotLetters[t]
		valid = valid || t != SlotInvalid
	}
	if !valid {
		return
	}
	at := (-i - 1) * slotBytes
	switch s.Types[7] {
	case SlotSpill:
		n := 0
		for n < 8 && s.Types[n] != SlotSpill {
			n++
		}
		l.printf(" fp%d=%s%s", at, types[:n], c.regText(&s.Reg, f.No))
	case SlotDyn:
		if s.State == 0 {
			return // printed with its first half
		}
		l.printf(" fp%d=dynptr_%s(", at, dynptrNames[s.Obj])
		sep := ""
		if s.ID != 0 {
			l.printf("%sid=%d", sep, s.ID)
			sep = ","
		}
		if s.Ref != 0 {
			l.printf("%sref_id=%d", sep, s.Ref)
		}
		l.printf(")")
	case SlotIt:
		if s.Ref == 0 {
			return
		}
		state := "active"
		if s.State == iterDrained {
			state = "drained"
		}
		name := strings.TrimPrefix(c.types.nameOf(s.Obj), "bpf_iter_")
		l.printf(" fp%d=iter_%s(ref_id=%d,state=%s,depth=%d)", at, name, s.Ref, state, s.Aux)
	default:
		l.printf(" fp%d=%s", at, types[:])
	}
}

// regText is a register as the kernel prints it (print_reg_state).
func (c *Checker) regText(r *Reg, frame uint8) string {
	var b strings.Builder
	if r.Kind == Scalar && r.Precise {
		b.WriteByte('P')
	}
	if r.Kind == Scalar && r.IsConst() {
		b.WriteString(snum(int64(r.Value())))
		return b.String()
	}
	b.WriteString(typeName(r.Kind, r.Flags))
	switch r.Kind {
	case Arena:
		return b.String()
	case Stack:
		if r.Frame != frame {
			fmt.Fprintf(&b, "[%d]", r.Frame)
		}
		if r.IsConst() {
			b.WriteString(snum(int64(r.Value()) + int64(r.Off)))
			return b.String()
		}
	case BTFPtr:
		b.WriteString(c.types.nameOf(r.Obj))
	}
	b.WriteByte('(')
	b.WriteString(strings.Join(c.regDetails(r), ","))
	b.WriteByte(')')
	return b.String()
}

func (c *Checker) regDetails(r *Reg) (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if r.ID != 0 {
		id := fmt.Sprintf("id=%d", r.ID&^linked)
		if r.ID&linked != 0 {
			id += fmt.Sprintf("%+d", r.Off)
		}
		out = append(out, id)
	}
	if r.Ref != 0 {
		add("ref_obj_id=%d", r.Ref)
	}
	if r.Flags&NonOwn != 0 {
		add("non_own_ref")
	}
	switch r.Kind {
	case ConstMap, MapKey, MapValue:
		m := c.mapOf(r)
		if m.Name != "" {
			add("map=%.15s", m.Name)
		}
		add("ks=%d", m.KeySize)
		add("vs=%d", m.ValueSize)
	}
	if r.Kind != Scalar && r.Off != 0 {
		add("off=%s", snum(int64(r.Off)))
	}
	switch r.Kind {
	case Packet, PacketMeta:
		add("r=%s", unum(uint64(int64(r.Aux))))
	case Mem:
		add("sz=%s", unum(uint64(uint32(r.Aux))))
	case ConstDynptr:
		add("type=%s", dynptrNames[r.Obj])
	}
	if r.IsConst() {
		if r.Value() != 0 {
			add("imm=%s", snum(int64(r.Value())))
		}
	} else if s := r.Range.String(); s != "" {
		out = append(out, s)
	}
	return out
}

// Small numbers print as decimals, others as hexadecimals.
func unum(v uint64) string {
	if v <= 0xffff {
		return fmt.Sprintf("%d", v)
	}
	return fmt.Sprintf("%#x", v)
}

func snum(v int64) string {
	if v >= -1<<15 && v < 1<<15 {
		return fmt.Sprintf("%d", v)
	}
	return fmt.Sprintf("%#x", uint64(v))
}

func regMask(m uint16) string {
	var s []string
	for ; m != 0; m &= m - 1 {
		s = append(s, fmt.Sprintf("r%d", bits.TrailingZeros16(m)))
	}
	return strings.Join(s, ",")
}

func slotMask(m uint64) string {
	var s []string
	for ; m != 0; m &= m - 1 {
		s = append(s, fmt.Sprintf("%d", -(bits.TrailingZeros64(m)+1)*slotBytes))
	}
	return strings.Join(s, ",")
}

// traceOver and precision print the walk back (at level 2).
func (l *logger) traceOver(c *Checker, i int) {
	if l.level&2 == 0 || l.muted {
		return
	}
	b := &c.bt
	l.printf("mark_precise: frame%d: regs=%s stack=%s before %d: (%02x) %s\n", b.frame, regMask(b.regs[b.frame]),
		slotMask(b.slots[b.frame]), i, c.insns[i].Op, c.disassemble(i))
}

func (l *logger) traceFrom(c *Checker, last, first, next int) {
	if l.level&2 != 0 && !l.muted {
		l.printf("mark_precise: frame%d: last_idx %d first_idx %d subseq_idx %d \n", c.bt.frame, last, first, next)
	}
}

func (l *logger) precision(c *Checker, st *State) {
	if l.level&2 == 0 || l.muted {
		return
	}
	b := &c.bt
	for fr := b.frame; fr >= 0; fr-- {
		l.printf("mark_precise: frame%d: parent state regs=%s stack=%s: ", fr, regMask(b.regs[fr]), slotMask(b.slots[fr]))
		l.state(c, st.Frames[fr], true)
	}
}

// stats prints the kernel's closing lines.
func (l *logger) stats(s *Stats, c *Checker) {
	if l.level&4 != 0 {
		l.printf("verification time %d usec\nstack depth ", s.Time.Microseconds())
		for i := range c.subs {
			if i > 0 {
				l.printf("+")
			}
			l.printf("%d", c.subs[i].stack)
		}
		l.printf("\n")
	}
	l.printf("processed %d insns (limit %d) max_states_per_insn %d total_states %d peak_states %d mark_read %d\n",
		s.Processed, s.Limit, s.MaxPerInsn, s.TotalStates, s.PeakStates, 0)
}
