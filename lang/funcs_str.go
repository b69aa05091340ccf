package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// stringFuncs are about text and bytes.
func stringFuncs() map[string]*function {
	return map[string]*function{
		"str": {min: 1, max: 2, check: checkStr, gen: func(g *gen, e *syntax.Call) value {
			t := g.u.types[e]
			dst := g.temp(t.Size)
			g.str(dst, t, e)
			return value{t: t, a: dst}
		}, into: func(g *gen, dst ir.Arg, t *types.Type, e *syntax.Call) { g.str(dst, t, e) }},
		"buf": {min: 1, max: 2, check: checkBuf, gen: func(g *gen, e *syntax.Call) value {
			t := g.u.types[e]
			dst := g.temp(t.Size)
			g.buf(dst, t, e)
			return value{t: t, a: dst}
		}, into: func(g *gen, dst ir.Arg, t *types.Type, e *syntax.Call) { g.buf(dst, g.u.types[e], e) }},
		"strncmp": {min: 3, max: 3, check: checkStrncmp, gen: genStrncmp},
		"strcontains": {min: 2, max: 2, check: checkTwoStrings(types.TBool), gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.flag(asm.JSGE, g.strstr(e), ir.Imm(0)), types.TBool)
		}},
		"strstr": {min: 2, max: 2, check: checkTwoStrings(types.TInt64), gen: func(g *gen, e *syntax.Call) value { return scalar(g.strstr(e), types.TInt64) }},
		"strlen": {min: 1, max: 1, check: checkStringLike(types.TUint64), gen: genStrlen},
		"strcap": {min: 1, max: 1, check: checkStringLike(types.TInt64), gen: func(g *gen, e *syntax.Call) value {
			t := g.u.types[e.Args[0]]
			if t.Kind == types.Ptr {
				return scalar(ir.Imm(int64(g.c.cfg.MaxStrlen)), types.TInt64)
			}
			return scalar(ir.Imm(int64(t.Size)), types.TInt64)
		}},
		"strerror":     {min: 1, max: 1, check: checkNamed("errno"), gen: genNamed},
		"signal_name":  {min: 1, max: 1, check: checkNamed("signal"), gen: genNamed},
		"syscall_name": {min: 1, max: 1, check: checkNamed("syscall"), gen: genNamed},
	}
}

// checkNamed: numbers that are printed as names. They stay numbers in the
// program; user space knows the names.
func checkNamed(what string) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		t := k.expr(e.Args[0])
		if t.Kind == types.None {
			return t
		}
		if t.Kind != types.Int {
			return k.fail(e.Args[0], "", "%s() only supports integer arguments (%s provided)", e.Name, typeWord(t))
		}
		return &types.Type{Kind: types.Int, Size: 8, Signed: true, Mode: what, Enum: &types.Enum{}}
	}
}

func genNamed(g *gen, e *syntax.Call) value { return scalar(g.expr(e.Args[0]).a, g.u.types[e]) }

func checkStr(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind == types.None {
		return t
	}
	switch t.Kind {
	case types.Int, types.Ptr, types.String:
	case types.Array:
		if t.Elem.Kind != types.Int || t.Elem.Size != 1 {
			return k.fail(e.Args[0], "", "Expected int8 array or pointer, got %s", t)
		}
	default:
		return k.fail(e.Args[0], "", "str() expects a string, integer or a pointer type as first argument (%s provided)", typeWord(t))
	}
	size := k.c.cfg.MaxStrlen + 1
	if t.Kind == types.String || t.Kind == types.Array {
		size = min(size, t.Size+1)
		if t.Kind == types.String {
			size = min(size, t.Size)
		}
	}
	if len(e.Args) == 2 {
		lt := k.expr(e.Args[1])
		if lt.Kind != types.Int && lt.Kind != types.None {
			return k.fail(e.Args[1], "", "str() only supports integer arguments (%s provided)", typeWord(lt))
		}
		if n, ok := constInt(e.Args[1]); ok {
			if n < 0 {
				return k.fail(e.Args[1], "", "str cannot use negative length (%d)", n)
			}
			if n > int64(k.c.cfg.MaxStrlen) {
				k.warn(e.Args[1], "", "length param (%d) exceeds BPFTRACE_MAX_STRLEN (%d), consider increasing", n, k.c.cfg.MaxStrlen)
			}
			size = int(max(min(int64(size), n), 1))
		}
	}
	out := types.StringType(size)
	out.Mode = "str"
	return out
}

// str reads a string into dst, which has room for t.
func (g *gen) str(dst ir.Arg, t *types.Type, e *syntax.Call) {
	own := g.u.types[e]
	size := min(t.Size, own.Size)
	v := g.expr(e.Args[0])
	at, sp := v.a, v.space
	if v.t.Scalar() {
		sp = g.pointerSpace(v.t)
	}
	if sp == spOwn || sp == spCtx {
		sp = spKernel
	}
	n := ir.Imm(int64(size))
	if len(e.Args) == 2 {
		if _, isConst := constInt(e.Args[1]); !isConst {
			n = g.atMost(g.expr(e.Args[1]).a, size)
		}
	}
	h := asm.FnProbeReadKernelStr
	if sp == spUser {
		h = asm.FnProbeReadUserStr
	}
	r := g.f.Call(h, dst, n, at)
	// What cannot be read is an empty string.
	bad, ok := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSLT, r, ir.Imm(0), bad, ok)
	g.f.Start(bad)
	g.f.Store(1, dst, 0, ir.Imm(0))
	g.f.Jump(ok)
	g.f.Start(ok)
}

// atMost bounds a length so that the verifier sees it.
func (g *gen) atMost(n ir.Arg, most int) ir.Arg {
	r := g.f.NewReg()
	big, end := g.f.NewBlock(), g.f.NewBlock()
	g.f.Set(r, n)
	g.f.Branch(asm.JGT, ir.R(r), ir.Imm(int64(most)), big, end)
	g.f.Start(big)
	g.f.Set(r, ir.Imm(int64(most)))
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

func checkBuf(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind == types.None {
		return t
	}
	most := k.c.cfg.MaxStrlen
	size := most
	switch t.Kind {
	case types.Array, types.String:
		size = min(t.Size, most)
		if len(e.Args) == 1 && t.Size == 0 {
			return k.fail(e, "", "buf() expects a length argument for this array")
		}
	case types.Int, types.Ptr:
		if len(e.Args) == 1 {
			return k.fail(e, "", "buf() expects a length argument for non-array type %s", typeWord(t))
		}
	default:
		return k.fail(e.Args[0], "", "buf() only supports array, integer or pointer arguments (%s provided)", typeWord(t))
	}
	if len(e.Args) == 2 {
		lt := k.expr(e.Args[1])
		if lt.Kind != types.Int && lt.Kind != types.None {
			return k.fail(e.Args[1], "", "buf() only supports integer arguments (%s provided)", typeWord(lt))
		}
		if n, ok := constInt(e.Args[1]); ok {
			if n < 0 {
				return k.fail(e.Args[1], "", "buf cannot use negative length (%d)", n)
			}
			size = int(min(n, int64(most)))
		} else {
			size = most
		}
	}
	return &types.Type{Kind: types.Buffer, Size: 4 + max(size, 1)}
}

// buf writes the length and then the bytes.
func (g *gen) buf(dst ir.Arg, t *types.Type, e *syntax.Call) {
	size := t.Size - 4
	v := g.expr(e.Args[0])
	sp := v.space
	if v.t.Scalar() {
		sp = g.pointerSpace(v.t)
	}
	n := ir.Imm(int64(size))
	if len(e.Args) == 2 {
		if c, isConst := constInt(e.Args[1]); isConst {
			n = ir.Imm(min(c, int64(size)))
		} else {
			g.zero(dst, t.Size)
			n = g.atMost(g.expr(e.Args[1]).a, size)
		}
	}
	g.f.Store(4, dst, 0, n)
	h := asm.FnProbeReadKernel
	if sp == spUser {
		h = asm.FnProbeReadUser
	}
	if n.IsImm(0) {
		g.f.Store(1, dst, 4, ir.Imm(0))
		return
	}
	if !v.t.Scalar() && v.t.Size < size && n.Kind == ir.ArgImm {
		g.zero(dst, t.Size)
		g.f.Store(4, dst, 0, n)
		n = ir.Imm(int64(v.t.Size))
	}
	g.f.Call(h, g.f.Plus(dst, 4), n, v.a)
}

// stringy says whether t can be compared and searched as text.
func stringy(t *types.Type) bool {
	switch t.Kind {
	case types.String:
		return true
	case types.Ptr, types.Array:
		return t.Elem.Kind == types.Int && t.Elem.Size == 1
	case types.Int:
		return true
	}
	return false
}

func (k *checker) wantStringy(e *syntax.Call, n int) bool {
	for _, a := range e.Args[:n] {
		t := k.expr(a)
		if t.Kind == types.None {
			return false
		}
		if !stringy(t) || t.Kind == types.Int {
			k.fail(a, "", "%s() only supports string arguments (%s provided)", e.Name, typeWord(t))
			return false
		}
	}
	return true
}

func checkTwoStrings(t *types.Type) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		if !k.wantStringy(e, 2) {
			return types.TNone
		}
		return t
	}
}

func checkStringLike(t *types.Type) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		if !k.wantStringy(e, 1) {
			return types.TNone
		}
		return t
	}
}

func checkStrncmp(k *checker, e *syntax.Call) *types.Type {
	if !k.wantStringy(e, 2) {
		return types.TNone
	}
	n, ok := k.constArg(e, 2, "size")
	if !ok {
		return types.TNone
	}
	if n < 0 {
		return k.fail(e.Args[2], "", "Builtin strncmp requires a non-negative size")
	}
	return types.TUint64
}

// text is a string argument in our own memory, cut to size and followed by
// zeros.
func (g *gen) text(e syntax.Expr, size int) ir.Arg {
	room := (size + 7) &^ 7
	dst := g.temp(room)
	g.zero(dst, room)
	if s, ok := constStr(e); ok {
		g.storeText(dst, s, size)
		return dst
	}
	v := g.expr(e)
	sp := v.space
	limit := size
	if v.t.Kind == types.Ptr {
		sp = g.pointerSpace(v.t)
	} else {
		limit = min(size, v.t.Size)
		if v.t.Kind == types.Array {
			limit = min(size, v.t.Size+1)
		}
	}
	if sp != spUser {
		sp = spKernel
	}
	g.readString(dst, limit, v.a, sp)
	return dst
}

// genStrncmp is 0 if the first n characters are the same, else 1.
func genStrncmp(g *gen, e *syntax.Call) value {
	n, _ := constInt(e.Args[2])
	size := int(min(n, int64(g.c.cfg.MaxStrlen))) + 1
	for _, a := range e.Args[:2] {
		if t := g.u.types[a]; t.Kind == types.String {
			size = min(size, max(t.Size+1, 2))
		}
	}
	if n == 0 {
		return scalar(ir.Imm(0), types.TUint64)
	}
	p, q := g.text(e.Args[0], size), g.text(e.Args[1], size)
	eq := g.equalWords(p, q, (size+7)&^7)
	return scalar(g.f.Bin(asm.Xor, eq, ir.Imm(1)), types.TUint64)
}

func (g *gen) textSize(e syntax.Expr) int {
	t := g.u.types[e]
	if t.Kind == types.String || t.Kind == types.Array {
		return min(t.Size, g.c.cfg.MaxStrlen) + 1
	}
	return g.c.cfg.MaxStrlen
}

func genStrlen(g *gen, e *syntax.Call) value {
	a := e.Args[0]
	if s, ok := constStr(a); ok {
		return scalar(ir.Imm(int64(len(s))), types.TUint64)
	}
	size := g.textSize(a)
	dst := g.temp((size + 7) &^ 7)
	v := g.expr(a)
	sp := v.space
	if v.t.Kind == types.Ptr {
		sp = g.pointerSpace(v.t)
	}
	h := asm.FnProbeReadKernelStr
	if sp == spUser {
		h = asm.FnProbeReadUserStr
	}
	limit := size
	if v.t.Kind == types.String {
		limit = min(size, v.t.Size)
	}
	n := g.f.Call(h, dst, ir.Imm(int64(limit)), v.a)
	r := g.f.NewReg()
	some, none, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JSGT, n, ir.Imm(0), some, none)
	g.f.Start(some)
	g.f.Set(r, g.f.Bin(asm.Sub, n, ir.Imm(1)))
	g.f.Jump(end)
	g.f.Start(none)
	g.f.Set(r, ir.Imm(0))
	g.f.Jump(end)
	g.f.Start(end)
	return scalar(ir.R(r), types.TUint64)
}

// strstr is the index of the second string in the first, or -1. Positions are
// tried by a callback; a needle is compared byte by byte.
func (g *gen) strstr(e *syntax.Call) ir.Arg {
	hs, ns := g.textSize(e.Args[0]), g.textSize(e.Args[1])
	if s, ok := constStr(e.Args[1]); ok && s == "" {
		return ir.Imm(0)
	}
	hroom := (hs+7)&^7 + (ns+7)&^7 + 8
	// Both lie in scratch, where callbacks find them.
	hay, needle := g.reserve(hroom), g.reserve((ns+7)&^7)
	g.zero(g.inScratch(hay), hroom)
	g.copyText(g.inScratch(hay), e.Args[0], hs)
	g.zero(g.inScratch(needle), (ns+7)&^7)
	g.copyText(g.inScratch(needle), e.Args[1], ns)
	at := g.newCapture(8)
	g.f.Store(8, g.caps(), at, ir.Imm(-1))
	name := g.callback(2, func(fr *frame) {
		fr.caps = g.f.Param(1)
		i := g.f.Param(0)
		bounded, out := g.f.NewBlock(), g.f.NewBlock()
		g.f.Branch(asm.JLT, i, ir.Imm(int64(hs)), bounded, out)
		g.f.Start(out)
		g.f.Return(ir.Imm(1))
		g.f.Start(bounded)
		h := g.f.Bin(asm.Add, g.inScratch(hay), i)
		n := g.f.InReg(g.inScratch(needle))
		j := g.f.NewReg()
		g.f.Set(j, ir.Imm(0))
		head, body, more, miss, found := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
		g.f.Jump(head)
		g.f.Start(head)
		g.f.Branch(asm.JLT, ir.R(j), ir.Imm(int64(ns)), body, found)
		g.f.Start(body)
		b := g.f.Load(1, g.f.Bin(asm.Add, n, ir.R(j)), 0)
		cont := g.f.NewBlock()
		g.f.Branch(asm.JEq, b, ir.Imm(0), found, cont)
		g.f.Start(cont)
		a := g.f.Load(1, g.f.Bin(asm.Add, h, ir.R(j)), 0)
		g.f.Branch(asm.JEq, a, b, more, miss)
		g.f.Start(more)
		g.f.Set(j, g.f.Bin(asm.Add, ir.R(j), ir.Imm(1)))
		g.f.Jump(head)
		g.f.Start(found)
		g.f.Store(8, fr.caps, at, i)
		g.f.Return(ir.Imm(1))
		g.f.Start(miss)
		g.f.Return(ir.Imm(0))
	})
	g.f.Call(asm.FnLoop, ir.Imm(int64(hs)), ir.FuncRef(name), g.caps(), ir.Imm(0))
	return g.f.Load(8, g.caps(), at)
}

// copyText is text at a given place.
func (g *gen) copyText(dst ir.Arg, e syntax.Expr, size int) {
	if s, ok := constStr(e); ok {
		g.storeText(dst, s, min(size, len(s)+1))
		return
	}
	v := g.expr(e)
	sp, limit := v.space, size
	if v.t.Kind == types.Ptr {
		sp = g.pointerSpace(v.t)
	} else {
		limit = min(size, v.t.Size)
	}
	if sp != spUser {
		sp = spKernel
	}
	g.readString(dst, limit, v.a, sp)
}
