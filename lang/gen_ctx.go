package lang

import (
	"errors"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// argN reads argN.
func (g *gen) argN(n int, t *types.Type) value {
	switch g.u.provider() {
	case "rawtracepoint", "fentry", "fexit":
		return scalar(g.f.Load(8, g.ctx(), 8*n), t)
	case "usdt":
		return g.usdtArg(n, t)
	}
	return scalar(g.f.Load(8, g.ctx(), machine.args[n]), t)
}

func checkCtx(k *checker, e *syntax.Ident) *types.Type {
	a := k.u.places[0]
	name := ""
	switch a.Provider {
	case "iter":
		name = "bpf_iter__" + a.Func
	case "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt":
		name = "pt_regs"
	case "profile", "interval", "software", "hardware", "watchpoint":
		name = "bpf_perf_event_data"
	}
	t := types.PtrTo(types.TVoid, false)
	if name != "" {
		if st := k.c.lookupType("struct", name); st != nil {
			t = types.PtrTo(st, false)
		}
	}
	c := *t
	c.Ctx = true
	return &c
}

func genCtx(g *gen, e *syntax.Ident) value { return scalar(g.ctx(), g.u.types[e]) }

// checkArgs makes a struct of a probe's arguments.
func checkArgs(k *checker, e *syntax.Ident) *types.Type {
	if k.u.args != nil {
		return k.u.args
	}
	a := k.u.places[0]
	var fields []types.Field
	switch a.Provider {
	case "tracepoint":
		fields = k.tracepointFields(e, a)
	case "fentry", "fexit":
		fields = k.kernelArgs(e, a.Func, 0)
	case "rawtracepoint":
		fields = k.rawArgs(e, a.Func)
	case "uprobe":
		p, err := k.c.env.UserFunc(a.Target, a.Func)
		if err != nil {
			return k.fail(e, "", "Cannot read function parameters: %s", err)
		}
		fields = k.c.protoFields(p, 0, true)
	default:
		return k.fail(e, "", "The args builtin can only be used with tracepoint/fentry/uprobe probes (%s used here)", a.Provider)
	}
	if fields == nil {
		return types.TNone
	}
	size := 0
	for _, f := range fields {
		size = max(size, f.Off+max(f.Type.Size, 1))
	}
	t := &types.Type{
		Kind: types.Struct, Size: size, Ctx: true, User: userSide(a),
		Struct: &types.Composite{Name: "struct " + a.String() + "_args", Size: size, Fill: func() []types.Field { return fields }},
	}
	k.u.args = t
	return t
}

// rawArgs are a raw tracepoint's arguments. The functions that tracing makes
// have their names (since Linux 6.7 __probestub_…); the type btf_trace_… has
// none before 6.13.
func (k *checker) rawArgs(e syntax.Node, name string) []types.Field {
	if kt := k.c.kernelTypes(); kt != nil {
		for _, fn := range []string{"__probestub_" + name, "__traceiter_" + name} {
			if p, err := kt.FuncProto(fn); err == nil && len(p.Params) > 1 && p.Params[1].Name != "" {
				return k.c.protoFields(p, 1, false)
			}
		}
	}
	return k.kernelArgs(e, "btf_trace_"+name, 1)
}

func (k *checker) kernelArgs(e syntax.Node, fn string, skip int) []types.Field {
	kt := k.c.kernelTypes()
	if kt == nil {
		k.fail(e, "", "the kernel's types (BTF) are needed for args and are not there")
		return nil
	}
	p, err := kt.FuncProto(fn)
	if err != nil {
		k.fail(e, "", "Cannot read function parameters of %s: %v", fn, err)
		return nil
	}
	return k.c.protoFields(p, skip, false)
}

// tracepointFields turns a format's fields into types.
func (k *checker) tracepointFields(e syntax.Node, a Attach) []types.Field {
	list, err := k.c.env.Tracepoint(a.Target, a.Func)
	if err != nil {
		if errors.Is(err, ErrUnknown) {
			k.fail(e, "", "tracepoint %s:%s not found", a.Target, a.Func)
		} else {
			k.fail(e, "", "%s", err)
		}
		return nil
	}
	var out []types.Field
	for _, f := range list {
		out = append(out, k.c.formatField(f, userSide(a)))
	}
	return out
}

// formatField is a field of a format file.
func (c *compiler) formatField(f TracepointField, user bool) types.Field {
	out := types.Field{Name: f.Name, Off: f.Offset}
	text := f.Type
	if loc, ok := strings.CutPrefix(text, "__data_loc "); ok {
		out.DataLoc = true
		if strings.TrimSpace(strings.TrimSuffix(loc, "[]")) == "char" {
			out.Type = types.PtrTo(types.TInt8, false)
		} else {
			out.Type = types.TUint64
		}
		return out
	}
	if i := strings.IndexByte(text, '['); i >= 0 {
		elem := c.cType(strings.TrimSpace(text[:i]))
		if elem == nil {
			elem = types.IntType(1, f.Signed)
		}
		if strings.HasSuffix(strings.TrimSpace(text[:i]), "char") && !strings.Contains(text[:i], "unsigned") {
			out.Type = types.StringType(f.Size)
		} else {
			out.Type = types.ArrayOf(elem, f.Size/max(elem.Size, 1))
		}
		return out
	}
	t := c.cType(text)
	switch {
	case t == nil || t.Kind == types.Void || t.Scalar() && t.Size != f.Size:
		size := f.Size
		if size != 1 && size != 2 && size != 4 && size != 8 {
			t = types.ArrayOf(types.TUint8, size)
			break
		}
		t = types.IntType(size, f.Signed)
	}
	out.Type = t.WithUser(user && (t.Kind == types.Ptr || t.Kind == types.Int))
	return out
}

// cType reads a C type such as "const char *"; nil if it is not known. Structs
// are looked up when they are followed.
func (c *compiler) cType(text string) *types.Type {
	if t, ok := c.argTypes[text]; ok {
		return t
	}
	stars := strings.Count(text, "*")
	var words []string
	for _, w := range strings.Fields(strings.ReplaceAll(text, "*", " ")) {
		switch w {
		case "const", "volatile", "__user", "__rcu":
		default:
			words = append(words, w)
		}
	}
	var t *types.Type
	switch {
	case len(words) == 2 && (words[0] == "struct" || words[0] == "union" || words[0] == "enum"):
		if stars > 0 && words[0] != "enum" {
			t = c.lazyStruct(words[0], words[1])
		} else {
			t = c.lookupType(words[0], words[1])
		}
	default:
		name := strings.Join(words, " ")
		if t = types.Basic(name); t == nil && stars == 0 {
			t = c.lookupType("", name)
		} else if t == nil {
			t = types.TVoid
		}
	}
	for range stars {
		if t == nil {
			t = types.TVoid
		}
		t = types.PtrTo(t, false)
	}
	c.argTypes[text] = t
	return t
}

// lazyStruct is a struct whose fields are looked up when they are needed, so
// that a pointer does not load the kernel's types.
func (c *compiler) lazyStruct(tag, name string) *types.Type {
	if t := c.cdefs.Tagged[tag+" "+name]; t != nil {
		return t
	}
	st := &types.Composite{Name: tag + " " + name}
	st.Fill = func() []types.Field {
		if t := c.lookupType(tag, name); t != nil && t.Kind == types.Struct {
			st.Size = t.Size
			return t.Struct.Fields()
		}
		return nil
	}
	return &types.Type{Kind: types.Struct, Struct: st}
}

func genArgs(g *gen, e *syntax.Ident) value {
	return value{t: g.u.types[e], a: g.ctx(), space: spCtx}
}

// ctxField reads a member of args.
func (g *gen) ctxField(x value, f types.Field, t *types.Type) value {
	if f.DataLoc {
		return g.dataLoc(x.a, f, t)
	}
	switch g.u.provider() {
	case "fentry", "fexit", "rawtracepoint":
		v := g.f.Load(8, x.a, 8*f.Arg)
		if t.Kind == types.Int {
			v = g.f.Extend(t.Size, t.Signed, v)
		}
		return scalar(v, t)
	case "uprobe":
		if f.Arg >= len(machine.args) {
			return scalar(ir.Imm(0), t)
		}
		v := g.f.Load(8, x.a, machine.args[f.Arg])
		if t.Kind == types.Int {
			v = g.f.Extend(t.Size, t.Signed, v)
		}
		return scalar(v, t)
	}
	at := g.f.Plus(x.a, f.Off)
	if t.Scalar() {
		v := g.f.Load(t.Size, x.a, f.Off)
		if t.Kind == types.Int && t.Signed {
			v = g.f.Extend(t.Size, true, v)
		}
		return scalar(v, t)
	}
	return value{t: t, a: at, space: spCtx}
}

// gatherArgs copies the arguments of a function from its registers, where the
// context is no struct of them.
func (g *gen) gatherArgs(dst ir.Arg, v value) {
	g.zero(dst, (v.t.Size+7)&^7)
	for _, f := range v.t.Struct.Fields() {
		if f.Arg >= len(machine.args) || !f.Type.Scalar() {
			continue
		}
		g.f.Store(f.Type.Size, dst, f.Off, g.f.Load(8, v.a, machine.args[f.Arg]))
	}
}

// dataLoc is the address of a field of variable length: the low half of a word
// says how far into the record it is.
func (g *gen) dataLoc(ctx ir.Arg, f types.Field, t *types.Type) value {
	off := g.f.Bin(asm.And, g.f.Load(4, ctx, f.Off), ir.Imm(0xffff))
	return scalar(g.f.Bin(asm.Add, ctx, off), t)
}

func checkRetval(k *checker, e *syntax.Ident) *types.Type {
	a := k.u.places[0]
	switch a.Provider {
	case "kretprobe", "uretprobe":
		return types.TUint64.WithUser(a.Provider == "uretprobe")
	case "fexit":
		kt := k.c.kernelTypes()
		if kt == nil {
			return k.fail(e, "", "the kernel's types (BTF) are needed for retval and are not there")
		}
		p, err := kt.FuncProto(a.Func)
		if err != nil {
			return k.fail(e, "", "Cannot read the type of %s: %v", a.Func, err)
		}
		t := k.c.btf.Type(p.Return)
		if t.Kind == types.Void {
			return k.fail(e, "", "Can't find a field retval")
		}
		k.u.consts[e] = int64(len(p.Params))
		return t
	}
	return k.fail(e, "", "The retval builtin can only be used with 'kretprobe' and 'uretprobe' probes (%s used here)", a.Provider)
}

func genRetval(g *gen, e *syntax.Ident) value {
	t := g.u.types[e]
	if g.u.provider() == "fexit" {
		v := g.f.Load(8, g.ctx(), 8*int(g.u.consts[e]))
		if t.Kind == types.Int {
			v = g.f.Extend(t.Size, t.Signed, v)
		}
		return scalar(v, t)
	}
	return scalar(g.f.Load(8, g.ctx(), machine.ret), t)
}

// probeName reads the name of the probe that fired from a table; the cookie
// of its attachment is the index.
func (g *gen) probeName(t *types.Type) value {
	if g.u.raw != "" {
		return g.syscallProbe(t)
	}
	g.c.probeTable = max(g.c.probeTable, (t.Size+7)&^7)
	return g.nameAt(t, probeMap, g.f.Call(asm.FnGetAttachCookie, g.ctx()))
}

// nameAt reads a name from a table.
func (g *gen) nameAt(t *types.Type, table string, index ir.Arg) value {
	dst := g.temp(t.Size)
	key := g.small(8)
	g.f.Store(4, key, 0, index)
	p := g.f.Call(asm.FnMapLookupElem, ir.Map(table), key)
	yes, no, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JNE, p, ir.Imm(0), yes, no)
	g.f.Start(yes)
	g.moveBytes(dst, p, t.Size)
	g.f.Jump(end)
	g.f.Start(no)
	g.zero(dst, t.Size)
	g.f.Jump(end)
	g.f.Start(end)
	return value{t: t, a: dst, clean: true}
}

// probeMap holds the names of probes by cookie.
const probeMap = "probes"
