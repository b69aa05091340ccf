package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// space is whose memory an address points to.
type space uint8

const (
	spOwn    space = iota // stack, scratch, map values: read as they are
	spKernel              // read with bpf_probe_read_kernel
	spUser                // read with bpf_probe_read_user
	spCtx                 // the program's context
)

// value is a computed expression: a number, or the address of an object.
type value struct {
	t     *types.Type
	a     ir.Arg
	space space
	// clean strings have nothing but zeros behind their end.
	clean bool
}

func scalar(a ir.Arg, t *types.Type) value { return value{t: t, a: a} }

var nothing = value{t: types.TVoid, a: ir.Imm(0)}

// home is where a variable lives: a register, or memory.
type home struct {
	set  bool
	reg  ir.Reg
	cap  int // offset in the captures, from 1; 0 is none
	addr ir.Arg
	off  int // offset in scratch, from 1; 0 is none
}

// gen turns one unit into functions of the intermediate form.
type gen struct {
	c *compiler
	u *unit
	// f is the function being written; outer ones wait in frames.
	f         *ir.Func
	fr        *frame
	funcs     []*ir.Func
	limit     int // objects beyond this many bytes go to scratch
	unitIndex int // of the unit, its key in the scratch map
	capSize   int
	capUse    bool
	kept      int // scratch of variables
	top       int // end of the scratch in use
	most      int
	main      *frame
	capSlot   int
	loops     []loop
	temps     []int
	failed    error
	at        syntax.Node // the statement being written
	// trusting keeps typed pointers as they are; nil ones go to null.
	trusting bool
	null     *ir.Block
}

// frame is what differs between the program and its callbacks.
type frame struct {
	f           *ir.Func
	entry, body *ir.Block
	scratch     ir.Reg
	callback    bool
	ctxParam    ir.Arg
	caps        ir.Arg
	ctxReg      ir.Reg
}

// loop is where break and continue go.
type loop struct {
	brk, cont *ir.Block
	callback  bool
}

func (g *gen) push(name string, params int, callback bool) *frame {
	f := ir.NewFunc(name, params)
	fr := &frame{f: f, entry: f.Blocks[0], callback: callback}
	fr.body = f.NewBlock()
	f.Start(fr.body)
	g.funcs = append(g.funcs, f)
	g.f, g.fr = f, fr
	return fr
}

// seal writes a function's beginning, now that it is known what it needs.
func (g *gen) seal(fr *frame) {
	f := fr.f
	f.Start(fr.entry)
	if fr.scratch != 0 {
		key := ir.SlotAddr(f.NewSlot(8), 0)
		f.Store(4, key, 0, ir.Imm(int64(g.unitIndex)))
		p := f.Call(asm.FnMapLookupElem, ir.Map(scratchMap), key)
		ok, none := f.NewBlock(), f.NewBlock()
		f.Branch(asm.JNE, p, ir.Imm(0), ok, none)
		f.Start(none)
		f.Return(ir.Imm(0))
		f.Start(ok)
		f.Set(fr.scratch, p)
	}
	if !fr.callback && g.capUse {
		f.Slots[g.capSlot].Size = g.capSize
		for off := 0; off < g.capSize; off += 8 {
			f.Store(8, fr.caps, off, ir.Imm(0))
		}
		f.Store(8, fr.caps, 0, fr.ctxParam)
	}
	if fr.callback && fr.ctxReg != 0 {
		f.Set(fr.ctxReg, f.Load(8, fr.caps, 0))
	}
	f.Jump(fr.body)
}

// scratchMap holds objects too large for the stack, an entry a program.
const scratchMap = "scratch"

// ctx is the program's context.
func (g *gen) ctx() ir.Arg {
	if !g.fr.callback {
		return g.fr.ctxParam
	}
	if g.fr.ctxReg == 0 {
		g.fr.ctxReg = g.f.NewReg()
	}
	return ir.R(g.fr.ctxReg)
}

// inScratch is the address off bytes into the scratch area.
func (g *gen) inScratch(off int) ir.Arg {
	if g.fr.scratch == 0 {
		g.fr.scratch = g.f.NewReg()
	}
	return g.f.Plus(ir.R(g.fr.scratch), off)
}

// reserve takes size bytes of scratch until release.
func (g *gen) reserve(size int) int {
	off := g.top
	g.top += (size + 7) &^ 7
	g.most = max(g.most, g.top)
	return off
}

// mark and release bound the life of temporary objects.
type mark struct{ temps, top int }

func (g *gen) mark() mark { return mark{len(g.temps), g.top} }

func (g *gen) release(m mark) {
	for _, s := range g.temps[m.temps:] {
		g.f.FreeSlot(s)
	}
	g.temps = g.temps[:m.temps]
	g.top = m.top
}

// temp is memory for an object until the statement ends.
func (g *gen) temp(size int) ir.Arg {
	if size <= g.limit {
		s := g.f.NewSlot(max(size, 8))
		g.temps = append(g.temps, s)
		return ir.SlotAddr(s, 0)
	}
	return g.inScratch(g.reserve(size))
}

// small is a temporary of up to 16 bytes that is always on the stack.
func (g *gen) small(size int) ir.Arg {
	s := g.f.NewSlot(size)
	g.temps = append(g.temps, s)
	return ir.SlotAddr(s, 0)
}

// block writes statements; its value, if any, comes back.
func (g *gen) block(b *syntax.Block) value {
	if b == nil {
		return nothing
	}
	for _, s := range b.Stmts {
		if g.f.Ended() {
			return nothing
		}
		m := g.mark()
		g.at = s
		g.stmt(s)
		g.release(m)
	}
	if b.Value == nil {
		return nothing
	}
	return g.expr(b.Value)
}

func (g *gen) stmt(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		g.effect(s.X)
	case *syntax.Discard:
		g.expr(s.X)
	case *syntax.Assign:
		g.assign(s)
	case *syntax.Let:
		g.let(s)
	case *syntax.While:
		g.while(s)
	case *syntax.For:
		g.forLoop(s)
	case *syntax.Jump:
		g.jump(s)
	}
}

// effect computes e for what it does.
func (g *gen) effect(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.If:
		g.ifElse(e, nil)
	case *syntax.Block:
		if v := g.blockStmt(e); v != nil {
			g.effect(v)
		}
	case *syntax.Unary:
		if e.Op == "++" || e.Op == "--" {
			g.step(e, false)
			return
		}
		g.expr(e)
	case *syntax.Cond:
		g.condStmt(e)
	case *syntax.Call:
		if f := g.c.fn[e.Name]; f != nil && f.effect != nil {
			f.effect(g, e)
			return
		}
		g.expr(e)
	default:
		g.expr(e)
	}
}

func (g *gen) blockStmt(b *syntax.Block) syntax.Expr {
	g.block(&syntax.Block{Span: b.Span, Stmts: b.Stmts})
	if g.f.Ended() {
		return nil
	}
	return b.Value
}

func (g *gen) condStmt(e *syntax.Cond) {
	then, els, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.branch(e.C, then, els)
	g.f.Start(then)
	if e.X != nil {
		g.effect(e.X)
	}
	g.f.Jump(end)
	g.f.Start(els)
	g.effect(e.Y)
	g.f.Jump(end)
	g.f.Start(end)
}

// ifElse writes a conditional; set takes the value of the branch taken.
func (g *gen) ifElse(e *syntax.If, set func(syntax.Expr)) {
	then, end := g.f.NewBlock(), g.f.NewBlock()
	els := end
	if e.Else != nil {
		els = g.f.NewBlock()
	}
	m := g.mark()
	g.branch(e.Cond, then, els)
	g.release(m)
	arm := func(x syntax.Expr) {
		switch x := x.(type) {
		case *syntax.If:
			g.ifElse(x, set)
		case *syntax.Block:
			v := g.blockStmt(x)
			switch {
			case v == nil:
			case set != nil:
				set(v)
			default:
				g.effect(v)
			}
		}
	}
	g.f.Start(then)
	arm(e.Then)
	g.f.Jump(end)
	if e.Else != nil {
		g.f.Start(els)
		arm(e.Else)
		g.f.Jump(end)
	}
	g.f.Start(end)
}

func (g *gen) while(s *syntax.While) {
	head, body, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Jump(head)
	g.f.Start(head)
	m := g.mark()
	g.branch(s.Cond, body, end)
	g.release(m)
	g.f.Start(body)
	g.loops = append(g.loops, loop{brk: end, cont: head})
	g.effect(s.Body)
	g.loops = g.loops[:len(g.loops)-1]
	g.f.Jump(head)
	g.f.Start(end)
}

func (g *gen) jump(s *syntax.Jump) {
	if s.Word == "return" {
		g.ret(s)
		return
	}
	l := g.loops[len(g.loops)-1]
	switch {
	case l.callback && s.Word == "break":
		g.f.Return(ir.Imm(1))
	case l.callback:
		g.f.Return(ir.Imm(0))
	case s.Word == "break":
		g.f.Jump(l.brk)
	default:
		g.f.Jump(l.cont)
	}
}

// ret leaves the program, from inside of callbacks by way of a flag.
func (g *gen) ret(s *syntax.Jump) {
	r := ir.Imm(0)
	if s.X != nil {
		v := g.expr(s.X)
		if v.t.Scalar() {
			r = v.a
		}
		switch {
		case g.u.result != nil:
		case g.u.provider() == "test":
			g.f.Store(8, ir.MapValue(DataMap, DataResult), 0, r)
			r = ir.Imm(0)
		default:
			r = ir.Imm(0)
		}
	}
	if g.fr.callback {
		g.f.Store(8, g.fr.caps, 8, ir.Imm(1))
		g.f.Return(ir.Imm(1))
		return
	}
	g.f.Return(r)
}

// usesCallback says whether a loop's body becomes a function of its own.
func (c *compiler) usesCallback(s *syntax.For) bool {
	if s.Over != nil {
		return true
	}
	a, ok1 := constInt(s.From)
	b, ok2 := constInt(s.To)
	return !ok1 || !ok2 || b-a > maxUnbounded
}

// maxUnbounded is how many rounds of a counted loop the verifier is let walk.
const maxUnbounded = 128

func (g *gen) forLoop(s *syntax.For) {
	switch {
	case s.Over != nil:
		g.forMap(s)
	case g.c.usesCallback(s):
		g.forRange(s)
	default:
		g.countedLoop(s)
	}
}

// countedLoop has constant bounds that are near.
func (g *gen) countedLoop(s *syntax.For) {
	from, _ := constInt(s.From)
	to, _ := constInt(s.To)
	v := g.u.vars[s.Var]
	i := g.f.NewReg()
	g.f.Set(i, ir.Imm(from))
	head, body, next, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Jump(head)
	g.f.Start(head)
	g.f.Branch(asm.JSLT, ir.R(i), ir.Imm(to), body, end)
	g.f.Start(body)
	g.setVar(v, scalar(ir.R(i), v.t))
	g.loops = append(g.loops, loop{brk: end, cont: next})
	g.effect(s.Body)
	g.loops = g.loops[:len(g.loops)-1]
	g.f.Jump(next)
	g.f.Start(next)
	g.f.Set(i, g.f.Bin(asm.Add, ir.R(i), ir.Imm(1)))
	g.f.Jump(head)
	g.f.Start(end)
}

// forRange runs the body as a callback of bpf_loop.
func (g *gen) forRange(s *syntax.For) {
	v := g.u.vars[s.Var]
	from := g.f.InReg(g.expr(s.From).a)
	to := g.f.InReg(g.expr(s.To).a)
	run, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSLT, from, to, run, end)
	g.f.Start(run)
	n := g.f.Bin(asm.Sub, to, from)
	start := g.newCapture(8)
	g.f.Store(8, g.caps(), start, from)
	name := g.callback(2, func(fr *frame) {
		fr.caps = g.f.Param(1)
		i := g.f.Bin(asm.Add, g.f.Param(0), g.f.Load(8, fr.caps, start))
		g.setVar(v, scalar(i, v.t))
		g.body(s.Body)
	})
	g.f.Call(asm.FnLoop, n, ir.FuncRef(name), g.caps(), ir.Imm(0))
	g.afterLoop()
	g.f.Jump(end)
	g.f.Start(end)
}

// afterLoop leaves too if the body returned.
func (g *gen) afterLoop() {
	on, out := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, g.f.Load(8, g.caps(), 8), ir.Imm(0), out, on)
	g.f.Start(out)
	if g.fr.callback {
		g.f.Return(ir.Imm(1))
	} else {
		g.f.Return(ir.Imm(0))
	}
	g.f.Start(on)
}

func (g *gen) body(b *syntax.Block) {
	g.loops = append(g.loops, loop{callback: true})
	g.effect(b)
	g.loops = g.loops[:len(g.loops)-1]
	g.f.Return(ir.Imm(0))
}

// callback writes a function and returns its name.
func (g *gen) callback(params int, write func(*frame)) string {
	g.needCaps()
	f, fr, temps := g.f, g.fr, g.temps
	g.temps = nil
	name := g.u.name + "_cb" + itoa(len(g.funcs))
	in := g.push(name, params, true)
	write(in)
	g.seal(in)
	g.f, g.fr, g.temps = f, fr, temps
	return name
}

// caps is the address of what callbacks share with the program.
func (g *gen) caps() ir.Arg {
	g.needCaps()
	return g.fr.caps
}

func (g *gen) needCaps() {
	if g.capUse {
		return
	}
	g.capUse = true
	g.capSize = 16
	g.capSlot = g.main.f.NewSlot(capLimit)
	g.main.caps = ir.SlotAddr(g.capSlot, 0)
}

// newCapture reserves size bytes in the captures.
func (g *gen) newCapture(size int) int {
	g.needCaps()
	off := g.capSize
	g.capSize += (size + 7) &^ 7
	if g.capSize > capLimit {
		g.failed = errCaptures
		return 16
	}
	return off
}

// capLimit is the size of the captures, in bytes; the first two words are the
// context and the flag that return sets.
const capLimit = 192

// forMap runs the body as a callback of bpf_for_each_map_elem.
func (g *gen) forMap(s *syntax.For) {
	m := g.c.maps[s.Over.Name]
	v := g.u.vars[s.Var]
	name := g.callback(4, func(fr *frame) {
		fr.caps = g.f.Param(3)
		key, val := g.f.Param(1), g.f.Param(2)
		dst := g.varAddr(v)
		kf, vf := v.t.Fields[0], v.t.Fields[1]
		g.copyTo(g.f.Plus(dst, kf.Off), kf.Type, g.stored(m.key, key), false)
		switch {
		case m.val.Castable():
			sum := g.aggregate(m, key)
			g.f.Store(8, g.f.Plus(dst, vf.Off), 0, sum.a)
		default:
			g.copyTo(g.f.Plus(dst, vf.Off), vf.Type, g.stored(m.val, val), false)
		}
		g.body(s.Body)
	})
	g.f.Call(asm.FnForEachMapElem, ir.Map(m.spec), ir.FuncRef(name), g.caps(), ir.Imm(0))
	g.afterLoop()
}
