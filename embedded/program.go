package embedded

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// programCore is a live program, shared by its handles, pins and hooks.
type programCore struct {
	e    *Engine
	vm   *vm.Program
	info engine.ProgramInfo
	hook *hookCore // what it is for, if that is the host's
	// runs and nanos count live runs.
	runs, nanos atomic.Uint64
}

// Program is a handle on a program of the embedded engine.
type Program struct {
	core *programCore

	mu     sync.RWMutex
	closed bool
	pin    string
}

var _ engine.Program = (*Program)(nil)

func newProgram(core *programCore) *Program { return &Program{core: core} }

func (c *programCore) another() (*Program, error) {
	if err := c.acquire(); err != nil {
		return nil, err
	}
	return newProgram(c), nil
}

// acquire takes the holds of one more handle, pin or hook.
func (c *programCore) acquire() error {
	if err := c.e.acquire("program " + c.info.Name); err != nil {
		return err
	}
	if !c.vm.Acquire() {
		_ = c.e.release() // not the last: the engine is open
		return fmt.Errorf("program %s: %w", c.info.Name, engine.ErrClosed)
	}
	return nil
}

func (c *programCore) release() error {
	c.vm.Release()
	return c.e.release()
}

// count adds a live run that began at start.
func (c *programCore) count(start time.Time) {
	c.runs.Add(1)
	c.nanos.Add(uint64(time.Since(start)))
}

// Info describes the program.
func (p *Program) Info() engine.ProgramInfo { return p.core.info }

// open locks the program for one operation; the caller unlocks if it got nil.
func (p *Program) open(op string) error {
	p.mu.RLock()
	if p.closed {
		p.mu.RUnlock()
		return fmt.Errorf("%s program %s: %w", op, p.core.info.Name, engine.ErrClosed)
	}
	return nil
}

// Run runs the program as BPF_PROG_TEST_RUN does. A bad memory access comes
// back as an [*engine.FaultError].
func (p *Program) Run(in *engine.RunInput) (engine.RunResult, error) {
	if in == nil {
		in = &engine.RunInput{}
	}
	if in.Repeat < 0 || uint64(in.Repeat) > 1<<32-1 {
		return engine.RunResult{}, fmt.Errorf("run program %s: repeat %d: %w", p.core.info.Name, in.Repeat, syscall.EINVAL)
	}
	if err := p.open("run"); err != nil {
		return engine.RunResult{}, err
	}
	defer p.mu.RUnlock()
	res, err := p.core.vm.TestRun(&vm.TestInput{
		Data: in.Data, Context: in.Context, WantContext: in.WantContext, Repeat: in.Repeat,
		Flags: in.Flags, CPU: in.CPU, DataOut: in.DataOut, NoDataOut: in.NoDataOut,
	})
	if err != nil {
		return engine.RunResult{}, runError(p.core.info.Name, err)
	}
	return engine.RunResult{Return: res.Return, Data: res.Data, Context: res.Context, Duration: res.Duration}, nil
}

// RunTask runs a tracing program for a task, with the attachment's cookie, as
// what it is attached to would; a nil task is this process. Nothing is
// allocated. The run counts in [Program.Stats].
func (p *Program) RunTask(task vm.Task, cookie uint64, ctx []byte) (uint64, error) {
	if err := p.open("run"); err != nil {
		return 0, err
	}
	defer p.mu.RUnlock()
	start := time.Now()
	ret, err := p.core.vm.RunTask(task, cookie, ctx)
	if err != nil {
		return 0, runError(p.core.info.Name, err)
	}
	p.core.count(start)
	return ret, nil
}

// Stats returns how often live runs happened and how long they took.
func (p *Program) Stats() (engine.ProgramStats, error) {
	if err := p.open("stats of"); err != nil {
		return engine.ProgramStats{}, err
	}
	defer p.mu.RUnlock()
	return engine.ProgramStats{Runs: p.core.runs.Load(), Runtime: time.Duration(p.core.nanos.Load())}, nil
}

// Close gives the program up; links, pins and prog arrays keep it alive.
func (p *Program) Close() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	return p.core.release()
}

// asProgram is p if it is this engine's.
func (e *Engine) asProgram(p engine.Program) (*Program, error) {
	if p == nil {
		return nil, fmt.Errorf("program is nil: %w", syscall.EINVAL)
	}
	own, ok := p.(*Program)
	switch {
	case ok && own == nil:
		return nil, fmt.Errorf("program is nil: %w", syscall.EINVAL)
	case !ok || own.core.e != e:
		return nil, fmt.Errorf("program %s: %w", p.Info().Name, engine.ErrWrongEngine)
	}
	return own, nil
}
