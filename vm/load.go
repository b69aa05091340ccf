package vm

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/helpers"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit"
	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// Program is a loaded program. Its methods are safe for concurrent use.
type Program struct {
	m      *Machine
	spec   ProgramSpec
	i      *interp.Program
	code   *jit.Code // nil: interpreted
	id     uint32
	refs   atomic.Int64
	closed atomic.Bool
}

// Load checks and decodes a program. Errors about the program itself are
// [*LoadError]. The caller closes it; program arrays that hold it keep it
// beyond that.
func (m *Machine) Load(spec *ProgramSpec) (*Program, error) {
	p := &Program{m: m, spec: *spec, id: m.nextID.Add(1)}
	p.spec.Instructions = nil
	p.spec.Maps = slices.Clone(spec.Maps)
	p.spec.Lines = slices.Clone(spec.Lines)
	p.spec.Funcs = slices.Clone(spec.Funcs)
	if err := loadable(spec); err != nil {
		return nil, err
	}
	if n := len(spec.Facts); n != 0 && n != len(spec.Instructions) {
		return nil, fmt.Errorf("load program %s: facts about %d slots; it has %d", spec.Name, n, len(spec.Instructions))
	}
	held, err := p.holdMaps()
	if err != nil {
		return nil, err
	}
	if err := p.compile(spec); err != nil {
		for _, mp := range held {
			mp.release()
		}
		return nil, err
	}
	p.refs.Store(1)
	return p, nil
}

// loadable refuses program types that this runtime cannot run.
func loadable(spec *ProgramSpec) error {
	if helpers.Runnable(spec.Type) && (spec.Type == abi.ProgHook) == (spec.Hook != nil) {
		return nil
	}
	return &NotSupportedError{Feature: "program type " + spec.Type.String(), Reason: noHook(spec.Type)}
}

// noHook says why programs of a type are of no use here.
func noHook(abi.ProgramType) string { return "the embedded engine has nothing to attach it to" }

func (p *Program) holdMaps() (held []*Map, err error) {
	for i, mp := range p.spec.Maps {
		switch {
		case mp == nil:
			err = fmt.Errorf("load program %s: map %d is nil", p.spec.Name, i)
		case mp.m != p.m:
			err = fmt.Errorf("load program %s: map %s belongs to another machine", p.spec.Name, mp.spec.Name)
		case !mp.acquire():
			err = fmt.Errorf("load program %s: map %s: %w", p.spec.Name, mp.spec.Name, ErrClosed)
		}
		if err == nil {
			err = p.claimArray(mp)
		}
		if err != nil {
			for _, h := range held {
				h.release()
			}
			return nil, err
		}
		held = append(held, mp)
	}
	return held, nil
}

// claimArray decides, or checks, what programs a program array is for.
func (p *Program) claimArray(mp *Map) error {
	if mp.spec.Type != abi.MapProgArray {
		return nil
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if mp.owner == nil {
		mp.owner = &callOwner{typ: p.spec.Type, attach: p.spec.AttachType, hook: p.spec.Hook}
	}
	if mp.owner.typ == p.spec.Type && mp.owner.hook == p.spec.Hook {
		return nil
	}
	mp.refs.Add(-1) // taken by the caller just before; never the last one
	return &LoadError{
		Program: p.spec.Name, Instruction: -1, Err: ErrInvalid,
		Reason: fmt.Sprintf("program array %s is for %s programs, and this is one of %s", mp.spec.Name, mp.owner, p.owner()),
	}
}

func (p *Program) compile(spec *ProgramSpec) error {
	s := &interp.Spec{
		Name: spec.Name, Type: spec.Type, Instructions: spec.Instructions, Facts: slices.Clone(spec.Facts), Trace: spec.Trace,
		LegacyLoads: spec.Type == abi.ProgSocketFilter || spec.Type == abi.ProgSchedCLS || spec.Type == abi.ProgSchedACT,
	}
	for _, mp := range spec.Maps {
		s.Maps = append(s.Maps, mp.i)
	}
	for _, f := range spec.Funcs {
		s.Entries = append(s.Entries, f.Offset)
	}
	traits := helpers.Traits{GPL: gplCompatible(spec.License), Sleepable: spec.Flags&abi.FlagSleepable != 0}
	usesHeap := false
	s.Helper = func(id abi.HelperID) (interp.Helper, string) {
		usesHeap = usesHeap || helpers.UsesObjects(id, "")
		return helpers.Find(spec.Type, id, traits)
	}
	s.Kfunc = func(imm int32) (interp.Helper, string) {
		if h := spec.Hook.body(spec.Kfuncs[imm]); h != nil {
			return h, ""
		}
		usesHeap = usesHeap || helpers.UsesObjects(0, spec.Kfuncs[imm])
		return helpers.FindKfunc(spec.Type, spec.Kfuncs[imm], imm)
	}
	ip, err := interp.Compile(s)
	var ce *interp.Error
	if errors.As(err, &ce) {
		return p.loadError(spec, ce)
	} else if err != nil {
		return err
	}
	ip.PacketWritable = helpers.PacketWritable(spec.Type) || spec.Hook != nil && spec.Hook.Decl.PacketWritable
	ip.Owner = p
	ip.Heap = usesHeap || slices.ContainsFunc(spec.Maps, func(mp *Map) bool { return len(mp.spec.Fields) > 0 })
	ip.Objects, ip.PerCPUObjects = spec.Objects, map[uint32]*heap.Type{}
	for id, t := range spec.Objects {
		each := *t
		each.PerCPU = true
		ip.PerCPUObjects[id] = &each
	}
	p.i = ip
	p.addCode()
	return nil
}

// addCode compiles the program to native code. Without memory for it, or the
// right to make memory executable, the interpreter serves.
func (p *Program) addCode() {
	if p.m.cfg.Interpret || p.spec.Trace != nil {
		return
	}
	p.i.Number = p.id
	code, err := jit.Compile(p.i, p.m.memory, p.m.cfg.Profile)
	if err != nil || code == nil {
		return
	}
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.closed {
		_ = code.Close()
		return
	}
	p.code = code
	p.m.native[p] = struct{}{}
	p.m.setNumber(p.i, true)
}

// setNumber makes a program known, or unknown, to runs whose native code calls
// it. The caller holds m.mu.
func (m *Machine) setNumber(p *interp.Program, known bool) {
	next := maps.Clone(*m.numbered.Load())
	if known {
		next[p.Number] = p
	} else {
		delete(next, p.Number)
	}
	m.numbered.Store(&next)
}

// freeCode gives native code back when no run can be in it, once.
func (p *Program) freeCode() {
	p.m.mu.Lock()
	_, has := p.m.native[p]
	delete(p.m.native, p)
	p.m.mu.Unlock()
	if has {
		p.m.afterRuns(func() {
			p.m.mu.Lock()
			p.m.setNumber(p.i, false)
			p.m.mu.Unlock()
			_ = p.code.Close()
		})
	}
}

// Native says whether the program runs as native code rather than interpreted.
func (p *Program) Native() bool { return p.code != nil }

func (p *Program) loadError(spec *ProgramSpec, ce *interp.Error) error {
	e := &LoadError{Program: spec.Name, Instruction: ce.Slot, Reason: ce.Reason, Err: ErrInvalid}
	if ce.Missing {
		e.Err = ErrNotSupported
	}
	if ce.Slot >= 0 {
		e.Assembly, _ = isa.Disassemble(spec.Instructions, ce.Slot)
		e.Line = p.line(ce.Slot)
	}
	return e
}

// line is the source line that slot came from.
func (p *Program) line(slot int) LineInfo {
	i := sort.Search(len(p.spec.Lines), func(i int) bool { return p.spec.Lines[i].Offset > slot })
	if i == 0 {
		return LineInfo{}
	}
	return p.spec.Lines[i-1]
}

// gplCompatible is the kernel's list of licences.
func gplCompatible(license string) bool {
	switch license {
	case "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL":
		return true
	}
	return false
}

// Name, Type and AttachType are those of the spec.
func (p *Program) Name() string { return p.spec.Name }

// Type is the program's type.
func (p *Program) Type() abi.ProgramType { return p.spec.Type }

// AttachType is the attach type the program was loaded for.
func (p *Program) AttachType() abi.AttachType { return p.spec.AttachType }

// ID is the program's number, unique in its machine.
func (p *Program) ID() uint32 { return p.id }

// Maps are the maps the program refers to. Not to be modified.
func (p *Program) Maps() []*Map { return p.spec.Maps }

// Acquire keeps the program beyond Close, until Release; false if it is gone
// already.
func (p *Program) Acquire() bool {
	for {
		n := p.refs.Load()
		if n <= 0 {
			return false
		}
		if p.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives back what Acquire took.
func (p *Program) Release() {
	if p.refs.Add(-1) == 0 {
		for _, mp := range p.spec.Maps {
			mp.release()
		}
		p.freeCode()
	}
}

// Close gives up the maker's hold on the program. Runs under way end as usual.
// It is safe on nil and twice.
func (p *Program) Close() error {
	if p != nil && p.closed.CompareAndSwap(false, true) {
		p.Release()
	}
	return nil
}

// progObject is a program as an element of a program array.
type progObject struct{ p *Program }

var (
	_ vmmaps.Object = progObject{}
	_ interp.Callee = progObject{}
)

func (o progObject) ID() uint32              { return o.p.id }
func (o progObject) Handle() uintptr         { return uintptr(o.p.id) }
func (o progObject) Acquire()                { o.p.refs.Add(1) }
func (o progObject) Release()                { o.p.Release() }
func (o progObject) Callee() *interp.Program { return o.p.i }

// stopped turns the end of a run into the error that callers see.
func (m *Machine) stopped(err error) error {
	var s *interp.Stop
	if !errors.As(err, &s) {
		return err
	}
	var text string
	var line LineInfo
	name := s.Program.Name
	if s.PC >= 0 {
		text, _ = isa.Disassemble(s.Program.Insns, s.PC)
		if p, ok := s.Program.Owner.(*Program); ok {
			line = p.line(s.PC)
		}
	}
	text = strings.TrimSpace(text)
	if s.Cause != nil {
		return &CanceledError{Program: name, Instruction: s.PC, Assembly: text, Line: line, Err: s.Cause}
	}
	if s.Budget {
		limit := uint64(m.env.MaxInstructions)
		if p, ok := s.Program.Owner.(*Program); ok && p.spec.Hook != nil && p.spec.Hook.MaxInstructions > 0 {
			limit = p.spec.Hook.MaxInstructions
		}
		return &BudgetError{Program: name, Instruction: s.PC, Assembly: text, Line: line, Limit: limit}
	}
	return &Fault{
		Program: name, Instruction: s.PC, Assembly: text, Line: line,
		Address: s.Address, Size: s.Size, Write: s.Write, Reason: s.Reason,
	}
}

// NativeCode is the program's code for a processor, "amd64" or "arm64",
// whatever this one is.
func (p *Program) NativeCode(arch string) ([]NativeCode, error) {
	pieces, err := jit.Pieces(p.i, arch)
	if err != nil {
		return nil, fmt.Errorf("compile program %s for %s: %w", p.spec.Name, arch, err)
	}
	out := make([]NativeCode, len(pieces))
	for i, pc := range pieces {
		out[i] = NativeCode(pc)
	}
	return out, nil
}

// NativeCode is a piece of machine code and the slot it was made for, -1 for
// what surrounds the program. Aside says that it stands away from the others.
type NativeCode struct {
	Slot, Offset int
	Aside        bool
	Bytes        []byte
}

// Hits is how often each slot was run, counted by basic block; nil without
// Config.Profile, or if the program is interpreted.
func (p *Program) Hits() []uint64 { return p.code.Hits() }

// CodeSize is the bytes of the program's native code; 0 if it is interpreted.
func (p *Program) CodeSize() int { return p.code.Size() }
