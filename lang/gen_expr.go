package lang

import (
	"strconv"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// expr computes e.
func (g *gen) expr(e syntax.Expr) value {
	switch e := e.(type) {
	case *syntax.Int:
		return scalar(ir.Imm(int64(e.Value)), g.u.types[e])
	case *syntax.Bool:
		return scalar(boolImm(e.Value), types.TBool)
	case *syntax.Str:
		return g.literal(e.Value)
	case *syntax.Ident:
		return g.ident(e)
	case *syntax.Var:
		return g.readVar(g.u.vars[e])
	case *syntax.Map, *syntax.Index, *syntax.Field:
		return g.access(e)
	case *syntax.Call:
		return g.call(e)
	case *syntax.SizeOf:
		return scalar(ir.Imm(int64(g.u.types[e.X].Size)), types.TUint64)
	case *syntax.OffsetOf:
		return scalar(ir.Imm(g.u.consts[e]), types.TUint64)
	case *syntax.TypeInfo:
		return g.typeInfo(e)
	case *syntax.Unary:
		return g.unary(e)
	case *syntax.Binary:
		return g.binary(e)
	case *syntax.Cond, *syntax.If:
		return g.choice(e)
	case *syntax.Cast:
		return g.cast(e)
	case *syntax.Tuple, *syntax.Record:
		t := g.u.types[e]
		dst := g.temp(t.Size)
		g.into(dst, t, e, false)
		return value{t: t, a: dst}
	case *syntax.Block:
		return g.block(e)
	}
	return nothing
}

func (g *gen) ident(e *syntax.Ident) value {
	if b := g.c.idents[e.Name]; b != nil {
		return b.gen(g, e)
	}
	if n, ok := argNumber(e.Name); ok {
		return g.argN(n, g.u.types[e])
	}
	if c := g.u.bare[e]; c != nil {
		return g.expr(c)
	}
	c, _ := g.c.constant(e.Name)
	return scalar(ir.Imm(c.Value), g.u.types[e])
}

func (g *gen) call(e *syntax.Call) value {
	if f := g.c.fn[e.Name]; f != nil {
		if f.gen == nil {
			f.effect(g, e)
			return nothing
		}
		return f.gen(g, e)
	}
	if b := g.c.idents[e.Name]; b != nil {
		id := &syntax.Ident{Span: e.Span, Name: e.Name}
		g.u.types[id] = g.u.types[e]
		return b.gen(g, id)
	}
	return g.callUser(e)
}

func (g *gen) typeInfo(e *syntax.TypeInfo) value {
	t := g.u.types[e]
	of := g.u.types[e.X]
	dst := g.temp(t.Size)
	g.f.Store(8, dst, 0, ir.Imm(0))
	g.storeText(g.f.Plus(dst, t.Fields[1].Off), of.String(), 64)
	g.storeText(g.f.Plus(dst, t.Fields[2].Off), of.String(), 64)
	return value{t: t, a: dst}
}

// load reads a value of type t at address a; objects stay where they are.
func (g *gen) load(t *types.Type, a ir.Arg, sp space) value {
	if !t.Scalar() {
		return value{t: t, a: a, space: sp}
	}
	return scalar(g.loadInt(t.Size, t.Kind == types.Int && t.Signed, a, sp), t)
}

// loadInt reads size bytes as a number.
func (g *gen) loadInt(size int, signed bool, a ir.Arg, sp space) ir.Arg {
	if sp == spKernel || sp == spUser {
		slot := g.f.NewSlot(8)
		tmp := ir.SlotAddr(slot, 0)
		g.probeRead(tmp, size, a, sp)
		a = tmp
		defer g.f.FreeSlot(slot)
	}
	v := g.f.Load(size, a, 0)
	if signed {
		v = g.f.Extend(size, true, v)
	}
	return v
}

// probeRead copies size bytes from another address space; what cannot be read
// becomes zeros.
func (g *gen) probeRead(dst ir.Arg, size int, src ir.Arg, sp space) {
	h, name := asm.FnProbeReadKernel, "probe_read_kernel"
	if sp == spUser {
		h, name = asm.FnProbeReadUser, "probe_read_user"
	}
	g.checkRead(g.f.Call(h, dst, ir.Imm(int64(size)), src), name)
}

// checkRead reports reads that fail, where that is asked for.
func (g *gen) checkRead(r ir.Arg, helper string) {
	if g.c.opt.WarnFailures {
		g.check(r, helper, "")
	}
}

// pointerSpace is whose memory a pointer means.
func (g *gen) pointerSpace(t *types.Type) space {
	if t.User {
		return spUser
	}
	return spKernel
}

// access reads maps, elements and members.
func (g *gen) access(e syntax.Expr) value {
	switch e := e.(type) {
	case *syntax.Map:
		return g.readMap(g.c.maps[e.Name], nil)
	case *syntax.Index:
		if m, ok := e.X.(*syntax.Map); ok {
			return g.readMap(g.c.maps[m.Name], e)
		}
		return g.element(e)
	case *syntax.Field:
		return g.field(e)
	}
	return nothing
}

func (g *gen) element(e *syntax.Index) value {
	x := g.expr(e.X)
	t := g.u.types[e]
	if x.t.Kind == types.Tuple {
		n, _ := constInt(e.Keys[0])
		return g.load(t, g.f.Plus(x.a, x.t.Fields[n].Off), x.space)
	}
	i := g.number(g.expr(e.Keys[0]))
	if x.t.Kind == types.Array && i.Kind != ir.ArgImm {
		i = g.f.InReg(i)
		g.inBounds(i, x.t.Len)
	}
	if x.t.Kind == types.Ptr {
		off := g.f.Bin(asm.Mul, i, ir.Imm(int64(t.Size)))
		return g.load(t, g.f.Bin(asm.Add, x.a, off), g.pointerSpace(x.t))
	}
	if x.space == spOwn && i.Kind != ir.ArgImm {
		return g.boundedElement(x, i, t)
	}
	off := g.f.Bin(asm.Mul, i, ir.Imm(int64(t.Size)))
	if off.Kind == ir.ArgImm {
		return g.load(t, g.f.Plus(x.a, int(off.Imm)), x.space)
	}
	if x.space == spCtx {
		x = g.own(x)
		return g.boundedElement(x, i, t)
	}
	return g.load(t, g.f.Bin(asm.Add, x.a, off), x.space)
}

// boundedElement reads an element of our own memory at an index that is not
// constant: beyond the end it is zero.
func (g *gen) boundedElement(x value, i ir.Arg, t *types.Type) value {
	n := x.t.Len
	if x.t.Kind == types.String {
		n = x.t.Size
	}
	dst := g.temp(max(t.Size, 8))
	g.zero(dst, max(t.Size, 8))
	ok, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JGE, i, ir.Imm(int64(n)), end, ok)
	g.f.Start(ok)
	at := g.f.Bin(asm.Add, x.a, g.f.Bin(asm.Mul, i, ir.Imm(int64(t.Size))))
	g.f.Call(asm.FnProbeReadKernel, dst, ir.Imm(int64(t.Size)), at)
	g.f.Jump(end)
	g.f.Start(end)
	return g.load(t, dst, spOwn)
}

// field reads a member.
func (g *gen) field(e *syntax.Field) value {
	x := g.expr(e.X)
	if g.c.opt.WarnFailures {
		before := g.at
		g.at = e
		defer func() { g.at = before }()
	}
	t := g.u.types[e]
	st, a, sp := x.t, x.a, x.space
	if st.Kind == types.Ptr {
		sp = g.pointerSpace(st)
		if st.Ctx {
			sp = spCtx
		}
		st = st.Elem
	}
	switch st.Kind {
	case types.Tuple:
		n, _ := strconv.Atoi(e.Name)
		return g.load(t, g.f.Plus(a, st.Fields[n].Off), sp)
	case types.Record:
		return g.load(t, g.f.Plus(a, st.Field(e.Name).Off), sp)
	}
	f, _ := st.Struct.Find(e.Name)
	if x.t.Ctx && x.t.Kind == types.Struct && x.space == spCtx {
		return g.ctxField(x, f, t)
	}
	if f.DataLoc {
		return g.dataLoc(a, f, t)
	}
	if sp == spCtx && t.Scalar() && f.BitLen == 0 {
		if t.Kind == types.Ptr && g.u.provider() == "iter" && !g.trusting {
			// A typed pointer that may be nil allows no arithmetic; read as
			// bytes it is a number.
			return scalar(g.loadInt(8, false, g.f.Plus(a, f.Off), spKernel), t)
		}
		// The verifier wants the context itself and a constant offset.
		v := g.f.Load(t.Size, a, f.Off)
		if t.Kind == types.Int && t.Signed {
			v = g.f.Extend(t.Size, true, v)
		}
		return scalar(v, t)
	}
	at := g.f.Plus(a, f.Off)
	if f.BitLen > 0 {
		return g.bitField(at, f, t, sp)
	}
	if sp == spCtx && t.Kind == types.Array {
		return value{t: t, a: at, space: spCtx}
	}
	return g.load(t, at, sp)
}

// bitField reads the unit that holds the bits.
func (g *gen) bitField(at ir.Arg, f types.Field, t *types.Type, sp space) value {
	v := g.loadInt(t.Size, false, at, sp)
	left, right := 64-f.BitOff-f.BitLen, 64-f.BitLen
	v = g.f.Bin(asm.LSh, v, ir.Imm(int64(left)))
	// As in bpftrace, bit-fields have no sign.
	return scalar(g.f.Bin(asm.RSh, v, ir.Imm(int64(right))), t)
}

// unary computes - ~ ! * & and steps.
func (g *gen) unary(e *syntax.Unary) value {
	t := g.u.types[e]
	switch e.Op {
	case "++", "--":
		return g.step(e, true)
	case "&":
		return g.address(e)
	case "!":
		v := g.truth(g.expr(e.X))
		return scalar(g.f.Bin(asm.Xor, v, ir.Imm(1)), types.TBool)
	case "-":
		return scalar(g.f.Bin(asm.Sub, ir.Imm(0), g.number(g.expr(e.X))), t)
	case "~":
		return scalar(g.f.Bin(asm.Xor, g.number(g.expr(e.X)), ir.Imm(-1)), t)
	}
	// *x
	x := g.expr(e.X)
	switch {
	case x.t.Kind == types.Struct:
		return x
	case x.t.Kind == types.Ptr && x.t.Ctx:
		return value{t: t, a: x.a, space: spCtx}
	case x.t.Kind == types.Ptr:
		return g.load(t, x.a, g.pointerSpace(x.t))
	}
	return g.load(t, x.a, g.pointerSpace(t))
}

func (g *gen) address(e *syntax.Unary) value {
	t := g.u.types[e]
	switch x := e.X.(type) {
	case *syntax.Var:
		return scalar(g.f.InReg(g.varAddr(g.u.vars[x])), t)
	case *syntax.Map:
		m := g.c.maps[x.Name]
		if m.isArray() {
			return scalar(g.f.InReg(ir.MapValue(m.spec, 0)), t)
		}
		return scalar(g.f.InReg(ir.Map(m.spec)), t)
	}
	return nothing
}

// step writes ++ and --; the value is computed only if wanted.
func (g *gen) step(e *syntax.Unary, wanted bool) value {
	by := int64(1)
	if e.Op == "--" {
		by = -1
	}
	switch x := e.X.(type) {
	case *syntax.Var:
		v := g.u.vars[x]
		if v.t.Kind == types.Ptr {
			by *= int64(max(v.t.Elem.Size, 1))
		}
		old := g.readVar(v)
		before := old.a
		if wanted && e.Postfix {
			before = g.f.Copy(old.a)
		}
		next := g.f.Bin(asm.Add, old.a, ir.Imm(by))
		g.setVar(v, scalar(next, g.u.types[e]))
		if e.Postfix {
			return scalar(before, v.t)
		}
		return scalar(next, v.t)
	case *syntax.Map:
		return g.addToMap(g.c.maps[x.Name], nil, ir.Imm(by), wanted, e.Postfix)
	case *syntax.Index:
		m := g.c.maps[x.X.(*syntax.Map).Name]
		return g.addToMap(m, x, ir.Imm(by), wanted, e.Postfix)
	}
	return nothing
}

// number is a value as an integer: aggregations are read over all CPUs.
func (g *gen) number(v value) ir.Arg { return v.a }

// truth is 1 or 0.
func (g *gen) truth(v value) ir.Arg {
	if v.t.Kind == types.Bool {
		return v.a
	}
	return g.isSet(v.a)
}

// isSet is 1 if a is not 0.
func (g *gen) isSet(a ir.Arg) ir.Arg {
	if a.Kind == ir.ArgImm {
		return boolImm(a.Imm != 0)
	}
	return g.flag(asm.JNE, a, ir.Imm(0))
}

// flag is 1 if a cond b, else 0.
func (g *gen) flag(cond asm.JumpOp, a, b ir.Arg) ir.Arg {
	if a.Kind == ir.ArgImm && b.Kind == ir.ArgImm {
		return boolImm(ir.Holds(cond, a.Imm, b.Imm))
	}
	r := g.f.NewReg()
	yes, end := g.f.NewBlock(), g.f.NewBlock()
	a, b = g.f.InReg(a), g.steady(b)
	g.f.Set(r, ir.Imm(1))
	no := g.f.NewBlock()
	g.f.Branch(cond, a, b, yes, no)
	g.f.Start(no)
	g.f.Set(r, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(yes)
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

func (g *gen) steady(a ir.Arg) ir.Arg {
	if a.Kind == ir.ArgImm {
		return a
	}
	return g.f.InReg(a)
}

// branch goes to then or els by e's truth; && and || are left early.
func (g *gen) branch(e syntax.Expr, then, els *ir.Block) {
	switch x := e.(type) {
	case *syntax.Binary:
		switch x.Op {
		case "&&":
			mid := g.f.NewBlock()
			g.branch(x.X, mid, els)
			g.f.Start(mid)
			g.branch(x.Y, then, els)
			return
		case "||":
			mid := g.f.NewBlock()
			g.branch(x.X, then, mid)
			g.f.Start(mid)
			g.branch(x.Y, then, els)
			return
		}
		if g.compareBranch(x, then, els) {
			return
		}
	case *syntax.Unary:
		if x.Op == "!" {
			g.branch(x.X, els, then)
			return
		}
	}
	g.f.Branch(asm.JNE, g.expr(e).a, ir.Imm(0), then, els)
}

var jumps = map[string][2]asm.JumpOp{ // unsigned, signed
	"==": {asm.JEq, asm.JEq}, "!=": {asm.JNE, asm.JNE},
	"<": {asm.JLT, asm.JSLT}, "<=": {asm.JLE, asm.JSLE}, ">": {asm.JGT, asm.JSGT}, ">=": {asm.JGE, asm.JSGE},
}

// comparison is the jump for comparing numbers of types a and b.
func comparison(op string, a, b *types.Type) (asm.JumpOp, bool) {
	j, ok := jumps[op]
	if !ok {
		return 0, false
	}
	if a.Kind == types.Ptr || b.Kind == types.Ptr {
		return j[0], true
	}
	na, nb := asNumber(a), asNumber(b)
	signed := na.Signed || nb.Signed
	if na.Flex && !nb.Flex {
		signed = nb.Signed
	} else if nb.Flex && !na.Flex {
		signed = na.Signed
	}
	if signed {
		return j[1], true
	}
	return j[0], true
}

// compareBranch compares numbers right in the branch.
func (g *gen) compareBranch(x *syntax.Binary, then, els *ir.Block) bool {
	a, b := g.u.types[x.X], g.u.types[x.Y]
	if !(a.Scalar() || a.Castable()) || !(b.Scalar() || b.Castable()) {
		return false
	}
	cond, ok := comparison(x.Op, a, b)
	if !ok {
		return false
	}
	va := g.held(g.expr(x.X), x.Y)
	vb := g.expr(x.Y)
	g.f.Branch(cond, va.a, vb.a, then, els)
	return true
}

// held keeps a value from changing while e is computed: a variable's register
// is copied if e may assign to it.
func (g *gen) held(v value, e syntax.Expr) value {
	if v.a.Kind != ir.ArgReg {
		return v
	}
	changes := false
	walk(e, func(n syntax.Expr) {
		switch n := n.(type) {
		case *syntax.Block:
			changes = true
		case *syntax.Unary:
			changes = changes || n.Op == "++" || n.Op == "--"
		}
	})
	if changes {
		v.a = g.f.Copy(v.a)
	}
	return v
}

func (g *gen) binary(e *syntax.Binary) value {
	a, b := g.u.types[e.X], g.u.types[e.Y]
	t := g.u.types[e]
	if e.Op == "&&" || e.Op == "||" {
		return g.logical(e)
	}
	if !(a.Scalar() || a.Castable()) {
		return scalar(g.compareObjects(e, a, b), types.TBool)
	}
	x := g.held(g.expr(e.X), e.Y)
	y := g.expr(e.Y)
	if cond, ok := comparison(e.Op, a, b); ok {
		return scalar(g.flag(cond, x.a, y.a), t)
	}
	return g.arith(e.Op, x, y, t)
}

// logical computes && and || as a number.
func (g *gen) logical(e *syntax.Binary) value {
	r := g.f.NewReg()
	yes, no, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.branch(e, yes, no)
	g.f.Start(yes)
	g.f.Set(r, ir.Imm(1))
	g.f.Jump(end)
	g.f.Start(no)
	g.f.Set(r, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(end)
	return scalar(ir.R(r), types.TBool)
}

var aluOps = map[string]asm.ALUOp{
	"+": asm.Add, "-": asm.Sub, "*": asm.Mul, "/": asm.Div, "%": asm.Mod, "&": asm.And, "|": asm.Or, "^": asm.Xor,
	"<<": asm.LSh, ">>": asm.RSh,
}

// arith computes x op y as a number of type t.
func (g *gen) arith(op string, x, y value, t *types.Type) value {
	a, b := x.a, y.a
	if t.Kind == types.Ptr {
		if x.t.Kind != types.Ptr {
			x, y = y, x
			a, b = x.a, y.a
		}
		b = g.f.Bin(asm.Mul, b, ir.Imm(int64(max(t.Elem.Size, 1))))
		return scalar(g.f.Bin(aluOps[op], a, b), t)
	}
	alu := aluOps[op]
	if op == ">>" && asNumber(x.t).Signed && !x.t.Flex {
		alu = asm.ArSh
	}
	if op == "/" || op == "%" {
		div := func() ir.Arg {
			if t.Signed && !(nonNegative(x) && nonNegative(y)) {
				return g.signedDiv(op, a, b)
			}
			return g.f.Bin(alu, a, b)
		}
		if b.Kind == ir.ArgImm && b.Imm != 0 {
			return scalar(div(), t)
		}
		return scalar(g.unlessZero(&a, &b, div), t)
	}
	return scalar(g.f.Bin(alu, a, b), t)
}

// nonNegative values divide the same either way.
func nonNegative(v value) bool {
	return !asNumber(v.t).Signed || v.a.Kind == ir.ArgImm && v.a.Imm >= 0
}

// signedDiv divides magnitudes and gives the result its sign: processors of
// eBPF before version 4 have no signed division.
func (g *gen) signedDiv(op string, a, b ir.Arg) ir.Arg {
	if a.Kind == ir.ArgImm && b.Kind == ir.ArgImm && b.Imm != 0 && b.Imm != -1 {
		if op == "/" {
			return ir.Imm(a.Imm / b.Imm)
		}
		return ir.Imm(a.Imm % b.Imm)
	}
	sa, sb := g.f.Bin(asm.ArSh, a, ir.Imm(63)), g.f.Bin(asm.ArSh, b, ir.Imm(63))
	abs := func(v, s ir.Arg) ir.Arg { return g.f.Bin(asm.Sub, g.f.Bin(asm.Xor, v, s), s) }
	r := g.f.Bin(aluOps[op], abs(a, sa), abs(b, sb))
	s := sa
	if op == "/" {
		s = g.f.Bin(asm.Xor, sa, sb)
	}
	return abs(r, s)
}

// choice is c ? x : y, or an if with values.
func (g *gen) choice(e syntax.Expr) value {
	t := g.u.types[e]
	if t.Kind == types.Void {
		g.effectOf(e)
		return nothing
	}
	var dst ir.Arg
	var r ir.Reg
	if t.Scalar() {
		r = g.f.NewReg()
	} else {
		dst = g.temp(t.Size)
	}
	set := func(x syntax.Expr) {
		if t.Scalar() {
			g.f.Set(r, g.conv(g.expr(x), t).a)
			return
		}
		g.into(dst, t, x, false)
	}
	switch e := e.(type) {
	case *syntax.If:
		g.ifElse(e, set)
	case *syntax.Cond:
		then, els, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		if e.X == nil {
			c := g.expr(e.C)
			g.f.Branch(asm.JNE, c.a, ir.Imm(0), then, els)
			g.f.Start(then)
			g.f.Set(r, g.conv(c, t).a)
		} else {
			g.branch(e.C, then, els)
			g.f.Start(then)
			set(e.X)
		}
		g.f.Jump(end)
		g.f.Start(els)
		set(e.Y)
		g.f.Jump(end)
		g.f.Start(end)
	}
	if t.Scalar() {
		return scalar(ir.R(r), t)
	}
	return value{t: t, a: dst}
}

func (g *gen) effectOf(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.If:
		g.ifElse(e, nil)
	case *syntax.Cond:
		g.condStmt(e)
	}
}

// conv makes a number of type t of v: the cast that types ask for.
func (g *gen) conv(v value, t *types.Type) value {
	if !v.t.Scalar() && !v.t.Castable() {
		return v
	}
	switch {
	case t.Kind == types.Bool && v.t.Kind != types.Bool:
		return scalar(g.isSet(v.a), t)
	case t.Kind == types.Ptr && v.t.Kind == types.Int && v.t.Size < 8 && v.t.Signed:
		return scalar(g.f.Extend(v.t.Size, false, v.a), t)
	case t.Kind == types.Int && t.Size < 8 && (v.t.Size > t.Size || v.t.Kind == types.Ptr ||
		v.t.Kind == types.Int && v.t.Size == t.Size && v.t.Signed != t.Signed || v.t.Kind == types.Int && v.t.Signed && !t.Signed):
		return scalar(g.f.Extend(t.Size, t.Signed, v.a), t)
	}
	return scalar(v.a, t)
}

// cast computes (type)x.
func (g *gen) cast(e *syntax.Cast) value {
	to, from := g.u.types[e], g.u.types[e.X]
	x := g.expr(e.X)
	switch {
	case to.Scalar() && (from.Scalar() || from.Castable()):
		return g.conv(x, to)
	case to.Kind == types.Bool:
		x = g.own(x)
		return scalar(g.isSet(g.f.Load(1, x.a, 0)), to)
	case to.Kind == types.Int:
		return scalar(g.loadInt(to.Size, to.Signed, x.a, x.space), to)
	case to.Kind == types.Ptr:
		return scalar(x.a, to)
	case from.Scalar() && (to.Kind == types.Array || to.Kind == types.Tuple):
		dst := g.temp(max(to.Size, 8))
		if to.Size < 8 {
			g.f.Store(8, dst, 0, ir.Imm(0))
		}
		for off := 0; off < to.Size; {
			n := 8
			for n > to.Size-off {
				n /= 2
			}
			v := x.a
			if off > 0 {
				v = g.f.Bin(asm.RSh, v, ir.Imm(int64(off*8)))
			}
			g.f.Store(n, dst, off, v)
			off += n
		}
		if to.Elem != nil && to.Elem.Kind == types.Bool {
			for i := range to.Len {
				g.f.Store(1, dst, i, g.isSet(g.f.Load(1, dst, i)))
			}
		}
		return value{t: to, a: dst}
	case to.Kind == types.String && from.Scalar():
		dst := g.temp(to.Size)
		g.readString(dst, to.Size, x.a, g.pointerSpace(from))
		return value{t: to, a: dst}
	case to.Kind == types.Buffer:
		dst := g.temp(to.Size)
		g.f.Store(4, dst, 0, ir.Imm(int64(to.Size-4)))
		sp := x.space
		if from.Scalar() {
			sp = g.pointerSpace(from)
		}
		if sp == spOwn {
			g.moveBytes(g.f.Plus(dst, 4), x.a, min(to.Size-4, from.Size))
		} else {
			g.probeRead(g.f.Plus(dst, 4), to.Size-4, x.a, sp)
		}
		return value{t: to, a: dst}
	case to.Kind == types.Tuple || to.Kind == types.Record || to.Kind == types.String:
		dst := g.temp(to.Size)
		g.copyTo(dst, to, x, false)
		return value{t: to, a: dst}
	}
	return value{t: to, a: x.a, space: x.space}
}
