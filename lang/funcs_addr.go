package lang

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// addressFuncs are about addresses: of memory, of networks, of cgroups.
func addressFuncs() map[string]*function {
	return map[string]*function{
		"ksym": {min: 1, max: 1, check: wantInts(types.TKSym), gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.expr(e.Args[0]).a, types.TKSym)
		}},
		"usym": {min: 1, max: 1, check: wantInts(types.TUSym), gen: func(g *gen, e *syntax.Call) value {
			return g.usym(g.expr(e.Args[0]).a)
		}},
		"kaddr": {min: 1, max: 1, check: checkKaddr, gen: genConst(types.TUint64)},
		"uaddr": {min: 1, max: 1, check: checkUaddr, gen: func(g *gen, e *syntax.Call) value { return scalar(ir.Imm(g.u.consts[e]), g.u.types[e]) }},
		"percpu_kaddr": {min: 1, max: 2, check: func(k *checker, e *syntax.Call) *types.Type {
			return k.fail(e, "", "percpu_kaddr() is not supported yet: it needs the kernel's per-CPU symbols in its types (BTF)")
		}, gen: genConst(types.TUint64)},
		"reg": {min: 1, max: 1, check: checkReg, gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.f.Load(8, g.ctx(), int(g.u.consts[e])), g.u.types[e])
		}},
		"kptr":     {min: 1, max: 1, check: checkSpace(false), gen: genSpace},
		"uptr":     {min: 1, max: 1, check: checkSpace(true), gen: genSpace},
		"bswap":    {min: 1, max: 1, check: checkBswap, gen: genBswap},
		"ntop":     {min: 1, max: 2, check: checkNtop, gen: genNtop},
		"pton":     {min: 1, max: 1, check: checkPton, gen: genPton},
		"macaddr":  {min: 1, max: 1, check: checkMac, gen: genMac},
		"cgroupid": {min: 1, max: 1, check: checkCgroupid, gen: genConst(types.TUint64)},
		// An extension: bpftrace cannot ask for what is below a group.
		"cgroup_ancestor": {min: 1, max: 1, check: wantInts(types.TUint64), gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.f.Call(asm.FnGetCurrentAncestorCgroupId, g.expr(e.Args[0]).a), types.TUint64)
		}},
		"cgroup_path": {min: 1, max: 2, check: checkCgroupPath, gen: genCgroupPath},
		"is_err": {min: 1, max: 1, check: wantInts(types.TBool), gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.flag(asm.JGE, g.expr(e.Args[0]).a, ir.Imm(-4095)), types.TBool)
		}},
		"socket_cookie": {min: 1, max: 1, check: wantInts(types.TUint64), gen: func(g *gen, e *syntax.Call) value {
			return scalar(g.f.Call(asm.FnGetSocketCookie, g.expr(e.Args[0]).a), types.TUint64)
		}},
		"path": {min: 1, max: 2, check: checkPath, gen: genPath},
	}
}

// genConst is a value found while checking.
func genConst(t *types.Type) func(*gen, *syntax.Call) value {
	return func(g *gen, e *syntax.Call) value { return scalar(ir.Imm(g.u.consts[e]), t) }
}

func checkKaddr(k *checker, e *syntax.Call) *types.Type {
	name, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	if _, done := k.u.consts[e]; !done {
		v, err := k.c.env.KernelSymbol(name)
		if err != nil {
			return k.fail(e, "", "Failed to resolve kernel symbol: %s", name)
		}
		k.u.consts[e] = int64(v)
	}
	return types.TUint64
}

func checkUaddr(k *checker, e *syntax.Call) *types.Type {
	name, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	a := k.u.places[0]
	switch a.Provider {
	case "uprobe", "uretprobe", "usdt":
	default:
		return k.fail(e, "", "uaddr can not be used with \"%s\" probes", a.Provider)
	}
	addr, size, err := k.c.env.UserSymbol(a.Target, name)
	if err != nil {
		return k.fail(e, "", "Could not resolve symbol: %s:%s", a.Target, name)
	}
	k.u.consts[e] = int64(addr)
	elem := types.TUint64
	switch size {
	case 1, 2, 4:
		elem = types.IntType(int(size), false)
	}
	return types.PtrTo(elem, true)
}

func checkReg(k *checker, e *syntax.Call) *types.Type {
	name, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	switch k.u.provider() {
	case "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt", "profile", "interval", "software", "hardware":
	default:
		return k.fail(e, "", "reg can not be used with \"%s\" probes", k.u.provider())
	}
	off, ok := machine.regs[name]
	if !ok {
		return k.fail(e.Args[0], "", "'%s' is not a valid register on this architecture (%s)", name, machine.name)
	}
	k.u.consts[e] = int64(off)
	return types.TUint64.WithUser(userSide(k.u.places[0]))
}

func checkSpace(user bool) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		t := k.expr(e.Args[0])
		if t.Kind == types.None {
			return t
		}
		if t.Kind != types.Int && t.Kind != types.Ptr {
			return k.fail(e.Args[0], "", "%s() only supports int and pointer arguments (%s provided)", e.Name, typeWord(t))
		}
		return t.WithUser(user)
	}
}

func genSpace(g *gen, e *syntax.Call) value {
	v := g.expr(e.Args[0])
	v.t = g.u.types[e]
	return v
}

func checkBswap(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind == types.None {
		return t
	}
	if t.Kind != types.Int {
		return k.fail(e.Args[0], "", "bswap() only supports integer arguments (%s provided)", typeWord(t))
	}
	return types.IntType(t.Size, false)
}

func genBswap(g *gen, e *syntax.Call) value {
	t := g.u.types[e]
	v := g.expr(e.Args[0])
	if t.Size == 1 {
		return scalar(g.f.Extend(1, false, v.a), t)
	}
	return scalar(g.f.SwapBytes(t.Size, v.a), t)
}

// checkNtop: [family,] address.
func checkNtop(k *checker, e *syntax.Call) *types.Type {
	for _, a := range e.Args {
		if k.expr(a).Kind == types.None {
			return types.TNone
		}
	}
	t := k.u.types[e.Args[len(e.Args)-1]]
	switch {
	case t.Kind == types.Int, t.Kind == types.Array && (t.Size == 4 || t.Size == 16), t.Kind == types.String && (t.Size == 4 || t.Size == 16),
		t.Kind == types.Struct && (t.Size == 4 || t.Size == 16), t.Kind == types.Ptr:
		return types.TInet
	}
	if t.Kind == types.Array || t.Kind == types.String {
		return k.fail(e, "", "%s() argument must be 4 or 16 bytes in size", e.Name)
	}
	return k.fail(e, "", "%s() expects an integer or array argument, got %s", e.Name, typeWord(t))
}

const (
	afInet  = 2
	afInet6 = 10
)

func genNtop(g *gen, e *syntax.Call) value {
	a := e.Args[len(e.Args)-1]
	t := g.u.types[a]
	dst := g.temp(24)
	for off := 0; off < 24; off += 8 {
		g.f.Store(8, dst, off, ir.Imm(0))
	}
	family := ir.Imm(afInet)
	if t.Size == 16 && t.Kind != types.Int {
		family = ir.Imm(afInet6)
	}
	if len(e.Args) == 2 {
		family = g.expr(e.Args[0]).a
	}
	g.f.Store(4, dst, 0, family)
	v := g.expr(a)
	switch {
	case t.Kind == types.Int:
		g.f.Store(4, dst, 4, v.a)
	case t.Kind == types.Ptr:
		g.probeRead(g.f.Plus(dst, 4), 16, v.a, g.pointerSpace(t))
	case v.space == spOwn || v.space == spCtx:
		g.f.Call(asm.FnProbeReadKernel, g.f.Plus(dst, 4), ir.Imm(int64(t.Size)), v.a)
	default:
		g.probeRead(g.f.Plus(dst, 4), t.Size, v.a, v.space)
	}
	return value{t: types.TInet, a: dst}
}

func checkPton(k *checker, e *syntax.Call) *types.Type {
	s, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return k.fail(e, "", "pton() expects a valid IPv4/IPv6 address, got %s", s)
	}
	k.u.text[e] = string(addr.AsSlice())
	return types.ArrayOf(types.TUint8, addr.BitLen()/8)
}

func genPton(g *gen, e *syntax.Call) value {
	t := g.u.types[e]
	dst := g.temp(max(t.Size, 8))
	for i, b := range []byte(g.u.text[e]) {
		g.f.Store(1, dst, i, ir.Imm(int64(b)))
	}
	return value{t: t, a: dst}
}

func checkMac(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	switch {
	case t.Kind == types.None:
		return t
	case (t.Kind == types.Array || t.Kind == types.String) && t.Size == 6, t.Kind == types.Ptr:
		return types.TMAC
	case t.Kind == types.Array || t.Kind == types.String:
		return k.fail(e, "", "%s() argument must be 6 bytes in size", e.Name)
	}
	return k.fail(e, "", "%s() only supports array or pointer arguments (%s provided)", e.Name, typeWord(t))
}

func genMac(g *gen, e *syntax.Call) value {
	v := g.expr(e.Args[0])
	dst := g.temp(8)
	g.f.Store(8, dst, 0, ir.Imm(0))
	sp, at := v.space, v.a
	if v.t.Kind == types.Ptr {
		sp = g.pointerSpace(v.t)
	}
	if sp == spOwn || sp == spCtx {
		sp = spKernel
	}
	g.probeRead(dst, 6, at, sp)
	return value{t: types.TMAC, a: dst}
}

func checkCgroupid(k *checker, e *syntax.Call) *types.Type {
	path, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	if _, done := k.u.consts[e]; !done {
		id, err := k.c.env.CgroupID(path)
		if err != nil {
			if errors.Is(err, ErrUnknown) {
				return k.fail(e, "the path of a cgroup's folder, as in /sys/fs/cgroup/system.slice", "Failed to get `cgroupid` for path: \"%s\": No such file or directory", path)
			}
			return k.fail(e, "", "Failed to get `cgroupid` for path: \"%s\": %v", path, err)
		}
		k.u.consts[e] = int64(id)
	}
	return types.TUint64
}

func checkCgroupPath(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind != types.Int && t.Kind != types.None {
		return k.fail(e.Args[0], "", "cgroup_path() only supports integer arguments (%s provided)", typeWord(t))
	}
	if _, ok := k.wantStr(e, 1); !ok {
		return types.TNone
	}
	return types.TCgroup
}

func genCgroupPath(g *gen, e *syntax.Call) value {
	filter := "*"
	if len(e.Args) == 2 {
		filter, _ = constStr(e.Args[1])
	}
	dst := g.temp(16)
	g.f.Store(8, dst, 0, g.expr(e.Args[0]).a)
	g.f.Store(8, dst, 8, ir.Imm(int64(g.c.filter(filter))))
	return value{t: types.TCgroup, a: dst}
}

func (c *compiler) filter(s string) int {
	for i, f := range c.obj.Filters {
		if f == s {
			return i
		}
	}
	c.obj.Filters = append(c.obj.Filters, s)
	return len(c.obj.Filters) - 1
}

func checkPath(k *checker, e *syntax.Call) *types.Type {
	t := k.expr(e.Args[0])
	if t.Kind == types.None {
		return t
	}
	switch k.u.provider() {
	case "fentry", "fexit", "iter":
	default:
		return k.fail(e, "", "path can not be used with \"%s\" probes", k.u.provider())
	}
	if t.Kind != types.Struct && t.Kind != types.Ptr {
		return k.fail(e, "", "path() only supports pointer or record argument (%s provided)", typeWord(t))
	}
	size := k.c.cfg.MaxStrlen
	if len(e.Args) == 2 {
		n, ok := k.constArg(e, 1, "size")
		if !ok {
			return types.TNone
		}
		size = int(max(min(n, int64(size)), 1))
	}
	if !strings.HasPrefix(t.String(), "struct path") {
		return k.fail(e, "", "path() needs a struct path, found %s", t)
	}
	return types.StringType(size)
}

// genPath needs a pointer the verifier trusts, which only direct access to the
// context's objects gives.
func genPath(g *gen, e *syntax.Call) value {
	t := g.u.types[e]
	dst := g.temp(t.Size)
	end := g.f.NewBlock()
	g.f.Store(1, dst, 0, ir.Imm(0))
	g.trusting, g.null = true, end
	v := g.trusted(e.Args[0])
	g.trusting = false
	g.f.Call(asm.FnDPath, v, dst, ir.Imm(int64(t.Size)))
	g.f.Jump(end)
	g.f.Start(end)
	return value{t: t, a: dst}
}

// trusted follows members by plain loads, so that the verifier keeps the types
// of pointers.
func (g *gen) trusted(e syntax.Expr) ir.Arg {
	switch e := e.(type) {
	case *syntax.Unary:
		if e.Op == "&" || e.Op == "*" {
			return g.trusted(e.X)
		}
	case *syntax.Field:
		xt := g.u.types[e.X]
		if xt.Kind == types.Struct && xt.Ctx || xt.Kind == types.Ptr && xt.Ctx {
			p := g.f.InReg(g.expr(e).a)
			ok := g.f.NewBlock()
			g.f.Branch(asm.JNE, p, ir.Imm(0), ok, g.null)
			g.f.Start(ok)
			return p
		}
		st := xt
		if st.Kind == types.Ptr {
			st = st.Elem
		}
		if st.Kind == types.Struct {
			f, _ := st.Struct.Find(e.Name)
			base := g.trusted(e.X)
			if f.Type.Kind == types.Ptr {
				return g.f.Load(8, base, f.Off)
			}
			return g.f.Plus(base, f.Off)
		}
	}
	return g.expr(e).a
}
