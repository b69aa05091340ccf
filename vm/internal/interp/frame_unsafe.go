package interp

import "github.com/skepdev/skep/abi"

// saved is what a call keeps of its caller, above the caller's frame pointer:
// in the gap below the next frame, where no program's access reaches. Native
// code writes and reads it too.
type saved struct {
	// native is where native code goes on when the called function exits.
	native uint64
	// call is the slot of the call and, from bit savedShift on, which of regs
	// hold something.
	call uint64
	regs [4]uint64 // r6 to r9
}

const (
	savedShift = 24
	savedAll   = 0xf << savedShift
)

// savedAt is what the frame with the given frame pointer keeps while it waits
// for a call to end. That of stackBase belongs to whoever started the run.
func savedAt(fp uint64) *saved { return (*saved)(ptr(fp)) }

// enter makes a frame for the function at slot to, called from slot t.pc, and
// leaves t.pc in front of it.
func (t *Thread) enter(to int32) bool {
	fp := t.R[10]
	if fp >= t.lastFrame {
		t.Fail("the call nests deeper than %d frames", abi.MaxCallFrames)
		return false
	}
	t.budget -= int64(t.prog.funcs[to]) + callCost
	if t.budget < 0 && !t.refill() {
		return false
	}
	s := savedAt(fp)
	s.native, s.call = t.prog.exit, uint64(t.pc)|savedAll
	copy(s.regs[:], t.R[6:10])
	t.R[10] = fp + frameStride
	t.pc = int(to) - 1
	return true
}

// leave undoes a call: the slot in t.pc is the call's again.
func (t *Thread) leave() {
	fp := t.R[10] - frameStride
	s := savedAt(fp)
	for i := range s.regs {
		if s.call>>savedShift>>i&1 != 0 {
			t.R[6+i] = s.regs[i]
		}
	}
	t.R[10] = fp
	t.pc = int(s.call & (1<<savedShift - 1))
	if caller := &t.callers[t.depth()]; *caller != nil {
		t.prog, *caller = *caller, nil
	}
}

// depth is how many calls are under way.
func (t *Thread) depth() uint64 {
	return (t.R[10] - t.stackBase - frameStride) / frameStride & (abi.MaxCallFrames - 1)
}

// replaceCallee prepares for p to take the place of the running function,
// whose caller may be waiting in another program: that one is to be returned
// to by way of leave.
func (t *Thread) replaceCallee(p *Program) {
	s, d := savedAt(t.R[10]-frameStride), t.depth()
	if d == 0 {
		s.native = p.exit // each program keeps its fuel where it likes
		return
	}
	s.native = p.leaveAtExit
	if caller := &t.callers[d-1]; *caller == nil {
		*caller = t.prog
	}
}
