package embedded

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/vm"
)

// fieldKinds are the structures that mean something to the runtime, by name.
var fieldKinds = map[string]vm.FieldKind{
	"bpf_list_head": vm.FieldList, "bpf_list_node": vm.FieldListNode, "bpf_rb_root": vm.FieldTree, "bpf_rb_node": vm.FieldTreeNode,
	"bpf_refcount": vm.FieldRefcount,
}

// Bounds of Linux on what is looked at in a type (BTF_FIELDS_MAX), and on how
// deep.
const (
	maxFields     = 64
	maxFieldDepth = 16
)

// fields are the members of a type, at offset base, that mean something.
func fields(t btf.Type, base uint32, depth int, out []vm.ObjectField) []vm.ObjectField {
	if depth > maxFieldDepth || len(out) >= maxFields {
		return out
	}
	switch v := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		if k, ok := fieldKinds[v.Name]; ok {
			return append(out, vm.ObjectField{Kind: k, Offset: base})
		}
		for _, m := range v.Members {
			if m.BitfieldSize == 0 {
				out = fields(m.Type, base+m.Offset.Bytes(), depth+1, out)
			}
		}
	case *btf.Datasec:
		for _, s := range v.Vars {
			if w, ok := s.Type.(*btf.Var); ok {
				out = fields(w.Type, base+s.Offset, depth+1, out)
			}
		}
	case *btf.Array:
		size, err := btf.Sizeof(v.Type)
		if err != nil {
			return out
		}
		for i := uint32(0); i < v.Nelems && len(out) < maxFields; i++ {
			before := len(out)
			if out = fields(v.Type, base+i*uint32(size), depth+1, out); len(out) == before {
				break
			}
		}
	case *btf.Pointer:
		if owns(v) {
			return append(out, vm.ObjectField{Kind: vm.FieldKptr, Offset: base})
		}
	}
	return out
}

// owns says whether a pointer owns what it leads to.
func owns(p *btf.Pointer) bool {
	t := p.Target
	for range maxFieldDepth { // qualifiers may go round in a circle
		switch v := t.(type) {
		case *btf.TypeTag:
			if v.Value == "kptr" || v.Value == "percpu_kptr" {
				return true
			}
			t = v.Type
		case *btf.Const:
			t = v.Type
		case *btf.Volatile:
			t = v.Type
		default:
			return false
		}
	}
	return false
}

// owners are the members of a map's value that own objects.
func owners(value btf.Type) []vm.ObjectField {
	if value == nil {
		return nil
	}
	return slices.DeleteFunc(fields(value, 0, 0, nil), func(f vm.ObjectField) bool {
		return f.Kind != vm.FieldKptr && f.Kind != vm.FieldList && f.Kind != vm.FieldTree
	})
}

// objectTypes are the structures that a program may allocate: the number of the
// type is a constant in it, beside others that are not meant so.
func objectTypes(types *btf.Spec, code *object.Code) map[uint32]*vm.ObjectType {
	if types == nil || !allocates(code) {
		return nil
	}
	out := make(map[uint32]*vm.ObjectType)
	for _, in := range code.Instructions {
		id := uint32(in.Imm)
		if in.Op != isa.MovK && in.Op != isa.LdImm64 || in.Imm <= 0 || in.Src != 0 || out[id] != nil {
			continue
		}
		t, err := types.TypeByID(btf.TypeID(id))
		if err != nil {
			continue
		}
		if s, ok := btf.UnderlyingType(t).(*btf.Struct); ok {
			out[id] = &vm.ObjectType{Name: s.Name, Size: s.Size, Fields: fields(s, 0, 0, nil)}
		}
	}
	return out
}

func allocates(code *object.Code) bool {
	for _, k := range code.Kfuncs {
		if k.Name == "bpf_obj_new_impl" || k.Name == "bpf_percpu_obj_new_impl" {
			return true
		}
	}
	return false
}
