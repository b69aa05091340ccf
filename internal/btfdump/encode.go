package btfdump

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Encode writes v, as encoding/json (with or without UseNumber) or a YAML
// reader gave it, into dst as a value of type t, in the byte order of this
// machine. dst must hold the type's size and is zeroed first. With a nil type
// v is a hex string of at most len(dst) bytes, or a list of bytes.
//
// See the package comment for what is accepted. Errors name the place:
// "stats.proto: …".
func Encode(t btf.Type, v any, dst []byte) error {
	clear(dst)
	if t == nil {
		return putBytes(nil, dst, v)
	}
	e := encoder{budget{MaxValues}}
	return e.value(nil, t, v, dst, 0)
}

// EncodePerCPU writes a per-CPU map's value: a list with one value for each
// CPU from the first on, or a single value for all of them.
func EncodePerCPU(t btf.Type, v any, size int, dst []byte) error {
	step := (size + 7) &^ 7
	if size <= 0 || len(dst)%step != 0 {
		return fmt.Errorf("%d bytes are not a number of per-CPU values of %d", len(dst), size)
	}
	clear(dst)
	cpus := len(dst) / step
	list, ok := v.([]any)
	if !ok || t != nil && isArray(t) && len(list) > 0 && !isList(list[0]) {
		for i := range cpus {
			if err := Encode(t, v, dst[i*step:i*step+size]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(list) > cpus {
		return fmt.Errorf("%d values for %d CPUs", len(list), cpus)
	}
	for i, v := range list {
		if err := Encode(t, v, dst[i*step:i*step+size]); err != nil {
			return fmt.Errorf("CPU %d: %w", i, err)
		}
	}
	return nil
}

func isArray(t btf.Type) bool {
	under, _, err := strip(t)
	_, ok := under.(*btf.Array)
	return err == nil && ok
}

func isList(v any) bool {
	switch v.(type) {
	case []any, string:
		return true
	}
	return false
}

type encoder struct{ budget budget }

func (e *encoder) value(p *place, t btf.Type, v any, dst []byte, depth int) error {
	if err := e.budget.spend(p, depth); err != nil {
		return err
	}
	under, be, err := strip(t)
	if err != nil {
		return p.errorf("%w", err)
	}
	if v == nil {
		return nil
	}
	size, ok := sizeOf(under)
	if !ok {
		return p.errorf("%s has no size and takes no value", describe(under))
	}
	if size > len(dst) {
		return p.errorf("%d bytes where the type has %d: %w", len(dst), size, ErrBadType)
	}
	dst = dst[:size]
	if s, ok := v.(string); ok && address(under) {
		return putAddress(p, dst, s)
	}
	switch u := under.(type) {
	case *btf.Int:
		return putInt(p, u, dst, v, be)
	case *btf.Enum:
		n, err := enumNumber(p, u, v, 8*size)
		if err != nil {
			return err
		}
		return putWord(p, dst, n, false)
	case *btf.Pointer:
		return putInt(p, &btf.Int{Name: "pointer", Size: 8}, dst, v, false)
	case *btf.Float:
		return putFloat(p, dst, v)
	case *btf.Array:
		return e.array(p, u, v, dst, depth)
	case *btf.Struct:
		return e.members(p, u, u.Members, false, v, dst, depth)
	case *btf.Union:
		return e.members(p, u, u.Members, true, v, dst, depth)
	case *btf.Datasec:
		return e.section(p, u, v, dst, depth)
	}
	return p.errorf("%s takes no value", describe(under))
}

func (e *encoder) section(p *place, s *btf.Datasec, v any, dst []byte, depth int) error {
	object, ok := v.(map[string]any)
	if !ok {
		return p.errorf("want an object with the variables of %s, have %s", s.Name, kindOf(v))
	}
	var names []string
	for _, sv := range s.Vars {
		if sv.Type == nil {
			return p.errorf("variable without a type: %w", ErrBadType)
		}
		name := sv.Type.TypeName()
		names = append(names, name)
		q := &place{up: p, name: name}
		if uint64(sv.Offset)+uint64(sv.Size) > uint64(len(dst)) {
			return q.errorf("outside the section: %w", ErrBadType)
		}
		if err := e.value(q, sv.Type, object[name], dst[sv.Offset:], depth+1); err != nil {
			return err
		}
	}
	return unknown(p, object, names, "variable")
}

// members writes the fields of a struct or union from an object.
func (e *encoder) members(p *place, t btf.Type, members []btf.Member, union bool, v any, dst []byte, depth int) error {
	object, ok := v.(map[string]any)
	if !ok {
		return p.errorf("want an object with the fields of %s, have %s", describe(t), kindOf(v))
	}
	names, err := e.fieldNames(p, members, depth)
	if err != nil {
		return err
	}
	if err := unknown(p, object, names, "field"); err != nil {
		return err
	}
	return e.fields(p, members, union, object, dst, depth)
}

// fieldNames lists the members' names, those of anonymous members included.
func (e *encoder) fieldNames(p *place, members []btf.Member, depth int) (names []string, err error) {
	for i := range members {
		if err := e.budget.spend(p, depth); err != nil {
			return nil, err
		}
		if members[i].Name != "" {
			names = append(names, members[i].Name)
			continue
		}
		if inner, _, ok := anonymous(&members[i]); ok {
			more, err := e.fieldNames(p, inner, depth+1)
			if err != nil {
				return nil, err
			}
			names = append(names, more...)
		}
	}
	return names, nil
}

func anonymous(m *btf.Member) (inner []btf.Member, union, ok bool) {
	if m.Name != "" {
		return nil, false, false
	}
	under, _, err := strip(m.Type)
	if err != nil {
		return nil, false, false
	}
	switch u := under.(type) {
	case *btf.Struct:
		return u.Members, false, true
	case *btf.Union:
		return u.Members, true, true
	}
	return nil, false, false
}

// fields writes those members that object names. The members of a union share
// bytes: all that are given must agree on them.
func (e *encoder) fields(p *place, members []btf.Member, union bool, object map[string]any, dst []byte, depth int) error {
	var first string
	covered := 0 // bytes of a union that were given so far
	for i := range members {
		m := &members[i]
		names := []string{m.Name}
		q := &place{up: p, name: m.Name}
		inner, innerUnion, anon := anonymous(m)
		if anon {
			var err error
			if names, err = e.fieldNames(p, inner, depth+1); err != nil {
				return err
			}
			q = p
		}
		given := slices.IndexFunc(names, func(n string) bool { _, ok := object[n]; return ok && n != "" })
		if given < 0 {
			continue
		}
		if m.Offset%8 != 0 && m.BitfieldSize == 0 || uint64(m.Offset/8) > uint64(len(dst)) {
			return q.errorf("outside its struct: %w", ErrBadType)
		}
		before := dst
		if union {
			before = slices.Clone(dst)
			clear(dst)
		}
		var err error
		switch {
		case anon:
			at := dst[m.Offset/8:]
			err = e.fields(q, inner, innerUnion, object, at[:min(len(at), memberSize(m))], depth+1)
		case m.BitfieldSize > 0:
			err = e.bits(q, m, object[m.Name], dst)
		default:
			err = e.value(q, m.Type, object[m.Name], dst[m.Offset/8:], depth+1)
		}
		if err != nil {
			return err
		}
		if union && first != "" {
			both := min(covered, memberSize(m), len(dst))
			if !bytes.Equal(before[:both], dst[:both]) {
				return p.errorf("%s and %s share bytes and disagree: give one of them", first, names[given])
			}
			copy(dst[both:], before[both:covered])
		}
		if first == "" {
			first = names[given]
		}
		covered = max(covered, min(memberSize(m), len(dst)))
	}
	return nil
}

func memberSize(m *btf.Member) int {
	if m.BitfieldSize > 0 {
		return int(m.BitfieldSize+7) / 8
	}
	n, _ := sizeOf(m.Type)
	return n
}

func (e *encoder) bits(p *place, m *btf.Member, v any, dst []byte) error {
	if err := bitRange(p, dst, m); err != nil {
		return err
	}
	under, _, err := strip(m.Type)
	if err != nil {
		return p.errorf("%w", err)
	}
	if v == nil {
		return nil
	}
	var n uint64
	switch t := under.(type) {
	case *btf.Enum:
		n, err = enumNumber(p, t, v, int(m.BitfieldSize))
	case *btf.Int:
		n, err = intNumber(p, v, int(m.BitfieldSize), t.Encoding == btf.Signed, fmt.Sprintf("%d bits of %s", m.BitfieldSize, describe(t)))
	default:
		return p.errorf("bitfield of %s: %w", describe(under), ErrBadType)
	}
	if err != nil {
		return err
	}
	return putBits(p, dst, m, n)
}

// unknown complains about a key of object that is none of names.
func unknown(p *place, object map[string]any, names []string, what string) error {
	var bad []string
	for k := range object {
		if !slices.Contains(names, k) {
			bad = append(bad, k)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	hint := ""
	if s := Suggest(bad[0], names); s != "" {
		hint = fmt.Sprintf(", did you mean %q?", s)
	} else if len(names) > 0 && len(names) <= 16 {
		hint = ": there is " + strings.Join(names, ", ")
	}
	return p.errorf("no %s %q%s", what, bad[0], hint)
}
