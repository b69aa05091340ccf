package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// call dispatches a call of a helper, kernel function or subprogram.
func (c *Checker) call(ins isa.Instruction, fresh *bool) error {
	if c.cur.Locks > 0 && !c.allowedUnderLock(ins) {
		return c.reject(RuleLock, EINVAL, "function calls are not allowed while holding a lock")
	}
	switch {
	case ins.IsSubprogCall():
		return c.callSubprog(ins, fresh)
	case ins.IsKfuncCall():
		err := c.callKfunc(ins)
		if err == nil && c.isThrow(ins) {
			return c.exit(true, fresh)
		}
		return c.then(err, 1)
	}
	return c.then(c.callHelper(ins), 1)
}

func (c *Checker) allowedUnderLock(ins isa.Instruction) bool {
	switch {
	case ins.IsSubprogCall():
		return true
	case ins.IsKfuncCall():
		return c.kfuncUnderLock(ins)
	}
	return ins.Imm == helperSpinUnlock
}

// callSubprog follows a static function, or takes a global one at its
// prototype's word (check_func_call).
func (c *Checker) callSubprog(ins isa.Instruction, fresh *bool) error {
	target := c.insn + 1 + int(ins.Imm)
	k := c.subprogStarting(target)
	if k < 0 {
		return c.bug("no function starts at %d", target)
	}
	s := &c.subs[k]
	caller := c.cur.frame()
	if s.global {
		return c.then(c.callGlobal(k, caller), 1)
	}
	if err := c.enter(c.cur, k, c.insn); err != nil {
		return err
	}
	callee := c.cur.frame()
	copy(callee.Regs[1:6], caller.Regs[1:6])
	c.dropCallerSaved(&caller.Regs)
	c.insn = target
	c.log.enterCall(c, caller, callee)
	return nil
}

func (c *Checker) callGlobal(k int, caller *Frame) error {
	s := &c.subs[k]
	switch {
	case c.cur.Locks > 0:
		return c.reject(RuleLock, EINVAL, "global function calls are not allowed while holding a lock,\nuse static function instead")
	case c.cur.Preempt > 0 && !c.opts.since(6, 15):
		return c.reject(RuleLock, EINVAL, "global function calls are not allowed with preemption disabled,\nuse static function instead")
	case s.mightSleep && (c.atomicRegion() || !c.sleepable()):
		return c.reject(RuleSleep, EINVAL, "global functions that may sleep are not allowed in non-sleepable context,\ni.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program context.")
	}
	if err := c.checkGlobalArgs(k); err != nil {
		return c.also(err, c.textf("Caller passes invalid args into func#%d ('%s')", k, s.name))
	}
	c.log.printf("Func#%d ('%s') is global and assumed valid.\n", k, s.name)
	if s.changesPacket {
		c.forgetPackets()
	}
	s.called = true
	c.dropCallerSaved(&caller.Regs)
	c.setUnknown(&caller.Regs[0])
	return nil
}

// enter pushes a frame onto s.
func (c *Checker) enter(s *State, k, callsite int) error {
	if s.Cur+1 >= maxFrames {
		return c.reject(RuleCallDepth, E2BIG, "the call stack of %d frames is too deep", s.Cur+2)
	}
	f := c.pool.newFrame()
	caller := s.frame()
	*f = Frame{
		Slots: f.Slots[:0], Callsite: callsite, No: uint8(s.Cur + 1), Subprog: k, AsyncEntry: caller.AsyncEntry,
	}
	f.Regs[isa.R10] = stackPointer(f.No)
	c.log.scratchReg(isa.R10)
	s.Cur++
	s.Frames[s.Cur] = f
	return nil
}

func stackPointer(frame uint8) Reg {
	r := pointerReg(Stack, 0)
	r.Frame = frame
	return r
}

// calleeSetup prepares the registers of a callback.
type calleeSetup func(caller, callee *Frame) error

// pushCallback queues one run of a callback; the current state goes on as if it
// did not run (push_callback_call).
func (c *Checker) pushCallback(k int, setup calleeSetup) error {
	caller := c.cur.frame()
	s, err := c.push(c.subs[k].start, c.insn, false)
	if err != nil {
		return err
	}
	c.subs[k].isCallback = true
	if err := c.enter(s, k, c.insn); err != nil {
		return err
	}
	if err := setup(caller, s.frame()); err != nil {
		return err
	}
	s.frame().InCallback = true
	s.CallbackUnroll++
	s.Frames[s.Cur-1].CallbackDepth++
	caller.CallbackDepth = 0
	caller.CallbacksPast++
	return nil
}

// pushAsync queues a callback that runs later, from an empty stack
// (push_async_cb).
func (c *Checker) pushAsync(k int, sleepable bool, setup calleeSetup) error {
	caller := c.cur.frame()
	if c.opts.MaxInstructions > 0 && len(c.pending) >= maxPending {
		return c.reject(RuleTooComplex, E2BIG, "The sequence of %d jumps is too complex for async cb.", len(c.pending))
	}
	s := c.pool.newState()
	f := c.pool.newFrame()
	*f = Frame{Slots: f.Slots[:0], Callsite: -1, Subprog: k, AsyncEntry: caller.AsyncEntry + 1, InAsync: true, Ret: retRange{0, 0}}
	f.Regs[isa.R10] = stackPointer(0)
	s.Frames[0], s.Cur, s.Branches = f, 0, 1
	s.Sleepable, s.First, s.Last = sleepable, c.subs[k].start, -1
	c.subs[k].isCallback, c.subs[k].isAsync = true, true
	c.pending = append(c.pending, pendingState{state: s, insn: c.subs[k].start, prev: c.insn, logPos: c.log.pos()})
	return setup(caller, f)
}

// exit ends a function or the program (process_bpf_exit_full).
func (c *Checker) exit(exception bool, fresh *bool) error {
	if exception || c.cur.Cur == 0 || c.cur.frame().InCallback {
		way := "exit"
		if exception {
			way = "bpf_throw"
		}
		if err := c.leakCheck(exception, way); err != nil {
			return err
		}
	}
	if exception {
		c.log.scratchAll()
		return errDone
	}
	if c.cur.Cur > 0 {
		if err := c.leaveFrame(); err != nil {
			return err
		}
		*fresh = true
		return nil
	}
	if err := c.checkReturn(); err != nil {
		return err
	}
	c.log.scratchAll()
	return errDone
}

// leaveFrame returns to the caller (prepare_func_exit).
func (c *Checker) leaveFrame() error {
	callee := c.cur.frame()
	caller := c.cur.Frames[c.cur.Cur-1]
	r0 := &callee.Regs[0]
	if r0.Kind == Stack {
		return c.rejectReg(0, RulePointerLeak, EINVAL, "cannot return stack pointer to the caller")
	}
	next := callee.Callsite + 1
	if callee.InCallback {
		if r0.Kind != Scalar {
			return c.rejectReg(0, RuleReturn, EACCES, "R0 not a scalar value")
		}
		if err := c.markPrecise(0); err != nil {
			return err
		}
		if int64(callee.Ret.min) > r0.SMin || r0.SMax > int64(callee.Ret.max) {
			return c.invalidReturn(0, r0, callee.Ret, "At callback return")
		}
		// The call decides again whether the callback runs once more.
		next = callee.Callsite
	} else {
		if r0.Kind == NotInit {
			caller.Regs[0] = Reg{}
		} else {
			caller.Regs[0] = *r0
		}
	}
	c.log.leaveCall(c, callee, caller, next)
	inCallback := callee.InCallback
	c.pool.freeFrame(callee)
	c.cur.Frames[c.cur.Cur] = nil
	c.cur.Cur--
	c.insn = next
	if inCallback {
		if old := c.findEntry(c.cur, next); old != nil {
			c.widen(old, c.cur)
		}
	}
	return nil
}

func (c *Checker) invalidReturn(reg int, r *Reg, want retRange, where string) error {
	msg := c.textf("%s the register R%d has", where, reg)
	unknown := true
	if r.SMin > -1<<63 {
		msg += c.textf(" smin=%d", r.SMin)
		unknown = false
	}
	if r.SMax < 1<<63-1 {
		msg += c.textf(" smax=%d", r.SMax)
		unknown = false
	}
	if unknown {
		msg += " unknown scalar value"
	}
	return c.rejectReg(reg, RuleReturn, EINVAL, "%s should have been in [%d, %d]", msg, want.min, want.max)
}

// setRange bounds a number by what is known of a helper's result.
func setRange(r *Reg, lo, hi int64) {
	r.Range = scalar.Unknown()
	r.SMin, r.SMax = lo, hi
	if lo >= 0 {
		r.UMin, r.UMax = uint64(lo), uint64(hi)
	}
	if lo >= -1<<31 && hi < 1<<31 {
		r.S32Min, r.S32Max = int32(lo), int32(hi)
	}
	r.Sync()
}
