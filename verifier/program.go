package verifier

import (
	"bytes"
	"fmt"
	"math"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier/internal/check"
)

// Program is a program ready to be verified. It may be verified several times,
// one after the other.
type Program struct {
	name string
	typ  abi.ProgramType

	attach abi.AttachType
	make   func() *check.Program
	code   *object.Code
	// constants, if not nil, says which maps cannot change any more.
	constants func(name string) (contents []byte, ok bool)
}

// Name is the program's name.
func (p *Program) Name() string { return p.name }

// Code is the program as it is verified: relocated, subprograms behind it.
func (p *Program) Code() *object.Code { return p.code }

// FromSpec takes one program of a collection. kernel are the types of the kernel
// that it is to run on, for CO-RE relocations; nil is fine for programs without.
// Neither is changed.
func FromSpec(coll *ebpf.CollectionSpec, name string, kernel *btf.Spec) (*Program, error) {
	spec, ok := coll.Programs[name]
	if !ok {
		return nil, fmt.Errorf("verify program %s: the object has no such program", name)
	}
	if object.NeedsTypes(spec) {
		var err error
		var target []*btf.Spec
		if kernel != nil {
			target = append(target, kernel)
		}
		if spec, err = object.Relocate(spec, coll.Types, target...); err != nil {
			return nil, err
		}
	}
	code, err := object.Instructions(spec, coll)
	if err != nil {
		return nil, err
	}
	return FromCode(coll, spec, code)
}

// FromCode takes a program of a collection that is relocated already, with its
// instructions. The program keeps code; nothing is changed.
func FromCode(coll *ebpf.CollectionSpec, spec *ebpf.ProgramSpec, code *object.Code) (*Program, error) {
	name := spec.Name
	p := &check.Program{
		Name: name, Type: abi.ProgramType(spec.Type), AttachType: abi.AttachType(spec.AttachType), AttachTo: spec.AttachTo,
		License: spec.License, Flags: spec.Flags, Instructions: code.Instructions, Types: coll.Types,
		Kfuncs: make(map[int32]string), WeakKfuncs: make(map[int32]bool), Ksyms: make(map[int]check.Ksym),
	}
	for imm, k := range code.Kfuncs {
		p.Kfuncs[imm], p.WeakKfuncs[imm] = k.Name, k.Weak
	}
	for _, k := range code.Ksyms {
		p.Ksyms[k.Slot] = check.Ksym{Name: k.Name, Weak: k.Weak}
	}
	for _, f := range code.Funcs {
		p.Funcs = append(p.Funcs, check.Func{Slot: f.Slot, Name: f.Name, Type: f.Type})
	}
	for _, l := range code.Lines {
		p.Lines = append(p.Lines, check.Line{Slot: l.Slot, File: l.File, Line: l.Line, Column: l.Column, Text: l.Text})
	}
	for _, m := range code.Maps {
		cm, err := fromMap(coll.Maps[m])
		if err != nil {
			return nil, fmt.Errorf("verify program %s: map %s: %w", name, m, err)
		}
		p.Maps = append(p.Maps, cm)
	}
	out := &Program{name: name, typ: p.Type, attach: p.AttachType, code: code}
	out.make = func() *check.Program {
		q := fresh(p)
		if out.constants != nil {
			for i, m := range code.Maps {
				q.Maps[i].Contents, q.Maps[i].Frozen = out.constants(m)
			}
		}
		return q
	}
	return out, nil
}

// SetConstants makes of tell what the verifier knows about contents of maps: it
// returns those of a map, named as in the collection, that neither programs nor
// their users can change any more. Without it, sections of constants hold what
// the collection says.
func (p *Program) SetConstants(tell func(name string) (contents []byte, ok bool)) { p.constants = tell }

// SetHook says that the program is for a hook that is none of Linux's.
func (p *Program) SetHook(h *abi.Hook) {
	made := p.make
	p.typ, p.attach = abi.ProgHook, 0
	p.make = func() *check.Program {
		q := made()
		q.Type, q.AttachType, q.Hook = abi.ProgHook, 0, h
		return q
	}
}

// fresh is a copy that a verification may write to.
func fresh(p *check.Program) *check.Program {
	q := *p
	q.Maps = make([]*check.Map, len(p.Maps))
	for i, m := range p.Maps {
		q.Maps[i] = copyMap(m)
	}
	return &q
}

func copyMap(m *check.Map) *check.Map {
	if m == nil {
		return nil
	}
	c := *m
	c.Inner = copyMap(m.Inner)
	return &c
}

func fromMap(m *ebpf.MapSpec) (*check.Map, error) {
	if m == nil {
		return nil, fmt.Errorf("the object has no such map")
	}
	out := &check.Map{
		Name: m.Name, Type: abi.MapType(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: m.Flags, Key: m.Key, Value: m.Value,
	}
	if out.Type == abi.MapArray && out.Flags&abi.FlagRdonlyProg != 0 {
		// Loaders freeze read-only sections once they are filled.
		out.Frozen = true
		contents, err := sectionBytes(m)
		if err != nil {
			return nil, err
		}
		out.Contents = contents
	}
	if m.InnerMap != nil {
		inner, err := fromMap(m.InnerMap)
		if err != nil {
			return nil, err
		}
		out.Inner = inner
	}
	return out, nil
}

// sectionBytes are the contents of a map of one element; what is not given is
// zero.
func sectionBytes(m *ebpf.MapSpec) ([]byte, error) {
	if m.MaxEntries != 1 || m.ValueSize > math.MaxInt32 {
		return nil, nil
	}
	if len(m.Contents) == 0 {
		return make([]byte, m.ValueSize), nil
	}
	b, ok := m.Contents[0].Value.([]byte)
	if !ok {
		return nil, fmt.Errorf("contents are %T, not bytes", m.Contents[0].Value)
	}
	return bytes.Clone(b), nil
}
