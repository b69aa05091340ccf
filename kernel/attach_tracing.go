//go:build linux

package kernel

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// trampoline is what these kinds need of the kernel.
const trampoline = "needs a kernel with BTF, the JIT and CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS; LSM programs CONFIG_BPF_LSM and bpf among the lsm= of its command line too"

// attachTracing attaches fentry, fexit, fmod_ret and BTF tracepoint programs to
// what they were loaded for (Linux 5.5; cookies 6.0).
func attachTracing(p *Program, t engine.Tracing) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Tracing); err != nil {
		return nil, err
	}
	if p.info.AttachType == ebpf.AttachTraceIter {
		return nil, fmt.Errorf("attach program %s: it is an iterator: attach it with the Iterator target: %w", p.info.Name, unix.EINVAL)
	}
	return tracingLink(p, t, p.info.AttachType, t.Cookie)
}

// attachLSM attaches a program to the security hook it was loaded for.
func attachLSM(p *Program, t engine.LSM) (engine.Link, error) {
	if err := wantType(p, t, ebpf.LSM); err != nil {
		return nil, err
	}
	if p.info.AttachType == ebpf.AttachLSMCgroup {
		return nil, fmt.Errorf("attach program %s: it is an lsm_cgroup program: attach it with the Cgroup target: %w", p.info.Name, unix.EINVAL)
	}
	return tracingLink(p, t, ebpf.AttachLSMMac, t.Cookie)
}

func tracingLink(p *Program, t engine.Target, attach ebpf.AttachType, cookie uint64) (engine.Link, error) {
	attr := linkTracing{linkHead: linkHead{attachType: uint32(attach)}, cookie: cookie}
	fd, err := createLink(p, &attr, &attr.linkHead)
	if isInvalid(err) && cookie == 0 {
		// Before Linux 5.18, and for pinned programs whose attach type nobody
		// knows: the call that asks the program itself.
		fd, err = openRawTracepoint(p, "", 0)
	}
	if err != nil {
		return nil, attachError(p, t, err, trampoline, capPerfmon, capBPF)
	}
	return newLink(t, fd, true), nil
}

// attachRawTracepoint attaches to a tracepoint by name (Linux 4.17; cookies
// 6.10).
func attachRawTracepoint(p *Program, t engine.RawTracepoint) (engine.Link, error) {
	if p.info.Type == ebpf.Tracing && p.info.AttachType == ebpf.AttachTraceRawTp {
		// A BTF tracepoint's name stands in the program.
		l, err := attachTracing(p, engine.Tracing{Cookie: t.Cookie})
		if bl, ok := l.(*bpfLink); ok {
			bl.kind, bl.target = t.Kind(), t.String()
		}
		return l, err
	}
	if err := wantType(p, t, ebpf.RawTracepoint, ebpf.RawTracepointWritable); err != nil {
		return nil, err
	}
	if t.Name == "" {
		return nil, fmt.Errorf("attach program %s: the tracepoint has no name: %w", p.info.Name, unix.EINVAL)
	}
	fd, err := openRawTracepoint(p, t.Name, t.Cookie)
	if err != nil {
		return nil, attachError(p, t, err, "cookies at raw tracepoints need Linux 6.10", capPerfmon, capBPF)
	}
	return newLink(t, fd, true), nil
}

func openRawTracepoint(p *Program, name string, cookie uint64) (fd int, err error) {
	attr := rawTracepointAttr{cookie: cookie}
	if name != "" {
		if attr.name, err = stringPtr(name); err != nil {
			return -1, err
		}
	}
	err = p.withFD(func(prog int) error {
		attr.program = uint32(prog)
		fd, err = bpfCall(cmdRawTracepointOpen, &attr)
		return err
	})
	return fd, err
}

// attachFreplace puts p in the place of a global function of a live program
// (Linux 5.6; another target than at load time 5.10).
func attachFreplace(p *Program, t engine.Freplace) (engine.Link, error) {
	if err := wantType(p, t, ebpf.Extension); err != nil {
		return nil, err
	}
	if t.Program == nil && t.Function == "" {
		return freplaceLink(p, t, 0, 0)
	}
	if t.Program == nil || t.Function == "" {
		return nil, fmt.Errorf("attach program %s: name both program and function, or neither: %w", p.info.Name, unix.EINVAL)
	}
	victim, err := asProgram(t.Program)
	if err != nil {
		return nil, fmt.Errorf("attach program %s: %w", p.info.Name, err)
	}
	id, err := victim.functionID(t.Function)
	if err != nil {
		return nil, fmt.Errorf("attach program %s to %s: %w", p.info.Name, t, err)
	}
	var l engine.Link
	err = victim.withFD(func(fd int) (err error) {
		l, err = freplaceLink(p, t, fd, uint32(id))
		return err
	})
	return l, err
}

func freplaceLink(p *Program, t engine.Freplace, target int, id uint32) (engine.Link, error) {
	attr := linkPlain{linkHead: linkHead{target: uint32(target)}, btfID: id}
	fd, err := createLink(p, &attr, &attr.linkHead)
	if isInvalid(err) && target == 0 {
		fd, err = openRawTracepoint(p, "", 0)
	}
	if err != nil {
		return nil, attachError(p, t, err, "the function must be global and have the same arguments; "+trampoline, capNetAdmin, capPerfmon, capBPF)
	}
	return newLink(t, fd, true), nil
}

// functionID is the BTF type of one of the program's functions.
func (p *Program) functionID(name string) (id btf.TypeID, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return 0, fmt.Errorf("program %s: %w", p.info.Name, engine.ErrClosed)
	}
	handle, err := p.prog.Handle()
	if err != nil {
		return 0, fmt.Errorf("types of program %s: %w", p.info.Name, err)
	}
	defer handle.Close()
	spec, err := handle.Spec(nil)
	if err != nil {
		return 0, fmt.Errorf("types of program %s: %w", p.info.Name, err)
	}
	var fn *btf.Func
	if err := spec.TypeByName(name, &fn); err != nil {
		return 0, fmt.Errorf("program %s has no function %s: %w", p.info.Name, name, engine.ErrNotExist)
	}
	return spec.TypeID(fn)
}
