package embedded

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
	"github.com/skepdev/skep/vm"
)

// Verification is what becomes of programs before they may run.
type Verification uint8

const (
	// VerifyStrict refuses what Linux would refuse, with an explanation. What is
	// accepted runs as native code without comparing what was proved. What the
	// verifier does not judge (for want of a kernel's types, say) runs with every
	// access compared.
	VerifyStrict Verification = iota
	// VerifyLenient runs what would be refused as well, with every access
	// compared: a wrong one ends the run with an error.
	VerifyLenient
	// VerifyNone does not verify: loading takes the least time, and every access
	// is compared.
	VerifyNone
)

// verify judges a program. The facts are empty if nothing is proved.
func (l *loading) verify(name string, spec *ebpf.ProgramSpec, code *object.Code) ([]vm.Fact, error) {
	if l.e.cfg.Verify == VerifyNone {
		return nil, nil
	}
	p, err := verifier.FromCode(l.spec, spec, code)
	if err != nil {
		return nil, err
	}
	p.SetConstants(l.constants)
	hook := l.hookOf(spec)
	if hook != nil {
		p.SetHook(hook.vm.Decl)
	}
	rep, err := l.judge(p, code, hook)
	var r *verifier.Rejection
	switch {
	case err == nil && len(code.Ksyms) == 0:
		return facts(rep, hook != nil), nil
	case err == nil, errors.Is(err, verifier.ErrNotSupported), l.e.cfg.Verify == VerifyLenient && errors.As(err, &r):
		return nil, nil
	case errors.As(err, &r):
		return nil, rejection(name, r)
	}
	return nil, fmt.Errorf("load program %s: %w", name, err)
}

// judge verifies with the kernel's types if the program needs them. Finding them
// takes longer than verifying most programs.
func (l *loading) judge(p *verifier.Program, code *object.Code, hook *hookCore) (*verifier.Report, error) {
	o := verifier.Options{CPUs: l.e.machine.CPUs()}
	if !callsKernel(code, hook) {
		rep, err := verifier.Verify(l.ctx, p, o)
		if !verifier.NeedsTypes(err) {
			return rep, err
		}
	}
	var err error
	if o.KernelTypes = l.opts.KernelTypes; o.KernelTypes == nil {
		if o.KernelTypes, err = l.e.kernelTypes(); err != nil {
			return nil, verifier.ErrNotSupported // it runs with comparisons
		}
	}
	return verifier.Verify(l.ctx, p, o)
}

// callsKernel says whether a program calls functions of the kernel's, and not of
// its hook's only.
func callsKernel(code *object.Code, hook *hookCore) bool {
	for _, k := range code.Kfuncs {
		if hook == nil || hook.vm.Decl.Func(k.Name) == nil {
			return true
		}
	}
	return false
}

// constants are the contents of a map that nobody can change any more.
func (l *loading) constants(name string) ([]byte, bool) {
	m, ok := l.maps[name]
	if !ok || !m.core.vm.Frozen() {
		return nil, false
	}
	b := make([]byte, m.core.info.ValueSize)
	if err := m.core.vm.Lookup([]byte{0, 0, 0, 0}, b, 0); err != nil {
		return nil, false
	}
	return b, true
}

// classes are the kinds of memory whose addresses this engine's programs hold as
// they are. The context and the kernel's objects are looked at by the runtime.
var classes = map[verifier.Access]vm.Class{
	verifier.AccessStack: vm.ClassFrame, verifier.AccessPacket: vm.ClassPacket,
	verifier.AccessMapValue: vm.ClassValue, verifier.AccessMem: vm.ClassMemory,
}

// facts says it in the runtime's terms. An access that differs from path to path
// is compared as if nothing was known. At a hook of the host's the context is
// memory like other, and as large as the verifier was told.
func facts(rep *verifier.Report, plainContext bool) []vm.Fact {
	out := make([]vm.Fact, len(rep.Facts))
	for i := range rep.Facts {
		f := &rep.Facts[i]
		class, ok := classes[f.Access]
		if plainContext && f.Access == verifier.AccessContext {
			class, ok = vm.ClassMemory, true
		}
		if !ok || f.Mixed {
			continue
		}
		if class == vm.ClassFrame && f.Frame != 0 {
			class = vm.ClassMemory // of a caller
		}
		out[i] = vm.Fact{Class: class, Proved: true}
	}
	return out
}

// rejection is a refusal in the terms of every engine.
func rejection(name string, r *verifier.Rejection) *engine.VerifierError {
	e := r.Explain()
	reason := strings.TrimSuffix(e.Summary, ".")
	if e.Cause != "" {
		reason += ": " + e.Cause
	}
	return &engine.VerifierError{
		Program: name, Reason: reason, Instruction: r.Slot, Assembly: e.Instruction,
		Source: engine.SourceLine{File: e.Place.File, Line: e.Place.Line, Column: e.Place.Column, Text: strings.TrimSpace(e.Place.Text)},
		Log:    strings.Split(strings.TrimSuffix(e.Text(), "\n"), "\n"), Err: syscall.Errno(r.Errno),
	}
}
