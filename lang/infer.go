package lang

import (
	"strings"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// checker gives expressions their types. Types of variables and maps grow with
// what is assigned to them, so it runs until nothing changes; only then are
// mistakes reported.
type checker struct {
	c       *compiler
	u       *unit
	final   bool
	changed bool
	loops   int
}

const maxRounds = 32

// infer runs over all programs until types are settled.
func (c *compiler) infer() {
	for range maxRounds {
		changed := false
		for _, u := range c.units {
			k := &checker{c: c, u: u}
			k.unit()
			changed = changed || k.changed
		}
		if !changed {
			break
		}
	}
	for _, u := range c.units {
		k := &checker{c: c, u: u, final: true}
		k.unit()
	}
	for _, name := range c.order {
		if m := c.maps[name]; m.val.Kind == types.None && len(c.errs) == 0 {
			c.errorf(m.first, "", "Undefined map: %s", name)
		}
	}
}

func (k *checker) unit() {
	if k.u.pred != nil {
		k.condition(k.u.pred)
	}
	k.block(k.u.body)
}

// fail reports a mistake once types are settled.
func (k *checker) fail(n syntax.Node, hint, format string, a ...any) *types.Type {
	if k.final {
		k.c.errorIn(k.u, n, hint, format, a...)
	}
	return types.TNone
}

func (k *checker) warn(n syntax.Node, hint, format string, a ...any) {
	if k.final {
		k.c.warnf(n, hint, format, a...)
	}
}

func (k *checker) block(b *syntax.Block) *types.Type {
	if b == nil {
		return types.TVoid
	}
	for i, s := range b.Stmts {
		k.stmt(s)
		switch {
		case !leaves(s):
		case i+1 < len(b.Stmts):
			k.warn(b.Stmts[i+1], "", "Unreachable statement.")
		case b.Value != nil:
			k.warn(b.Value, "", "Unreachable statement.")
		}
	}
	if b.Value == nil {
		return types.TVoid
	}
	return k.expr(b.Value)
}

// leaves says whether nothing behind s is reached.
func leaves(s syntax.Stmt) bool {
	switch s := s.(type) {
	case *syntax.Jump:
		return true
	case *syntax.ExprStmt:
		c, ok := s.X.(*syntax.Call)
		return ok && c.Name == "exit"
	}
	return false
}

func (k *checker) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		t := k.expr(s.X)
		k.discarded(s.X, t)
	case *syntax.Discard:
		k.expr(s.X)
	case *syntax.Assign:
		k.assign(s)
	case *syntax.Let:
		k.let(s)
	case *syntax.For:
		k.forLoop(s)
	case *syntax.While:
		k.condition(s.Cond)
		k.loops++
		k.block(s.Body)
		k.loops--
	case *syntax.Jump:
		if s.X != nil {
			k.expr(s.X)
		}
		if s.Word != "return" && k.loops == 0 {
			k.fail(s, "", "%s statement outside of a loop", s.Word)
		}
	}
}

// discarded warns of values nobody takes.
func (k *checker) discarded(e syntax.Expr, t *types.Type) {
	switch e := e.(type) {
	case *syntax.Call:
		if f := k.c.fn[e.Name]; f == nil || t.Kind == types.Void || f.quiet {
			return
		}
	case *syntax.If, *syntax.Unary, *syntax.Cond:
		return
	case *syntax.Block:
		if e.Value == nil || t.Kind == types.Void {
			return
		}
	default:
		if t.Kind == types.Void {
			return
		}
	}
	k.warn(e, "", "Return value discarded.")
}

func (k *checker) let(s *syntax.Let) {
	v := k.u.vars[s.Var]
	if s.Type != nil {
		t := k.typeOf(s.Type)
		if t.Kind == types.None {
			return
		}
		v.declared = !(t.Kind == types.String && t.Size == 0)
		if v.t == nil || v.declared {
			k.setVar(v, t)
		}
	}
	if s.Init != nil {
		k.assignVar(s.Var, s.Init, k.expr(s.Init))
	}
}

func (k *checker) setVar(v *variable, t *types.Type) {
	if v.t == nil || !types.Equal(v.t, t) || v.t.User != t.User {
		v.t = t
		k.changed = true
	}
}

func (k *checker) assignVar(at *syntax.Var, init syntax.Expr, t *types.Type) {
	v := k.u.vars[at]
	switch {
	case t.Kind == types.None:
		return
	case t.Kind == types.Void:
		k.fail(init, "", "Invalid expression for assignment: %s", "void")
		return
	case t.Aggregate() && !t.Castable():
		k.fail(init, "", "Map value '%s' cannot be assigned from one map to another. The function that returns this type must be called directly e.g. `%s = %s;`.", t, at.Name, aggCall(t))
		return
	case t.Castable():
		t = types.IntType(8, t.Signed)
	}
	if v.t == nil {
		k.setVar(v, t)
		return
	}
	if v.declared {
		if v.t.Kind == types.Ptr && t.User != v.t.User {
			k.setVar(v, v.t.WithUser(t.User))
		}
		k.assignDeclared(at, init, v, t)
		return
	}
	p := types.Promote(v.t, t)
	if p == nil {
		k.fail(init, "", "Type mismatch for %s: trying to assign value of type '%s' when variable already has a type '%s'", base(at.Name), t, v.t)
		return
	}
	if v.t.Kind == types.Int && t.Kind == types.Int && p.Size == 8 && p.Signed && !t.Signed && t.Size == 8 && !t.Flex && !v.t.Flex {
		k.warn(init, "", "Sign mismatch for %s: assigning '%s' to '%s'", base(at.Name), t, v.t)
	}
	k.setVar(v, p)
}

func (k *checker) assignDeclared(at *syntax.Var, init syntax.Expr, v *variable, t *types.Type) {
	if n, ok := init.(*syntax.Int); ok && v.t.Kind == types.Int {
		if !inRange(n, v.t) {
			k.fail(init, "", "Type mismatch for %s: trying to assign value '%s' when variable has a type '%s'", base(at.Name), n.Text, v.t)
		}
		return
	}
	p := types.Promote(v.t, t)
	switch {
	case p == nil:
		k.fail(init, "", "Type mismatch for %s: trying to assign value of type '%s' when variable already has a type '%s'", base(at.Name), t, v.t)
	case p.Size > v.t.Size && v.t.Kind != types.Ptr && v.t.Kind != types.Int:
		k.fail(init, "", "Type mismatch for %s: trying to assign value of type '%s' when variable already has a type '%s'", base(at.Name), t, v.t)
	case p.Size > v.t.Size && v.t.Kind == types.Int:
		k.fail(init, "", "Integer size mismatch. Assignment type '%s' is larger than the variable type '%s'.", t, v.t)
	}
}

// inRange says whether a literal fits an integer type.
func inRange(n *syntax.Int, t *types.Type) bool {
	if t.Size == 8 {
		return t.Signed || !negLiteral(n)
	}
	bits := uint(t.Size * 8)
	if negLiteral(n) {
		return t.Signed && int64(n.Value) >= -1<<(bits-1)
	}
	if t.Signed {
		bits--
	}
	return n.Value < 1<<bits
}

// base is a variable's name without what macro expansion added.
func base(name string) string {
	n, _, _ := strings.Cut(name, "#")
	return n
}

// valueOf is the expression that gives a block its value.
func valueOf(e syntax.Expr) syntax.Expr {
	for {
		b, ok := e.(*syntax.Block)
		if !ok || b.Value == nil {
			return e
		}
		e = b.Value
	}
}

func aggCall(t *types.Type) string {
	return strings.TrimSuffix(t.String(), "_t") + "(retval)"
}

func (k *checker) forLoop(s *syntax.For) {
	v := k.u.vars[s.Var]
	if s.Over == nil {
		a, b := k.expr(s.From), k.expr(s.To)
		for i, t := range []*types.Type{a, b} {
			if t.Kind != types.Int && t.Kind != types.None && !t.Castable() {
				k.fail([]syntax.Expr{s.From, s.To}[i], "", "Loop range requires an integer for the %s value", []string{"start", "end"}[i])
				return
			}
		}
		if a.Kind != types.None && b.Kind != types.None {
			if t := types.Promote(asInt(a), asInt(b)); t != nil {
				k.setVar(v, t)
			}
		}
	} else {
		m := k.c.useMap(s.Over)
		if m.scalar && m.used {
			k.fail(s.Over, "", "Maps used as for-loop expressions must have explicit keys (non-scalar map).")
			return
		}
		if m.key != nil && m.val.Kind != types.None {
			val := m.val
			if val.Castable() {
				val = types.IntType(8, val.Signed)
			} else if val.Aggregate() {
				k.fail(s.Over, "", "Loop expression does not support type: %s", val)
				return
			}
			k.setVar(v, types.TupleOf([]*types.Type{m.key, val}))
		}
	}
	k.loops++
	k.block(s.Body)
	k.loops--
}

func asInt(t *types.Type) *types.Type {
	if t.Castable() {
		return types.IntType(8, t.Signed)
	}
	return t
}

// assign checks =, += and their kind.
func (k *checker) assign(s *syntax.Assign) {
	switch l := s.L.(type) {
	case *syntax.Var:
		t := k.expr(s.R)
		if s.Op != "=" {
			t = k.compound(s, k.expr(l), t)
		}
		k.assignVar(l, s.R, t)
		k.u.types[l] = k.varType(l)
	case *syntax.Map, *syntax.Index:
		k.assignMap(s)
	default:
		k.expr(s.R)
		k.fail(s.L, "variables ($x) and maps (@x, @x[key]) can be assigned to", "Invalid left side of an assignment")
	}
}

// compound is the type of l op r in "l op= r".
func (k *checker) compound(s *syntax.Assign, l, r *types.Type) *types.Type {
	if l.Kind == types.None || r.Kind == types.None {
		return types.TNone
	}
	op := strings.TrimSuffix(s.Op, "=")
	return k.binaryType(s, op, l, r)
}

func (k *checker) assignMap(s *syntax.Assign) {
	m, ok := k.mapAccess(s.L)
	if !ok {
		return
	}
	t := k.expr(s.R)
	if s.Op != "=" {
		if m.val.Kind == types.None {
			if t.Kind == types.Int {
				k.setVal(m, s.R, types.BinaryInt(s.Op[:1], t, t))
			}
			return
		}
		t = k.compound(s, m.val, t)
		if m.val.Castable() {
			k.fail(s, "", "Type mismatch for %s: trying to assign value of type '%s' when map already has a type '%s'", m.name, t, m.val)
			return
		}
	}
	k.setVal(m, s.R, t)
}

// setVal grows the type of a map's values.
func (k *checker) setVal(m *mapInfo, at syntax.Expr, t *types.Type) {
	switch {
	case t.Kind == types.None:
		return
	case t.Kind == types.Void:
		k.fail(at, "", "Invalid expression for assignment: %s", "void")
		return
	}
	if t.Aggregate() && !k.c.isAggCall(at) {
		if !t.Castable() || m.val.Kind == t.Kind {
			k.fail(at, "", "Map value '%s' cannot be assigned from one map to another. The function that returns this type must be called directly e.g. `%s = %s;`.", t, m.name, aggCall(t))
			return
		}
		t = types.IntType(8, t.Signed)
	}
	if m.val.Kind == types.None {
		m.val, k.changed = t, true
		if c, ok := valueOf(at).(*syntax.Call); ok && t.Kind == types.LHist {
			v := k.u.lhist[c]
			m.lo, m.hi, m.step = v[0], v[1], v[2]
		}
		return
	}
	p := types.Promote(m.val, t)
	if p == nil || m.val.Aggregate() != t.Aggregate() || m.val.Aggregate() && m.val.Kind != t.Kind {
		k.fail(at, "", "Type mismatch for %s: trying to assign value of type '%s' when map already has a type '%s'", m.name, t, m.val)
		return
	}
	if c, ok := valueOf(at).(*syntax.Call); ok && t.Kind == types.LHist {
		v := k.u.lhist[c]
		if m.step != 0 && (m.lo != v[0] || m.hi != v[1] || m.step != v[2]) {
			k.fail(at, "", "Different lhist bounds in a single map unsupported")
			return
		}
		m.lo, m.hi, m.step = v[0], v[1], v[2]
	}
	if m.val.Aggregate() && (m.val.Size != t.Size || m.val.Mode != t.Mode || m.val.Frames != t.Frames || m.val.Len != t.Len) {
		k.fail(at, "", "Different %s() parameters in a single map unsupported", strings.TrimSuffix(t.String(), "_t"))
		return
	}
	if m.val.Aggregate() && m.val.Signed != t.Signed {
		p = m.val
		if !p.Signed {
			p = t
		}
	}
	if !types.Equal(p, m.val) {
		m.val, k.changed = p, true
	}
}

func (c *compiler) isAggCall(e syntax.Expr) bool {
	call, ok := valueOf(e).(*syntax.Call)
	return ok && c.fn[call.Name] != nil && c.fn[call.Name].agg
}

// mapAccess checks @x or @x[key] and returns the map.
func (k *checker) mapAccess(e syntax.Expr) (*mapInfo, bool) {
	switch e := e.(type) {
	case *syntax.Map:
		m := k.c.useMap(e)
		if !m.scalar && m.used {
			k.fail(e, "", "%s used as a map without an explicit key (scalar map), previously used with an explicit key (non-scalar map)", m.name)
			return nil, false
		}
		m.scalar, m.used = true, true
		return m, true
	case *syntax.Index:
		mm, ok := e.X.(*syntax.Map)
		if !ok {
			k.fail(e, "", "only variables and maps can be assigned to")
			return nil, false
		}
		m := k.c.useMap(mm)
		if m.scalar && m.used {
			k.fail(e.X, "", "%s used as a map with an explicit key (non-scalar map), previously used without an explicit key (scalar map)", m.name)
			return nil, false
		}
		m.used = true
		return m, k.mapKey(m, e, k.keyType(e.Keys))
	}
	k.fail(e, "", "only variables and maps can be assigned to")
	return nil, false
}

// keyType is the type of a key: several expressions are a tuple.
func (k *checker) keyType(keys []syntax.Expr) *types.Type {
	var elems []*types.Type
	for _, e := range keys {
		t := k.expr(e)
		if t.Kind == types.None {
			return t
		}
		if t.Castable() {
			t = types.IntType(8, t.Signed)
		}
		elems = append(elems, t)
	}
	if len(elems) == 1 {
		return elems[0]
	}
	return types.TupleOf(elems)
}

// mapKey grows the type of a map's keys.
func (k *checker) mapKey(m *mapInfo, at syntax.Node, t *types.Type) bool {
	if t.Kind == types.None {
		return false
	}
	if t.Kind == types.Void || t.Aggregate() {
		k.fail(at, "", "'%s' cannot be used as a map key", t)
		return false
	}
	if m.key == nil {
		m.key, k.changed = t, true
		return true
	}
	p := types.Promote(m.key, t)
	if p == nil {
		k.fail(at, "", "Argument mismatch for %s: trying to access with arguments: '%s' when map expects arguments: '%s'", m.name, t, m.key)
		return false
	}
	if !types.Equal(p, m.key) {
		m.key, k.changed = p, true
	}
	return true
}

// condition checks what is tested for truth.
func (k *checker) condition(e syntax.Expr) {
	t := k.expr(e)
	switch {
	case t.Kind == types.None, t.Scalar(), t.Castable():
	case t.Kind == types.String, t.Kind == types.Buffer:
		k.fail(e, "", "Invalid condition: %s", t)
	default:
		k.fail(e, "", "Invalid condition: %s", t)
	}
}
