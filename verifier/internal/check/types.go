package check

import (
	"github.com/cilium/ebpf/btf"
)

// typeTable gives structures a handle, so that states need no Go pointers.
type typeTable struct {
	prog, kernel *btf.Spec
	types        []typeEntry
	handles      map[btf.Type]uint32
	byName       map[string]uint32 // structures of the kernel; 0 is none
	records      map[btf.Type]*record
}

type typeEntry struct {
	t      btf.Type
	kernel bool
}

func newTypeTable(prog, kernel *btf.Spec) *typeTable {
	return &typeTable{
		prog: prog, kernel: kernel, types: make([]typeEntry, 1), handles: make(map[btf.Type]uint32),
		byName: make(map[string]uint32), records: make(map[btf.Type]*record),
	}
}

// handle of a structure; the same structure has the same one.
func (t *typeTable) handle(typ btf.Type, kernel bool) uint32 {
	if h, ok := t.handles[typ]; ok {
		return h
	}
	h := uint32(len(t.types))
	t.types = append(t.types, typeEntry{typ, kernel})
	t.handles[typ] = h
	return h
}

func (t *typeTable) at(h uint32) typeEntry {
	if int(h) < len(t.types) {
		return t.types[h]
	}
	return typeEntry{}
}

func (t *typeTable) nameOf(h uint32) string {
	if e := t.at(h); e.t != nil {
		return e.t.TypeName()
	}
	return ""
}

func (t *typeTable) isKernel(h uint32) bool { return t.at(h).kernel }

// kernelStruct is the handle of a structure of the kernel, 0 if it is unknown.
func (t *typeTable) kernelStruct(name string) uint32 {
	if h, ok := t.byName[name]; ok {
		return h
	}
	var h uint32
	if t.kernel != nil {
		var s *btf.Struct
		if err := t.kernel.TypeByName(name, &s); err == nil {
			h = t.handle(s, true)
		}
	}
	t.byName[name] = h
	return h
}

// own is the structure of the program's types that a type from a map's definition
// stands for: readers may hand us copies.
func (t *typeTable) own(typ btf.Type) btf.Type {
	s, ok := typ.(*btf.Struct)
	if !ok || t.prog == nil {
		return typ
	}
	var own *btf.Struct
	if err := t.prog.TypeByName(s.Name, &own); err != nil || own.Size != s.Size {
		return typ
	}
	return own
}

// kernelFunc finds a function or kfunc of the kernel.
func (t *typeTable) kernelFunc(name string) *btf.Func {
	if t.kernel == nil {
		return nil
	}
	var f *btf.Func
	if err := t.kernel.TypeByName(name, &f); err != nil {
		return nil
	}
	return f
}

// plain strips typedefs, qualifiers and tags.
func plain(t btf.Type) btf.Type {
	for range 64 {
		switch v := t.(type) {
		case *btf.Typedef:
			t = v.Type
		case *btf.Const:
			t = v.Type
		case *btf.Volatile:
			t = v.Type
		case *btf.Restrict:
			t = v.Type
		case *btf.TypeTag:
			t = v.Type
		default:
			return t
		}
	}
	return t
}

// tagsOf are the type tags directly behind a pointer.
func tagsOf(t btf.Type) (tags []string) {
	for range 64 {
		switch v := t.(type) {
		case *btf.TypeTag:
			tags = append(tags, v.Value)
			t = v.Type
		case *btf.Const:
			t = v.Type
		case *btf.Volatile:
			t = v.Type
		default:
			return tags
		}
	}
	return tags
}

// members of a structure or union.
func members(t btf.Type) ([]btf.Member, uint32, bool) {
	switch v := t.(type) {
	case *btf.Struct:
		return v.Members, v.Size, true
	case *btf.Union:
		return v.Members, v.Size, true
	}
	return nil, 0, false
}

func isStruct(t btf.Type) bool {
	_, _, ok := members(t)
	return ok
}

// sizeOf is the size of a type in bytes; false if it has none.
func sizeOf(t btf.Type) (uint32, bool) {
	n, err := btf.Sizeof(t)
	if err != nil || n < 0 {
		return 0, false
	}
	return uint32(n), true
}

// flatten is the element and the number of elements of a, possibly nested,
// array.
func flatten(t btf.Type) (elem btf.Type, n uint32) {
	n = 1
	for range 32 {
		a, ok := plain(t).(*btf.Array)
		if !ok {
			break
		}
		t, n = a.Type, n*a.Nelems
	}
	return plain(t), n
}

// walked is what lies at a place in a structure.
type walked struct {
	kind   walkKind
	t      btf.Type // walkPtr, walkStruct
	flags  Flags
	member string
}

type walkKind uint8

const (
	walkScalar walkKind = iota
	walkPtr
	walkStruct
)

// walk finds what [off, off+size) of a structure holds (btf_struct_walk).
// Untrusted reads may be laxer about a member's end.
func (c *Checker) walk(t btf.Type, off, size int, flags *Flags, flex bool) (walked, error) {
	for range 64 {
		t = plain(t)
		mem, total, ok := members(t)
		if !ok {
			return walked{}, c.reject(RuleKernelPointer, EINVAL, "Type '%s' is not a struct", t.TypeName())
		}
		if _, union := t.(*btf.Union); union && len(mem) != 1 {
			*flags |= Untrusted
		}
		if off+size > int(total) {
			elem, rest, ok := flexArray(mem, off, flex)
			if !ok {
				return walked{}, c.reject(RuleKernelPointer, EACCES, "access beyond struct %s at off %d size %d", t.TypeName(), off, size)
			}
			if _, isInt := elem.(*btf.Int); isInt {
				return walked{kind: walkScalar}, nil
			}
			t, off = elem, rest
			continue
		}
		next, w, done, err := c.walkMembers(t, mem, &off, size, flags)
		if done || err != nil {
			return w, err
		}
		t = next
	}
	return walked{}, c.reject(RuleTypes, EINVAL, "struct %s is nested too deeply", t.TypeName())
}

// flexArray is the element of a trailing array without a size.
func flexArray(mem []btf.Member, off int, flex bool) (elem btf.Type, rest int, ok bool) {
	if !flex || len(mem) == 0 {
		return nil, 0, false
	}
	last := mem[len(mem)-1]
	a, ok := plain(last.Type).(*btf.Array)
	start := int(last.Offset.Bytes())
	if !ok || a.Nelems != 0 || off < start {
		return nil, 0, false
	}
	elem = plain(a.Type)
	if _, isInt := elem.(*btf.Int); isInt {
		return elem, 0, true
	}
	_, size, ok := members(elem)
	if !ok || size == 0 {
		return nil, 0, false
	}
	return elem, (off - start) % int(size), true
}

// walkMembers looks for the member at *off. It gives a structure to go on in,
// with *off adjusted, or is done.
func (c *Checker) walkMembers(t btf.Type, mem []btf.Member, off *int, size int, flags *Flags) (next btf.Type, w walked, done bool, err error) {
	for i := range mem {
		m := &mem[i]
		start := int(m.Offset.Bytes())
		if *off+size <= start {
			break
		}
		if m.BitfieldSize != 0 {
			end := int(m.Offset+m.BitfieldSize+7) / 8
			if *off <= start && end <= *off+size {
				return nil, walked{kind: walkScalar}, true, nil
			}
			continue
		}
		if *off < start {
			break
		}
		whole, ok := sizeOf(m.Type)
		if !ok {
			return nil, w, true, c.reject(RuleTypes, EFAULT, "field %s doesn't have size", m.Name)
		}
		end, elemSize := start+int(whole), int(whole)
		if *off >= end {
			continue
		}
		mt := plain(m.Type)
		if _, isArray := mt.(*btf.Array); isArray {
			if whole == 0 {
				continue
			}
			var n uint32
			mt, n = flatten(mt)
			elemSize = int(whole / n)
			start += (*off - start) / elemSize * elemSize
		}
		if isStruct(mt) {
			if *off == start {
				return nil, walked{kind: walkStruct, t: mt, member: m.Name}, true, nil
			}
			*off -= start
			return mt, w, false, nil
		}
		if p, isPtr := mt.(*btf.Pointer); isPtr {
			if elemSize != size || *off != start {
				return nil, w, true, c.reject(RuleKernelPointer, EACCES, "cannot access ptr member %s with moff %d in struct %s with off %d size %d", m.Name, start, t.TypeName(), *off, size)
			}
			if target := plain(p.Target); isStruct(target) {
				return nil, walked{kind: walkPtr, t: target, flags: pointerFlags(p), member: m.Name}, true, nil
			}
		}
		if *off+size > end && *flags&Untrusted == 0 {
			return nil, w, true, c.reject(RuleKernelPointer, EACCES, "access beyond the end of member %s (mend:%d) in struct %s with off %d size %d", m.Name, end, t.TypeName(), *off, size)
		}
		return nil, walked{kind: walkScalar}, true, nil
	}
	return nil, w, true, c.reject(RuleKernelPointer, EINVAL, "struct %s doesn't have field at offset %d", t.TypeName(), *off)
}

// pointerFlags are what the kernel's tags say of a pointer.
func pointerFlags(p *btf.Pointer) (f Flags) {
	for _, tag := range tagsOf(p.Target) {
		switch tag {
		case "user":
			f |= User
		case "percpu":
			f |= PerCPU
		case "rcu":
			f |= RCU
		}
	}
	return f
}

// sameType reports whether a structure of type have, or what lies at off in it,
// is of type need (btf_struct_ids_match).
func (c *Checker) sameType(have uint32, off int, need uint32, strict, flex bool) bool {
	if have == need && off == 0 {
		return true
	}
	if strict || have == 0 || need == 0 {
		return false
	}
	t := c.types.at(have).t
	var flags Flags
	for range 64 {
		// Failure here is an answer, not a rejection.
		quiet := c.log.mute()
		w, err := c.walk(t, off, 1, &flags, flex)
		c.log.unmute(quiet)
		if err != nil || w.kind != walkStruct {
			return false
		}
		if c.types.handle(w.t, c.types.isKernel(have)) == need {
			return true
		}
		t, off = w.t, 0
	}
	return false
}
