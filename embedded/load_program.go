package embedded

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/vm"
)

// makePrograms loads the programs, but for those whose section names no type:
// the kernel's loader leaves them out as well.
func (l *loading) makePrograms() error {
	for _, name := range slices.Sorted(maps.Keys(l.spec.Programs)) {
		spec := l.spec.Programs[name]
		if spec.Type == ebpf.UnspecifiedProgram && l.hookOf(spec) == nil {
			continue
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		core, err := l.makeProgram(name, spec)
		if err != nil {
			return err
		}
		l.out.Programs[name] = newProgram(core)
	}
	return nil
}

func (l *loading) makeProgram(name string, spec *ebpf.ProgramSpec) (*programCore, error) {
	if spec.Type == ebpf.Extension {
		return nil, notSupported("load program "+name, "it replaces function "+spec.AttachTo+" of another program, which this engine does not do", askKernel)
	}
	if spec.AttachTo != "" && (spec.Type == ebpf.Tracing || spec.Type == ebpf.LSM) {
		return nil, notSupported("load program "+name, "it is for "+spec.AttachTo+" of the kernel", askKernel)
	}
	relocated, err := l.relocate(spec)
	if err != nil {
		return nil, err
	}
	code, err := object.Instructions(relocated, l.spec)
	if err != nil {
		return nil, err
	}
	if cb := exceptionCallback(code); cb != "" {
		return nil, notSupported("load program "+name, "what it throws is for its function "+cb+", which this engine does not call", askKernel)
	}
	tag, weak := tag(code.Instructions), newWeakFuncs(code)
	for _, k := range code.Ksyms {
		if !k.Weak && !weak.calls(k.Name) {
			return nil, notSupported("load program "+name, "it refers to the kernel's symbol "+k.Name, askKernel)
		}
	}
	if h := l.hookOf(spec); h != nil {
		if err := h.hasAll(name, code); err != nil {
			return nil, err
		}
	}
	if asksForTask(code.Instructions) {
		if err := l.provideTask(); err != nil {
			return nil, err
		}
	}
	ps, err := l.programSpec(name, spec, code)
	if err != nil {
		return nil, err
	}
	var refused error
	if ps.Facts, refused = l.verify(name, relocated, code); refused != nil && !errors.Is(refused, engine.ErrRejected) {
		return nil, refused
	}
	if err := l.e.acquire("load program " + name); err != nil {
		return nil, err
	}
	p, err := weak.load(l.e.machine, ps)
	if err == nil && refused != nil {
		p.Close()
		err = refused
	}
	if err != nil {
		return nil, errors.Join(loadError(name, err), l.e.release())
	}
	return &programCore{e: l.e, vm: p, hook: l.hookOf(spec), info: engine.ProgramInfo{
		Name: spec.Name, Type: spec.Type, AttachType: spec.AttachType, ID: p.ID(),
		Tag: tag, Instructions: len(code.Instructions),
	}}, nil
}

// hookOf is the hook of the host's that a program's section names, or nil.
func (l *loading) hookOf(spec *ebpf.ProgramSpec) *hookCore {
	if spec.Type != ebpf.UnspecifiedProgram {
		return nil
	}
	return l.e.hooks.find(strings.TrimPrefix(spec.SectionName, "?"))
}

// exceptionCallback is the function that a program wants to be called with what
// it throws, or "".
func exceptionCallback(code *object.Code) string {
	for _, f := range code.Funcs {
		if f.Type == nil {
			continue
		}
		for _, tag := range f.Type.Tags {
			if name, ok := strings.CutPrefix(tag, "exception_callback:"); ok {
				return name
			}
		}
	}
	return ""
}

// relocate adjusts a program to the kernel's types.
func (l *loading) relocate(spec *ebpf.ProgramSpec) (*ebpf.ProgramSpec, error) {
	if !object.NeedsTypes(spec) {
		return spec, nil
	}
	if l.types == nil {
		t := l.opts.KernelTypes
		if t == nil {
			var err error
			if t, err = l.e.kernelTypes(); err != nil {
				return nil, &engine.NotSupportedError{
					Feature: "load program " + spec.Name, Reason: "its CO-RE relocations need the types of a kernel and this machine has none", Remedy: "give the types of one (BTFHub has them)", Err: err,
				}
			}
		}
		l.types = []*btf.Spec{t}
	}
	return object.Relocate(spec, l.spec.Types, l.types...)
}

func (l *loading) programSpec(name string, spec *ebpf.ProgramSpec, code *object.Code) (*vm.ProgramSpec, error) {
	ps := &vm.ProgramSpec{
		Name: name, Type: abi.ProgramType(spec.Type), AttachType: abi.AttachType(spec.AttachType),
		License: spec.License, Flags: spec.Flags, Instructions: code.Instructions,
		Objects: objectTypes(l.spec.Types, code),
	}
	if h := l.hookOf(spec); h != nil {
		ps.Type, ps.AttachType, ps.Hook = abi.ProgHook, 0, &h.vm
	}
	for _, m := range code.Maps {
		live, ok := l.maps[m]
		if !ok {
			return nil, fmt.Errorf("load program %s: map %s: %w", name, m, engine.ErrNotExist)
		}
		ps.Maps = append(ps.Maps, live.core.vm)
	}
	for _, f := range code.Funcs {
		ps.Funcs = append(ps.Funcs, vm.FuncInfo{Offset: f.Slot, Name: f.Name})
	}
	for _, i := range code.Lines {
		ps.Lines = append(ps.Lines, vm.LineInfo{Offset: i.Slot, File: i.File, Line: i.Line, Column: i.Column, Text: i.Text})
	}
	for imm, k := range code.Kfuncs {
		if ps.Kfuncs == nil {
			ps.Kfuncs = make(map[int32]string)
		}
		ps.Kfuncs[imm] = k.Name
	}
	return ps, nil
}

// tag is the SHA-1 prefix that Linux up to 6.17 computes over a program
// (bpf_prog_calc_tag): references to maps count as zero.
func tag(code []isa.Instruction) string {
	h := sha1.New()
	var b [isa.SlotSize]byte
	for i := 0; i < len(code); i++ {
		ins := code[i]
		half := i > 0 && code[i-1].Op == isa.LdImm64
		if ins.Op == isa.LdImm64 && (ins.Src == isa.PseudoMapIdx || ins.Src == isa.PseudoMapIdxValue) {
			ins.Src -= isa.PseudoMapIdx - isa.PseudoMapFD
			ins.Imm = 0
		}
		if half && (code[i-1].Src == isa.PseudoMapIdx || code[i-1].Src == isa.PseudoMapIdxValue) {
			ins.Imm = 0
		}
		b[0], b[1] = ins.Op, ins.Src<<4|ins.Dst
		if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
			b[1] = ins.Dst<<4 | ins.Src
		}
		binary.NativeEndian.PutUint16(b[2:], uint16(ins.Off))
		binary.NativeEndian.PutUint32(b[4:], uint32(ins.Imm))
		h.Write(b[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}
