package gen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
)

// SpecName is the program's name in the collection that [Program.Spec] returns.
const SpecName = "random"

// Spec is the program as a collection, with its maps by name and a name and type
// information for each function.
func (p *Program) Spec() (*ebpf.CollectionSpec, error) {
	code, err := isa.Encode(p.Insns, binary.LittleEndian)
	if err != nil {
		return nil, fmt.Errorf("spec of a random program: %w", err)
	}
	insns, err := asm.AppendInstructions(nil, bytes.NewReader(code), binary.LittleEndian, "linux")
	if err != nil {
		return nil, fmt.Errorf("spec of a random program: %w", err)
	}
	coll := &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}, Variables: map[string]*ebpf.VariableSpec{}}
	for _, m := range p.Maps {
		coll.Maps[m.Name] = &ebpf.MapSpec{
			Name: m.Name, Type: ebpf.MapType(m.Type), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries, Flags: m.Flags(),
		}
		if m.Constants != nil {
			coll.Maps[m.Name].Contents = []ebpf.MapKV{{Key: uint32(0), Value: m.Constants}}
		}
	}
	slot, funcs := 0, p.Funcs()
	for i := range insns {
		if err := p.complete(&insns[i], slot, funcs); err != nil {
			return nil, fmt.Errorf("spec of a random program: instruction %d: %w", slot, err)
		}
		slot += int(insns[i].Size() / asm.InstructionSize)
	}
	coll.ByteOrder = binary.LittleEndian
	coll.Programs[SpecName] = &ebpf.ProgramSpec{
		Name: SpecName, Type: ebpf.ProgramType(p.Type), Instructions: insns, License: "GPL", ByteOrder: binary.LittleEndian,
	}
	return coll, nil
}

// complete gives an instruction what only specs have: symbols and references.
func (p *Program) complete(ins *asm.Instruction, slot int, funcs []int) error {
	if f := slices.Index(funcs, slot); f >= 0 {
		*ins = btf.WithFuncMetadata(ins.WithSymbol(funcName(f)), funcType(f))
	}
	switch raw := p.Insns[slot]; {
	case raw.Op == isa.LdImm64 && (raw.Src == isa.PseudoMapIdx || raw.Src == isa.PseudoMapIdxValue):
		if int(raw.Imm) < 0 || int(raw.Imm) >= len(p.Maps) {
			return fmt.Errorf("map %d of %d", raw.Imm, len(p.Maps))
		}
		ins.Src = asm.PseudoMapFD
		ins.Constant = 0
		if raw.Src == isa.PseudoMapIdxValue {
			ins.Src = asm.PseudoMapValue
			ins.Constant = int64(p.Insns[slot+1].Imm) << 32
		}
		*ins = ins.WithReference(p.Maps[raw.Imm].Name)
	case raw.IsKfuncCall():
		names := Kfuncs()
		if int(raw.Imm) < 0 || int(raw.Imm) >= len(names) {
			return fmt.Errorf("kernel function %d of %d", raw.Imm, len(names))
		}
		*ins = ins.WithReference(names[raw.Imm])
	case targetOf(raw) == byImm && raw.Op != isa.JA32:
		f := slices.Index(funcs, slot+1+int(raw.Imm))
		if f < 0 {
			return fmt.Errorf("a call of no function")
		}
		*ins = ins.WithReference(funcName(f))
		ins.Constant = -1
	}
	return nil
}

func funcName(f int) string {
	if f == 0 {
		return SpecName
	}
	return fmt.Sprintf("sub%d", f)
}

// funcType is a function of no parameters that returns an int. Static functions
// are verified by what they do, not by their types.
func funcType(f int) *btf.Func {
	linkage := btf.StaticFunc
	if f == 0 {
		linkage = btf.GlobalFunc
	}
	return &btf.Func{Name: funcName(f), Linkage: linkage, Type: &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}}}
}
