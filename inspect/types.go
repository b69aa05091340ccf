package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// maxTypeText bounds the text of all types of an object in bytes.
const maxTypeText = 16 << 20

// Types writes the structs, unions, enums and typedefs of an object as C, each
// after those it contains. Members carry their offsets as comments. Names for
// plain integers (typedef unsigned int __u32) and the definitions of maps are
// left out.
func Types(spec *btf.Spec) string {
	if spec == nil {
		return ""
	}
	w := &typeWriter{seen: map[btf.Type]bool{}, decl: declarer{}}
	w.skipMapDefinitions(spec)
	for t, err := range spec.All() {
		if err != nil {
			fmt.Fprintf(&w.out, "/* the rest cannot be read: %s */\n", comment(err.Error()))
			break
		}
		w.define(t, maxDepth)
		if w.out.Len() > maxTypeText {
			fmt.Fprintf(&w.out, "/* more types left out */\n")
			break
		}
	}
	return strings.TrimSuffix(w.out.String(), "\n")
}

// skipMapDefinitions takes the types of the variables in section .maps for
// written: their members are not data but what libbpf reads of a map.
func (w *typeWriter) skipMapDefinitions(spec *btf.Spec) {
	var maps *btf.Datasec
	if spec.TypeByName(".maps", &maps) != nil {
		return
	}
	for _, v := range maps.Vars {
		if v, ok := v.Type.(*btf.Var); ok {
			w.seen[v.Type] = true
		}
	}
}

type typeWriter struct {
	out  strings.Builder
	seen map[btf.Type]bool
	decl declarer
}

// define writes a type that has a name of its own, after what it contains.
func (w *typeWriter) define(t btf.Type, depth int) {
	if depth == 0 || w.seen[t] || !definable(t) {
		return
	}
	w.seen[t] = true
	w.decl.left = maxNodes
	for _, inner := range w.contained(t, depth) {
		w.define(inner, depth-1)
	}
	w.decl.left = maxNodes
	switch t := t.(type) {
	case *btf.Struct:
		w.composite("struct "+t.Name, t.Members, t.Size)
	case *btf.Union:
		w.composite("union "+t.Name, t.Members, t.Size)
	case *btf.Enum:
		w.enum("enum "+t.Name, t)
		w.out.WriteString(";\n\n")
	case *btf.Typedef:
		w.typedef(t)
	}
}

// definable reports types that an object's author named.
func definable(t btf.Type) bool {
	switch t := t.(type) {
	case *btf.Struct:
		return t.Name != ""
	case *btf.Union:
		return t.Name != ""
	case *btf.Enum:
		return t.Name != ""
	case *btf.Typedef:
		switch btf.UnderlyingType(t).(type) {
		case *btf.Int, *btf.Float, *btf.Void:
			return false
		}
		return t.Name != ""
	}
	return false
}

// contained lists the named types that must be complete before t is, through
// members without a name of their own.
func (w *typeWriter) contained(t btf.Type, depth int) []btf.Type {
	var out []btf.Type
	visit := func(inner btf.Type) {
		if w.decl.left--; w.decl.left < 0 {
			return
		}
		if inner = byValue(inner); definable(inner) {
			out = append(out, inner)
		} else if depth > 1 {
			out = append(out, w.contained(inner, depth-1)...)
		}
	}
	for _, m := range members(t) {
		visit(m.Type)
	}
	if td, ok := t.(*btf.Typedef); ok {
		visit(td.Type)
	}
	return out
}

func members(t btf.Type) []btf.Member {
	switch t := t.(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// byValue drops arrays and qualifiers, which need the type they are of.
func byValue(t btf.Type) btf.Type {
	for range maxDepth {
		switch v := t.(type) {
		case *btf.Array:
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

func (w *typeWriter) typedef(t *btf.Typedef) {
	switch v := t.Type.(type) {
	case *btf.Struct:
		if v.Name == "" {
			w.out.WriteString("typedef ")
			w.body("struct", v.Members, "", maxDepth)
			fmt.Fprintf(&w.out, " %s; /* %d bytes */\n\n", word(t.Name), v.Size)
			return
		}
	case *btf.Union:
		if v.Name == "" {
			w.out.WriteString("typedef ")
			w.body("union", v.Members, "", maxDepth)
			fmt.Fprintf(&w.out, " %s; /* %d bytes */\n\n", word(t.Name), v.Size)
			return
		}
	case *btf.Enum:
		if v.Name == "" {
			w.out.WriteString("typedef ")
			w.enum("enum", v)
			fmt.Fprintf(&w.out, " %s;\n\n", word(t.Name))
			return
		}
	}
	fmt.Fprintf(&w.out, "typedef %s;\n\n", w.decl.declare(t.Type, word(t.Name), maxDepth))
}

func (w *typeWriter) composite(head string, ms []btf.Member, size uint32) {
	w.body(word(head), ms, "", maxDepth)
	if packed(ms) {
		w.out.WriteString(" __attribute__((packed))")
	}
	fmt.Fprintf(&w.out, "; /* %d bytes */\n\n", size)
}

// body writes "struct name { … }" without what follows.
func (w *typeWriter) body(head string, ms []btf.Member, indent string, depth int) {
	w.out.WriteString(head + " {\n")
	for _, m := range ms {
		w.member(m, indent+"\t", depth-1)
		if w.out.Len() > maxTypeText {
			break
		}
	}
	w.out.WriteString(indent + "}")
}

func (w *typeWriter) member(m btf.Member, indent string, depth int) {
	w.out.WriteString(indent)
	base, dims := m.Type, ""
	if a, ok := base.(*btf.Array); ok {
		base, dims = a.Type, fmt.Sprintf("[%d]", a.Nelems)
	}
	head, inner := "", []btf.Member(nil)
	switch t := base.(type) {
	case *btf.Struct:
		if t.Name == "" {
			head, inner = "struct", t.Members
		}
	case *btf.Union:
		if t.Name == "" {
			head, inner = "union", t.Members
		}
	}
	switch {
	case head != "" && depth > 0 && w.decl.left > 0:
		w.decl.left--
		w.body(head, inner, indent, depth)
		if m.Name != "" {
			w.out.WriteString(" " + word(m.Name) + dims)
		}
	default:
		w.out.WriteString(w.decl.declare(m.Type, word(m.Name), maxDepth))
	}
	if m.BitfieldSize > 0 {
		fmt.Fprintf(&w.out, " : %d; /* %d:%d */\n", m.BitfieldSize, m.Offset/8, m.Offset%8)
		return
	}
	fmt.Fprintf(&w.out, "; /* %d */\n", m.Offset.Bytes())
}

func (w *typeWriter) enum(head string, e *btf.Enum) {
	w.out.WriteString(word(head) + " {\n")
	for _, v := range e.Values {
		if e.Signed {
			fmt.Fprintf(&w.out, "\t%s = %d,\n", word(v.Name), int64(v.Value))
		} else {
			fmt.Fprintf(&w.out, "\t%s = %d,\n", word(v.Name), v.Value)
		}
		if w.out.Len() > maxTypeText {
			break
		}
	}
	w.out.WriteString("}")
}

// packed reports structs with a member that is not aligned as its type asks.
func packed(ms []btf.Member) bool {
	return slices.ContainsFunc(ms, func(m btf.Member) bool {
		if m.BitfieldSize > 0 {
			return false
		}
		align := alignment(m.Type)
		return align > 1 && m.Offset.Bytes()%align != 0
	})
}

// alignment is that of the scalars in a type, 1 if it is not known.
func alignment(t btf.Type) uint32 {
	switch t := btf.UnderlyingType(byValue(t)).(type) {
	case *btf.Int:
		if s := t.Size; s == 2 || s == 4 || s == 8 || s == 16 {
			return s
		}
	case *btf.Enum:
		if t.Size == 4 || t.Size == 8 {
			return t.Size
		}
	case *btf.Pointer:
		return 8
	}
	return 1
}

// word makes a name from an object harmless in one line of text.
func word(s string) string { return clean(strings.TrimSpace(s)) }

// comment makes text harmless inside a C comment.
func comment(s string) string { return strings.ReplaceAll(clean(s), "*/", "* /") }

// clean drops what would move a terminal's cursor or change its colours.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xfffd {
			return -1
		}
		return r
	}, s)
}
