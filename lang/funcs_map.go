package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// mapFuncs take a map as their first argument.
func mapFuncs() map[string]*function {
	return map[string]*function{
		"delete":  {min: 1, max: 2, check: checkDelete, gen: func(g *gen, e *syntax.Call) value { return g.deleteKey(e, false) }, effect: func(g *gen, e *syntax.Call) { g.deleteKey(e, true) }, quiet: true},
		"has_key": {min: 2, max: 2, check: checkHasKey, gen: genHasKey},
		"find":    {min: 3, max: 3, check: checkFind, gen: genFind},
		"len":     {min: 1, max: 1, check: checkLen, gen: genLen},
		"clear":   {min: 1, max: 1, check: checkWholeMap, effect: func(g *gen, e *syntax.Call) { g.mapEvent(e, EventClear) }},
		"zero":    {min: 1, max: 1, check: checkWholeMap, effect: func(g *gen, e *syntax.Call) { g.mapEvent(e, EventZero) }},
	}
}

// mapArg is the map an argument names.
func (k *checker) mapArg(e *syntax.Call) *mapInfo {
	m, ok := e.Args[0].(*syntax.Map)
	if !ok {
		k.fail(e.Args[0], "", "%s() expects a map to be provided", e.Name)
		return nil
	}
	return k.c.useMap(m)
}

func checkWholeMap(k *checker, e *syntax.Call) *types.Type {
	if ix, ok := e.Args[0].(*syntax.Index); ok {
		if _, isMap := ix.X.(*syntax.Map); isMap {
			return k.fail(e, "", "The map passed to %s() should not be indexed by a key", e.Name)
		}
	}
	m := k.mapArg(e)
	if m == nil {
		return types.TNone
	}
	return types.TVoid
}

// checkDelete: delete(@), delete(@, key), and the older delete(@[key]).
func checkDelete(k *checker, e *syntax.Call) *types.Type {
	if ix, ok := e.Args[0].(*syntax.Index); ok && len(e.Args) == 1 {
		if _, isMap := ix.X.(*syntax.Map); isMap {
			if _, ok := k.mapAccess(ix); !ok {
				return types.TNone
			}
			return types.TBool
		}
	}
	m := k.mapArg(e)
	if m == nil {
		return types.TNone
	}
	if len(e.Args) == 1 {
		if m.used && !m.scalar {
			return k.fail(e, "", "call to delete() with a single argument expects a map without explicit keys (scalar map)")
		}
		m.used, m.scalar = true, true
		return types.TBool
	}
	return k.keyArg(m, e, types.TBool)
}

// keyArg checks the second argument as the map's key.
func (k *checker) keyArg(m *mapInfo, e *syntax.Call, result *types.Type) *types.Type {
	if m.used && m.scalar {
		return k.fail(e, "", "call to %s() expects a map with explicit keys (non-scalar map)", e.Name)
	}
	m.used = true
	t := k.expr(e.Args[1])
	if t.Castable() {
		t = types.IntType(8, t.Signed)
	}
	if !k.mapKey(m, e.Args[1], t) {
		return types.TNone
	}
	return result
}

func checkHasKey(k *checker, e *syntax.Call) *types.Type {
	m := k.mapArg(e)
	if m == nil {
		return types.TNone
	}
	return k.keyArg(m, e, types.TBool)
}

func checkFind(k *checker, e *syntax.Call) *types.Type {
	m := k.mapArg(e)
	if m == nil {
		return types.TNone
	}
	v, ok := e.Args[2].(*syntax.Var)
	if !ok {
		return k.fail(e.Args[2], "", "find() expects a variable for its result")
	}
	if t := k.keyArg(m, e, types.TBool); t.Kind == types.None {
		return t
	}
	if m.val.Kind != types.None {
		k.assignVar(v, e.Args[2], m.val)
		k.u.types[v] = k.varType(v)
	}
	return types.TBool
}

func checkLen(k *checker, e *syntax.Call) *types.Type {
	if m, ok := e.Args[0].(*syntax.Map); ok {
		mi := k.c.useMap(m)
		if mi.used && mi.scalar && !mi.val.Stack() {
			return k.fail(e, "", "call to len() expects a map with explicit keys (non-scalar map)")
		}
		if !mi.scalar {
			return types.TInt64
		}
	}
	t := k.expr(e.Args[0])
	if t.Stack() {
		k.c.stackLens = true
		return types.TInt64
	}
	if t.Kind != types.None {
		return k.fail(e, "", "len() expects a map or stack to be provided")
	}
	return t
}

// mapAndKey finds the map and the address of the key of such a call.
func (g *gen) mapAndKey(e *syntax.Call) (*mapInfo, ir.Arg) {
	if ix, ok := e.Args[0].(*syntax.Index); ok {
		m := g.c.maps[ix.X.(*syntax.Map).Name]
		return m, g.key(m, ix.Keys)
	}
	m := g.c.maps[e.Args[0].(*syntax.Map).Name]
	return m, g.key(m, e.Args[1:2])
}

func (g *gen) deleteKey(e *syntax.Call, statement bool) value {
	if m, ok := e.Args[0].(*syntax.Map); ok && len(e.Args) == 1 {
		mi := g.c.maps[m.Name]
		if mi.isArray() {
			g.zero(ir.MapValue(mi.spec, 0), stride(mi.val))
			return scalar(ir.Imm(1), types.TBool)
		}
		g.mapEvent(e, EventClear)
		return scalar(ir.Imm(1), types.TBool)
	}
	m, key := g.mapAndKey(e)
	r := g.f.Call(asm.FnMapDeleteElem, ir.Map(m.spec), key)
	if statement {
		g.check(r, "map_delete_elem", m.name)
		return nothing
	}
	return scalar(g.flag(asm.JEq, r, ir.Imm(0)), types.TBool)
}

func genHasKey(g *gen, e *syntax.Call) value {
	m, key := g.mapAndKey(e)
	return scalar(g.isSet(g.lookup(m, key)), types.TBool)
}

func genFind(g *gen, e *syntax.Call) value {
	m, key := g.mapAndKey(e)
	v := g.u.vars[e.Args[2].(*syntax.Var)]
	r := g.f.NewReg()
	g.f.Set(r, ir.Imm(0))
	yes, end := g.f.NewBlock(), g.f.NewBlock()
	if v.t.Scalar() && !v.inMemory() && !v.home.set {
		g.clearVar(v)
	}
	p := g.f.InReg(g.lookup(m, key))
	g.f.Branch(asm.JNE, p, ir.Imm(0), yes, end)
	g.f.Start(yes)
	if m.val.Castable() {
		g.setVar(v, g.aggregate(m, key))
	} else {
		g.setVar(v, g.stored(m.val, p))
	}
	g.f.Set(r, ir.Imm(1))
	g.f.Jump(end)
	g.f.Start(end)
	return scalar(ir.R(r), types.TBool)
}

// genLen counts a map's keys.
func genLen(g *gen, e *syntax.Call) value {
	if m, ok := e.Args[0].(*syntax.Map); ok {
		if mi := g.c.maps[m.Name]; mi.key != nil {
			return g.countKeys(mi)
		}
	}
	if g.u.types[e.Args[0]] != nil && g.u.types[e.Args[0]].Stack() {
		return g.stackLen(g.expr(e.Args[0]))
	}
	return nothing
}

// countKeys walks the map with a callback that does nothing: the walk returns
// how many keys it met.
func (g *gen) countKeys(m *mapInfo) value {
	name := g.callback(4, func(fr *frame) {
		fr.caps = g.f.Param(3)
		g.f.Return(ir.Imm(0))
	})
	n := g.f.Call(asm.FnForEachMapElem, ir.Map(m.spec), ir.FuncRef(name), g.caps(), ir.Imm(0))
	return scalar(n, types.TInt64)
}
