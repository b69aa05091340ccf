package lang

import (
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// isArray says that a map is a scalar kept as an array of one.
func (m *mapInfo) isArray() bool { return m.key == nil && !m.val.Aggregate() }

// stride is a type's size as a map's key or value alone.
func stride(t *types.Type) int {
	if t.Scalar() {
		return 8
	}
	return max((t.Size+7)&^7, 8)
}

// key builds a map's key.
func (g *gen) key(m *mapInfo, keys []syntax.Expr) ir.Arg {
	size := stride(m.key)
	dst := g.temp(size)
	if len(keys) == 1 {
		if m.key.Scalar() {
			g.f.Store(8, dst, 0, g.conv(g.expr(keys[0]), m.key).a)
			return dst
		}
		// What fills the key whole needs no clearing.
		id, isIdent := keys[0].(*syntax.Ident)
		if !(isIdent && id.Name == "comm" && m.key.Size == 16) {
			g.zero(dst, size)
		}
		g.into(dst, m.key, keys[0], true)
		return dst
	}
	g.zero(dst, size)
	g.intoFields(dst, m.key, keys, nil, true)
	return dst
}

// scalarKey is the key of per-CPU arrays of one.
func (g *gen) scalarKey() ir.Arg {
	k := g.small(8)
	g.f.Store(4, k, 0, ir.Imm(0))
	return k
}

// keyOf is the key for @x (e nil) or @x[…].
func (g *gen) keyOf(m *mapInfo, e *syntax.Index) ir.Arg {
	if e == nil {
		return g.scalarKey()
	}
	return g.key(m, e.Keys)
}

// lookup finds the value's address, 0 if there is none.
func (g *gen) lookup(m *mapInfo, key ir.Arg) ir.Arg {
	return g.f.Call(asm.FnMapLookupElem, ir.Map(m.spec), key)
}

// readMap reads @x or @x[…]; what is not there is zero.
func (g *gen) readMap(m *mapInfo, e *syntax.Index) value {
	if m.isArray() {
		return g.arrayValue(m)
	}
	key := g.keyOf(m, e)
	if m.val.Castable() {
		return g.aggregate(m, key)
	}
	p := g.lookup(m, key)
	if m.val.Scalar() {
		r := g.f.NewReg()
		yes, no, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		g.f.Set(r, ir.Imm(0))
		g.f.Branch(asm.JNE, p, ir.Imm(0), yes, no)
		g.f.Start(no)
		g.notFound(m, e)
		g.f.Jump(end)
		g.f.Start(yes)
		g.f.Set(r, g.f.Load(8, p, 0))
		g.f.Jump(end)
		g.f.Start(end)
		return scalar(ir.R(r), m.val)
	}
	dst := g.temp(stride(m.val))
	yes, no, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, p, ir.Imm(0), yes, no)
	g.f.Start(yes)
	g.moveBytes(dst, p, stride(m.val))
	g.f.Jump(end)
	g.f.Start(no)
	g.notFound(m, e)
	g.zero(dst, stride(m.val))
	g.f.Jump(end)
	g.f.Start(end)
	return value{t: m.val, a: dst}
}

// notFound reports a key that is not there, where that is asked for.
func (g *gen) notFound(m *mapInfo, e *syntax.Index) {
	if !g.c.opt.WarnFailures || e == nil {
		return
	}
	before := g.at
	g.at = e
	g.report(g.c.failure(g, "map_lookup_elem", m.name), ir.Imm(0))
	g.at = before
}

func (g *gen) arrayValue(m *mapInfo) value {
	at := ir.MapValue(m.spec, 0)
	if m.val.Scalar() {
		return scalar(g.f.Load(8, at, 0), m.val)
	}
	return value{t: m.val, a: at}
}

// assignMap writes @x = e, @x[…] op= e.
func (g *gen) assignMap(s *syntax.Assign) {
	var m *mapInfo
	var ix *syntax.Index
	switch l := s.L.(type) {
	case *syntax.Map:
		m = g.c.maps[l.Name]
	case *syntax.Index:
		ix = l
		m = g.c.maps[l.X.(*syntax.Map).Name]
	}
	if s.Op == "=" && g.c.isAggCall(s.R) {
		for b, ok := s.R.(*syntax.Block); ok; b, ok = b.Value.(*syntax.Block) {
			g.block(&syntax.Block{Span: b.Span, Stmts: b.Stmts})
		}
		call := valueOf(s.R).(*syntax.Call)
		g.c.fn[call.Name].update(g, m, ix, call)
		return
	}
	if s.Op == "=" {
		g.storeMap(m, ix, s.R)
		return
	}
	op := strings.TrimSuffix(s.Op, "=")
	r := g.expr(s.R)
	if (op == "+" || op == "-") && m.val.Kind == types.Int {
		by := r.a
		if op == "-" {
			by = g.f.Bin(asm.Sub, ir.Imm(0), by)
		}
		g.addToMap(m, ix, by, false, false)
		return
	}
	t := g.resultType(op, m.val, g.u.types[s.R])
	if m.isArray() {
		old := g.arrayValue(m)
		g.f.Store(8, ir.MapValue(m.spec, 0), 0, g.conv(g.arith(op, old, r, t), m.val).a)
		return
	}
	r = scalar(g.f.InReg(r.a), r.t)
	key := g.keyOf(m, ix)
	p := g.lookup(m, key)
	old := g.f.NewReg()
	yes, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Set(old, ir.Imm(0))
	g.f.Branch(asm.JNE, p, ir.Imm(0), yes, end)
	g.f.Start(yes)
	g.f.Set(old, g.f.Load(8, p, 0))
	g.f.Jump(end)
	g.f.Start(end)
	g.update(m, key, g.conv(g.arith(op, scalar(ir.R(old), m.val), r, t), m.val).a)
}

// storeMap writes a value as a whole.
func (g *gen) storeMap(m *mapInfo, ix *syntax.Index, e syntax.Expr) {
	if m.isArray() {
		at := ir.MapValue(m.spec, 0)
		if m.val.Scalar() {
			g.f.Store(8, at, 0, g.conv(g.expr(e), m.val).a)
			return
		}
		mentions := false
		walk(e, func(n syntax.Expr) {
			if o, ok := n.(*syntax.Map); ok && o.Name == m.name {
				mentions = true
			}
		})
		if mentions {
			tmp := g.temp(stride(m.val))
			g.into(tmp, m.val, e, false)
			g.copyTo(at, m.val, value{t: m.val, a: tmp}, false)
			return
		}
		g.into(at, m.val, e, false)
		return
	}
	if m.val.Scalar() {
		v := g.f.InReg(g.conv(g.expr(e), m.val).a)
		g.update(m, g.keyOf(m, ix), v)
		return
	}
	tmp := g.temp(stride(m.val))
	if m.val.Size%8 != 0 {
		g.f.Store(8, tmp, stride(m.val)-8, ir.Imm(0))
	}
	g.into(tmp, m.val, e, false)
	g.updateFrom(m, g.keyOf(m, ix), tmp)
}

// update sets a scalar value.
func (g *gen) update(m *mapInfo, key, v ir.Arg) {
	tmp := g.small(8)
	g.f.Store(8, tmp, 0, v)
	g.updateFrom(m, key, tmp)
}

func (g *gen) updateFrom(m *mapInfo, key, val ir.Arg) {
	r := g.f.Call(asm.FnMapUpdateElem, ir.Map(m.spec), key, val, ir.Imm(0))
	g.check(r, "map_update_elem", m.name)
}

// addToMap adds to an integer atomically. The value before or after comes back
// if wanted.
func (g *gen) addToMap(m *mapInfo, ix *syntax.Index, by ir.Arg, wanted, before bool) value {
	if m.val.Kind == types.Ptr {
		by = g.f.Bin(asm.Mul, by, ir.Imm(int64(max(m.val.Elem.Size, 1))))
	}
	by = g.steady(by)
	out := g.f.NewReg()
	result := func(old ir.Arg) {
		if !wanted {
			return
		}
		if !before {
			old = g.f.Bin(asm.Add, old, by)
		}
		g.f.Set(out, old)
	}
	if m.isArray() {
		at := ir.MapValue(m.spec, 0)
		if wanted {
			result(g.f.Load(8, at, 0))
		}
		g.f.AddTo(8, at, 0, by)
		return scalar(ir.R(out), m.val)
	}
	key := g.keyOf(m, ix)
	p := g.f.NewReg()
	g.f.Set(p, g.lookup(m, key))
	yes, no, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, ir.R(p), ir.Imm(0), yes, no)
	g.f.Start(yes)
	if wanted {
		result(g.f.Load(8, ir.R(p), 0))
	}
	g.f.AddTo(8, ir.R(p), 0, by)
	g.f.Jump(end)
	g.f.Start(no)
	// Not there: make it, unless somebody else just did.
	tmp := g.small(8)
	g.f.Store(8, tmp, 0, by)
	r := g.f.Call(asm.FnMapUpdateElem, ir.Map(m.spec), key, tmp, ir.Imm(1)) // BPF_NOEXIST
	result(ir.Imm(0))
	again := g.f.NewBlock()
	g.f.Branch(asm.JEq, r, ir.Imm(0), end, again)
	g.f.Start(again)
	p2 := g.lookup(m, key)
	found, full := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, p2, ir.Imm(0), found, full)
	g.f.Start(found)
	if wanted {
		result(g.f.Load(8, p2, 0))
	}
	g.f.AddTo(8, p2, 0, by)
	g.f.Jump(end)
	g.f.Start(full)
	g.check(r, "map_update_elem", m.name)
	g.f.Jump(end)
	g.f.Start(end)
	return scalar(ir.R(out), m.val)
}

// aggregate reads count(), sum(), min(), max() and avg() over all CPUs.
func (g *gen) aggregate(m *mapInfo, key ir.Arg) value {
	t := types.IntType(8, m.val.Signed)
	i, total, n := g.f.NewReg(), g.f.NewReg(), g.f.NewReg()
	g.f.Set(i, ir.Imm(0))
	g.f.Set(total, ir.Imm(0))
	g.f.Set(n, ir.Imm(0))
	head, body, hit, next, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Jump(head)
	g.f.Start(head)
	g.f.Branch(asm.JLT, ir.R(i), ir.Imm(int64(g.c.env.CPUs())), body, end)
	g.f.Start(body)
	p := g.f.Call(asm.FnMapLookupPercpuElem, ir.Map(m.spec), key, ir.R(i))
	g.f.Branch(asm.JNE, p, ir.Imm(0), hit, next)
	g.f.Start(hit)
	v := g.f.Load(8, p, 0)
	switch m.val.Kind {
	case types.Min, types.Max:
		set := g.f.Load(8, p, 8)
		isSet, first, later := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		take := g.f.NewBlock()
		g.f.Branch(asm.JNE, set, ir.Imm(0), isSet, next)
		g.f.Start(isSet)
		g.f.Branch(asm.JEq, ir.R(n), ir.Imm(0), first, later)
		g.f.Start(later)
		g.f.Branch(minMaxJump(m.val), v, ir.R(total), take, next)
		g.f.Start(first)
		g.f.Set(n, ir.Imm(1))
		g.f.Jump(take)
		g.f.Start(take)
		g.f.Set(total, v)
	case types.Avg:
		g.f.Set(n, g.f.Bin(asm.Add, ir.R(n), g.f.Load(8, p, 8)))
		g.f.Set(total, g.f.Bin(asm.Add, ir.R(total), v))
	default:
		g.f.Set(total, g.f.Bin(asm.Add, ir.R(total), v))
	}
	g.f.Jump(next)
	g.f.Start(next)
	g.f.Set(i, g.f.Bin(asm.Add, ir.R(i), ir.Imm(1)))
	g.f.Jump(head)
	g.f.Start(end)
	if m.val.Kind == types.Avg {
		if m.val.Signed {
			return scalar(g.signedDiv("/", ir.R(total), ir.R(n)), t)
		}
		return scalar(g.f.Bin(asm.Div, ir.R(total), ir.R(n)), t)
	}
	return scalar(ir.R(total), t)
}

// minMaxJump says whether a new value replaces the old.
func minMaxJump(t *types.Type) asm.JumpOp {
	switch {
	case t.Kind == types.Min && t.Signed:
		return asm.JSLT
	case t.Kind == types.Min:
		return asm.JLT
	case t.Signed:
		return asm.JSGT
	}
	return asm.JGT
}

// slotFor finds this CPU's value of an aggregation, making it if it is not
// there, and runs f with its address.
func (g *gen) slotFor(m *mapInfo, ix *syntax.Index, f func(p ir.Arg)) {
	key := g.keyOf(m, ix)
	p := g.f.NewReg()
	g.f.Set(p, g.lookup(m, key))
	yes, end := g.f.NewBlock(), g.f.NewBlock()
	if m.key == nil {
		// An array's value is always there.
		g.f.Branch(asm.JNE, ir.R(p), ir.Imm(0), yes, end)
	} else {
		no := g.f.NewBlock()
		g.f.Branch(asm.JNE, ir.R(p), ir.Imm(0), yes, no)
		g.f.Start(no)
		r := g.f.Call(asm.FnMapUpdateElem, ir.Map(m.spec), key, g.zeros(m.val.Size), ir.Imm(1)) // BPF_NOEXIST
		g.f.Set(p, g.lookup(m, key))
		full := g.f.NewBlock()
		g.f.Branch(asm.JNE, ir.R(p), ir.Imm(0), yes, full)
		g.f.Start(full)
		g.check(r, "map_update_elem", m.name)
		g.f.Jump(end)
	}
	g.f.Start(yes)
	f(ir.R(p))
	g.f.Jump(end)
	g.f.Start(end)
}

// zeros is memory with size zeros.
func (g *gen) zeros(size int) ir.Arg {
	if size <= 16 {
		t := g.small((size + 7) &^ 7)
		g.zero(t, (size+7)&^7)
		return t
	}
	g.c.zeroSize = max(g.c.zeroSize, size)
	return ir.MapValue(zeroMap, 0)
}

// zeroMap is an array whose value nobody writes.
const zeroMap = "zeros"

// check counts a helper's failure and reports the first at each place.
func (g *gen) check(r ir.Arg, helper, mapName string) {
	id := g.c.failure(g, helper, mapName)
	bad, ok := g.f.NewBlock(), g.f.NewBlock()
	r = g.f.InReg(r)
	g.f.Branch(asm.JSLT, r, ir.Imm(0), bad, ok)
	g.f.Start(bad)
	g.report(id, r)
	g.f.Jump(ok)
	g.f.Start(ok)
}

// warn reports, once for each place, what is no failure of a helper.
func (g *gen) warn(msg string) {
	g.report(g.c.failureOf(g, Place{Msg: msg}), ir.Imm(0))
}

// report counts a failure and sends the first at its place.
func (g *gen) report(id int, r ir.Arg) {
	ok := g.f.NewBlock()
	at := ir.MapValue(ErrorMap, id*8)
	n := g.f.Load(8, at, 0)
	g.f.AddTo(8, at, 0, ir.Imm(1))
	first := g.f.NewBlock()
	g.f.Branch(asm.JEq, n, ir.Imm(0), first, ok)
	g.f.Start(first)
	ev := g.small(24)
	g.f.Store(8, ev, 0, ir.Imm(int64(g.c.failureEvent())))
	g.f.Store(8, ev, 8, ir.Imm(int64(id)))
	g.f.Store(8, ev, 16, r)
	g.output(ev, 24)
	g.f.Jump(ok)
	g.f.Start(ok)
}

// output sends a record; one that does not fit is counted.
func (g *gen) output(ev ir.Arg, size int) {
	r := g.f.Call(asm.FnRingbufOutput, ir.Map(RingMap), ev, ir.Imm(int64(size)), ir.Imm(0))
	lost, ok := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JEq, r, ir.Imm(0), ok, lost)
	g.f.Start(lost)
	g.f.AddTo(8, ir.MapValue(LostMap, 0), 0, ir.Imm(1))
	g.f.Jump(ok)
	g.f.Start(ok)
}
