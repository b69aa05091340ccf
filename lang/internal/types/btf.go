package types

import "github.com/cilium/ebpf/btf"

// FromBTF makes types of BTF's. One importer is used for one spec, so that a
// struct is read once.
type FromBTF struct {
	structs map[btf.Type]*Composite
}

// Type is the type of t; user says whose memory it is in.
func (b *FromBTF) Type(t btf.Type) *Type { return b.at(t, 0) }

const maxDepth = 64

func (b *FromBTF) at(t btf.Type, depth int) *Type {
	if depth > maxDepth {
		return TVoid
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		if t.Encoding == btf.Bool {
			return TBool
		}
		return IntType(int(t.Size), t.Encoding == btf.Signed || t.Encoding == btf.Char)
	case *btf.Enum:
		e := &Enum{Name: t.Name, Values: map[uint64]string{}}
		for _, v := range t.Values {
			e.Values[v.Value] = v.Name
		}
		return &Type{Kind: Int, Size: int(t.Size), Signed: t.Signed, Enum: e}
	case *btf.Pointer:
		return &Type{Kind: Ptr, Size: 8, Elem: b.pointee(t.Target, depth+1)}
	case *btf.Array:
		el := b.at(t.Type, depth+1)
		if el.Kind == Int && el.Size == 1 && el.Enum == nil && isChar(t.Type) && t.Nelems > 0 {
			return &Type{Kind: String, Size: int(t.Nelems)}
		}
		return ArrayOf(el, int(t.Nelems))
	case *btf.Struct:
		return b.composite(t, "struct "+t.Name, false, int(t.Size), t.Members)
	case *btf.Union:
		return b.composite(t, "union "+t.Name, true, int(t.Size), t.Members)
	case *btf.Fwd:
		return &Type{Kind: Struct, Struct: &Composite{Name: t.Name}}
	}
	return TVoid
}

// pointee is read when it is followed, or structs would be read without end.
func (b *FromBTF) pointee(t btf.Type, depth int) *Type { return b.at(t, depth) }

func isChar(t btf.Type) bool {
	i, ok := btf.UnderlyingType(t).(*btf.Int)
	return ok && (i.Encoding == btf.Char || i.Name == "char")
}

func (b *FromBTF) composite(t btf.Type, name string, union bool, size int, members []btf.Member) *Type {
	if b.structs == nil {
		b.structs = map[btf.Type]*Composite{}
	}
	c := b.structs[t]
	if c == nil {
		c = &Composite{Name: name, Union: union, Size: size}
		c.Fill = func() []Field { return b.fields(members) }
		b.structs[t] = c
	}
	return &Type{Kind: Struct, Size: size, Struct: c}
}

func (b *FromBTF) fields(members []btf.Member) []Field {
	out := make([]Field, len(members))
	for i, m := range members {
		out[i] = Field{Name: m.Name, Type: b.Type(m.Type), Off: int(m.Offset.Bytes())}
		if m.BitfieldSize > 0 {
			unit := max(out[i].Type.Size, 1)
			bit := int(m.Offset)
			out[i].Off = bit / (unit * 8) * unit
			out[i].BitOff, out[i].BitLen = bit-out[i].Off*8, int(m.BitfieldSize)
		}
	}
	return out
}
