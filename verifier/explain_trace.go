package verifier

import (
	"slices"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

// trace is the way of one path from the entry to the offending instruction.
type trace struct {
	code *object.Code
	// run lists the instructions in the order they ran; the last is the
	// offending one.
	run []int
	reg int
}

// maxTrace bounds how much of a path is looked at.
const maxTrace = 20_000

func newTrace(r *Rejection) *trace {
	t := &trace{code: r.code, reg: r.inner.Register}
	if r.Slot < 0 {
		return t
	}
	at := 0
	add := func(slot int) {
		if len(t.run) == 2*maxTrace { // the end is what matters
			t.run = append(t.run[:0], t.run[maxTrace:]...)
		}
		t.run = append(t.run, slot)
	}
	for _, s := range r.inner.Path {
		// Straight on to the jump, then over it.
		for ; at <= s.Insn && at < len(r.code.Instructions); at += r.code.Instructions[at].Width() {
			add(at)
		}
		at = s.Next
	}
	for ; at < r.Slot; at += r.code.Instructions[at].Width() {
		add(at)
	}
	add(r.Slot)
	return t
}

func (t *trace) last() int { return len(t.run) - 1 }

func (t *trace) ins(i int) isa.Instruction { return t.code.Instructions[t.run[i]] }

// follows says that the step after i is the next instruction: it did not jump,
// call or return.
func (t *trace) follows(i int) bool {
	return i+1 < len(t.run) && t.run[i+1] == t.run[i]+t.ins(i).Width()
}

// writer is the last step before step i that wrote a register as the function
// at step i sees it; -1 if the function was entered with it.
func (t *trace) writer(i, reg int) int {
	for i--; i >= 0; i-- {
		ins := t.ins(i)
		switch {
		case ins.IsSubprogCall() && !t.follows(i):
			return -1 // the function begins here
		case ins.Op == isa.Exit && reg != 0:
			// A function that returned: it leaves r6 to r9 alone.
			i = t.call(i)
			if reg <= 5 || i < 0 {
				return i
			}
		case writes(ins, reg):
			return i
		}
	}
	return -1
}

// spill is the step before step i that stored what step i loads from the
// function's own stack frame; -1 if step i is no such load.
func (t *trace) spill(i int) int {
	load := t.ins(i)
	if load.Class() != isa.ClassLDX || load.Src != isa.R10 {
		return -1
	}
	for i--; i >= 0; i-- {
		ins := t.ins(i)
		switch {
		case ins.IsSubprogCall() && !t.follows(i):
			return -1
		case ins.Op == isa.Exit:
			if i = t.call(i); i < 0 {
				return -1
			}
		case ins.Class() == isa.ClassSTX && ins.Mode() == isa.ModeMEM && ins.Dst == isa.R10 && ins.Off == load.Off && ins.Size() == load.Size():
			return i
		}
	}
	return -1
}

// copied says that step i copies a value from another register, at once or
// through the stack, and where that register held it.
func (t *trace) copied(i int) (at, reg int, ok bool) {
	ins := t.ins(i)
	if isMove(ins) {
		return i, int(ins.Src), true
	}
	if s := t.spill(i); s >= 0 {
		return s, int(t.ins(s).Src), true
	}
	return 0, 0, false
}

// call is the step that called the function that returns at step i; -1 if it is
// not on the path.
func (t *trace) call(i int) int {
	depth := 0
	for ; i >= 0; i-- {
		ins := t.ins(i)
		switch {
		case ins.Op == isa.Exit:
			depth++
		case ins.IsSubprogCall() && !t.follows(i):
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// origin is the last instruction before the end that wrote a register, through
// moves; -1 if there is none.
func (t *trace) origin(reg int) int {
	i := t.source(t.last(), reg)
	if i < 0 {
		return -1
	}
	return t.run[i]
}

// source is the step before step i where a register's value was made, through
// copies; -1 if there is none.
func (t *trace) source(i, reg int) int {
	found := -1
	for {
		w := t.writer(i, reg)
		if w < 0 {
			return found
		}
		found = w
		var ok bool
		if i, reg, ok = t.copied(w); !ok {
			return w
		}
	}
}

func isMove(ins isa.Instruction) bool {
	return (ins.Op == isa.MovX || ins.Op == isa.Mov32X) && ins.Off == 0
}

// writes reports whether an instruction sets a register.
func writes(ins isa.Instruction, reg int) bool {
	switch ins.Class() {
	case isa.ClassALU, isa.ClassALU64, isa.ClassLDX:
		return int(ins.Dst) == reg
	case isa.ClassLD:
		return int(ins.Dst) == reg || ins.Op != isa.LdImm64 && reg <= 5
	case isa.ClassSTX:
		return ins.Mode() == isa.ModeATOMIC && ins.Imm&isa.AtomicFetch != 0 && (int(ins.Src) == reg || ins.Imm == isa.AtomicCmpXchg && reg == 0)
	}
	return ins.IsCall() && reg <= 5
}

// mostBranches is how many comparisons an explanation lists.
const mostBranches = 6

// branches are the comparisons that the operand depends on: of the registers
// that went into it, found by going back along the path.
func (t *trace) branches() []Branch {
	if t.reg < 0 {
		return nil
	}
	want := newWanted(t, t.reg)
	return t.collect(0, func(i int) bool {
		ins := t.ins(i)
		if ins.IsConditional() {
			return want.regs[ins.Dst] || ins.Source() == isa.SrcX && want.regs[ins.Src]
		}
		want.before(i)
		return false
	})
}

// collect lists the comparisons from step on that want chooses, each once. want
// sees all steps, last one first.
func (t *trace) collect(from int, want func(i int) bool) []Branch {
	seen := make(map[int]bool)
	var out []Branch
	for i := t.last() - 1; i >= from && len(out) < mostBranches; i-- {
		if at := t.run[i]; want(i) && !seen[at] && t.ins(i).Op != isa.MayGoto {
			seen[at] = true
			out = append(out, t.branch(i))
		}
	}
	slices.Reverse(out)
	return out
}

// since lists the comparisons after the last time that an instruction ran.
func (t *trace) since(slot int) []Branch {
	from := t.last()
	for from > 0 && t.run[from] != slot {
		from--
	}
	return t.collect(from, func(i int) bool { return t.ins(i).IsConditional() })
}

func (t *trace) branch(i int) Branch {
	at := t.run[i]
	text, _ := Printer(t.code).Text(t.code.Instructions, at)
	taken := !t.follows(i)
	return Branch{Place: PlaceOf(t.code, at), Slot: at, Condition: text, Taken: taken, Holds: t.holds(i, taken)}
}

// wanted are the registers that go into a value, while a trace is followed back
// from where it is used.
type wanted struct {
	t    *trace
	regs map[uint8]bool
	// stored are the stores that a wanted value was loaded from again.
	stored map[int]bool
}

func newWanted(t *trace, reg int) *wanted {
	return &wanted{t: t, regs: map[uint8]bool{uint8(reg): true}, stored: make(map[int]bool)}
}

// before replaces what step i writes by what that came from.
func (w *wanted) before(i int) {
	ins := w.t.ins(i)
	switch {
	case w.stored[i]:
		w.regs[ins.Src] = true
	case (ins.Class() == isa.ClassALU || ins.Class() == isa.ClassALU64) && w.regs[ins.Dst]:
		if ins.ALUOp() == isa.OpMov {
			delete(w.regs, ins.Dst)
		}
		if ins.Source() == isa.SrcX && ins.ALUOp() != isa.OpEnd {
			w.regs[ins.Src] = true
		}
	case ins.Class() == isa.ClassLDX && w.regs[ins.Dst]:
		delete(w.regs, ins.Dst)
		if s := w.t.spill(i); s >= 0 {
			w.stored[s] = true
		}
	case ins.Op == isa.LdImm64:
		delete(w.regs, ins.Dst)
	case ins.IsCall():
		for r := uint8(0); r <= 5; r++ {
			delete(w.regs, r)
		}
	}
}

// done says that nothing is wanted any more.
func (w *wanted) done() bool { return len(w.regs) == 0 && len(w.stored) == 0 }

// lastCall is the last call on the path for which ok holds; -1 if there is none.
func (t *trace) lastCall(ok func(ins isa.Instruction) bool) int {
	for i := t.last() - 1; i >= 0; i-- {
		if ins := t.ins(i); ins.IsCall() && ok(ins) {
			return t.run[i]
		}
	}
	return -1
}
