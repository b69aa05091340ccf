package lang

import (
	"errors"
	"strings"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

var errCaptures = errors.New("too many variables are shared with loops: put some in a map")

// inMemory says whether a variable cannot live in a register.
func (v *variable) inMemory() bool { return !v.t.Scalar() || v.captured || v.taken }

// place gives a variable its home.
func (g *gen) place(v *variable) {
	if v.home.set {
		return
	}
	v.home.set = true
	size := max(v.t.Size, 8)
	switch {
	case !v.inMemory():
		v.home.reg = g.f.NewReg()
	case v.captured && size <= 32:
		v.home.cap = g.newCapture(size) + 1
	case v.captured || size > g.limit && !v.t.Scalar():
		// Scratch of variables is theirs for the whole program.
		v.home.off = g.keep(size) + 1
	default:
		v.home.addr = ir.SlotAddr(g.f.NewSlot(size), 0)
	}
}

// keep reserves scratch for good, below that of temporary objects: how much is
// known after the first run, and then there is a second.
func (g *gen) keep(size int) int {
	off := g.kept
	g.kept += (size + 7) &^ 7
	return off
}

// varAddr is where a variable in memory lives.
func (g *gen) varAddr(v *variable) ir.Arg {
	g.place(v)
	switch {
	case v.home.cap > 0:
		return g.f.Plus(g.caps(), v.home.cap-1)
	case v.home.off > 0:
		return g.inScratch(v.home.off - 1)
	}
	return v.home.addr
}

// readVar is a variable's value.
func (g *gen) readVar(v *variable) value {
	g.place(v)
	if !v.inMemory() {
		return scalar(ir.R(v.home.reg), v.t)
	}
	if v.t.Scalar() {
		return scalar(g.f.Load(8, g.varAddr(v), 0), v.t)
	}
	return value{t: v.t, a: g.varAddr(v)}
}

// setVar assigns a scalar.
func (g *gen) setVar(v *variable, x value) {
	g.place(v)
	a := g.conv(x, v.t).a
	if !v.inMemory() {
		g.f.Set(v.home.reg, a)
		return
	}
	if v.t.Scalar() {
		g.f.Store(8, g.varAddr(v), 0, a)
		return
	}
	g.copyTo(g.varAddr(v), v.t, x, false)
}

// clearVar gives a declared variable its zero.
func (g *gen) clearVar(v *variable) {
	if v.t == nil {
		return
	}
	g.place(v)
	if !v.inMemory() {
		g.f.Set(v.home.reg, ir.Imm(0))
		return
	}
	g.zero(g.varAddr(v), max(v.t.Size, 8))
}

func (g *gen) let(s *syntax.Let) {
	v := g.u.vars[s.Var]
	if s.Init == nil {
		g.clearVar(v)
		return
	}
	g.assignVar(v, s.Init)
}

// assignVar computes e into v. An object that mentions v is built elsewhere
// first.
func (g *gen) assignVar(v *variable, e syntax.Expr) {
	if v.t == nil {
		g.expr(e)
		return
	}
	if v.t.Scalar() {
		g.setVar(v, g.expr(e))
		return
	}
	mentions := false
	walk(e, func(n syntax.Expr) {
		if o, ok := n.(*syntax.Var); ok && g.u.vars[o] == v {
			mentions = true
		}
	})
	if !mentions {
		g.into(g.varAddr(v), v.t, e, false)
		return
	}
	tmp := g.temp(v.t.Size)
	g.into(tmp, v.t, e, false)
	g.copyTo(g.varAddr(v), v.t, value{t: v.t, a: tmp}, false)
}

func (g *gen) assign(s *syntax.Assign) {
	switch l := s.L.(type) {
	case *syntax.Var:
		v := g.u.vars[l]
		if s.Op == "=" {
			g.assignVar(v, s.R)
			return
		}
		op := strings.TrimSuffix(s.Op, "=")
		x := g.readVar(v)
		g.setVar(v, g.arith(op, x, g.expr(s.R), g.resultType(op, v.t, g.u.types[s.R])))
	case *syntax.Map, *syntax.Index:
		g.assignMap(s)
	}
}

// resultType is that of a op b in a compound assignment.
func (g *gen) resultType(op string, a, b *types.Type) *types.Type {
	if a.Kind == types.Ptr {
		return a
	}
	return types.BinaryInt(op, asNumber(a), asNumber(b))
}
