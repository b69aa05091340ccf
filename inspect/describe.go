package inspect

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/btfdump"
)

// Describe reports what a collection holds. It never fails: what cannot be read
// carries a problem. Everything is sorted: programs and maps by name, variables
// by section and offset, relocations by program and slot.
func Describe(spec *ebpf.CollectionSpec) *Report {
	r := &Report{
		ByteOrder: orderName(spec), Programs: []Program{}, Maps: []Map{}, Globals: []Variable{}, Relocations: []Relocation{},
	}
	if spec == nil {
		return r
	}
	users := map[string][]string{}
	for _, name := range sortedNames(spec.Programs) {
		p := spec.Programs[name]
		if p == nil {
			continue
		}
		described, relocations := describeProgram(p, spec)
		r.Programs = append(r.Programs, described)
		r.Relocations = append(r.Relocations, relocations...)
		for _, m := range described.Maps {
			users[m] = append(users[m], p.Name)
		}
	}
	for _, name := range sortedNames(spec.Maps) {
		if m := spec.Maps[name]; m != nil {
			described := describeMap(m, maxDepth)
			described.UsedBy = append([]string{}, users[name]...)
			r.Maps = append(r.Maps, described)
		}
	}
	r.Globals = append(r.Globals, describeVariables(spec)...)
	r.Types = Types(spec.Types)
	return r
}

func orderName(spec *ebpf.CollectionSpec) string {
	if isBig(spec) {
		return "big"
	}
	return "little"
}

// isBig takes an unknown order for this machine's.
func isBig(spec *ebpf.CollectionSpec) bool {
	order := binary.ByteOrder(binary.NativeEndian)
	if spec != nil && spec.ByteOrder != nil {
		order = spec.ByteOrder
	}
	return order.Uint16([]byte{0, 1}) == 1
}

func describeMap(m *ebpf.MapSpec, depth int) Map {
	out := Map{
		Name: clean(m.Name), Type: abi.MapType(m.Type).String(), KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: flagNames(m.Flags, mapFlags), Extra: m.MapExtra,
		KeyType: elementType(m.Key), ValueType: elementType(m.Value), Contents: len(m.Contents),
		Tags: slices.Clone(m.Tags), UsedBy: []string{},
	}
	if m.Pinning == ebpf.PinByName {
		out.Pinning = "by_name"
	}
	if m.InnerMap != nil && depth > 0 {
		inner := describeMap(m.InnerMap, depth-1)
		out.Inner = &inner
	}
	return out
}

// elementType is a map's key or value type in C; data sections have none.
func elementType(t btf.Type) string {
	switch t.(type) {
	case *btf.Void, *btf.Datasec:
		return ""
	}
	return TypeName(t)
}

// flag is a named bit.
type flag struct {
	bit  uint32
	name string
}

var mapFlags = []flag{
	{abi.FlagNoPrealloc, "no_prealloc"},
	{abi.FlagNoCommonLRU, "no_common_lru"},
	{abi.FlagNumaNode, "numa_node"},
	{abi.FlagRdonly, "rdonly"},
	{abi.FlagWronly, "wronly"},
	{abi.FlagStackBuildID, "stack_build_id"},
	{abi.FlagZeroSeed, "zero_seed"},
	{abi.FlagRdonlyProg, "rdonly_prog"},
	{abi.FlagWronlyProg, "wronly_prog"},
	{abi.FlagClone, "clone"},
	{abi.FlagMmapable, "mmapable"},
	{abi.FlagPreserveElems, "preserve_elems"},
	{abi.FlagInnerMap, "inner_map"},
	{abi.FlagLink, "link"},
	{abi.FlagPathFD, "path_fd"},
	{abi.FlagVtypeBTFObjFD, "vtype_btf_obj_fd"},
	{abi.FlagTokenFD, "token_fd"},
	{abi.FlagSegvOnFault, "segv_on_fault"},
	{abi.FlagNoUserConv, "no_user_conv"},
}

var programFlags = []flag{
	{abi.FlagStrictAlignment, "strict_alignment"},
	{abi.FlagAnyAlignment, "any_alignment"},
	{abi.FlagTestRndHi32, "test_rnd_hi32"},
	{abi.FlagTestStateFreq, "test_state_freq"},
	{abi.FlagSleepable, "sleepable"},
	{abi.FlagXDPHasFrags, "xdp_has_frags"},
	{abi.FlagXDPDevBoundOnly, "xdp_dev_bound_only"},
	{abi.FlagTestRegInvariants, "test_reg_invariants"},
}

// flagNames names the bits of n; bits without a name appear as a number.
func flagNames(n uint32, names []flag) []string {
	var out []string
	for _, f := range names {
		if n&f.bit != 0 {
			out = append(out, f.name)
			n &^= f.bit
		}
	}
	if n != 0 {
		out = append(out, hex(n))
	}
	return out
}

func describeVariables(spec *ebpf.CollectionSpec) []Variable {
	var out []Variable
	for _, name := range sortedNames(spec.Variables) {
		v := spec.Variables[name]
		if v == nil {
			continue
		}
		d := Variable{
			Name: clean(v.Name), Section: clean(v.SectionName), Offset: v.Offset, Size: len(v.Value),
			ReadOnly: readOnly(spec, v), Value: btfdump.Bytes(v.Value),
		}
		if v.Type != nil {
			d.Type = TypeName(v.Type.Type)
			d.decode(v, isBig(spec) != isBig(nil))
		}
		out = append(out, d)
	}
	slices.SortStableFunc(out, func(a, b Variable) int {
		return cmp.Or(strings.Compare(a.Section, b.Section), cmp.Compare(a.Offset, b.Offset))
	})
	return out
}

// decode reads the value by its type. foreign says that the bytes are in the
// other order than this machine's.
func (d *Variable) decode(v *ebpf.VariableSpec, foreign bool) {
	if foreign {
		d.Problem = "the object's byte order is not this machine's: the value is shown as bytes"
		return
	}
	value, err := btfdump.Decode(v.Type.Type, v.Value)
	if err != nil {
		d.Problem = clean(err.Error())
		return
	}
	d.Value = value
}

// readOnly reports variables in sections that programs cannot write.
func readOnly(spec *ebpf.CollectionSpec, v *ebpf.VariableSpec) bool {
	if m := spec.Maps[v.SectionName]; m != nil && m.Flags&abi.FlagRdonlyProg != 0 {
		return true
	}
	return strings.HasPrefix(v.SectionName, ".rodata") || v.SectionName == ".kconfig"
}
