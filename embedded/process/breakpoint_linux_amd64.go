package process

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

const int3 = 0xcc

// trap is a SIGTRAP; false if it is the process's own.
func (t *tracer) trap(th *thread) bool {
	if !th.loadRegs() {
		return false
	}
	b := th.space.at[th.regs.Rip-1]
	if b == nil {
		return false
	}
	th.regs.Rip = b.addr
	t.returned(th)
	t.called(th, b)
	if t.emulate(th, b) {
		th.storeRegs()
		return true
	}
	th.storeRegs()
	t.stepOver(th, b)
	return true
}

// stepOver carries out the instruction under a breakpoint, with the breakpoint
// taken away. The process's other threads stand still meanwhile, so that they
// neither miss it nor meet it half put back; what they had to report waits.
func (t *tracer) stepOver(th *thread, b *breakpoint) {
	for _, other := range t.threads {
		if other.space != th.space || other.stopped {
			continue
		}
		unix.PtraceInterrupt(other.tid)
		if _, ws, err := waitFor(other.tid); err == nil {
			other.stopped, other.queued = true, true
			t.waiting = append(t.waiting, report{other.tid, ws})
		}
	}
	unix.PtracePokeText(th.tid, uintptr(b.addr), b.code[:1])
	th.haveRegs = false
	for stepped := false; !stepped; {
		if unix.PtraceSingleStep(th.tid) != nil {
			return
		}
		_, ws, err := waitFor(th.tid)
		if err != nil {
			return
		}
		switch event := ws >> 16; {
		case ws.Stopped() && event == 0 && ws.StopSignal() == unix.SIGTRAP:
			stepped = true
		case ws.Stopped() && event == unix.PTRACE_EVENT_STOP && ws.StopSignal() == unix.SIGTRAP:
			// An earlier interruption came late.
		case ws.Stopped() && event == 0 && ws.StopSignal()&0x80 == 0 && th.held == 0:
			// A signal waits until the instruction is done.
			th.held = int(ws.StopSignal())
		default:
			t.waiting = append(t.waiting, report{th.tid, ws})
			th.queued, stepped = true, true
		}
	}
	if th.held != 0 && !th.queued {
		t.waiting = append(t.waiting, report{th.tid, unix.WaitStatus(th.held<<8 | 0x7f)})
		th.held, th.queued = 0, true
	}
	unix.PtracePokeText(th.tid, uintptr(b.addr), []byte{int3})
}

// called runs what wants to know of a function's entry, and waits for its
// return if that is wanted.
func (t *tracer) called(th *thread, b *breakpoint) {
	th.funcIP = b.addr
	for _, u := range b.sites {
		if !u.ret {
			th.run(u.list, th.regBytes())
			continue
		}
		var ret [8]byte
		if th.ReadUser(th.regs.Rsp, ret[:]) < len(ret) {
			continue
		}
		if t.breakAt(th.space, binary.LittleEndian.Uint64(ret[:])) != nil {
			th.returns = append(th.returns, pendingReturn{sp: th.regs.Rsp, addr: b.addr, sites: u})
		}
	}
}

// returned runs what wants to know of the return of the function that has just
// returned here. Calls that were left by longjmp are forgotten.
func (t *tracer) returned(th *thread) {
	for n := len(th.returns); n > 0 && th.returns[n-1].sp < th.regs.Rsp; n = len(th.returns) {
		r := th.returns[n-1]
		th.returns = th.returns[:n-1]
		if r.sp+8 == th.regs.Rsp {
			th.funcIP = r.addr
			th.run(r.sites.list, th.regBytes())
		}
	}
}

// emulate carries out the instruction under a breakpoint if it is one that
// functions begin with: endbr64, push of a register, nop.
func (t *tracer) emulate(th *thread, b *breakpoint) bool {
	c := b.code[:b.n]
	switch {
	case len(c) >= 4 && c[0] == 0xf3 && c[1] == 0x0f && c[2] == 0x1e && c[3] == 0xfa:
		th.regs.Rip += 4
		return true
	case c[0] == 0x90:
		th.regs.Rip++
		return true
	case c[0]&^7 == 0x50:
		return th.push(int(c[0]&7), 1)
	case len(c) >= 2 && c[0] == 0x41 && c[1]&^7 == 0x50:
		return th.push(int(c[1]&7)+8, 2)
	}
	return false
}

// push pushes the register of a number as instructions encode it.
func (th *thread) push(reg, size int) bool {
	r := &th.regs
	v := [16]uint64{
		r.Rax, r.Rcx, r.Rdx, r.Rbx, r.Rsp, r.Rbp, r.Rsi, r.Rdi, r.R8, r.R9, r.R10, r.R11, r.R12, r.R13, r.R14, r.R15,
	}[reg]
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	if n, err := unix.PtracePokeData(th.tid, uintptr(r.Rsp-8), b[:]); n != 8 || err != nil {
		return false
	}
	r.Rsp -= 8
	r.Rip += uint64(size)
	return true
}

// parting prepares a thread that stopped for the last time: what it was about
// to be told it is told when it is let go.
func (t *tracer) parting(th *thread, ws unix.WaitStatus) {
	th.stopped, th.haveRegs = true, false
	if ws>>16 != 0 || ws.StopSignal() == unix.SIGTRAP|0x80 {
		return
	}
	sig := ws.StopSignal()
	switch {
	case sig == unix.SIGTRAP && th.loadRegs() && th.space.at[th.regs.Rip-1] != nil:
		th.regs.Rip--
		th.storeRegs()
	case sig != unix.SIGSTOP:
		th.parting = int(sig)
	}
}
