package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tracer is the one thread that may tell the traced threads what to do.
type tracer struct {
	work  chan func()
	done  chan struct{} // nothing is traced any more
	ended sync.Once
	log   io.Writer
	hooks hooks

	// The rest belongs to the tracer's thread.
	threads  map[int]*thread
	pid      int // of the command or process
	owned    bool
	filtered bool
	started  bool
	// waiting are stops that were seen before their turn.
	waiting []report

	mu       sync.Mutex
	stopping bool
	wake     [2]int // process and thread that a signal to wakes the tracer
	failed   map[string]bool
}

// report is a stop or end of a thread.
type report struct {
	tid int
	ws  unix.WaitStatus
}

// options of every traced thread.
const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
	unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACEEXIT

func newTracer(log io.Writer) *tracer {
	t := &tracer{work: make(chan func()), done: make(chan struct{}), log: log, threads: map[int]*thread{}, failed: map[string]bool{}}
	t.hooks.events = map[string][]*hook{}
	return t
}

// do runs f on the tracer's thread, before Start has let go.
func (t *tracer) do(f func() error) error {
	if t.started {
		return errors.New("tracing has started")
	}
	if t.pid == 0 {
		go t.loop()
	}
	out := make(chan error, 1)
	t.work <- func() { out <- f() }
	return <-out
}

// loop is the tracer's thread, which ends with the tracing.
func (t *tracer) loop() {
	runtime.LockOSThread()
	for f := range t.work {
		f()
		if t.started || t.pid == 0 {
			break
		}
	}
	if t.pid == 0 {
		return
	}
	defer close(t.done)
	for len(t.threads) > 0 {
		tid, ws, err := t.next()
		if err != nil {
			return
		}
		t.handle(tid, ws)
		t.mu.Lock()
		stop := t.stopping
		t.mu.Unlock()
		if stop {
			t.leave()
			return
		}
	}
}

// next is the next thread that stopped or ended.
func (t *tracer) next() (int, unix.WaitStatus, error) {
	if len(t.waiting) == 0 {
		return waitFor(-1)
	}
	r := t.waiting[0]
	t.waiting = t.waiting[:copy(t.waiting, t.waiting[1:])]
	if th := t.threads[r.tid]; th != nil {
		th.queued = false
	}
	return r.tid, r.ws, nil
}

func waitFor(tid int) (int, unix.WaitStatus, error) {
	for {
		var ws unix.WaitStatus
		got, err := unix.Wait4(tid, &ws, unix.WALL|unix.WNOTHREAD, nil)
		if err != unix.EINTR {
			return got, ws, err
		}
	}
}

// command starts a program and stops it before its first instruction.
func (t *tracer) command(path string, args []string, files []uintptr) (int, error) {
	pid, err := syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: files, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, err
	}
	if _, ws, err := waitFor(pid); err != nil || !ws.Stopped() {
		return 0, fmt.Errorf("trace %s: it did not stop at its start (%v)", path, err)
	}
	// Only a thread that was seized can be told from one that stops by itself.
	if _, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(pid), 0, uintptr(unix.SIGSTOP), 0, 0); e != 0 {
		return 0, fmt.Errorf("trace %s: %w", path, e)
	}
	t.pid, t.owned = pid, true
	if err := t.seize(pid, pid, options|unix.PTRACE_O_EXITKILL); err != nil {
		unix.Kill(pid, unix.SIGKILL)
		return 0, fmt.Errorf("trace %s: %w", path, err)
	}
	return pid, nil
}

// seize makes a thread ours and stops it.
func (t *tracer) seize(pid, tid int, opt int) error {
	if _, _, e := syscall.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, uintptr(opt), 0, 0); e != 0 {
		return e
	}
	unix.PtraceInterrupt(tid)
	if _, ws, err := waitFor(tid); err != nil {
		return err
	} else if !ws.Stopped() {
		return unix.ESRCH
	}
	th := t.add(tid, nil)
	th.stopped = true
	if tid != pid && t.threads[pid] != nil {
		th.space = t.threads[pid].space
	} else {
		th.space.pid = pid
	}
	return nil
}

// seizeAll takes a process with all its threads, those too that it makes
// meanwhile.
func (t *tracer) seizeAll(pid int) error {
	t.pid = pid
	for again := true; again; {
		again = false
		list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if len(list) == 0 {
			return fmt.Errorf("process %d: %w", pid, unix.ESRCH)
		}
		for _, path := range list {
			tid, _ := strconv.Atoi(filepath.Base(path))
			if t.threads[tid] != nil {
				continue
			}
			switch err := t.seize(pid, tid, options); {
			case err == nil:
				again = true
			case err == unix.EPERM:
				return fmt.Errorf("trace process %d: %w (it must be yours, and traced by nobody else; kernel.yama.ptrace_scope may forbid more)", pid, err)
			case err != unix.ESRCH || tid == pid:
				return fmt.Errorf("trace process %d: %w", pid, err)
			}
		}
	}
	return nil
}

// start lets all threads run.
func (t *tracer) start() error {
	if t.pid == 0 {
		return errors.New("start tracing: there is no command and no process to trace")
	}
	th := t.threads[t.pid]
	if t.owned {
		if err := t.filter(th); err != nil {
			return fmt.Errorf("start tracing: %w", err)
		}
		unix.Kill(t.pid, unix.SIGCONT)
	}
	t.place(th.space)
	t.started = true
	t.mu.Lock()
	t.wake = [2]int{t.pid, t.pid}
	t.mu.Unlock()
	for _, th := range t.threads {
		t.resume(th, 0)
	}
	return nil
}

// resume lets a thread go on to the next place that somebody wants to see.
func (t *tracer) resume(th *thread, sig int) {
	if th.queued {
		return
	}
	th.haveRegs, th.stopped = false, false
	switch {
	case th.inCall || !t.filtered && t.hooks.anyCall():
		unix.PtraceSyscall(th.tid, sig)
	default:
		unix.PtraceCont(th.tid, sig)
	}
}

// add makes a thread known; a child has its parent's memory or a copy of it.
func (t *tracer) add(tid int, sp *space) *thread {
	if sp == nil {
		sp = &space{pid: tid, at: map[uint64]*breakpoint{}}
	}
	th := &thread{t: t, tid: tid, space: sp}
	t.threads[tid] = th
	return th
}

// report writes what went wrong, each thing once.
func (t *tracer) report(err error) {
	if t.log != nil && !t.failed[err.Error()] {
		t.failed[err.Error()] = true
		fmt.Fprintf(t.log, "WARNING: %v\n", err)
	}
}

// end stops tracing and waits for that. A command gets a second to end by
// itself.
func (t *tracer) end() {
	t.ended.Do(func() {
		if t.pid == 0 {
			return
		}
		if !t.started {
			t.do(func() error {
				if t.owned {
					unix.Kill(t.pid, unix.SIGKILL)
					waitFor(t.pid)
				} else {
					t.leave()
				}
				t.started, t.threads = true, nil
				return nil
			})
			<-t.done
			return
		}
		if t.owned {
			unix.Kill(t.pid, unix.SIGTERM)
			select {
			case <-t.done:
				return
			case <-time.After(time.Second):
				unix.Kill(t.pid, unix.SIGKILL)
			}
		}
		t.mu.Lock()
		t.stopping = true
		wake := t.wake
		t.mu.Unlock()
		unix.Tgkill(wake[0], wake[1], unix.SIGSTOP)
		for {
			select {
			case <-t.done:
				return
			case <-time.After(100 * time.Millisecond):
				// The thread ended meanwhile: try another.
				for _, tid := range tasks(t.pid) {
					unix.Tgkill(t.pid, tid, unix.SIGSTOP)
				}
			}
		}
	})
}

func tasks(pid int) (out []int) {
	list, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
	for _, path := range list {
		if tid, err := strconv.Atoi(filepath.Base(path)); err == nil {
			out = append(out, tid)
		}
	}
	return out
}

// leave takes the breakpoints away and lets every thread go.
func (t *tracer) leave() {
	for _, r := range t.waiting {
		if th := t.threads[r.tid]; th != nil && r.ws.Stopped() {
			t.parting(th, r.ws)
		} else {
			delete(t.threads, r.tid)
		}
	}
	for _, th := range t.threads {
		for !th.stopped {
			unix.PtraceInterrupt(th.tid)
			_, ws, err := waitFor(th.tid)
			if err != nil || !ws.Stopped() {
				delete(t.threads, th.tid)
				break
			}
			t.parting(th, ws)
		}
	}
	spaces := map[*space]*thread{}
	for _, th := range t.threads {
		spaces[th.space] = th
	}
	for sp, th := range spaces {
		sp.clear(th.tid)
	}
	if !t.owned {
		// Signals that were to wake the tracer and still wait are taken back.
		unix.Kill(t.pid, unix.SIGCONT)
	}
	for _, th := range t.threads {
		unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(th.tid), 0, uintptr(th.parting), 0, 0)
		th.forget()
	}
}
