package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// relocations lists a program's CO-RE relocations in order of their slots.
func (p *program) relocations() []Relocation {
	var out []Relocation
	iter := p.spec.Instructions.Iterate()
	for iter.Next() {
		relo := btf.CORERelocationMetadata(iter.Ins)
		if relo == nil {
			continue
		}
		slot := int(iter.Offset)
		r := p.relocation(relo)
		r.Program, r.Slot = clean(p.spec.Name), slot
		r.Source = p.lineAt(slot, 0)
		out = append(out, r)
	}
	return out
}

// relocation reads what the library tells of a relocation, which is its text:
// CORERelocation(byte_off, Struct:"task_struct"[0:3], local_id=12).
func (p *program) relocation(relo *btf.CORERelocation) Relocation {
	text := relo.String()
	r := Relocation{}
	rest, ok := strings.CutPrefix(text, "CORERelocation(")
	if !ok {
		r.Kind = clean(text)
		return r
	}
	r.Kind, rest, _ = strings.Cut(rest, ", ")
	accessor := ""
	if i := strings.LastIndex(rest, "], local_id="); i >= 0 {
		if j := strings.LastIndexByte(rest[:i], '['); j >= 0 {
			accessor = rest[j+1 : i]
		}
		id := strings.TrimSuffix(rest[i+len("], local_id="):], ")")
		r.Type, r.Access = p.access(id, accessor)
	}
	return r
}

// access names the type with the given id and what an accessor ("0:3:1")
// reaches in it.
func (p *program) access(id, accessor string) (typ, path string) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || p.coll == nil || p.coll.Types == nil {
		return "", ""
	}
	t, err := p.coll.Types.TypeByID(btf.TypeID(n))
	if err != nil {
		return fmt.Sprintf("type %d", n), ""
	}
	return TypeName(t), accessPath(t, strings.Split(accessor, ":"))
}

// accessPath follows an accessor: the first number counts elements of the type
// itself, the rest members and array elements. For enums it names the value.
func accessPath(t btf.Type, accessor []string) string {
	path := ""
	for i, part := range accessor {
		n, err := strconv.Atoi(part)
		if err != nil || i > maxDepth {
			return path
		}
		t = btf.UnderlyingType(t)
		if i == 0 {
			if e, ok := t.(*btf.Enum); ok {
				if n >= 0 && n < len(e.Values) {
					return word(e.Values[n].Name)
				}
				return ""
			}
			if n != 0 {
				path = fmt.Sprintf("[%d]", n)
			}
			continue
		}
		switch v := t.(type) {
		case *btf.Array:
			path += fmt.Sprintf("[%d]", n)
			t = v.Type
		case *btf.Struct, *btf.Union:
			ms := members(v)
			if n < 0 || n >= len(ms) {
				return path
			}
			if name := word(ms[n].Name); name != "" {
				path += "." + name
			}
			t = ms[n].Type
		default:
			return path
		}
	}
	return strings.TrimPrefix(path, ".")
}
