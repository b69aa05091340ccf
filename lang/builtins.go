package lang

import (
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// builtinIdent is a name that is a value.
type builtinIdent struct {
	check func(k *checker, e *syntax.Ident) *types.Type
	gen   func(g *gen, e *syntax.Ident) value
}

// typed is a check that always gives t.
func typed(t *types.Type) func(*checker, *syntax.Ident) *types.Type {
	return func(*checker, *syntax.Ident) *types.Type { return t }
}

// helperValue calls a helper without arguments.
func helperValue(h asm.BuiltinFunc, t *types.Type) func(*gen, *syntax.Ident) value {
	return func(g *gen, _ *syntax.Ident) value { return scalar(g.f.Call(h), t) }
}

// builtinTable makes the table of names that are values. Those that are functions
// too are in functions.
func builtinTable() map[string]*builtinIdent {
	u64, u32 := types.TUint64, types.TUint32
	return map[string]*builtinIdent{
		"cpu":     {typed(u32), helperValue(asm.FnGetSmpProcessorId, u32)},
		"numaid":  {typed(u32), helperValue(asm.FnGetNumaNodeId, u32)},
		"cgroup":  {typed(u64), helperValue(asm.FnGetCurrentCgroupId, u64)},
		"jiffies": {typed(u64), helperValue(asm.FnJiffies64, u64)},
		"rand":    {typed(u32), helperValue(asm.FnGetPrandomU32, u32)},
		"uid": {typed(u32), func(g *gen, _ *syntax.Ident) value {
			return scalar(g.f.Extend(4, false, g.f.Call(asm.FnGetCurrentUidGid)), u32)
		}},
		"gid": {typed(u32), func(g *gen, _ *syntax.Ident) value {
			return scalar(g.f.Bin(asm.RSh, g.f.Call(asm.FnGetCurrentUidGid), ir.Imm(32)), u32)
		}},
		"username": {typed(&types.Type{Kind: types.Int, Size: 8, Mode: "username"}), func(g *gen, _ *syntax.Ident) value {
			return scalar(g.f.Extend(4, false, g.f.Call(asm.FnGetCurrentUidGid)), &types.Type{Kind: types.Int, Size: 8, Mode: "username"})
		}},
		"elapsed": {typed(u64), func(g *gen, _ *syntax.Ident) value {
			start := g.f.Load(8, ir.MapValue(DataMap, DataStart), 0)
			return scalar(g.f.Bin(asm.Sub, g.f.Call(asm.FnKtimeGetBootNs), start), u64)
		}},
		"ncpus":     {typed(u64), func(g *gen, _ *syntax.Ident) value { return scalar(ir.Imm(int64(g.c.env.CPUs())), u64) }},
		"curtask":   {checkCurtask, genCurtask},
		"ctx":       {checkCtx, genCtx},
		"args":      {checkArgs, genArgs},
		"retval":    {checkRetval, genRetval},
		"func":      {checkFunc, genFunc},
		"probe":     {checkProbe, genProbe},
		"probetype": {checkProbeType, genProbeType},
		"usermode":  {typed(types.TUint8), genUsermode},
		"config":    {checkConfig, genConfig},
		"cpid": {typed(u32), func(g *gen, _ *syntax.Ident) value {
			return scalar(g.f.Extend(4, false, g.f.Load(8, ir.MapValue(DataMap, DataCPID), 0)), u32)
		}},
		"has_cpid": {typed(types.TBool), func(g *gen, _ *syntax.Ident) value { return scalar(boolImm(g.c.opt.Child), types.TBool) }},
	}
}

func boolImm(b bool) ir.Arg {
	if b {
		return ir.Imm(1)
	}
	return ir.Imm(0)
}

// argNumber reads arg0 … arg9 and sarg0 ….
func argNumber(name string) (int, bool) {
	s, ok := strings.CutPrefix(name, "arg")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 0 && n < 100 && len(s) <= 2
}

// isLanguageWord: names that C macros do not replace.
func (c *compiler) isLanguageWord(name string) bool {
	if c.idents[name] != nil || c.fn[name] != nil {
		return true
	}
	_, ok := argNumber(name)
	return ok
}

// userSide says whether a provider's arguments are a process's.
func userSide(a Attach) bool {
	switch a.Provider {
	case "uprobe", "uretprobe", "usdt":
		return true
	case "tracepoint":
		return a.Target == "syscalls"
	}
	return false
}

// argN checks argN.
func (k *checker) argN(e *syntax.Ident, n int) *types.Type {
	switch k.u.provider() {
	case "kprobe", "uprobe":
		if n >= len(machine.args) {
			return k.fail(e, "further arguments are on the stack: *(uint64*)(reg(\"sp\") + 8)", "%s doesn't support %s", machine.name, e.Name)
		}
	case "usdt", "rawtracepoint":
	case "fentry", "fexit":
	case "kretprobe", "uretprobe":
		return k.fail(e, "return probes have retval", "The %s builtin can not be used with '%s' probes", e.Name, k.u.provider())
	default:
		return k.fail(e, "", "The %s builtin can only be used with 'kprobes', 'uprobes' and 'usdt' probes", e.Name)
	}
	return types.TUint64.WithUser(userSide(k.u.places[0]))
}

func checkCurtask(k *checker, e *syntax.Ident) *types.Type {
	if t := k.c.lookupType("struct", "task_struct"); t != nil {
		return types.PtrTo(t, false)
	}
	return types.TUint64
}

func genCurtask(g *gen, e *syntax.Ident) value {
	return scalar(g.f.Call(asm.FnGetCurrentTask), g.u.types[e])
}

func checkFunc(k *checker, e *syntax.Ident) *types.Type {
	switch k.u.provider() {
	case "uprobe", "uretprobe":
		return types.TUSym
	case "kprobe", "kretprobe", "fentry", "fexit":
		return types.TKSym
	}
	return k.fail(e, "", "The func builtin can not be used with '%s' probes", k.u.provider())
}

func genFunc(g *gen, e *syntax.Ident) value {
	var ip ir.Arg
	switch g.u.provider() {
	case "uprobe", "kprobe":
		ip = g.f.Load(8, g.ctx(), machine.ip)
		if g.u.provider() == "kprobe" && machine.name == "x86_64" {
			// The instruction behind the breakpoint; get_func_ip says where it stood.
			ip = g.f.Call(asm.FnGetFuncIp, g.ctx())
		}
	default:
		ip = g.f.Call(asm.FnGetFuncIp, g.ctx())
	}
	if g.u.types[e].Kind == types.KSym {
		return scalar(ip, types.TKSym)
	}
	return g.usym(ip)
}

func checkProbe(k *checker, e *syntax.Ident) *types.Type {
	most := 0
	for _, p := range k.u.places {
		most = max(most, len(p.String()))
	}
	return types.StringType(most + 1)
}

// genProbe: the name is constant for one place, and found by the cookie for
// several.
func genProbe(g *gen, e *syntax.Ident) value {
	if len(g.u.places) == 1 {
		return g.literal(g.u.places[0].String())
	}
	return g.probeName(g.u.types[e])
}

func checkProbeType(k *checker, e *syntax.Ident) *types.Type {
	return types.StringType(len(probeTypeName(k.u.provider())) + 1)
}

func probeTypeName(p string) string {
	switch p {
	case "begin", "end", "self":
		return "special"
	}
	return p
}

func genProbeType(g *gen, _ *syntax.Ident) value { return g.literal(probeTypeName(g.u.provider())) }

func genUsermode(g *gen, e *syntax.Ident) value {
	switch g.u.provider() {
	case "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt", "profile", "interval", "software", "hardware":
	case "tracepoint", "rawtracepoint", "fentry", "fexit", "iter":
		return scalar(ir.Imm(0), types.TUint8)
	default: // this process's own probes
		return scalar(ir.Imm(1), types.TUint8)
	}
	cs := g.f.Load(8, g.ctx(), machine.cs)
	return scalar(g.isSet(g.f.Bin(asm.And, cs, ir.Imm(3))), types.TUint8)
}

// configFields are the settings that config shows, with their values.
func (c *compiler) configFields() (names []string, values []any) {
	flag := func(b bool) any { return boolImm(b).Imm }
	add := func(n string, v any) { names, values = append(names, n), append(values, v) }
	add("max_strlen", int64(c.cfg.MaxStrlen))
	add("max_map_keys", int64(c.cfg.MaxMapKeys))
	add("max_probes", int64(c.cfg.MaxProbes))
	add("max_bpf_progs", int64(c.cfg.MaxPrograms))
	add("max_cat_bytes", int64(c.cfg.MaxCatBytes))
	add("on_stack_limit", int64(c.cfg.OnStackLimit))
	add("log_size", int64(c.cfg.LogSize))
	add("perf_rb_pages", int64(c.cfg.RingPages))
	add("stack_mode", c.cfg.StackMode)
	add("str_trunc_trailer", c.cfg.StrTrunc)
	add("missing_probes", c.cfg.MissingProbes)
	add("license", c.cfg.License)
	add("print_maps_on_exit", flag(c.cfg.PrintMapsOnExit))
	add("lazy_symbolication", flag(c.cfg.LazySymbols))
	add("cpp_demangle", flag(c.cfg.Demangle))
	add("show_debug_info", flag(c.cfg.ShowDebugInfo))
	return names, values
}

func checkConfig(k *checker, _ *syntax.Ident) *types.Type {
	names, values := k.c.configFields()
	var elems []*types.Type
	for _, v := range values {
		if s, ok := v.(string); ok {
			elems = append(elems, types.StringType(len(s)+1))
		} else {
			elems = append(elems, types.TUint64)
		}
	}
	return types.RecordOf(names, elems)
}

func genConfig(g *gen, e *syntax.Ident) value {
	t := g.u.types[e]
	_, values := g.c.configFields()
	dst := g.temp(t.Size)
	g.zeroGaps(dst, t)
	for i, v := range values {
		at := g.f.Plus(dst, t.Fields[i].Off)
		if s, ok := v.(string); ok {
			g.storeText(at, s, t.Fields[i].Type.Size)
		} else {
			g.f.Store(8, at, 0, ir.Imm(v.(int64)))
		}
	}
	return value{t: t, a: dst}
}
