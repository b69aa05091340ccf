package lang

import (
	"strconv"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// expr finds the type of e and remembers it.
func (k *checker) expr(e syntax.Expr) *types.Type {
	t := k.exprType(e)
	k.u.types[e] = t
	return t
}

func (k *checker) exprType(e syntax.Expr) *types.Type {
	switch e := e.(type) {
	case *syntax.Int:
		return litType(e)
	case *syntax.Str:
		return types.StringType(len(e.Value) + 1)
	case *syntax.Bool:
		return types.TBool
	case *syntax.Var:
		return k.varType(e)
	case *syntax.Map:
		m, ok := k.mapAccess(e)
		if !ok {
			return types.TNone
		}
		return m.val
	case *syntax.Ident:
		return k.ident(e)
	case *syntax.Index:
		return k.index(e)
	case *syntax.Field:
		return k.field(e)
	case *syntax.Call:
		return k.call(e)
	case *syntax.SizeOf:
		if tt, ok := e.X.(*syntax.TypeExpr); ok && k.isEnumerator(tt) {
			k.u.types[e.X] = types.TInt64
			return types.TUint64
		}
		t := k.expr(e.X)
		if tt, ok := e.X.(*syntax.TypeExpr); ok {
			t = k.typeOf(tt)
		}
		if t.Kind == types.None {
			return types.TNone
		}
		return types.TUint64
	case *syntax.OffsetOf:
		return k.offsetOf(e)
	case *syntax.TypeInfo:
		k.expr(e.X)
		return types.RecordOf([]string{"btf_id", "base_ty", "full_ty"}, []*types.Type{types.TInt64, types.StringType(64), types.StringType(64)})
	case *syntax.Unary:
		return k.unary(e)
	case *syntax.Binary:
		a, b := k.expr(e.X), k.expr(e.Y)
		if a.Kind == types.None || b.Kind == types.None {
			return types.TNone
		}
		return k.binaryType(e, e.Op, a, b)
	case *syntax.Cond:
		return k.cond(e)
	case *syntax.If:
		return k.ifType(e)
	case *syntax.Cast:
		return k.cast(e)
	case *syntax.Tuple:
		elems := k.elems(e.Elems)
		if elems == nil && len(e.Elems) > 0 {
			return types.TNone
		}
		return types.TupleOf(elems)
	case *syntax.Record:
		elems := k.elems(e.Elems)
		if elems == nil && len(e.Elems) > 0 {
			return types.TNone
		}
		return types.RecordOf(e.Names, elems)
	case *syntax.Block:
		return k.block(e)
	case *syntax.TypeExpr:
		return k.typeOf(e)
	}
	return types.TNone
}

func (k *checker) varType(e *syntax.Var) *types.Type {
	if v := k.u.vars[e]; v != nil && v.t != nil {
		return v.t
	}
	if k.final {
		// Declared and never assigned: a number.
		if v := k.u.vars[e]; v != nil {
			v.t = types.TInt64
			return v.t
		}
	}
	return types.TNone
}

func (k *checker) elems(l []syntax.Expr) []*types.Type {
	var out []*types.Type
	for _, e := range l {
		t := k.expr(e)
		switch {
		case t.Kind == types.None:
			return nil
		case t.Kind == types.Void:
			k.fail(e, "", "Tuple can not contain void")
			return nil
		case t.Castable():
			t = types.IntType(8, t.Signed)
		case t.Aggregate():
			k.fail(e, "", "Map type %s cannot exist inside a tuple.", t)
			return nil
		}
		out = append(out, t)
	}
	return out
}

// ident: a builtin or an enumerator.
func (k *checker) ident(e *syntax.Ident) *types.Type {
	if b := k.c.idents[e.Name]; b != nil {
		return b.check(k, e)
	}
	if n, ok := argNumber(e.Name); ok {
		return k.argN(e, n)
	}
	if f := k.c.fn[e.Name]; f != nil && f.min == 0 {
		return k.bareCall(e)
	}
	if c, ok := k.c.constant(e.Name); ok {
		if c.Enum != nil {
			return c.Enum
		}
		return types.TInt64
	}
	return k.fail(e, k.c.suggest(e.Name), "Unknown identifier: '%s'", e.Name)
}

// bareCall treats a name as a call without arguments.
func (k *checker) bareCall(e *syntax.Ident) *types.Type {
	c := k.u.bare[e]
	if c == nil {
		c = &syntax.Call{Span: e.Span, Name: e.Name}
		k.u.bare[e] = c
	}
	return k.expr(c)
}

func (k *checker) call(e *syntax.Call) *types.Type {
	f := k.c.fn[e.Name]
	if f == nil {
		if b := k.c.idents[e.Name]; b != nil && len(e.Args) == 0 {
			return b.check(k, &syntax.Ident{Span: e.Span, Name: e.Name})
		}
		if fn := k.c.funcs[e.Name]; fn != nil {
			return k.callUser(e, fn)
		}
		for _, a := range e.Args {
			k.expr(a)
		}
		return k.fail(e, k.c.suggest(e.Name), "Unknown function: '%s'", e.Name)
	}
	if n := len(e.Args); n < f.min || n > f.max {
		want := strconv.Itoa(f.min)
		switch {
		case n < f.min:
			return k.fail(e, "", "%s() requires at least %s argument%s (%d provided)", e.Name, want, plural(f.min), n)
		case f.max == 0:
			return k.fail(e, "", "%s() requires no arguments (%d provided)", e.Name, n)
		}
		return k.fail(e, "", "%s() takes up to %d argument%s (%d provided)", e.Name, f.max, plural(f.max), n)
	}
	return f.check(k, e)
}

func (k *checker) index(e *syntax.Index) *types.Type {
	if _, ok := e.X.(*syntax.Map); ok {
		m, ok := k.mapAccess(e)
		if !ok {
			return types.TNone
		}
		return m.val
	}
	t := k.expr(e.X)
	if len(e.Keys) != 1 {
		return k.fail(e, "", "The array index operator [] takes one index")
	}
	i := k.expr(e.Keys[0])
	if t.Kind == types.None || i.Kind == types.None {
		return types.TNone
	}
	if i.Kind != types.Int && !i.Castable() {
		return k.fail(e.Keys[0], "", "The array index operator [] only accepts positive (unsigned) integer indices.")
	}
	switch t.Kind {
	case types.Array:
		if n, ok := constInt(e.Keys[0]); ok && t.Len > 0 && (n < 0 || n >= int64(t.Len)) {
			return k.fail(e, "", "the index %d is out of bounds for array of size %d", n, t.Len)
		}
		return t.Elem.WithUser(t.User)
	case types.Ptr:
		if t.Elem.Size == 0 && t.Elem.Kind != types.Struct {
			return k.fail(e, "", "The array index operator [] can only be used on pointers to sized types.")
		}
		return t.Elem.WithUser(t.User)
	case types.String:
		return types.TInt8
	case types.Tuple:
		n, ok := constInt(e.Keys[0])
		if !ok || n < 0 || int(n) >= len(t.Fields) {
			return k.fail(e, "", "Invalid tuple index: %d. Found %d elements in tuple.", n, len(t.Fields))
		}
		return t.Fields[n].Type
	}
	return k.fail(e, "", "The array index operator [] can not be used on expressions of type '%s'.", t)
}

// field finds a member of a struct, tuple or record; pointers are followed.
func (k *checker) field(e *syntax.Field) *types.Type {
	t := k.expr(e.X)
	if t.Kind == types.None {
		return t
	}
	if t.Kind == types.Ptr && t.Elem.Kind == types.Struct {
		t = t.Elem.WithUser(t.User)
	}
	switch t.Kind {
	case types.Tuple:
		n, err := strconv.Atoi(e.Name)
		if err != nil || n >= len(t.Fields) {
			return k.fail(e, "", "Invalid tuple index: %s. Found %d elements in tuple.", e.Name, len(t.Fields))
		}
		return t.Fields[n].Type
	case types.Record:
		f := t.Field(e.Name)
		if f == nil {
			return k.fail(e, "", "Record does not have a field named '%s'", e.Name)
		}
		return f.Type
	case types.Struct:
		f, ok := t.Struct.Find(e.Name)
		if !ok {
			if t.Struct.Size == 0 && len(t.Struct.Fields()) == 0 {
				return k.fail(e, "the kernel's types (BTF), or a definition in the script, provide structs", "Unknown struct/union: '%s'", t.Struct.Name)
			}
			hint := ""
			if near := k.c.nearestField(t.Struct, e.Name); near != "" {
				hint = "did you mean " + near + "?"
			}
			return k.fail(e, hint, "Struct/union of type '%s' does not contain a field named '%s'", t.Struct.Name, e.Name)
		}
		if f.DataLoc {
			return f.Type
		}
		return f.Type.WithUser(t.User)
	}
	return k.fail(e, "", "Can not access field '%s' on expression of type '%s'", e.Name, t)
}

// isEnumerator says whether what reads as a type's name is that of a constant.
func (k *checker) isEnumerator(t *syntax.TypeExpr) bool {
	if t.Tag != "" || t.Name == "" || t.Of != nil || len(t.Mods) > 0 || k.namedType(t) != nil {
		return false
	}
	_, ok := k.c.constant(t.Name)
	return ok
}

func (k *checker) offsetOf(e *syntax.OffsetOf) *types.Type {
	t := k.expr(e.X)
	if t.Kind == types.Ptr {
		t = t.Elem
	}
	off := 0
	for _, f := range e.Fields {
		switch t.Kind {
		case types.None:
			return t
		case types.Struct:
			m, ok := t.Struct.Find(f)
			if !ok {
				return k.fail(e, "", "'%s' has no field named '%s'", t.Struct.Name, f)
			}
			off += m.Off
			t = m.Type
		case types.Record:
			m := t.Field(f)
			if m == nil {
				return k.fail(e, "", "record has no field named '%s'", f)
			}
			off += m.Off
			t = m.Type
		default:
			return k.fail(e, "", "offsetof() must reference a field of a struct, found '%s'", t)
		}
	}
	k.u.consts[e] = int64(off)
	return types.TUint64
}

func (k *checker) unary(e *syntax.Unary) *types.Type {
	switch e.Op {
	case "++", "--":
		return k.step(e)
	case "&":
		return k.address(e)
	}
	t := k.expr(e.X)
	if t.Kind == types.None {
		return t
	}
	switch e.Op {
	case "*":
		switch {
		case t.Kind == types.Ptr:
			if t.Elem.Kind == types.Void {
				return types.TUint64.WithUser(t.User)
			}
			return t.Elem.WithUser(t.User)
		case t.Kind == types.Struct && t.Ctx:
			return t
		case t.Kind == types.Int:
			return types.TUint64.WithUser(t.User)
		case t.Kind == types.Struct:
			return k.fail(e, "", "Can not dereference struct/union of type '%s'. It is not a pointer.", t)
		}
		return k.fail(e, "", "Can not dereference type '%s'. It is not a pointer.", t)
	case "!":
		if t.Scalar() || t.Castable() {
			return types.TBool
		}
	case "-", "~":
		if t.Kind == types.Int || t.Castable() {
			if e.Op == "-" {
				return types.TInt64
			}
			return types.IntType(8, t.Signed)
		}
	}
	return k.fail(e, "", "The %s operator can not be used on expressions of type '%s'", e.Op, t)
}

// step checks ++ and --.
func (k *checker) step(e *syntax.Unary) *types.Type {
	switch x := e.X.(type) {
	case *syntax.Var:
		t := k.expr(x)
		switch {
		case t.Kind == types.None || t.Kind == types.Ptr:
			return t
		case t.Kind != types.Int:
			return k.fail(e, "", "The %s operator can not be used on expressions of type '%s'", e.Op, t)
		}
		v := k.u.vars[x]
		if v.declared {
			return t
		}
		n := types.IntType(8, t.Signed && !t.Flex || e.Op == "--" || t.Signed)
		if p := types.Promote(v.t, n); p != nil {
			k.setVar(v, p)
		}
		return n
	case *syntax.Map, *syntax.Index:
		m, ok := k.mapAccess(x)
		if !ok {
			return types.TNone
		}
		if m.val.Kind == types.None {
			m.val, k.changed = types.IntType(8, true), true
		}
		if m.val.Kind == types.Ptr {
			return m.val
		}
		if m.val.Kind != types.Int {
			return k.fail(e, "", "The %s operator can not be used on expressions of type '%s'", e.Op, m.val)
		}
		n := types.IntType(8, m.val.Signed || e.Op == "--")
		if p := types.Promote(m.val, n); p != nil && !types.Equal(p, m.val) {
			m.val, k.changed = p, true
		}
		k.u.types[x] = m.val
		return n
	}
	k.expr(e.X)
	return k.fail(e, "", "The %s operator must be applied to a map or variable", e.Op)
}

func (k *checker) address(e *syntax.Unary) *types.Type {
	switch x := e.X.(type) {
	case *syntax.Var:
		t := k.expr(x)
		if t.Kind == types.None {
			return t
		}
		return types.PtrTo(t, false)
	case *syntax.Map:
		t := k.expr(x)
		if t.Kind == types.None {
			return t
		}
		return types.PtrTo(t, false)
	}
	k.expr(e.X)
	return k.fail(e, "", "The address-of operator & can only be used on variables and maps")
}

// cond checks c ? x : y.
func (k *checker) cond(e *syntax.Cond) *types.Type {
	k.condition(e.C)
	x := k.u.types[e.C]
	if e.X != nil {
		x = k.expr(e.X)
	}
	y := k.expr(e.Y)
	return k.join(e, x, y)
}

func (k *checker) join(e syntax.Expr, x, y *types.Type) *types.Type {
	if x == nil || x.Kind == types.None {
		return y
	}
	if y.Kind == types.None {
		return x
	}
	if x.Kind == types.Void && y.Kind == types.Void {
		return x
	}
	p := types.Promote(asInt(x), asInt(y))
	if p == nil || x.Kind == types.Void || y.Kind == types.Void {
		return k.fail(e, "", "Branches must return the same type: have '%s' and '%s'", x, y)
	}
	return p
}

func (k *checker) ifType(e *syntax.If) *types.Type {
	k.condition(e.Cond)
	x := k.block(e.Then)
	if e.Else == nil {
		return types.TVoid
	}
	y := k.expr(e.Else)
	if x.Kind == types.Void || y.Kind == types.Void {
		return types.TVoid
	}
	if !k.u.valued[e] {
		// As a statement the branches need not agree.
		if types.Promote(asInt(x), asInt(y)) == nil {
			return types.TVoid
		}
	}
	return k.join(e, x, y)
}

// binaryType is the type of a op b.
func (k *checker) binaryType(e syntax.Node, op string, a, b *types.Type) *types.Type {
	compare := op == "==" || op == "!="
	order := op == "<" || op == ">" || op == "<=" || op == ">="
	logical := op == "&&" || op == "||"
	bad := func() *types.Type {
		return k.fail(e, "", "The %s operator can not be used on expressions of types %s, %s", op, a, b)
	}
	if logical {
		for _, t := range []*types.Type{a, b} {
			if !t.Scalar() && !t.Castable() {
				return bad()
			}
		}
		return types.TBool
	}
	switch {
	case a.Numeric() && b.Numeric():
		if compare || order {
			return types.TBool
		}
		t := types.BinaryInt(op, asNumber(a), asNumber(b))
		if a.User || b.User {
			t = t.WithUser(true)
		}
		return t
	case a.Kind == types.Ptr && b.Kind == types.Ptr:
		if compare || order {
			return types.TBool
		}
		return bad()
	case a.Kind == types.Ptr && b.Numeric(), b.Kind == types.Ptr && a.Numeric():
		switch {
		case compare || order:
			return types.TBool
		case op == "+" && a.Kind == types.Ptr, op == "-" && a.Kind == types.Ptr:
			return a
		case op == "+":
			return b
		}
		return bad()
	case a.Kind == types.String && b.Kind == types.String, a.Kind == types.Buffer && b.Kind == types.Buffer:
		if compare {
			return types.TBool
		}
		return bad()
	case a.Kind == types.Array && b.Kind == types.Array:
		if !compare {
			return bad()
		}
		if a.Elem.Kind != types.Int || b.Elem.Kind != types.Int {
			return k.fail(e, "", "Only arrays of integers support comparison operators.")
		}
		if a.Size != b.Size {
			return k.fail(e, "", "Only arrays of same size support comparison operators.")
		}
		return types.TBool
	case a.Kind == b.Kind && (a.Kind == types.Tuple || a.Kind == types.Record):
		if !compare {
			return bad()
		}
		if types.Promote(a, b) == nil {
			return k.fail(e, "", "Type mismatch for '%s': comparing %s with %s", op, a, b)
		}
		return types.TBool
	case a.Kind == types.KSym || b.Kind == types.KSym, a.Kind == types.USym && b.Kind == types.USym,
		a.Kind == types.MAC && b.Kind == types.MAC, a.Kind == types.Inet && b.Kind == types.Inet:
		if compare && a.Kind == b.Kind {
			return types.TBool
		}
	}
	return k.fail(e, "", "Type mismatch for '%s': comparing %s with %s", op, a, b)
}

func asNumber(t *types.Type) *types.Type {
	if t.Kind == types.Bool {
		return types.TUint8
	}
	return asInt(t)
}
