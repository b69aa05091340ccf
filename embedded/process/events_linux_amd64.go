package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// handle is told of a thread that stopped or ended.
func (t *tracer) handle(tid int, ws unix.WaitStatus) {
	th := t.threads[tid]
	if th == nil {
		// A child may be seen before its parent's report of it.
		if !ws.Stopped() {
			return
		}
		th = t.add(tid, nil)
		th.space.pid = tgid(tid)
		if leader := t.threads[th.space.pid]; leader != nil && leader != th {
			th.space = leader.space
		} else {
			th.space.inherit(t, tid)
		}
	}
	if !ws.Stopped() {
		th.forget()
		delete(t.threads, tid)
		return
	}
	th.stopped, th.haveRegs = true, false
	sig, event := ws.StopSignal(), int(ws>>16)
	switch {
	case event == unix.PTRACE_EVENT_STOP:
		switch sig {
		case unix.SIGSTOP, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU:
			// The whole process is stopped by a signal, and stays so.
			th.stopped = false
			syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_LISTEN, uintptr(tid), 0, 0, 0, 0)
			return
		}
		t.resume(th, 0)
	case event == unix.PTRACE_EVENT_SECCOMP:
		t.enter(th)
		t.resume(th, 0)
	case sig == unix.SIGTRAP|0x80:
		if th.inCall {
			t.leaveCall(th)
		} else {
			t.enter(th)
			th.inCall = true
		}
		t.resume(th, 0)
	case event != 0:
		t.event(th, event)
		t.resume(th, 0)
	case sig == unix.SIGTRAP && t.trap(th):
		t.resume(th, 0)
	default:
		t.delivered(th, int(sig))
		t.resume(th, t.passOn(th, int(sig)))
	}
}

// passOn is the signal to deliver: not the one that woke the tracer to end.
func (t *tracer) passOn(th *thread, sig int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopping && sig == int(unix.SIGSTOP) {
		return 0
	}
	if sig == int(unix.SIGCONT) && t.owned && th.tid == t.pid && !th.space.going {
		th.space.going = true
		return 0
	}
	return sig
}

// event is something that the kernel reports of processes.
func (t *tracer) event(th *thread, event int) {
	switch event {
	case unix.PTRACE_EVENT_CLONE, unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_VFORK:
		msg, err := unix.PtraceGetEventMsg(th.tid)
		if err != nil {
			return
		}
		child := int(msg)
		c := t.threads[child]
		if c == nil {
			c = t.add(child, nil)
		}
		switch c.space.pid = tgid(child); {
		case c.space.pid == th.space.pid:
			c.space = th.space
		default:
			c.space.copy(th.space)
		}
		t.hooks.run(th, "sched_process_fork", func(b *record) {
			b.str(8, th.Comm())
			b.u32(12, uint32(th.tid))
			b.str(16, th.Comm())
			b.u32(20, uint32(child))
		}, 24)
	case unix.PTRACE_EVENT_EXEC:
		old := th.tid
		if msg, err := unix.PtraceGetEventMsg(th.tid); err == nil {
			old = int(msg)
		}
		for tid, other := range t.threads {
			if tid != th.tid && other.space.pid == th.space.pid {
				other.forget()
				delete(t.threads, tid)
			}
		}
		th.forget()
		th.space = &space{pid: th.tid, at: map[uint64]*breakpoint{}, going: true}
		th.returns = nil
		t.place(th.space)
		path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", th.tid))
		t.hooks.run(th, "sched_process_exec", func(b *record) {
			b.str(8, path)
			b.u32(12, uint32(th.tid))
			b.u32(16, uint32(old))
		}, 20)
	case unix.PTRACE_EVENT_EXIT:
		t.hooks.run(th, "sched_process_exit", func(b *record) {
			copy(b.buf[8:24], th.Comm())
			b.u32(24, uint32(th.tid))
			b.u32(28, 120)
			if len(tasks(th.space.pid)) <= 1 {
				b.buf[32] = 1
			}
		}, 40)
	}
}

// delivered is a signal on its way to a thread.
func (t *tracer) delivered(th *thread, sig int) {
	t.hooks.run(th, "signal_deliver", func(b *record) {
		b.u32(8, uint32(sig))
		var info unix.Siginfo
		if _, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GETSIGINFO, uintptr(th.tid), 0, pointerOf(&info), 0, 0); e == 0 {
			b.u32(12, uint32(info.Errno))
			b.u32(16, uint32(info.Code))
		}
	}, 40)
}

// tgid is the process of a thread.
func tgid(tid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	_, rest, ok := strings.Cut(string(b), "\nTgid:\t")
	pid := tid
	if ok {
		fmt.Sscan(rest, &pid)
	}
	return pid
}

// sameFile says whether a mapped file is one that a probe names.
func sameFile(mapped, want string) bool {
	if mapped == want {
		return true
	}
	real, err := filepath.EvalSymlinks(want)
	if err != nil {
		return false
	}
	if abs, err := filepath.Abs(real); err == nil {
		real = abs
	}
	return mapped == real
}
