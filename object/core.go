package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// PoisonedHelper is the number of the helper that instructions call which rest
// on something the target kernel does not have (libbpf's choice). Such code is
// guarded by bpf_core_field_exists and its kin; running it is an error.
const PoisonedHelper = 0xbad2310

// NeedsTypes tells whether p has CO-RE relocations, which need the types of the
// kernel it is to run on.
func NeedsTypes(p *ebpf.ProgramSpec) bool {
	for i := range p.Instructions {
		if btf.CORERelocationMetadata(&p.Instructions[i]) != nil {
			return true
		}
	}
	return false
}

// Relocate returns a copy of p that is adjusted to the types of target: the
// kernel's own first, those of modules after it. types are those of p's object,
// for the type ids it asks for. p is not changed, and is returned itself if it
// has no CO-RE relocations.
//
// Types are matched as cilium/ebpf does on Linux; applying the result works on
// every operating system.
func Relocate(p *ebpf.ProgramSpec, types *btf.Spec, target ...*btf.Spec) (_ *ebpf.ProgramSpec, err error) {
	if !NeedsTypes(p) {
		return p, nil
	}
	defer contain("matching types", &err)
	where := "program " + p.Name
	if len(target) == 0 {
		return nil, &Error{Where: where, What: "has CO-RE relocations and there are no kernel types", Mend: "give types of a kernel, as BTFHub has them"}
	}
	var relos []*btf.CORERelocation
	var at []int
	for i := range p.Instructions {
		if r := btf.CORERelocationMetadata(&p.Instructions[i]); r != nil {
			relos, at = append(relos, r), append(at, i)
		}
	}
	order := p.ByteOrder
	if order == nil {
		order = hostOrder()
	}
	fixups, err := btf.CORERelocate(relos, target, order, localTypeID(types))
	if err != nil {
		return nil, &Error{Where: where, What: "CO-RE relocation failed", Err: err}
	}
	cpy := p.Copy()
	extra := make(map[int]asm.Instruction)
	for i, f := range fixups {
		fix, err := parseFixup(f.String())
		if err == nil {
			err = fix.apply(&cpy.Instructions[at[i]], relos[i], at[i], extra)
		}
		if err != nil {
			return nil, &Error{Where: where, What: fmt.Sprintf("instruction %d: %v", at[i], relos[i]), Err: err}
		}
	}
	cpy.Instructions = insertAfter(cpy.Instructions, extra)
	return cpy, nil
}

func hostOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return binary.LittleEndian
	}
	return binary.BigEndian
}

func localTypeID(types *btf.Spec) func(btf.Type) (btf.TypeID, error) {
	return func(t btf.Type) (btf.TypeID, error) {
		if types == nil {
			return 0, errors.New("the object's types are not known")
		}
		id, err := types.TypeID(t)
		if err != nil && t.TypeName() != "" {
			// A copy of the collection has types of its own under the same numbers,
			// but its instructions still refer to the first ones.
			return copiedTypeID(types, t, err)
		}
		return id, err
	}
}

// copiedTypeID is the number of the one type of t's name and kind; err if there
// are more.
func copiedTypeID(types *btf.Spec, t btf.Type, err error) (btf.TypeID, error) {
	named, e := types.AnyTypesByName(t.TypeName())
	if e != nil {
		return 0, err
	}
	var found btf.Type
	for _, n := range named {
		if reflect.TypeOf(n) != reflect.TypeOf(t) {
			continue
		}
		if found != nil {
			return 0, err
		}
		found = n
	}
	if found == nil {
		return 0, err
	}
	return types.TypeID(found)
}

// fixup is what a btf.COREFixup says, read from its text because its fields are
// private and its own Apply refuses to work off Linux.
type fixup struct {
	kind          string
	local, target uint64
	poison        bool
}

func parseFixup(s string) (fixup, error) {
	kind, rest, ok := strings.Cut(s, "=")
	if !ok {
		return fixup{}, fmt.Errorf("BUG: unreadable fixup %q", s)
	}
	if rest == "poison" {
		return fixup{kind: kind, poison: true}, nil
	}
	a, b, ok := strings.Cut(rest, "->")
	local, err1 := strconv.ParseUint(a, 10, 64)
	target, err2 := strconv.ParseUint(b, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return fixup{}, fmt.Errorf("BUG: unreadable fixup %q", s)
	}
	return fixup{kind: kind, local: local, target: target}, nil
}

// apply changes one instruction. The value in place is not compared with the
// local one for the kinds whose local value has no meaning (bitfields).
func (f fixup) apply(ins *asm.Instruction, relo *btf.CORERelocation, i int, extra map[int]asm.Instruction) error {
	if f.poison {
		f.poisonAt(ins, relo, i, extra)
		return nil
	}
	compare := f.kind != "byte_off" && f.kind != "byte_sz" && f.kind != "lshift_u64" && f.kind != "rshift_u64"
	mismatch := func(have int64) error {
		return fmt.Errorf("the instruction has %d where the object's types say %d", have, f.local)
	}
	switch class := ins.OpCode.Class(); class {
	case asm.LdXClass, asm.StClass, asm.StXClass:
		if compare && int64(ins.Offset) != int64(f.local) {
			return mismatch(int64(ins.Offset))
		}
		if f.target > math.MaxInt16 {
			return fmt.Errorf("offset %d does not fit in 16 bits", f.target)
		}
		ins.Offset = int16(f.target)
	case asm.LdClass:
		if !ins.IsConstantLoad(asm.DWord) {
			return fmt.Errorf("%v cannot be relocated", ins)
		}
		if compare && ins.Constant != int64(f.local) {
			return mismatch(ins.Constant)
		}
		ins.Constant = int64(f.target)
	case asm.ALUClass, asm.ALU64Class:
		if ins.OpCode.Source() != asm.ImmSource || ins.OpCode.ALUOp() == asm.Swap {
			return fmt.Errorf("%v cannot be relocated", ins)
		}
		if compare && ins.Constant != int64(int32(f.local)) && ins.Constant != int64(f.local) {
			return mismatch(ins.Constant)
		}
		if f.target > math.MaxInt32 && f.target < 1<<64-1<<31 {
			return fmt.Errorf("constant %d does not fit in 32 bits", int64(f.target))
		}
		ins.Constant = int64(f.target)
	default:
		return fmt.Errorf("%v cannot be relocated", ins)
	}
	return nil
}

// poisonAt makes every slot of the instruction a call of a helper that does not
// exist, which leaves all distances as they are.
func (f fixup) poisonAt(ins *asm.Instruction, relo *btf.CORERelocation, i int, extra map[int]asm.Instruction) {
	call := asm.BuiltinFunc(PoisonedHelper).Call()
	if ins.OpCode.IsDWordLoad() {
		extra[i] = call
	}
	text := fmt.Sprintf("%s: %v is not in the target's types", f.kind, relo)
	if src := ins.Source(); src != nil {
		text += ": " + strings.TrimSpace(src.String())
	}
	if s := ins.Symbol(); s != "" {
		call = call.WithSymbol(s)
	}
	if fn := btf.FuncMetadata(ins); fn != nil {
		call = btf.WithFuncMetadata(call, fn)
	}
	*ins = call.WithSource(asm.Comment(text))
}

func insertAfter(insns asm.Instructions, extra map[int]asm.Instruction) asm.Instructions {
	if len(extra) == 0 {
		return insns
	}
	out := make(asm.Instructions, 0, len(insns)+len(extra))
	for i, ins := range insns {
		out = append(out, ins)
		if e, ok := extra[i]; ok {
			out = append(out, e)
		}
	}
	return out
}
