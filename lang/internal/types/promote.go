package types

// Promote is the smallest type that holds values of both, or nil.
func Promote(a, b *Type) *Type {
	switch {
	case a.Kind == None:
		return b
	case b.Kind == None, a == b:
		return a
	case a.Aggregate() && b.Kind == Int && a.Castable():
		return a
	case b.Aggregate() && a.Kind == Int && b.Castable():
		return b
	case a.Kind == Bool && b.Kind == Int, a.Kind == Int && b.Kind == Bool:
		return nil
	case a.Kind != b.Kind:
		return nil
	}
	switch a.Kind {
	case Int:
		return promoteInt(a, b)
	case String, Buffer:
		if a.Size >= b.Size {
			return a
		}
		return b
	case Ptr:
		if a.Elem.Kind == Void && b.Elem.Kind != Void {
			return b
		}
		return a
	case Tuple:
		return promoteTuple(a, b)
	case Record:
		return promoteRecord(a, b)
	case Array:
		if a.Len != b.Len || a.Elem.Size != b.Elem.Size {
			return nil
		}
		return a
	case Struct:
		if a.Struct.Name != b.Struct.Name {
			return nil
		}
		return a
	case UStack, KStack:
		if a.Frames >= b.Frames {
			return a
		}
		return b
	}
	return a
}

// promoteInt: a literal takes the other's sign; equal signs take the larger
// size; else the signed type that holds both, at most int64.
func promoteInt(a, b *Type) *Type {
	size := max(a.Size, b.Size)
	enum := a.Enum
	if enum != b.Enum {
		enum = nil
	}
	out := func(size int, signed bool) *Type {
		return &Type{Kind: Int, Size: size, Signed: signed, Flex: a.Flex && b.Flex, Enum: enum}
	}
	if a.Signed == b.Signed {
		return out(size, a.Signed)
	}
	if a.Flex || b.Flex {
		return out(size, !a.Flex && a.Signed || !b.Flex && b.Signed)
	}
	if a.Signed && a.Size > b.Size {
		return out(a.Size, true)
	}
	if b.Signed && b.Size > a.Size {
		return out(b.Size, true)
	}
	return out(min(size*2, 8), true)
}

func promoteTuple(a, b *Type) *Type {
	if len(a.Fields) != len(b.Fields) {
		return nil
	}
	elems := make([]*Type, len(a.Fields))
	for i := range elems {
		if elems[i] = Promote(a.Fields[i].Type, b.Fields[i].Type); elems[i] == nil {
			return nil
		}
	}
	return TupleOf(elems)
}

func promoteRecord(a, b *Type) *Type {
	if len(a.Fields) != len(b.Fields) {
		return nil
	}
	names, elems := make([]string, len(a.Fields)), make([]*Type, len(a.Fields))
	for i, f := range a.Fields {
		g := b.Field(f.Name)
		if g == nil {
			return nil
		}
		names[i] = f.Name
		if elems[i] = Promote(f.Type, g.Type); elems[i] == nil {
			return nil
		}
	}
	return RecordOf(names, elems)
}

// Field of a tuple or record by name, or nil.
func (t *Type) Field(name string) *Field {
	for i := range t.Fields {
		if t.Fields[i].Name == name {
			return &t.Fields[i]
		}
	}
	return nil
}

// BinaryInt is the type of arithmetic on two integers.
func BinaryInt(op string, a, b *Type) *Type {
	as, bs := a.Signed, b.Signed
	if a.Flex && !b.Flex {
		as = bs
	} else if b.Flex && !a.Flex {
		bs = as
	}
	if op == "<<" || op == ">>" {
		bs = as
	}
	return IntType(8, as || bs || op == "-")
}
