package debuginfo

import (
	"debug/dwarf"

	"github.com/cilium/ebpf/btf"
)

// convert makes a BTF type. Pointers close cycles: what they mean is filled in
// after they are known.
func (i *Info) convert(t dwarf.Type) btf.Type {
	if t == nil {
		return (*btf.Void)(nil)
	}
	if have, ok := i.types[t]; ok {
		return have
	}
	keep := func(b btf.Type) btf.Type {
		i.types[t] = b
		return b
	}
	size := uint32(max(t.Size(), 0))
	switch t := t.(type) {
	case *dwarf.IntType:
		return keep(&btf.Int{Name: t.Name, Size: size, Encoding: btf.Signed})
	case *dwarf.CharType:
		return keep(&btf.Int{Name: t.Name, Size: size, Encoding: btf.Signed})
	case *dwarf.UintType:
		return keep(&btf.Int{Name: t.Name, Size: size})
	case *dwarf.UcharType:
		return keep(&btf.Int{Name: t.Name, Size: size})
	case *dwarf.AddrType:
		return keep(&btf.Int{Name: t.Name, Size: size})
	case *dwarf.BoolType:
		return keep(&btf.Int{Name: t.Name, Size: size, Encoding: btf.Bool})
	case *dwarf.FloatType:
		return keep(&btf.Float{Name: t.Name, Size: size})
	case *dwarf.PtrType:
		p := &btf.Pointer{Target: (*btf.Void)(nil)}
		keep(p)
		p.Target = i.convert(t.Type)
		return p
	case *dwarf.StructType:
		return i.composite(t)
	case *dwarf.ArrayType:
		a := &btf.Array{Index: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Nelems: uint32(max(t.Count, 0))}
		keep(a)
		a.Type = i.convert(t.Type)
		return a
	case *dwarf.EnumType:
		e := &btf.Enum{Name: t.EnumName, Size: size}
		for _, v := range t.Val {
			e.Signed = e.Signed || v.Val < 0
			e.Values = append(e.Values, btf.EnumValue{Name: v.Name, Value: uint64(v.Val)})
		}
		return keep(e)
	case *dwarf.TypedefType:
		d := &btf.Typedef{Name: t.Name}
		keep(d)
		d.Type = i.convert(t.Type)
		return d
	case *dwarf.QualType:
		switch t.Qual {
		case "const":
			c := &btf.Const{}
			keep(c)
			c.Type = i.convert(t.Type)
			return c
		case "volatile":
			v := &btf.Volatile{}
			keep(v)
			v.Type = i.convert(t.Type)
			return v
		}
		return i.convert(t.Type)
	case *dwarf.FuncType:
		return keep(&btf.FuncProto{Return: (*btf.Void)(nil)})
	}
	return keep((*btf.Void)(nil))
}

// composite is a struct, union or class.
func (i *Info) composite(t *dwarf.StructType) btf.Type {
	size := uint32(max(t.ByteSize, 0))
	if t.Incomplete {
		f := &btf.Fwd{Name: t.StructName}
		if t.Kind == "union" {
			f.Kind = btf.FwdUnion
		}
		i.types[t] = f
		return f
	}
	if t.Kind == "union" {
		u := &btf.Union{Name: t.StructName, Size: size}
		i.types[t] = u
		u.Members = i.members(t)
		return u
	}
	s := &btf.Struct{Name: t.StructName, Size: size}
	i.types[t] = s
	s.Members = i.members(t)
	return s
}

func (i *Info) members(t *dwarf.StructType) []btf.Member {
	var out []btf.Member
	for _, f := range t.Field {
		m := btf.Member{Name: f.Name, Type: i.convert(f.Type), Offset: btf.Bits(f.ByteOffset * 8)}
		if f.BitSize > 0 {
			m.BitfieldSize = btf.Bits(f.BitSize)
			switch {
			case f.DataBitOffset > 0:
				m.Offset = btf.Bits(f.DataBitOffset)
			case f.ByteSize > 0:
				// DWARF 2 counts from the storage unit's most significant bit.
				m.Offset += btf.Bits(f.ByteSize*8 - f.BitOffset - f.BitSize)
			}
		}
		out = append(out, m)
	}
	return out
}
