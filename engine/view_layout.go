package engine

import (
	"fmt"
	"reflect"

	"github.com/cilium/ebpf/btf"
)

// fits checks a Go type against the bytes that it is to stand for, and against
// their BTF if there is any.
func fits[T any](what, name string, size int, typ btf.Type) error {
	t := reflect.TypeFor[T]()
	if int(t.Size()) != size {
		return fmt.Errorf("map %s: %s %s has %d bytes, the map's has %d", name, what, t, t.Size(), size)
	}
	if at := pointerIn(t, t.Name()); at != "" {
		return fmt.Errorf("map %s: %s %s: %s, which is no plain memory", name, what, t, at)
	}
	if typ == nil {
		return nil
	}
	if n, err := btf.Sizeof(typ); err != nil || n != size {
		return nil // the map's own sizes count
	}
	want := leaves{}
	want.addBTF(typ, 0, 0)
	return want.check(fmt.Sprintf("map %s: %s %s", name, what, t), t, 0, "")
}

// pointerIn says where a type holds what Go's collector would follow, or whose
// memory is not its value; "" if it does not.
func pointerIn(t reflect.Type, at string) string {
	switch t.Kind() {
	case reflect.Array:
		return pointerIn(t.Elem(), at+"[]")
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if s := pointerIn(f.Type, at+"."+f.Name); s != "" {
				return s
			}
		}
		return ""
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float32, reflect.Float64:
		return ""
	}
	return at + " is a " + t.Kind().String()
}

// leaves are the numbers that a C type is made of, by the offset of their first
// byte. What may be seen as it likes (bytes, unions, bit fields) is left out.
type leaves map[int]leaf

type leaf struct {
	size int
	name string
}

// maxLeaves bounds how much of a type is compared.
const maxLeaves = 1 << 12

func (l leaves) addBTF(t btf.Type, off, depth int) {
	l.addNamed(t, off, depth, "")
}

func (l leaves) addNamed(t btf.Type, off, depth int, name string) {
	if depth > 16 || len(l) > maxLeaves {
		return
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		l.add(off, int(t.Size), name)
	case *btf.Enum:
		l.add(off, int(t.Size), name)
	case *btf.Float:
		l.add(off, int(t.Size), name)
	case *btf.Pointer:
		l.add(off, 8, name)
	case *btf.Struct:
		for _, m := range t.Members {
			if m.BitfieldSize == 0 {
				inner := m.Name
				if name != "" {
					inner = name + "." + m.Name
				}
				l.addNamed(m.Type, off+int(m.Offset.Bytes()), depth+1, inner)
			}
		}
	case *btf.Array:
		size, err := btf.Sizeof(t.Type)
		for i := 0; err == nil && i < int(t.Nelems) && len(l) <= maxLeaves; i++ {
			l.addNamed(t.Type, off+i*size, depth+1, name)
		}
	}
}

func (l leaves) add(off, size int, name string) {
	if size > 1 {
		l[off] = leaf{size, name}
	}
}

// check looks for a number of a Go type that is not one number in C: another
// size at that place, or one that begins or ends inside of it.
func (l leaves) check(what string, t reflect.Type, off int, name string) error {
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" {
				continue
			}
			if err := l.check(what, f.Type, off+int(f.Offset), name+"."+f.Name); err != nil {
				return err
			}
		}
		return nil
	case reflect.Array:
		if t.Elem().Size() == 1 {
			return nil // bytes are anything
		}
		for i := range min(t.Len(), maxLeaves) {
			if err := l.check(what, t.Elem(), off+i*int(t.Elem().Size()), fmt.Sprintf("%s[%d]", name, i)); err != nil {
				return err
			}
		}
		return nil
	}
	size := int(t.Size())
	for at := max(off-7, 0); at < off+size; at++ {
		c, ok := l[at]
		if !ok || at+c.size <= off || at == off && c.size == size {
			continue
		}
		if name == "" {
			name = " as a whole"
		}
		if c.name == "" {
			c.name = "the number"
		}
		return fmt.Errorf("%s: %s is %d bytes at %d, and %s of the object's type is %d bytes at %d", what, name[1:], size, off, c.name, c.size, at)
	}
	return nil
}
