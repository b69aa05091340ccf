package vm

import (
	"fmt"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

// maxTracepointArgs is how many arguments a raw tracepoint has at most.
const maxTracepointArgs = 12

func (p *Program) testRawTracepoint(in *TestInput) (TestResult, error) {
	var none TestResult
	switch {
	case len(in.Data) != 0 || in.WantContext || in.Repeat != 0:
		return none, p.refuse(syscall.EINVAL, "raw tracepoints take a context only")
	case len(in.Context) > maxTracepointArgs*8:
		return none, p.refuse(syscall.EINVAL, "%d bytes of arguments; at most %d", len(in.Context), maxTracepointArgs*8)
	case in.Flags&^abi.FlagTestRunOnCPU != 0 || in.Flags == 0 && in.CPU != 0:
		return none, p.refuse(syscall.EINVAL, "flags %#x, CPU %d", in.Flags, in.CPU)
	case in.Flags != 0 && int64(in.CPU) >= int64(len(p.m.cpus)):
		return none, p.refuse(syscall.ENXIO, "CPU %d; the machine has %d", in.CPU, len(p.m.cpus))
	}
	cpu := -1
	if in.Flags != 0 {
		cpu = int(in.CPU)
	}
	ret, _, err := p.plain(in.Context, cpu)
	return TestResult{Return: uint32(ret)}, err
}

func (p *Program) testSyscall(in *TestInput) (TestResult, error) {
	if len(in.Data) != 0 || in.WantContext || in.Repeat != 0 || in.Flags != 0 || len(in.Context) > 1<<16-1 {
		return TestResult{}, p.refuse(syscall.EINVAL, "syscall programs take a context of at most 65535 bytes only")
	}
	ret, ctx, err := p.plain(in.Context, -1)
	// As in Linux the context comes back where it came from.
	copy(in.Context, ctx)
	return TestResult{Return: uint32(ret)}, err
}

// RunContext runs a program whose context is plain memory (raw tracepoint,
// kprobe, tracepoint, perf event, syscall) on a copy of ctx, at most 64 KiB,
// and copies it back. For programs at sockets and cgroups it is [Program.RunHook]
// without data.
func (p *Program) RunContext(ctx []byte) (Verdict, error) {
	switch p.spec.Type {
	case abi.ProgRawTracepoint, abi.ProgRawTracepointWritable, abi.ProgSyscall,
		abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent:
	default:
		if isHook(p.spec.Type) {
			return p.RunHook(ctx, nil)
		}
		return Verdict{}, fmt.Errorf("run program %s: the context of a %s program is not plain memory", p.spec.Name, p.spec.Type)
	}
	if len(ctx) > 64<<10 {
		return Verdict{}, fmt.Errorf("run program %s: context of %d bytes: %w", p.spec.Name, len(ctx), syscall.E2BIG)
	}
	ret, after, err := p.plain(ctx, -1)
	copy(ctx, after)
	return Verdict{Return: uint32(ret)}, err
}

// Task is the thread of a process that a tracing program runs for: what
// helpers say of the current task, and whose memory they read.
type Task = interp.Task

// RunTask is [Program.RunContext] for a task, with the attachment's cookie; the
// context is not copied back, and nothing is allocated. A nil task is this
// process.
func (p *Program) RunTask(task Task, cookie uint64, ctx []byte) (uint64, error) {
	switch p.spec.Type {
	case abi.ProgRawTracepoint, abi.ProgRawTracepointWritable, abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent:
	default:
		return 0, fmt.Errorf("run program %s: a %s program does not run for a task", p.spec.Name, p.spec.Type)
	}
	if len(ctx) > 64<<10 {
		return 0, fmt.Errorf("run program %s: context of %d bytes: %w", p.spec.Name, len(ctx), syscall.E2BIG)
	}
	c, err := p.begin()
	if err != nil {
		return 0, err
	}
	defer c.release()
	c.t.Task, c.t.Cookie = task, cookie
	c.t.SetPlainContext(ctx)
	c.t.Out.Reset()
	ret, err := c.t.Run(p.i)
	c.t.Task, c.t.Cookie = nil, 0
	if err != nil {
		return 0, p.m.stopped(err)
	}
	return ret, nil
}

// plain runs the program on a copy of ctx, on a given virtual CPU or (-1) any.
// The memory it returns is valid until the next run; callers copy at once.
func (p *Program) plain(ctx []byte, on int) (ret uint64, after []byte, err error) {
	cpus := p.m.cpus
	if on >= 0 {
		cpus = cpus[on : on+1]
	}
	c, err := p.beginOn(cpus)
	if err != nil {
		return 0, nil, err
	}
	defer c.release()
	mem := c.t.SetPlainContext(ctx)
	c.t.Out.Reset()
	ret, err = c.t.Run(p.i)
	after = append([]byte(nil), mem...)
	if err != nil {
		err = p.m.stopped(err)
	}
	return ret, after, err
}
