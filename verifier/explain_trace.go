package verifier

import (
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
	for _, s := range r.inner.Path {
		// Straight on to the jump, then over it.
		for ; at <= s.Insn && at < len(r.code.Instructions) && len(t.run) < maxTrace; at += r.code.Instructions[at].Width() {
			t.run = append(t.run, at)
		}
		at = s.Next
	}
	for ; at < r.Slot && len(t.run) < maxTrace; at += r.code.Instructions[at].Width() {
		t.run = append(t.run, at)
	}
	t.run = append(t.run, r.Slot)
	return t
}

// before calls visit with the steps before the last, newest first, until it
// returns false. next is the instruction that ran after.
func (t *trace) before(visit func(i, at, next int) bool) {
	for i := len(t.run) - 2; i >= 0; i-- {
		if !visit(i, t.run[i], t.run[i+1]) {
			return
		}
	}
}

// origin is the last instruction before the end that wrote a register, through
// moves; -1 if there is none.
func (t *trace) origin(reg int) int {
	found := -1
	t.before(func(_, at, next int) bool {
		ins := t.code.Instructions[at]
		if !writes(ins, reg) {
			return true
		}
		found = at
		if isMove(ins) && next == at+1 {
			reg = int(ins.Src)
			return true
		}
		return false
	})
	return found
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

// branches are the comparisons that the operand depends on: of the registers
// that went into it, found by going back along the path.
func (t *trace) branches() []Branch {
	const most = 6
	if t.reg < 0 || len(t.run) < 2 {
		return nil
	}
	want := map[uint8]bool{uint8(t.reg): true}
	seen := make(map[int]bool)
	var out []Branch
	t.before(func(_, at, next int) bool {
		ins := t.code.Instructions[at]
		if ins.IsConditional() {
			if (want[ins.Dst] || ins.Source() == isa.SrcX && want[ins.Src]) && !seen[at] && ins.Op != isa.MayGoto {
				seen[at] = true
				text, _ := printer(t.code).Text(t.code.Instructions, at)
				out = append(out, Branch{Place: placeOf(t.code, at), Slot: at, Condition: text, Taken: next != at+1})
			}
			return len(out) < most
		}
		depend(ins, want)
		return true
	})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// depend replaces what an instruction writes by what that came from.
func depend(ins isa.Instruction, want map[uint8]bool) {
	switch {
	case (ins.Class() == isa.ClassALU || ins.Class() == isa.ClassALU64) && want[ins.Dst]:
		if ins.ALUOp() == isa.OpMov {
			delete(want, ins.Dst)
		}
		if ins.Source() == isa.SrcX && ins.ALUOp() != isa.OpEnd {
			want[ins.Src] = true
		}
	case ins.Class() == isa.ClassLDX && want[ins.Dst]:
		delete(want, ins.Dst)
	case ins.Op == isa.LdImm64:
		delete(want, ins.Dst)
	case ins.IsCall():
		for r := uint8(0); r <= 5; r++ {
			delete(want, r)
		}
	}
}

// lastCall is the last call on the path for which ok holds; -1 if there is none.
func (t *trace) lastCall(ok func(ins isa.Instruction) bool) int {
	found := -1
	t.before(func(_, at, _ int) bool {
		if ins := t.code.Instructions[at]; ins.IsCall() && ok(ins) {
			found = at
		}
		return found < 0
	})
	return found
}
