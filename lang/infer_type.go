package lang

import (
	"errors"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// typeOf resolves a type as written.
func (k *checker) typeOf(e *syntax.TypeExpr) *types.Type {
	var t *types.Type
	switch {
	case e.Of != nil:
		if in, ok := e.Of.(*syntax.TypeExpr); ok {
			t = k.typeOf(in)
		} else if m, ok := e.Of.(*syntax.Map); ok && k.c.maps[m.Name] != nil && k.c.maps[m.Name].key != nil {
			t = k.c.maps[m.Name].key
		} else {
			t = k.expr(e.Of)
		}
		if t.Kind == types.None {
			return t
		}
	default:
		t = k.namedType(e)
		if t == nil {
			name := e.Name
			if e.Tag != "" {
				name = e.Tag + " " + name
			}
			what := "Cannot resolve unknown type"
			hint := "the kernel's types (BTF), or a definition in the script, provide structs"
			if near := k.c.suggestType(e); near != "" {
				hint = "did you mean " + near + "?"
			}
			return k.fail(e, hint, "%s \"%s\"", what, name)
		}
	}
	return k.modified(e, t)
}

// namedType is the type without its stars and brackets, or nil.
func (k *checker) namedType(e *syntax.TypeExpr) *types.Type {
	if e.Tag == "" {
		switch e.Name {
		case "string":
			return types.StringType(0)
		case "buffer":
			return &types.Type{Kind: types.Buffer}
		case "inet":
			return types.TInet
		}
	}
	return k.c.lookupType(e.Tag, e.Name)
}

func (k *checker) modified(e *syntax.TypeExpr, t *types.Type) *types.Type {
	for _, m := range e.Mods {
		switch {
		case m.Pointer:
			t = types.PtrTo(t, false)
		default:
			n := int64(-1)
			if m.Len != nil {
				var ok bool
				if n, ok = constInt(m.Len); !ok || n < 0 || n > 1<<20 {
					return k.fail(m.Len, "", "array length must be a constant that is not negative")
				}
			}
			switch {
			case t.Kind == types.String && t.Size == 0:
				t = types.StringType(int(max(n, 0)))
			case t.Kind == types.Buffer && t.Size == 0:
				t = &types.Type{Kind: types.Buffer, Size: int(max(n, 0)) + 4}
			default:
				t = types.ArrayOf(t, int(n))
			}
		}
	}
	return t
}

// lookupType finds a type by name: the script's, then the kernel's.
func (c *compiler) lookupType(tag, name string) *types.Type { return c.cdefs.Lookup(tag, name) }

// outsideType asks the kernel's types.
func (c *compiler) outsideType(tag, name string) *types.Type {
	binaries, kernel := c.binaries()
	if !kernel {
		if t := c.userType(binaries, tag, name); t != nil {
			return t
		}
	}
	if t := c.kernelType(tag, name); t != nil {
		return t
	}
	if kernel {
		return c.userType(binaries, tag, name)
	}
	return nil
}

// binaries are those that user probes are in; kernel says that there are other
// probes, whose types come first.
func (c *compiler) binaries() (paths []string, kernel bool) {
	seen := map[string]bool{}
	for _, u := range c.units {
		for _, a := range u.places {
			switch a.Provider {
			case "uprobe", "uretprobe":
				if !seen[a.Target] {
					seen[a.Target] = true
					paths = append(paths, a.Target)
				}
			case "begin", "end", "interval", "self":
			default:
				kernel = true
			}
		}
	}
	return paths, kernel
}

// userType asks the debug information of binaries.
func (c *compiler) userType(paths []string, tag, name string) *types.Type {
	for _, p := range paths {
		if t, err := c.env.UserType(p, tag, name); err == nil {
			return c.btf.Type(t)
		}
	}
	return nil
}

func (c *compiler) kernelType(tag, name string) *types.Type {
	kt := c.kernelTypes()
	if kt == nil {
		return nil
	}
	bt, err := kt.TypeByName(tag, name)
	if err != nil {
		return nil
	}
	return c.btf.Type(bt)
}

// kernelTypes loads the kernel's types when first asked; nil if there are none.
func (c *compiler) kernelTypes() Types {
	if !c.askedTypes {
		c.askedTypes = true
		kt, err := c.env.KernelTypes()
		if err == nil {
			c.ktypes = kt
		} else if !errors.Is(err, ErrUnknown) {
			c.typesErr = err
		}
	}
	return c.ktypes
}

// cast checks (type)x.
func (k *checker) cast(e *syntax.Cast) *types.Type {
	to, from := k.typeOf(e.Type), k.expr(e.X)
	if to.Kind == types.None || from.Kind == types.None {
		return types.TNone
	}
	bad := func() *types.Type {
		return k.fail(e, "", "Cannot cast from \"%s\" to \"%s\"", from, to)
	}
	if from.Kind == types.Void {
		return bad()
	}
	switch to.Kind {
	case types.Bool:
		if from.Scalar() || from.Castable() || from.Kind == types.String {
			return to
		}
	case types.Int:
		switch {
		case from.Scalar(), from.Castable(), from.Kind == types.USym:
			return withFlags(to, from)
		case from.Kind == types.Array, from.Kind == types.String, from.Kind == types.Inet, from.Kind == types.MAC:
			if from.Size == to.Size {
				return to
			}
			if from.Size <= 8 && from.Kind == types.Array {
				return k.fail(e, "", "Cannot cast from \"%s\" to \"%s\"", from, to)
			}
		case from.Kind == types.Struct && from.Size == to.Size:
			return to
		}
	case types.Ptr:
		if from.Kind == types.Int || from.Kind == types.Ptr || from.Kind == types.Bool || from.Kind == types.KSym {
			return to.WithUser(from.User)
		}
		if from.Kind == types.Array || from.Kind == types.String || from.Kind == types.Struct {
			return to.WithUser(from.User)
		}
	case types.Array:
		return k.castArray(e, to, from)
	case types.String:
		if to.Size == 0 {
			to = types.StringType(from.Size)
		}
		if from.Kind == types.String || from.Kind == types.Array || from.Kind == types.Ptr || from.Kind == types.Int {
			return to
		}
	case types.Buffer:
		if from.Kind == types.Buffer || from.Kind == types.Ptr || from.Kind == types.Int || from.Kind == types.Array || from.Kind == types.String {
			return to
		}
	case types.Tuple, types.Record:
		if types.Promote(from, to) != nil {
			return to
		}
	case types.Struct:
		return k.fail(e, "cast to a pointer: ("+to.String()+" *)", "Cannot cast to \"%s\"", to)
	default:
		if to.Kind == from.Kind {
			return to
		}
		if from.Kind == types.Int && (to.Kind == types.KSym || to.Kind == types.Inet) {
			return to
		}
	}
	return bad()
}

func withFlags(to, from *types.Type) *types.Type {
	if from.User {
		return to.WithUser(true)
	}
	return to
}

func (k *checker) castArray(e *syntax.Cast, to, from *types.Type) *types.Type {
	size := from.Size
	switch from.Kind {
	case types.Int, types.Bool, types.Array, types.String, types.Inet, types.MAC:
	default:
		return k.fail(e, "", "Cannot cast from \"%s\" to \"%s\"", from, to)
	}
	if to.Elem.Size == 0 || to.Elem.Kind != types.Int && to.Elem.Kind != types.Bool {
		return k.fail(e, "", "Cannot cast from \"%s\" to \"%s\"", from, to)
	}
	if to.Len < 0 {
		if size%to.Elem.Size != 0 {
			return k.fail(e, "", "Cannot determine size of the array")
		}
		return types.ArrayOf(to.Elem, size/to.Elem.Size)
	}
	if from.Kind == types.Int && isLiteral(e.X) && to.Size <= 8 {
		return to // the literal takes the array's size
	}
	if size != to.Size && !(from.Kind == types.Int && size < to.Size && to.Size <= 8) {
		return k.fail(e, "", "Cannot cast from \"%s\" to \"%s\"", from, to)
	}
	return to
}

func isLiteral(e syntax.Expr) bool {
	_, ok := e.(*syntax.Int)
	return ok
}
