package lang

import (
	"fmt"
	"sort"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// function is a function of the language.
type function struct {
	// min and max number of arguments.
	min, max int
	check    func(k *checker, e *syntax.Call) *types.Type
	// gen computes the value; into computes it at a given place; effect is for
	// functions called as statements.
	gen    func(g *gen, e *syntax.Call) value
	into   func(g *gen, dst ir.Arg, t *types.Type, e *syntax.Call)
	effect func(g *gen, e *syntax.Call)
	// agg functions are assigned to maps only; update does it.
	agg    bool
	update func(g *gen, m *mapInfo, ix *syntax.Index, e *syntax.Call)
	// quiet functions may have their value dropped.
	quiet bool
}

// functions makes the table of all functions, a family a file.
func functions() map[string]*function {
	all := map[string]*function{}
	for _, family := range []map[string]*function{
		outputFuncs(), aggFuncs(), mapFuncs(), stringFuncs(), addressFuncs(), timeFuncs(), processFuncs(), controlFuncs(), stackFuncs(),
	} {
		for n, f := range family {
			all[n] = f
		}
	}
	return all
}

const many = 1 << 16

// returns is a check that evaluates the arguments' types and gives t.
func returns(t *types.Type) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		for _, a := range e.Args {
			if k.expr(a).Kind == types.None {
				return types.TNone
			}
		}
		return t
	}
}

// wants is returns for arguments that must be integers.
func wantInts(t *types.Type) func(*checker, *syntax.Call) *types.Type {
	return func(k *checker, e *syntax.Call) *types.Type {
		for _, a := range e.Args {
			at := k.expr(a)
			if at.Kind == types.None {
				return at
			}
			if at.Kind != types.Int && !at.Castable() && at.Kind != types.Ptr && at.Kind != types.Bool {
				return k.fail(a, "", "%s() only supports integer arguments (%s provided)", e.Name, typeWord(at))
			}
		}
		return t
	}
}

// typeWord is a type's family, for messages.
func typeWord(t *types.Type) string {
	switch t.Kind {
	case types.String:
		return "string"
	case types.Int:
		return "int"
	case types.Ptr:
		return "pointer"
	}
	return t.String()
}

// wantStr checks that argument i is a string literal.
func (k *checker) wantStr(e *syntax.Call, i int) (string, bool) {
	if i >= len(e.Args) {
		return "", true
	}
	k.expr(e.Args[i])
	s, ok := constStr(e.Args[i])
	if !ok {
		k.fail(e.Args[i], "", "%s() expects a string literal (%s provided)", e.Name, typeWord(k.u.types[e.Args[i]]))
	}
	return s, ok
}

// wantUnsafe refuses functions that change the traced system.
func (k *checker) wantUnsafe(e *syntax.Call) bool {
	if k.c.opt.Unsafe {
		return true
	}
	k.fail(e, "run with --unsafe if that is meant", "%s() is an unsafe function being used in safe mode", e.Name)
	return false
}

// processFuncs are about the current process.
func processFuncs() map[string]*function {
	return map[string]*function{
		"pid": {0, 1, checkPidMode, genPid(true), nil, nil, false, nil, false},
		"tid": {0, 1, checkPidMode, genPid(false), nil, nil, false, nil, false},
		"comm": {
			min: 0, max: 1, check: checkComm,
			gen: func(g *gen, e *syntax.Call) value {
				if len(e.Args) == 1 {
					return g.commOf(e)
				}
				dst := g.temp(16)
				g.comm(dst)
				return value{t: types.StringType(16), a: dst, clean: true}
			},
			into: func(g *gen, dst ir.Arg, t *types.Type, e *syntax.Call) {
				if len(e.Args) == 1 {
					g.copyTo(dst, t, g.commOf(e), false)
					return
				}
				if t.Kind == types.String && t.Size >= 16 {
					g.comm(dst)
					if t.Size > 16 {
						g.zero(g.f.Plus(dst, 16), t.Size-16)
					}
					return
				}
				tmp := g.temp(16)
				g.comm(tmp)
				g.copyTo(dst, t, value{t: types.StringType(16), a: tmp, clean: true}, false)
			},
		},
		"ppid":        taskField(types.TInt32, "real_parent", "pid"),
		"pcomm":       taskField(types.StringType(16), "real_parent", "comm"),
		"leader_tid":  taskField(types.TInt32, "group_leader", "pid"),
		"leader_comm": taskField(types.StringType(16), "group_leader", "comm"),
	}
}

func checkComm(k *checker, e *syntax.Call) *types.Type {
	if len(e.Args) == 0 {
		return types.StringType(16)
	}
	t := k.expr(e.Args[0])
	switch {
	case t.Kind == types.None:
		return t
	case t.Kind == types.Int:
		return k.fail(e.Args[0], "a struct task_struct * has a name: comm(curtask)", "comm() of a process id is not supported yet")
	case t.Kind != types.Ptr:
		return k.fail(e.Args[0], "", "comm() only supports pointer arguments (%s provided)", typeWord(t))
	case k.c.lookupType("struct", "task_struct") == nil:
		return k.fail(e, "", "comm of another process needs the kernel's types (BTF), which are not there")
	}
	return types.StringType(16)
}

// commOf reads the name of a struct task_struct.
func (g *gen) commOf(e *syntax.Call) value {
	t := types.StringType(16)
	f, _ := g.c.lookupType("struct", "task_struct").Struct.Find("comm")
	v := g.expr(e.Args[0])
	dst := g.temp(16)
	g.readString(dst, 16, g.f.Plus(v.a, f.Off), spKernel)
	return value{t: t, a: dst}
}

func checkPidMode(k *checker, e *syntax.Call) *types.Type {
	if len(e.Args) == 1 {
		id, ok := e.Args[0].(*syntax.Ident)
		if !ok || id.Name != "curr_ns" && id.Name != "init" {
			return k.fail(e.Args[0], "", "Invalid PID namespace mode: %s (expects: curr_ns or init)", syntax.ExprString(e.Args[0]))
		}
	}
	return types.TUint32
}

func genPid(process bool) func(*gen, *syntax.Call) value {
	return func(g *gen, e *syntax.Call) value {
		v := g.f.Call(asm.FnGetCurrentPidTgid)
		if process {
			return scalar(g.f.Bin(asm.RSh, v, ir.Imm(32)), types.TUint32)
		}
		return scalar(g.f.Extend(4, false, v), types.TUint32)
	}
}

// taskField follows members of a task, the current one or the argument.
func taskField(t *types.Type, path ...string) *function {
	return &function{
		min: 0, max: 1,
		check: func(k *checker, e *syntax.Call) *types.Type {
			if len(e.Args) == 1 {
				if k.expr(e.Args[0]).Kind == types.None {
					return types.TNone
				}
			}
			if k.c.lookupType("struct", "task_struct") == nil {
				return k.fail(e, "", "%s needs the kernel's types (BTF), which are not there", e.Name)
			}
			return t
		},
		gen: func(g *gen, e *syntax.Call) value {
			var at ir.Arg
			if len(e.Args) == 1 {
				at = g.expr(e.Args[0]).a
			} else {
				at = g.f.Call(asm.FnGetCurrentTask)
			}
			st := g.c.lookupType("struct", "task_struct").Struct
			for _, name := range path[:len(path)-1] {
				f, _ := st.Find(name)
				at = g.loadInt(8, false, g.f.Plus(at, f.Off), spKernel)
			}
			f, _ := st.Find(path[len(path)-1])
			return g.load(t, g.f.Plus(at, f.Off), spKernel)
		},
	}
}

// controlFuncs end things and change them.
func controlFuncs() map[string]*function {
	return map[string]*function{
		"exit": {min: 0, max: 1, check: func(k *checker, e *syntax.Call) *types.Type {
			k.c.exits = true
			return wantInts(types.TVoid)(k, e)
		}, effect: genExit},
		"signal": {min: 1, max: 1, check: checkSignal, effect: func(g *gen, e *syntax.Call) {
			g.sendSignal(e, asm.FnSendSignal)
		}},
		"signal_thread": {min: 1, max: 1, check: checkSignal, effect: func(g *gen, e *syntax.Call) {
			g.sendSignal(e, asm.FnSendSignalThread)
		}},
		"override": {min: 1, max: 1, check: func(k *checker, e *syntax.Call) *types.Type {
			if !k.wantUnsafe(e) {
				return types.TVoid
			}
			if k.u.provider() != "kprobe" {
				return k.fail(e, "", "override can not be used with \"%s\" probes", k.u.provider())
			}
			return wantInts(types.TVoid)(k, e)
		}, effect: func(g *gen, e *syntax.Call) {
			g.f.Call(asm.FnOverrideReturn, g.ctx(), g.expr(e.Args[0]).a)
		}},
		"write_user": {min: 3, max: 3, check: func(k *checker, e *syntax.Call) *types.Type {
			if !k.c.opt.Unsafe {
				return k.fail(e, "", "write_user() is unsafe. To use you need the --unsafe flag")
			}
			return returns(types.TBool)(k, e)
		}, gen: func(g *gen, e *syntax.Call) value {
			dst := g.f.InReg(g.expr(e.Args[0]).a)
			src := g.own(g.expr(e.Args[1]))
			n := g.expr(e.Args[2]).a
			if !src.t.Scalar() {
				n = g.atMost(n, src.t.Size)
			}
			r := g.f.Call(asm.FnProbeWriteUser, dst, src.a, n)
			return scalar(g.flag(asm.JEq, r, ir.Imm(0)), types.TBool)
		}, quiet: true},
		"assert": {min: 2, max: 2, check: func(k *checker, e *syntax.Call) *types.Type {
			k.condition(e.Args[0])
			if _, ok := k.wantStr(e, 1); !ok {
				return types.TNone
			}
			return types.TVoid
		}, effect: genAssert},
		"static_assert": {min: 2, max: 2, check: func(k *checker, e *syntax.Call) *types.Type {
			k.expr(e.Args[0])
			msg, _ := k.wantStr(e, 1)
			if v, ok := constInt(e.Args[0]); !ok || v == 0 {
				return k.fail(e, "", "%s", msg)
			}
			return types.TVoid
		}, effect: func(*gen, *syntax.Call) {}},
		"fail": {min: 1, max: many, check: func(k *checker, e *syntax.Call) *types.Type {
			msg, _ := k.wantStr(e, 0)
			return k.fail(e, "", "%s", formatConst(msg, e.Args[1:]))
		}, effect: func(*gen, *syntax.Call) {}},
		"getopt": {min: 1, max: 3, check: checkGetopt, gen: genGetopt},
	}
}

func genAssert(g *gen, e *syntax.Call) {
	bad, ok := g.f.NewBlock(), g.f.NewBlock()
	g.branch(e.Args[0], ok, bad)
	g.f.Start(bad)
	msg, _ := constStr(e.Args[1])
	g.emit(e, Event{Kind: EventErrorf, Format: "assert failed: " + msg}, nil)
	g.emit(e, Event{Kind: EventExit}, []syntax.Expr{&syntax.Int{Span: e.Span, Value: 1, Text: "1"}})
	g.f.Jump(ok)
	g.f.Start(ok)
}

var signals = map[string]int64{
	"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
	"USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21,
	"TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25, "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}

func signalNumber(s string) (int64, bool) {
	if len(s) > 3 && s[:3] == "SIG" {
		s = s[3:]
	}
	n, ok := signals[s]
	return n, ok
}

func checkSignal(k *checker, e *syntax.Call) *types.Type {
	if !k.wantUnsafe(e) {
		return types.TVoid
	}
	t := k.expr(e.Args[0])
	if s, ok := constStr(e.Args[0]); ok {
		if _, known := signalNumber(s); !known {
			return k.fail(e.Args[0], "", "Invalid string for signal: %s", s)
		}
		return types.TVoid
	}
	if n, ok := constInt(e.Args[0]); ok && (n < 1 || n > 64) {
		return k.fail(e.Args[0], "", "%s is not a valid signal, allowed range: [1,64]", syntax.ExprString(e.Args[0]))
	}
	if t.Kind != types.Int && t.Kind != types.None {
		return k.fail(e.Args[0], "", "signal only accepts string literals or integers (%s provided)", typeWord(t))
	}
	return types.TVoid
}

func (g *gen) sendSignal(e *syntax.Call, h asm.BuiltinFunc) {
	var n ir.Arg
	if s, ok := constStr(e.Args[0]); ok {
		v, _ := signalNumber(s)
		n = ir.Imm(v)
	} else {
		n = g.expr(e.Args[0]).a
	}
	g.f.Call(h, n)
}

// checkGetopt: the default decides the option's type.
func checkGetopt(k *checker, e *syntax.Call) *types.Type {
	name, ok := k.wantStr(e, 0)
	if !ok {
		return types.TNone
	}
	about := ""
	if len(e.Args) == 3 {
		about, _ = k.wantStr(e, 2)
	}
	if k.c.options[name] == "" {
		k.c.options[name] = about
	}
	if len(e.Args) == 1 {
		return types.TBool
	}
	t := k.expr(e.Args[1])
	given, set := k.c.opt.Named[name]
	switch t.Kind {
	case types.Bool:
		if set && !isBoolWord(given) {
			return k.optionError("program command line option --%s invalid boolean (value: %s)", name, given)
		}
		return t
	case types.Int:
		if _, ok := optInt(given); set && !ok {
			return k.optionError("program command line option --%s invalid integer (value: %s)", name, given)
		}
		if v, _ := optInt(given); set && v < 0 && !strings.HasPrefix(given, "-") {
			return types.TUint64
		}
		return types.TInt64
	case types.String:
		if set {
			return types.StringType(len(given) + 1)
		}
		return t
	}
	return k.fail(e.Args[1], "", "getopt() takes a literal number, string or boolean as default")
}

func isBoolWord(s string) bool {
	switch strings.ToLower(s) {
	case "", "1", "0", "true", "false":
		return true
	}
	return false
}

func optInt(s string) (int64, bool) {
	neg := len(s) > 1 && s[0] == '-'
	if neg {
		s = s[1:]
	}
	v, ok := syntax.ParseInt(s)
	if neg {
		return -int64(v), ok
	}
	return int64(v), ok
}

func genGetopt(g *gen, e *syntax.Call) value {
	name, _ := constStr(e.Args[0])
	given, set := g.c.opt.Named[name]
	t := g.u.types[e]
	if !set {
		if len(e.Args) == 1 {
			return scalar(ir.Imm(0), types.TBool)
		}
		v := g.expr(e.Args[1])
		if t.Scalar() {
			v.t = t
		}
		return v
	}
	switch t.Kind {
	case types.Bool:
		return scalar(boolImm(given == "" || given == "1" || strings.EqualFold(given, "true")), t)
	case types.Int:
		v, _ := optInt(given)
		return scalar(ir.Imm(v), t)
	}
	return g.literal(given)
}

// optionError is a mistake on the command line, which is no place of the script.
func (k *checker) optionError(format string, a ...any) *types.Type {
	if k.final {
		k.c.errs = append(k.c.errs, &syntax.Error{Msg: fmt.Sprintf(format, a...)})
	}
	return types.TNone
}

// unexpectedOptions are named parameters that no getopt asks for.
func (c *compiler) unexpectedOptions() {
	var extra, known []string
	for n := range c.opt.Named {
		if _, ok := c.options[n]; !ok {
			extra = append(extra, "--"+n)
		}
	}
	if len(extra) == 0 {
		return
	}
	sep, described := " ", false
	for n, about := range c.options {
		if about != "" {
			about, described = ": "+about, true
		}
		known = append(known, "--"+n+about)
	}
	sort.Strings(extra)
	sort.Strings(known)
	hint := ""
	if len(known) > 0 {
		comma := ", "
		if described {
			sep, comma = "\n  ", "\n  "
		}
		hint = "expected program options:" + sep + strings.Join(known, comma)
	}
	c.errs = append(c.errs, &syntax.Error{Msg: "unexpected program command line options: " + strings.Join(extra, ", "), Hint: hint})
}
