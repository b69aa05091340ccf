package interp

import (
	"github.com/skepdev/skep/abi"
)

// maxMayGotos bounds the loops of may_goto (BPF_MAX_LOOPS in Linux).
const maxMayGotos = 8 << 20

// callCost is charged for a call besides the length of what is called.
const callCost = 8

// Callback runs the function that the register value fn refers to and returns
// its R0. ok is false if the run is over.
func (t *Thread) Callback(fn uint64, args ...uint64) (result uint64, ok bool) {
	to, ok := t.FunctionAt(fn)
	if !ok || !t.enter(to) {
		return 0, false
	}
	copy(t.R[1:6], args)
	ok = t.run(t.R[10], int(to))
	if ok {
		t.leave()
	}
	return t.R[0], ok
}

// FunctionAt is the slot of the function that the register value fn refers to;
// false, and the end of the run, if it is none that can be called back.
func (t *Thread) FunctionAt(fn uint64) (slot int32, ok bool) {
	to := int64(fn &^ tagMask)
	if fn&tagMask != funcTag || to >= int64(len(t.prog.Insns)) || !t.prog.taken[int32(to)] {
		t.Fail("the callback %#x is not a function of this program", fn)
		return 0, false
	}
	return int32(to), true
}

// tailCall replaces the running function by the program at index R3 of the
// program array R2. If there is none, or after 33 in a row, the program goes
// on.
func (t *Thread) tailCall() {
	if t.R[1] != t.ctxBase {
		t.Fail("tail call: argument 1 is not the context")
		return
	}
	m := t.Map(t.R[2])
	if m == nil {
		return
	}
	if m.Progs == nil {
		t.Fail("tail call: map %s is a %s, not a prog_array", m.Name, m.Type)
		return
	}
	if t.tails >= abi.MaxTailCalls {
		t.R[0] = negative(1)
		return
	}
	target, _ := m.Progs.At(uint32(t.R[3])).(Callee)
	if target == nil {
		t.R[0] = negative(2)
		return
	}
	p := target.Callee()
	t.budget -= int64(p.funcs[0]) + callCost
	if t.budget < 0 && !t.refill() {
		return
	}
	t.tails++
	t.replaceCallee(p)
	t.prog = p
	t.wpkt = span{}
	if p.PacketWritable {
		t.wpkt = t.pkt
	}
	t.pc = -1
}

// Callee is implemented by what program arrays hold.
type Callee interface{ Callee() *Program }

func negative(errno uint64) uint64 { return -errno }
