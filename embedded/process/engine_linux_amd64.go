package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/trace"
)

// Engine is an embedded engine that traces processes. Its methods are safe for
// concurrent use, but for Command, Process and Start, which are called one after
// the other.
type Engine struct {
	*embedded.Engine
	t     *tracer
	names *trace.Machine
	links atomic.Uint32
}

var _ engine.Engine = (*Engine)(nil)

// New makes an engine that traces nothing yet. The caller closes it.
func New(cfg Config) (*Engine, error) {
	e, err := embedded.New(embedded.Config{CPUs: cfg.CPUs})
	if err != nil {
		return nil, err
	}
	return &Engine{Engine: e, t: newTracer(cfg.Log), names: trace.Open()}, nil
}

// Command makes a process that runs args and stands still before its first
// instruction. The first word is looked up in $PATH.
func (e *Engine) Command(args []string, in, out, errw *os.File) (pid int, err error) {
	path, err := exec.LookPath(args[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return 0, fmt.Errorf("command %q: %w", args[0], err)
	}
	files := []uintptr{in.Fd(), out.Fd(), errw.Fd()}
	err = e.t.do(func() (err error) { pid, err = e.t.command(path, args, files); return err })
	return pid, err
}

// Process stops a process and its threads, to be traced from Start on.
func (e *Engine) Process(pid int) error {
	return e.t.do(func() error { return e.t.seizeAll(pid) })
}

// Start lets run what is traced.
func (e *Engine) Start() error { return e.t.do(e.t.start) }

// Done is closed when what is traced has ended.
func (e *Engine) Done() <-chan struct{} { return e.t.done }

// End stops tracing: a process goes on, a command is ended.
func (e *Engine) End() { e.t.end() }

// Close ends tracing and closes the embedded engine.
func (e *Engine) Close() error {
	if e == nil {
		return nil
	}
	e.t.end()
	return errors.Join(e.names.Close(), e.Engine.Close())
}

// Load loads a collection, but for programs that look at the current task: the
// kernel's structures of other processes cannot be read, and what the embedded
// engine knows of its own process would be wrong of them.
func (e *Engine) Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) (*engine.Collection, error) {
	for name, p := range spec.Programs {
		for i := range p.Instructions {
			ins := &p.Instructions[i]
			if ins.IsBuiltinCall() && (ins.Constant == int64(asm.FnGetCurrentTask) || ins.Constant == int64(asm.FnGetCurrentTaskBtf)) {
				return nil, cannot("program "+name+": the current task (curtask)", "it is a structure of the kernel")
			}
		}
	}
	return e.Engine.Load(ctx, spec, opts)
}

// hook is a program where it is attached.
type hook struct {
	prog   *embedded.Program
	cookie uint64
	raw    bool // a raw tracepoint's context
	gone   atomic.Bool
}

// Attach connects a program of this engine to a target.
func (e *Engine) Attach(p engine.Program, t engine.Target) (engine.Link, error) {
	switch t.Kind() {
	case engine.KindXDP, engine.KindTCX:
		return e.Engine.Attach(p, t)
	}
	own, ok := p.(*embedded.Program)
	if !ok {
		return nil, fmt.Errorf("attach to %s: program %s: %w", t, p.Info().Name, engine.ErrWrongEngine)
	}
	if err := Supported(t); err != nil {
		return nil, err
	}
	h := &hook{prog: own}
	l := &link{h: h, info: engine.LinkInfo{Kind: t.Kind(), Target: t.String(), ID: e.links.Add(1), ProgramID: p.Info().ID}}
	var err error
	switch t := t.(type) {
	case engine.Tracepoint:
		h.cookie = t.Cookie
		err = e.tracepoint(h, t.Group, t.Name)
	case engine.RawTracepoint:
		h.cookie, h.raw = t.Cookie, true
		err = e.tracepoint(h, "raw_syscalls", t.Name)
	case engine.Uprobe:
		h.cookie = t.Cookie
		err = e.t.uprobe(h, t.Path, t.Symbol, t.Address, t.Offset, t.Return)
	case engine.UprobeMulti:
		for i, s := range t.Symbols {
			hi := &hook{prog: own}
			if i < len(t.Cookies) {
				hi.cookie = t.Cookies[i]
			}
			var off uint64
			if i < len(t.Offsets) {
				off = t.Offsets[i]
			}
			l.more = append(l.more, hi)
			if err = e.t.uprobe(hi, t.Path, s, 0, off, t.Return); err != nil {
				break
			}
		}
	case engine.PerfEvent:
		h.cookie = t.Cookie
		l.ticks(t)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", t, err)
	}
	return l, nil
}

func (e *Engine) tracepoint(h *hook, group, name string) error {
	s := &e.t.hooks
	s.mu.Lock()
	defer s.mu.Unlock()
	switch group + ":" + name {
	case "raw_syscalls:sys_enter":
		s.enterAll = append(s.enterAll, h)
		return nil
	case "raw_syscalls:sys_exit":
		s.exitAll = append(s.exitAll, h)
		return nil
	}
	if group != "syscalls" {
		s.events[name] = append(s.events[name], h)
		return nil
	}
	const enter, exit = "sys_enter_", "sys_exit_"
	list, call := &s.enter, ""
	switch {
	case len(name) > len(enter) && name[:len(enter)] == enter:
		call = name[len(enter):]
	case len(name) > len(exit) && name[:len(exit)] == exit:
		list, call = &s.exit, name[len(exit):]
	}
	n, ok := e.names.Syscall(call)
	if !ok || n >= maxCalls {
		return fmt.Errorf("no system call of that name: %w", engine.ErrNotExist)
	}
	list[n] = append(list[n], h)
	return nil
}

// link is a program that is attached.
type link struct {
	h    *hook
	more []*hook
	info engine.LinkInfo
	once sync.Once
	stop func()
}

func (l *link) Info() engine.LinkInfo { return l.info }

func (l *link) Update(engine.Program) error {
	return cannot("replace the program at "+l.info.Target, "links of processes keep theirs")
}

func (l *link) Pin(string) error {
	return cannot("pin the link to "+l.info.Target, "it ends with this process")
}
func (l *link) Unpin() error  { return nil }
func (l *link) Detach() error { return l.Close() }

// Close takes the program away; it runs no more once Close has returned, but
// for a run that is under way.
func (l *link) Close() error {
	l.once.Do(func() {
		l.h.gone.Store(true)
		for _, h := range l.more {
			h.gone.Store(true)
		}
		if l.stop != nil {
			l.stop()
		}
	})
	return nil
}

// ticks runs the program at intervals.
func (l *link) ticks(t engine.PerfEvent) {
	every := time.Duration(t.Period)
	if t.Frequency > 0 {
		every = time.Second / time.Duration(t.Frequency)
	}
	tick := time.NewTicker(max(every, time.Microsecond))
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ctx := make([]byte, perfContext)
		for {
			select {
			case <-tick.C:
				l.h.prog.RunTask(nil, l.h.cookie, ctx)
			case <-quit:
				return
			}
		}
	}()
	l.stop = func() { tick.Stop(); close(quit); <-ended }
}

// perfContext is the size of struct bpf_perf_event_data.
const perfContext = 168 + 16
