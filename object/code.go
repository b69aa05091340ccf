package object

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
)

// Code is a program as 8-byte slots, its subprograms behind it, every jump and
// call resolved. What only an engine can fill in stands as an index:
//
//   - a map reference is an isa.LdImm64 with Src isa.PseudoMapIdx, or
//     isa.PseudoMapIdxValue with the offset in the second slot's Imm; Imm is an
//     index into Maps.
//   - a kfunc call has Src isa.PseudoKfuncCall and in Imm a key of Kfuncs.
//   - the address of a kernel symbol is 0 in Instructions and stands in Ksyms.
type Code struct {
	Instructions []isa.Instruction
	// Maps names the maps, each once, in order of first use.
	Maps   []string
	Kfuncs map[int32]Extern
	Ksyms  []Ksym
	// Funcs begins with the program itself. Ordered by Slot.
	Funcs []FuncInfo
	// Lines is ordered by Slot; a line holds until the next.
	Lines []LineInfo
}

// FuncInfo says that a function begins at Slot.
type FuncInfo struct {
	Slot int
	Name string
	// Type is the function's BTF, or nil.
	Type *btf.Func
}

// LineInfo says that the instructions from Slot on come from a source line.
type LineInfo struct {
	Slot int
	File string
	// Line and Column count from 1; 0 means unknown.
	Line, Column int
	Text         string
}

// Ksym is the load of a kernel symbol's address.
type Ksym struct {
	Slot int
	Extern
}

// Instructions encodes p for this machine. coll is the collection p belongs to;
// with nil, maps are taken to exist. Neither is changed. It works on every
// operating system, for what Open returned and for programs written in Go.
//
// CO-RE relocations are not applied: see [Relocate].
func Instructions(p *ebpf.ProgramSpec, coll *ebpf.CollectionSpec) (*Code, error) {
	if len(p.Instructions) == 0 {
		return nil, &Error{Where: "program " + p.Name, What: "has no instructions"}
	}
	e := &encoder{
		code: &Code{}, coll: coll,
		symbols: make(map[string]int), maps: make(map[string]int), kfuncs: make(map[string]int32),
	}
	if err := e.findSymbols(p.Instructions); err != nil {
		return nil, inProgram(p, err)
	}
	iter := p.Instructions.Iterate()
	for iter.Next() {
		if err := e.add(*iter.Ins, int(iter.Offset)); err != nil {
			return nil, inProgram(p, fmt.Errorf("instruction %d: %w", iter.Offset, err))
		}
	}
	if len(e.code.Funcs) == 0 || e.code.Funcs[0].Slot != 0 {
		e.code.Funcs = append([]FuncInfo{{Name: p.Name}}, e.code.Funcs...)
	}
	return e.code, nil
}

func inProgram(p *ebpf.ProgramSpec, err error) error {
	return &Error{Where: "program " + p.Name, What: "cannot be encoded", Err: err}
}

type encoder struct {
	code    *Code
	coll    *ebpf.CollectionSpec
	symbols map[string]int // slot
	maps    map[string]int
	kfuncs  map[string]int32
	targets map[int]bool // slots that calls and function pointers lead to
}

func (e *encoder) findSymbols(insns asm.Instructions) error {
	e.targets = make(map[int]bool)
	iter := insns.Iterate()
	for iter.Next() {
		name := iter.Ins.Symbol()
		if name == "" {
			continue
		}
		if _, dup := e.symbols[name]; dup {
			return fmt.Errorf("symbol %s stands there twice", name)
		}
		e.symbols[name] = int(iter.Offset)
	}
	iter = insns.Iterate()
	for iter.Next() {
		if slot, ok := e.symbols[iter.Ins.Reference()]; ok && iter.Ins.IsFunctionReference() {
			e.targets[slot] = true
		}
	}
	return nil
}

func (e *encoder) add(ins asm.Instruction, slot int) error {
	e.describe(&ins, slot)
	if err := e.resolve(&ins, slot); err != nil {
		return err
	}
	var err error
	e.code.Instructions, err = appendSlots(e.code.Instructions, &ins)
	return err
}

// describe takes up what stands beside the instruction.
func (e *encoder) describe(ins *asm.Instruction, slot int) {
	fn := btf.FuncMetadata(ins)
	if name := ins.Symbol(); fn != nil || name != "" && (slot == 0 || e.targets[slot]) {
		if name == "" {
			name = fn.Name
		}
		e.code.Funcs = append(e.code.Funcs, FuncInfo{Slot: slot, Name: name, Type: fn})
	}
	switch src := ins.Source().(type) {
	case nil:
	case *btf.Line:
		e.code.Lines = append(e.code.Lines, LineInfo{
			Slot: slot, File: src.FileName(), Line: int(src.LineNumber()), Column: int(src.LineColumn()), Text: src.Line(),
		})
	default:
		e.code.Lines = append(e.code.Lines, LineInfo{Slot: slot, Text: src.String()})
	}
}

// resolve replaces references by numbers.
func (e *encoder) resolve(ins *asm.Instruction, slot int) error {
	ref := ins.Reference()
	switch {
	case ins.IsLoadFromMap():
		return e.resolveMap(ins, ref)
	case ins.IsKfuncCall():
		return e.resolveKfunc(ins, ref)
	case ref == "":
		return nil
	case ins.IsFunctionReference(), ins.OpCode == gotol && ins.Constant == -1:
		return e.resolveTarget(ins, ref, slot, true)
	case ins.OpCode.Class().IsJump() && ins.Offset == -1:
		return e.resolveTarget(ins, ref, slot, false)
	case ins.OpCode.IsDWordLoad():
		ext, ok := ExternOf(ins)
		if !ok {
			ext = Extern{Name: ref}
		}
		if ext.Elsewhere && !ext.Weak {
			return &Error{
				What: fmt.Sprintf("refers to %s, which the object does not define", ext.Name),
				Mend: "link the object with the one that does (skep link), or declare it __ksym if it is the kernel's", Err: asm.ErrUnsatisfiedMapReference,
			}
		}
		e.code.Ksyms = append(e.code.Ksyms, Ksym{Slot: slot, Extern: ext})
		ins.Src, ins.Constant = 0, 0
	}
	return nil
}

// gotol is the jump by a 32-bit distance.
const gotol = asm.OpCode(isa.JA32)

func (e *encoder) resolveTarget(ins *asm.Instruction, ref string, slot int, wide bool) error {
	target, ok := e.symbols[ref]
	if !ok {
		if ins.IsFunctionCall() {
			return &Error{What: fmt.Sprintf("calls %s, which the object does not define", ref), Mend: "link the object with the one that does (skep link), or declare it __ksym if it is the kernel's", Err: asm.ErrUnsatisfiedProgramReference}
		}
		return fmt.Errorf("refers to %s, which does not exist: %w", ref, asm.ErrUnsatisfiedProgramReference)
	}
	distance := target - slot - 1
	if wide {
		ins.Constant = int64(distance)
		return nil
	}
	if distance < math.MinInt16 || distance > math.MaxInt16 {
		return fmt.Errorf("jump to %s over %d slots does not fit in 16 bits", ref, distance)
	}
	ins.Offset = int16(distance)
	return nil
}

func (e *encoder) resolveMap(ins *asm.Instruction, ref string) error {
	if ref == "" {
		if ins.Map() != nil {
			return fmt.Errorf("refers to a live map of the kernel instead of one of the collection")
		}
		if ins.Src == asm.PseudoMapValue && int32(ins.Constant) == 0 {
			return &Error{What: "refers to a kconfig variable that nobody resolved", Mend: "open the object with package object"}
		}
		return fmt.Errorf("refers to a map by file descriptor %d instead of by name", int32(ins.Constant))
	}
	if e.coll != nil {
		if _, ok := e.coll.Maps[ref]; !ok {
			return fmt.Errorf("refers to map %s, which the collection does not have: %w", ref, asm.ErrUnsatisfiedMapReference)
		}
	}
	idx, ok := e.maps[ref]
	if !ok {
		idx = len(e.code.Maps)
		e.maps[ref] = idx
		e.code.Maps = append(e.code.Maps, ref)
	}
	offset := uint64(ins.Constant) &^ math.MaxUint32
	if ins.Src == asm.PseudoMapFD {
		ins.Src, offset = isa.PseudoMapIdx, 0
	} else {
		ins.Src = isa.PseudoMapIdxValue
	}
	ins.Constant = int64(offset | uint64(idx))
	return nil
}

func (e *encoder) resolveKfunc(ins *asm.Instruction, ref string) error {
	ext, ok := ExternOf(ins)
	if !ok {
		ext = Extern{Name: ref}
	}
	if ext.Name == "" {
		return fmt.Errorf("calls a kfunc by number %d instead of by name", ins.Constant)
	}
	key, ok := e.kfuncs[ext.Name]
	if !ok {
		key = int32(len(e.kfuncs) + 1)
		e.kfuncs[ext.Name] = key
		if e.code.Kfuncs == nil {
			e.code.Kfuncs = make(map[int32]Extern)
		}
		e.code.Kfuncs[key] = ext
	}
	ins.Constant, ins.Offset = int64(key), 0
	return nil
}
