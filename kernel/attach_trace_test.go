//go:build linux

package kernel

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// tryCounter is newCounter for programs that not every kernel can load.
func tryCounter(t *testing.T, e *Engine, typ ebpf.ProgramType, at ebpf.AttachType, attachTo string, verdict int32) *counter {
	t.Helper()
	coll, err := e.Load(t.Context(), counterSpec(typ, at, attachTo, 1, verdict), nil)
	if err != nil {
		skipRefused(t, err)
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() { coll.Close() })
	return &counter{coll: coll, prog: coll.Programs["count"], hits: coll.Maps["hits"], slot: 1}
}

func exec1(t *testing.T) func() {
	return func() {
		t.Helper()
		if err := child(t, "exit", ""); err != nil {
			t.Fatal(err)
		}
	}
}

func open1(t *testing.T) func() {
	return func() {
		t.Helper()
		f, err := os.Open("/proc/self/stat")
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestTracepoint(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.TracePoint, 0, "", 0)
	l := attach(t, e, c.prog, engine.Tracepoint{Group: "sched", Name: "sched_process_exec"})
	c.moves(t, exec1(t))
	cannotUpdate(t, l, c.prog)
	l.Close()
	c.rests(t, exec1(t))
	if _, err := e.Attach(c.prog, engine.Tracepoint{Group: "sched", Name: "no_such"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent tracepoint: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.Tracepoint{Group: "..", Name: "sched"}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a path for a name: %v", err)
	}
}

func TestRawTracepoint(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.RawTracepoint, 0, "", 0)
	l := attach(t, e, c.prog, engine.RawTracepoint{Name: "sched_process_exec"})
	c.moves(t, exec1(t))
	cannotUpdate(t, l, c.prog)
	if err := l.Detach(); err != nil {
		t.Fatal(err)
	}
	c.rests(t, exec1(t))
	if _, err := e.Attach(c.prog, engine.RawTracepoint{Name: "no_such"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent tracepoint: %v", err)
	}
}

func TestBTFTracepoint(t *testing.T) {
	e := newEngine(t)
	c := tryCounter(t, e, ebpf.Tracing, ebpf.AttachTraceRawTp, "sched_process_exec", 0)
	for _, target := range []engine.Target{engine.Tracing{}, engine.RawTracepoint{Name: "sched_process_exec"}} {
		l := attach(t, e, c.prog, target)
		c.moves(t, exec1(t))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		c.rests(t, exec1(t))
	}
}

// probedFunction is a function of every kernel that opening a file passes.
const probedFunction = "vfs_open"

func TestKprobe(t *testing.T) {
	e := newEngine(t)
	for name, ret := range map[string]bool{"entry": false, "return": true} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
			l := attach(t, e, c.prog, engine.Kprobe{Symbol: probedFunction, Return: ret})
			c.moves(t, open1(t))
			cannotUpdate(t, l, c.prog)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, open1(t))
		})
	}
	c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
	_, err := e.Attach(c.prog, engine.Kprobe{Symbol: "no_such_function_here"})
	if !errors.Is(err, engine.ErrNotExist) && !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("absent function: %v", err)
	}
}

func TestKprobeIoctl(t *testing.T) {
	e := newEngine(t)
	typ, _, err := perfSource("kprobe")
	if err != nil {
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
	name, err := stringPtr(probedFunction)
	if err != nil {
		t.Fatal(err)
	}
	event, err := perfEventOpen(&probeAttr{typ: typ, config1: name}, -1, 0)
	if err != nil {
		t.Fatal(err)
	}
	l, err := perfIoctl(c.prog.(*Program), engine.Kprobe{Symbol: probedFunction}, event)
	if err != nil {
		t.Fatal(err)
	}
	c.moves(t, open1(t))
	cannotUpdate(t, l, c.prog)
	if err := l.Detach(); err != nil {
		t.Fatal(err)
	}
	c.rests(t, open1(t))
}

// cookieSpec is a program that stores its cookie in slot 3 of "hits".
func cookieSpec(typ ebpf.ProgramType, at ebpf.AttachType, attachTo string) *ebpf.CollectionSpec {
	spec := counterSpec(typ, at, attachTo, 3, 0)
	spec.Programs["count"].Instructions = asm.Instructions{
		asm.FnGetAttachCookie.Call(),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.StoreImm(asm.R10, -4, 3, asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference("hits"),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.StoreMem(asm.R0, 0, asm.R6, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"),
		asm.Return(),
	}
	return spec
}

// wantCookie attaches a cookie program, runs f and looks what arrived.
func wantCookie(t *testing.T, e *Engine, spec *ebpf.CollectionSpec, target engine.Target, cookie uint64, f func()) {
	t.Helper()
	coll, err := e.Load(t.Context(), spec, nil)
	if err != nil {
		skipRefused(t, err)
		t.Fatalf("load: %+v", err)
	}
	defer coll.Close()
	l, err := e.Attach(coll.Programs["count"], target)
	if err != nil {
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	defer l.Close()
	f()
	c := counter{hits: coll.Maps["hits"], slot: 3}
	for range 100 {
		if c.count(t) == cookie {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("cookie %#x arrived, want %#x", c.count(t), cookie)
}

func TestCookies(t *testing.T) {
	e := newEngine(t)
	const cookie = 0x1122334455667788
	t.Run("tracepoint", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.TracePoint, 0, ""),
			engine.Tracepoint{Group: "sched", Name: "sched_process_exec", Cookie: cookie}, cookie, exec1(t))
	})
	t.Run("kprobe", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.Kprobe, 0, ""), engine.Kprobe{Symbol: probedFunction, Cookie: cookie}, cookie, open1(t))
	})
	t.Run("kprobeMulti", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.Kprobe, ebpf.AttachTraceKprobeMulti, ""),
			engine.KprobeMulti{Symbols: []string{probedFunction}, Cookies: []uint64{cookie}}, cookie, open1(t))
	})
	t.Run("fentry", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.Tracing, ebpf.AttachTraceFEntry, probedFunction), engine.Tracing{Cookie: cookie}, cookie, open1(t))
	})
	t.Run("rawTracepoint", func(t *testing.T) {
		if !kernelVersion().atLeast(6, 10) {
			t.Skip("needs Linux 6.10")
		}
		wantCookie(t, e, cookieSpec(ebpf.RawTracepoint, 0, ""),
			engine.RawTracepoint{Name: "sched_process_exec", Cookie: cookie}, cookie, exec1(t))
	})
	p := startTarget(t)
	t.Run("uprobe", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.Kprobe, 0, ""),
			engine.Uprobe{Path: p.path, Symbol: "probe_me", Cookie: cookie}, cookie, func() { p.step(t) })
	})
	t.Run("usdt", func(t *testing.T) {
		wantCookie(t, e, cookieSpec(ebpf.Kprobe, 0, ""),
			engine.USDT{Path: p.path, Provider: "skep", Name: "tick", Cookie: cookie}, cookie, func() { p.step(t) })
	})
}

func TestKprobeMulti(t *testing.T) {
	e := newEngine(t)
	for name, ret := range map[string]bool{"entry": false, "return": true} {
		t.Run(name, func(t *testing.T) {
			c := tryCounter(t, e, ebpf.Kprobe, ebpf.AttachTraceKprobeMulti, "", 0)
			l := attach(t, e, c.prog, engine.KprobeMulti{Symbols: []string{probedFunction, "vfs_read"}, Return: ret})
			c.moves(t, open1(t))
			cannotUpdate(t, l, c.prog)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, open1(t))
		})
	}
	c := tryCounter(t, e, ebpf.Kprobe, ebpf.AttachTraceKprobeMulti, "", 0)
	if _, err := e.Attach(c.prog, engine.KprobeMulti{}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("no functions: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.KprobeMulti{Symbols: []string{"a"}, Cookies: []uint64{1, 2}}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("more cookies than functions: %v", err)
	}
}

func TestKprobeSession(t *testing.T) {
	e := newEngine(t)
	c := tryCounter(t, e, ebpf.Kprobe, ebpf.AttachTraceKprobeSession, "", 0)
	l := attach(t, e, c.prog, engine.KprobeMulti{Symbols: []string{probedFunction}, Session: true})
	before := c.count(t)
	open1(t)()
	if n := c.count(t) - before; n < 2 {
		t.Errorf("a session counted %d times, want entry and return", n)
	}
	l.Close()
}

func TestFentryFexit(t *testing.T) {
	e := newEngine(t)
	for name, at := range map[string]ebpf.AttachType{"fentry": ebpf.AttachTraceFEntry, "fexit": ebpf.AttachTraceFExit} {
		t.Run(name, func(t *testing.T) {
			c := tryCounter(t, e, ebpf.Tracing, at, probedFunction, 0)
			l := attach(t, e, c.prog, engine.Tracing{})
			c.moves(t, open1(t))
			cannotUpdate(t, l, c.prog)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, open1(t))
		})
	}
}

// hookSpec counts and returns verdict to processes of one thread group only, so
// that the machine around the test goes on.
func hookSpec(typ ebpf.ProgramType, at ebpf.AttachType, attachTo string, pid int, verdict int32) *ebpf.CollectionSpec {
	spec := counterSpec(typ, at, attachTo, 1, verdict)
	spec.Programs["count"].Instructions = append(asm.Instructions{
		asm.FnGetCurrentPidTgid.Call(),
		asm.RSh.Imm(asm.R0, 32),
		asm.JEq.Imm(asm.R0, int32(pid), "ours"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return(),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("ours"),
	}, counterCode(1, verdict)...)
	return spec
}

// refuses attaches a program that refuses to open files and sees it obeyed.
func refuses(t *testing.T, e *Engine, typ ebpf.ProgramType, at ebpf.AttachType, attachTo string, target engine.Target) {
	t.Helper()
	coll, err := e.Load(t.Context(), hookSpec(typ, at, attachTo, os.Getpid(), -int32(unix.EPERM)), nil)
	if err != nil {
		skipRefused(t, err)
		t.Fatalf("load: %+v", err)
	}
	defer coll.Close()
	l, err := e.Attach(coll.Programs["count"], target)
	if err != nil {
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	_, err = os.Open("/proc/self/stat")
	if cerr := l.Close(); cerr != nil {
		t.Fatal(cerr)
	}
	if !errors.Is(err, unix.EPERM) {
		t.Errorf("open under a refusing program: %v", err)
	}
	c := counter{hits: coll.Maps["hits"], slot: 1}
	if c.count(t) == 0 {
		t.Error("the program was not asked")
	}
	// The trampoline of a program that is being detached may run a last time.
	for range 100 {
		f, oerr := os.Open("/proc/self/stat")
		if err = oerr; err == nil {
			f.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("open afterwards: %v", err)
}

func TestFmodRet(t *testing.T) {
	refuses(t, newEngine(t), ebpf.Tracing, ebpf.AttachModifyReturn, "security_file_open", engine.Tracing{})
}

func TestLSM(t *testing.T) {
	refuses(t, newEngine(t), ebpf.LSM, ebpf.AttachLSMMac, "file_open", engine.LSM{})
}

func TestLSMCgroup(t *testing.T) {
	e := newEngine(t)
	dir := newCgroup(t)
	c := tryCounter(t, e, ebpf.LSM, ebpf.AttachLSMCgroup, "socket_bind", 1)
	l := attach(t, e, c.prog, engine.Cgroup{Path: dir})
	run := func() {
		if err := child(t, "udp", dir); err != nil {
			t.Fatal(err)
		}
	}
	c.moves(t, run)
	l.Close()
	c.rests(t, run)
}

func TestFreplace(t *testing.T) {
	e := newEngine(t)
	victim := load(t, e, object(t, freplaceObject), nil).Programs["guarded"]
	spec := object(t, extensionObject)
	coll, err := e.Load(t.Context(), spec, &engine.LoadOptions{AttachTo: map[string]engine.Program{"drop": victim}})
	if err != nil {
		skipRefused(t, err)
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() { coll.Close() })
	verdict := func() uint32 {
		res, err := victim.Run(&engine.RunInput{Data: make([]byte, 64)})
		if err != nil {
			t.Fatal(err)
		}
		return res.Return
	}
	for _, target := range []engine.Freplace{{}, {Program: victim, Function: "policy"}} {
		if got := verdict(); got != xdpPass {
			t.Fatalf("verdict %d before", got)
		}
		l := attach(t, e, coll.Programs["drop"], target)
		if got := verdict(); got != 1 {
			t.Errorf("verdict %d while replaced, want 1", got)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if got := verdict(); got != xdpPass {
			t.Errorf("verdict %d afterwards", got)
		}
	}
	if _, err := e.Attach(coll.Programs["drop"], engine.Freplace{Program: victim, Function: "nothing"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent function: %v", err)
	}
}

func TestUprobe(t *testing.T) {
	e := newEngine(t)
	p := startTarget(t)
	for name, target := range map[string]engine.Uprobe{
		"entry":  {Symbol: "probe_me"},
		"return": {Symbol: "probe_me", Return: true},
		"pid":    {Symbol: "probe_me", PID: p.cmd.Process.Pid},
	} {
		t.Run(name, func(t *testing.T) {
			target.Path = p.path
			c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
			l := attach(t, e, c.prog, target)
			c.moves(t, func() { p.step(t) })
			cannotUpdate(t, l, c.prog)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, func() { p.step(t) })
		})
	}
	c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
	for what, target := range map[string]engine.Uprobe{
		"symbol": {Path: p.path, Symbol: "nothing"},
		"file":   {Path: "/nowhere", Symbol: "probe_me"},
	} {
		if _, err := e.Attach(c.prog, target); !errors.Is(err, engine.ErrNotExist) {
			t.Errorf("absent %s: %v", what, err)
		}
	}
	// Another process's probe does not see this one.
	l := attach(t, e, c.prog, engine.Uprobe{Path: p.path, Symbol: "probe_me", PID: os.Getpid()})
	defer l.Close()
	c.rests(t, func() { p.step(t) })
}

func TestUprobeMulti(t *testing.T) {
	e := newEngine(t)
	p := startTarget(t)
	for name, target := range map[string]engine.UprobeMulti{
		"entry":  {},
		"return": {Return: true},
		"pid":    {PID: p.cmd.Process.Pid},
	} {
		t.Run(name, func(t *testing.T) {
			target.Path, target.Symbols = p.path, []string{"probe_me", "probe_me_too"}
			c := tryCounter(t, e, ebpf.Kprobe, ebpf.AttachTraceUprobeMulti, "", 0)
			l := attach(t, e, c.prog, target)
			before := c.count(t)
			p.step(t)
			if n := c.count(t) - before; n != 2 {
				t.Errorf("%d hits of two functions", n)
			}
			cannotUpdate(t, l, c.prog)
			l.Close()
			c.rests(t, func() { p.step(t) })
		})
	}
}

func TestUSDT(t *testing.T) {
	e := newEngine(t)
	p := startTarget(t)
	if s := p.step(t); s != 0 {
		t.Fatalf("semaphore is %d before anybody attached", s)
	}
	for name, at := range map[string]ebpf.AttachType{"single": 0, "multi": ebpf.AttachTraceUprobeMulti} {
		t.Run(name, func(t *testing.T) {
			c := tryCounter(t, e, ebpf.Kprobe, at, "", 0)
			l := attach(t, e, c.prog, engine.USDT{Path: p.path, Provider: "skep", Name: "tick", PID: p.cmd.Process.Pid})
			before := c.count(t)
			s := p.step(t)
			if n := c.count(t) - before; n != 2 {
				t.Errorf("%d hits of a probe with two places", n)
			}
			if s == 0 {
				t.Error("semaphore is 0 while attached")
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, func() { s = p.step(t) })
			if s != 0 {
				t.Errorf("semaphore stays at %d", s)
			}
		})
	}
	c := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
	if _, err := e.Attach(c.prog, engine.USDT{Path: p.path, Provider: "skep", Name: "tock"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent probe: %v", err)
	}
}

func TestPerfEvent(t *testing.T) {
	e := newEngine(t)
	p := startTarget(t)
	burn := func() {
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
			continue
		}
	}
	step := func() {
		for range 10 {
			p.step(t) // sleeps in between
		}
	}
	for name, at := range map[string]struct {
		target engine.PerfEvent
		work   func()
	}{
		"everywhere": {engine.PerfEvent{Config: unix.PERF_COUNT_SW_CPU_CLOCK, CPU: -1, Frequency: 500}, burn},
		"oneCPU":     {engine.PerfEvent{Config: unix.PERF_COUNT_SW_CPU_CLOCK, CPU: 0, Period: 1000000}, burn},
		"process":    {engine.PerfEvent{Config: unix.PERF_COUNT_SW_CONTEXT_SWITCHES, PID: p.cmd.Process.Pid, CPU: -1, Period: 1}, step},
	} {
		t.Run(name, func(t *testing.T) {
			at.target.Type = unix.PERF_TYPE_SOFTWARE
			c := newCounter(t, e, ebpf.PerfEvent, 0, "", 0)
			l := attach(t, e, c.prog, at.target)
			c.moves(t, at.work)
			cannotUpdate(t, l, c.prog)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			c.rests(t, at.work)
		})
	}
	c := newCounter(t, e, ebpf.PerfEvent, 0, "", 0)
	if _, err := e.Attach(c.prog, engine.PerfEvent{Period: 1, Frequency: 1}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("period and frequency: %v", err)
	}
}
