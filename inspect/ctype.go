package inspect

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Bounds on what is written of one type: BTF is input and may refer to itself in
// ways that C cannot.
const (
	maxDepth = 24   // levels of pointers, arrays, functions and qualifiers
	maxNodes = 4096 // types visited
)

// declarer writes declarations until its budget of visited types is used up.
type declarer struct{ left int }

// TypeName is a type as C writes it where no name is declared: "__u32",
// "struct pod_rule *", "char[16]". A nil type is "".
func TypeName(t btf.Type) string {
	if t == nil {
		return ""
	}
	return declarator(t, "")
}

// Declaration is the declaration of a variable, function or type in C, without
// the semicolon: "int filter(struct xdp_md *ctx)".
func Declaration(t btf.Type) string {
	switch t := t.(type) {
	case *btf.Func:
		text := declarator(t.Type, word(t.Name))
		if t.Linkage == btf.StaticFunc {
			return "static " + text
		}
		return text
	case *btf.Var:
		return declarator(t.Type, word(t.Name))
	}
	return TypeName(t)
}

func declarator(t btf.Type, name string) string {
	d := declarer{left: maxNodes}
	return d.declare(t, name, maxDepth)
}

// declare writes type t around the name it is declared with, from the inside
// out as C does.
func (d *declarer) declare(t btf.Type, inner string, depth int) string {
	for ; depth > 0 && d.left > 0; depth-- {
		d.left--
		switch v := t.(type) {
		case *btf.Pointer:
			t, inner = v.Target, "*"+inner
		case *btf.Array:
			t, inner = v.Type, group(inner)+fmt.Sprintf("[%d]", v.Nelems)
		case *btf.FuncProto:
			t, inner = v.Return, group(inner)+d.parameters(v, depth)
		case *btf.Const:
			if text, next, ok := qualified("const", v.Type, inner); ok {
				t, inner = next, text
				continue
			}
			return "const " + d.declare(v.Type, inner, depth-1)
		case *btf.Volatile:
			if text, next, ok := qualified("volatile", v.Type, inner); ok {
				t, inner = next, text
				continue
			}
			return "volatile " + d.declare(v.Type, inner, depth-1)
		case *btf.Restrict:
			t = v.Type
		case *btf.TypeTag:
			t = v.Type
		default:
			return join(baseName(t), inner)
		}
	}
	return join("…", inner)
}

// qualified handles a qualifier of a pointer, which stands behind its star.
func qualified(word string, t btf.Type, inner string) (string, btf.Type, bool) {
	p, ok := t.(*btf.Pointer)
	if !ok {
		return "", nil, false
	}
	return "*" + join(word, inner), p.Target, true
}

// group puts a pointer's declarator into parentheses before [] or ().
func group(inner string) string {
	if strings.HasPrefix(inner, "*") {
		return "(" + inner + ")"
	}
	return inner
}

func join(base, inner string) string {
	switch {
	case inner == "" || inner[0] == '[':
		return base + inner
	case base == "":
		return inner
	}
	return base + " " + inner
}

// maxParameters is more than any BPF function can have.
const maxParameters = 32

func (d *declarer) parameters(f *btf.FuncProto, depth int) string {
	if len(f.Params) == 0 {
		return "(void)"
	}
	var list []string
	for i, p := range f.Params {
		if i == maxParameters {
			list = append(list, "…")
			break
		}
		if _, void := p.Type.(*btf.Void); void && p.Name == "" {
			list = append(list, "...")
			continue
		}
		list = append(list, d.declare(p.Type, word(p.Name), depth-1))
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// baseName is the name of a type that wraps no other.
func baseName(t btf.Type) string {
	switch v := t.(type) {
	case nil:
		return "?"
	case *btf.Void:
		return "void"
	case *btf.Struct:
		return tagged("struct", v.Name)
	case *btf.Union:
		return tagged("union", v.Name)
	case *btf.Enum:
		return tagged("enum", v.Name)
	case *btf.Fwd:
		if v.Kind == btf.FwdUnion {
			return tagged("union", v.Name)
		}
		return tagged("struct", v.Name)
	}
	if name := word(t.TypeName()); name != "" {
		return name
	}
	return "?"
}

func tagged(keyword, name string) string {
	if name == "" {
		return keyword + " {…}"
	}
	return keyword + " " + word(name)
}
