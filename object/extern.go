package object

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Extern is a symbol that the object leaves to the kernel: a variable or
// function declared __ksym. Open attaches it to the instruction that refers to
// it; [ExternOf] finds it there.
type Extern struct {
	Name string
	// Weak symbols may be missing: their address is 0 then.
	Weak bool
	// Elsewhere says that it is a variable or map of another object, not a symbol
	// of the kernel's.
	Elsewhere bool
}

type externKey struct{}

// ExternOf returns what ins refers to outside of the object, if it does.
func ExternOf(ins *asm.Instruction) (Extern, bool) {
	e, ok := ins.Metadata.Get(externKey{}).(Extern)
	return e, ok
}

// externs are the references of an object to undefined symbols, by function and
// by slot within it: the one name of a place that survives linking.
type externs struct {
	refs map[string]map[uint64]Extern
	weak []*symbol
}

func (im *image) externs() *externs {
	x := &externs{refs: make(map[string]map[uint64]Extern)}
	weak := make(map[uint32]bool)
	for i := range im.sections {
		s := &im.sections[i]
		if s.kind != elf.SHT_REL || !im.sections[s.info].isProgram() {
			continue
		}
		// Relocations by offset, then walk functions: both sides are bounded.
		undefined := make(map[uint64]Extern)
		for _, r := range im.relocations(s) {
			sym := &im.symbols[r.symbol]
			if sym.section != elf.SHN_UNDEF || sym.name == "" {
				continue
			}
			e := Extern{Name: sym.name, Weak: sym.bind() == elf.STB_WEAK}
			undefined[r.offset] = e
			if e.Weak && !weak[r.symbol] {
				weak[r.symbol] = true
				x.weak = append(x.weak, sym)
			}
		}
		if len(undefined) > 0 {
			x.place(im.functions(&im.sections[s.info]), undefined)
		}
	}
	return x
}

func (x *externs) place(funcs []*symbol, undefined map[uint64]Extern) {
	for _, f := range funcs {
		for off := f.value; off < f.value+f.size; off += slotSize {
			e, ok := undefined[off]
			if !ok {
				continue
			}
			slots := x.refs[f.name]
			if slots == nil {
				slots = make(map[uint64]Extern)
				x.refs[f.name] = slots
			}
			slots[(off-f.value)/slotSize] = e
		}
	}
}

// bindWeak gives weak kconfig symbols a global binding in the bytes that the
// reader will see, because it knows no weak ones. Whether they were weak is
// kept in x.
func (x *externs) bindWeak(im *image) (err error) {
	if len(x.weak) == 0 {
		return nil
	}
	defer contain("reading the object's types", &err)
	types, err := btf.LoadSpecFromReader(bytes.NewReader(im.data))
	if errors.Is(err, btf.ErrNotFound) {
		return nil
	}
	if err != nil {
		return explain(err)
	}
	names, _, err := kconfigVars(types)
	if err != nil {
		return err
	}
	for _, sym := range x.weak {
		if _, ok := names[sym.name]; ok {
			im.data[sym.entry+symInfoField] = elf.ST_INFO(elf.STB_GLOBAL, sym.kind())
		}
	}
	return nil
}

// annotate puts back beside the instructions what the reader dropped, and fills
// the map of kconfig variables.
func (x *externs) annotate(spec *ebpf.CollectionSpec, opts *Options) error {
	if len(x.refs) == 0 || spec.Types == nil {
		return nil
	}
	vars, layout, err := kconfigVars(spec.Types)
	if err != nil {
		return err
	}
	ksyms, err := ksymNames(spec.Types)
	if err != nil {
		return err
	}
	used := make(map[string]bool) // kconfig variables, and whether they are weak
	for _, p := range spec.Programs {
		var slots map[uint64]Extern
		var start asm.RawInstructionOffset
		iter := p.Instructions.Iterate()
		for iter.Next() {
			if name := iter.Ins.Symbol(); name != "" {
				slots, start = x.refs[name], iter.Offset
			}
			e, ok := slots[uint64(iter.Offset-start)]
			if !ok {
				continue
			}
			v, isVar := vars[e.Name]
			if !isVar || !iter.Ins.OpCode.IsDWordLoad() {
				e.Elsewhere = iter.Ins.OpCode.IsDWordLoad() && !ksyms[e.Name]
				iter.Ins.Metadata.Set(externKey{}, e)
				continue
			}
			*iter.Ins = kconfigLoad(iter.Ins, v.Offset)
			used[e.Name] = e.Weak
		}
	}
	if len(used) == 0 {
		return nil
	}
	if _, ok := spec.Maps[KconfigMap]; ok {
		return malformed("map "+KconfigMap, "the object defines a map of that name itself")
	}
	m, err := kconfigMap(layout, used, opts)
	if err != nil {
		return err
	}
	spec.Maps[KconfigMap] = m
	return nil
}

// kconfigLoad is the load of a kconfig variable's address as a plain reference
// to a map's value. It is built anew so that the reader's private marks, which
// ask the kernel engine's library to resolve it once more, are gone.
func kconfigLoad(old *asm.Instruction, offset uint32) asm.Instruction {
	ins := asm.Instruction{
		OpCode: old.OpCode, Dst: old.Dst, Src: asm.PseudoMapValue,
		Constant: int64(uint64(offset) << 32),
	}
	if s := old.Symbol(); s != "" {
		ins = ins.WithSymbol(s)
	}
	if s := old.Source(); s != nil {
		ins = ins.WithSource(s)
	}
	if f := btf.FuncMetadata(old); f != nil {
		ins = btf.WithFuncMetadata(ins, f)
	}
	return ins.WithReference(KconfigMap)
}

// ksymNames are the symbols of the kernel that an object declares.
func ksymNames(types *btf.Spec) (map[string]bool, error) {
	var ds *btf.Datasec
	if err := types.TypeByName(".ksyms", &ds); errors.Is(err, btf.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, explain(err)
	}
	names := make(map[string]bool, len(ds.Vars))
	for _, v := range ds.Vars {
		names[v.Type.TypeName()] = true
	}
	return names, nil
}

// kconfigVars returns the kconfig variables of an object and their layout.
func kconfigVars(types *btf.Spec) (map[string]btf.VarSecinfo, *btf.Datasec, error) {
	var ds *btf.Datasec
	err := types.TypeByName(KconfigMap, &ds)
	if errors.Is(err, btf.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, explain(err)
	}
	vars := make(map[string]btf.VarSecinfo, len(ds.Vars))
	for _, v := range ds.Vars {
		if _, ok := v.Type.(*btf.Var); !ok {
			return nil, nil, malformed("section "+KconfigMap, fmt.Sprintf("holds %v, which is not a variable", v.Type))
		}
		vars[v.Type.TypeName()] = v
	}
	return vars, ds, nil
}
