package lang

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/internal/btfdump"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// Passes are what a script goes through, in order. Each leaves text behind
// that [Options.Dump] receives.
func Passes() []string { return []string{"parse", "expand", "types", "ir", "asm"} }

// mapInfo is a map of the script.
type mapInfo struct {
	name, spec   string
	key, val     *types.Type
	scalar, used bool
	decl         *syntax.MapDecl
	first        syntax.Node
	// Parameters of lhist.
	lo, hi, step int64
}

// unit is a program to be made: a probe's action for one or more places.
type unit struct {
	name   string
	places []Attach
	// raw is the raw tracepoint that serves all places, by the numbers of
	// their system calls.
	raw     string
	numbers []int
	pred    syntax.Expr
	body    *syntax.Block
	types   map[syntax.Expr]*types.Type
	vars    map[*syntax.Var]*variable
	bare    map[*syntax.Ident]*syntax.Call
	consts  map[syntax.Expr]int64
	lhist   map[syntax.Expr][3]int64
	text    map[syntax.Expr]string
	where   map[syntax.Node][]syntax.Span
	// valued conditionals are used as expressions.
	valued    map[*syntax.If]bool
	params    []syntax.Param
	paramVars []*variable
	args      *types.Type
	result    *types.Type
}

func (u *unit) provider() string { return u.places[0].Provider }

type compiler struct {
	file   *syntax.File
	env    Env
	opt    Options
	cfg    Config
	cdefs  *types.CDefs
	btf    types.FromBTF
	errs   syntax.Errors
	warns  syntax.Errors
	seen   map[string]bool
	maps   map[string]*mapInfo
	order  []string
	units  []*unit
	funcs  map[string]*userFunc
	fn     map[string]*function
	idents map[string]*builtinIdent
	obj    *Object
	ktypes Types

	askedTypes bool
	typesErr   error
	known      map[string]types.Constant
	declared   map[string]*syntax.MapDecl
	argTypes   map[string]*types.Type
	options    map[string]string // that getopt asks for
	noProbes   bool
	bitmaps    map[*unit]bool
	nameTables map[*unit]int
	// What programs turned out to need.
	zeroSize, probeTable int
	stacks               map[string]int // stack map: frames
	failEvent            int
	// stackLens says that len() of a stack is asked for.
	stackLens bool
	// exits says that exit() is called.
	exits bool
}

// userFunc is a function of the script.
type userFunc struct{ decl *syntax.Func }

// Compile compiles a script. Mistakes in it are a [syntax.Errors] or
// [*syntax.Error]; file is kept for messages at run time. With [ErrNoProbes]
// the object holds nothing but warnings.
func Compile(file *syntax.File, env Env, opt Options) (*Object, error) {
	prog, err := syntax.Parse(file)
	if err != nil {
		return nil, err
	}
	return CompileProgram(prog, env, opt)
}

// CompileProgram compiles a script that was parsed already.
func CompileProgram(prog *syntax.Program, env Env, opt Options) (*Object, error) {
	c := &compiler{
		file: prog.File, env: env, opt: opt, cfg: defaultConfig(), seen: map[string]bool{},
		maps: map[string]*mapInfo{}, funcs: map[string]*userFunc{}, known: map[string]types.Constant{},
		declared: map[string]*syntax.MapDecl{}, argTypes: map[string]*types.Type{},
		obj: &Object{Maps: map[string]*Map{}}, fn: functions(), idents: builtinTable(),
		stacks: map[string]int{}, failEvent: -1, options: map[string]string{}, bitmaps: map[*unit]bool{}, nameTables: map[*unit]int{},
	}
	c.cdefs = types.NewCDefs(c.outsideType)
	c.dump("parse", func() string { return syntax.Print(prog) })
	steps := []func(*syntax.Program){c.settings, c.imports, c.definitions, c.expandProbes, c.check, c.generate}
	for _, step := range steps {
		step(prog)
		if len(c.errs) > 0 {
			return nil, c.errs
		}
		if c.noProbes {
			c.obj.Warnings = c.warns
			return c.obj, ErrNoProbes
		}
	}
	c.obj.Config = c.cfg
	c.obj.Warnings = c.warns
	return c.obj, nil
}

func (c *compiler) dump(pass string, text func() string) {
	if c.opt.Dump != nil {
		c.opt.Dump(pass, text())
	}
}

// errorf reports a mistake; the same one is reported once.
func (c *compiler) errorf(n syntax.Node, hint, format string, a ...any) {
	c.report(&c.errs, syntax.SevError, n, hint, fmt.Sprintf(format, a...))
}

// errorIn is errorf; kept apart because places inside of macros carry the
// call around them.
func (c *compiler) errorIn(_ *unit, n syntax.Node, hint, format string, a ...any) {
	c.errorf(n, hint, format, a...)
}

func (c *compiler) warnf(n syntax.Node, hint, format string, a ...any) {
	c.report(&c.warns, syntax.SevWarning, n, hint, fmt.Sprintf(format, a...))
}

func (c *compiler) report(to *syntax.Errors, sev syntax.Severity, n syntax.Node, hint, msg string) {
	e := &syntax.Error{File: c.file, Span: n.Pos(), Severity: sev, Msg: msg, Hint: hint}
	if key := e.Error(); !c.seen[key] {
		c.seen[key] = true
		*to = append(*to, e)
	}
}

// settings reads the config block; the environment wins.
func (c *compiler) settings(prog *syntax.Program) {
	if prog.Config != nil {
		for _, s := range prog.Config.Settings {
			if err := c.cfg.set(s.Name, s.Value); err != nil {
				hint := ""
				var names []string
				for n := range settings {
					names = append(names, n)
				}
				if near := btfdump.Suggest(strings.ToLower(s.Name), names); near != "" && strings.Contains(err.Error(), "not a known") {
					hint = "did you mean " + near + "?"
				}
				c.errorf(s, hint, "%s", err)
			}
		}
	}
	for n, v := range c.opt.Environ {
		// Variables of other tools share the prefix: unknown ones are passed.
		if _, ok := settings[n]; ok {
			if err := c.cfg.set(n, v); err != nil {
				c.errorf(prog0(prog), "", "BPFTRACE_%s", strings.ToUpper(err.Error()))
			}
		}
	}
}

// prog0 is the script's beginning, for messages about no place of it.
func prog0(*syntax.Program) syntax.Node { return syntax.Span{} }

// imports merges other scripts into this one.
func (c *compiler) imports(prog *syntax.Program) {
	done := map[string]bool{}
	var add func(p *syntax.Program, depth int)
	add = func(p *syntax.Program, depth int) {
		for _, i := range p.Imports {
			path := filepath.Join(filepath.Dir(p.File.Name), i.Path)
			if done[path] || strings.HasPrefix(i.Path, "stdlib/") {
				continue
			}
			done[path] = true
			if depth > maxMacroDepth {
				c.errorf(i, "", "imports nested too deeply")
				return
			}
			text, err := c.env.ReadFile(path, false)
			if err != nil {
				c.errorf(i, "the path is relative to the script's folder", "failed to import '%s': %v", i.Path, err)
				continue
			}
			switch {
			case strings.HasSuffix(path, ".bt"):
				in, err := syntax.Parse(syntax.NewFile(path, string(text)))
				if err != nil {
					c.errs = append(c.errs, syntax.AsError(err))
					continue
				}
				if in.Config != nil {
					c.errorf(i, "", "imported script '%s' may not have a config block", i.Path)
				}
				add(in, depth+1)
				prog.C = append(prog.C, in.C...)
				prog.Macros = append(prog.Macros, in.Macros...)
				prog.Maps = append(prog.Maps, in.Maps...)
				prog.Funcs = append(prog.Funcs, in.Funcs...)
				prog.Probes = append(in.Probes, prog.Probes...)
			case strings.HasSuffix(path, ".h"):
				prog.C = append(prog.C, headerText(string(text))...)
			default:
				c.errorf(i, "scripts (.bt) and headers (.h) can be imported", "cannot import '%s': compiling C is not supported", i.Path)
			}
		}
	}
	add(prog, 0)
	for _, m := range prog.Maps {
		if c.declared[m.Name] != nil {
			c.errorf(m, "", "Redefinition of map: %s", m.Name)
		}
		if m.Entries == 0 || m.Entries > 1<<31 {
			c.errorf(m, "", "max entries must be between 1 and 2147483648")
		}
		c.declared[m.Name] = m
		if declKinds[m.Kind] == 0 {
			c.errorf(m, "hash, lruhash, percpuhash, percpulruhash", "Invalid bpf map type: %s", m.Kind)
		}
	}
}

// useMap finds or makes a map of the script.
func (c *compiler) useMap(e *syntax.Map) *mapInfo {
	m := c.maps[e.Name]
	if m == nil {
		m = &mapInfo{name: e.Name, val: types.TNone, first: e, decl: c.declared[e.Name]}
		m.spec = "AT_" + strings.TrimPrefix(e.Name, "@")
		c.maps[e.Name] = m
		c.order = append(c.order, e.Name)
	}
	return m
}

func (c *compiler) mapKnown(name string) bool { return c.declared[name] != nil && false }

// check gives everything its type.
func (c *compiler) check(*syntax.Program) {
	for _, u := range c.units {
		c.resolveScopes(u)
	}
	if len(c.errs) > 0 {
		return
	}
	c.infer()
	c.unexpectedOptions()
	for _, d := range c.declared {
		if c.maps[d.Name] == nil {
			c.warnf(d, "", "Unused map: %s", d.Name)
		}
	}
	if len(c.errs) == 0 && c.typesErr != nil && c.ktypes == nil && c.askedTypes {
		c.warnf(syntax.Span{}, "", "the kernel's types could not be read: %v", c.typesErr)
	}
	c.dump("types", c.typesText)
}

func (c *compiler) typesText() string {
	var b strings.Builder
	for _, n := range c.order {
		m := c.maps[n]
		key := ""
		if m.key != nil {
			key = "[" + m.key.String() + "]"
		}
		fmt.Fprintf(&b, "%s%s: %s\n", n, key, m.val)
	}
	for _, u := range c.units {
		fmt.Fprintf(&b, "%s\n", u.name)
		seen := map[*variable]bool{}
		for _, v := range u.vars {
			seen[v] = true
		}
		var lines []string
		for v := range seen {
			lines = append(lines, fmt.Sprintf("  %s: %s\n", v.name, v.t))
		}
		sortStrings(lines)
		b.WriteString(strings.Join(lines, ""))
	}
	return b.String()
}

// constant is an enumerator of the script or of the kernel.
func (c *compiler) constant(name string) (types.Constant, bool) {
	if v, ok := c.cdefs.Constants[name]; ok {
		return v, true
	}
	if v, ok := c.known[name]; ok {
		return v, v.Enum != nil || v.Value != -1<<63
	}
	if kt := c.kernelTypes(); kt != nil && !c.isLanguageWord(name) {
		if v, enum, err := kt.Enumerator(name); err == nil {
			k := types.Constant{Value: v, Enum: c.btf.Type(enum)}
			c.known[name] = k
			return k, true
		}
	}
	c.known[name] = types.Constant{Value: -1 << 63}
	return types.Constant{}, false
}

func (c *compiler) suggest(word string) string {
	var names []string
	for n := range c.fn {
		if !strings.HasPrefix(n, "_") {
			names = append(names, n)
		}
	}
	for n := range c.idents {
		names = append(names, n)
	}
	for n := range c.cdefs.Constants {
		names = append(names, n)
	}
	sortStrings(names)
	if near := btfdump.Suggest(word, names); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

func (c *compiler) suggestType(e *syntax.TypeExpr) string {
	if e.Tag == "" {
		for _, tag := range []string{"struct", "union", "enum"} {
			if c.lookupType(tag, e.Name) != nil {
				return tag + " " + e.Name
			}
		}
	}
	return ""
}

func (c *compiler) nearestField(s *types.Composite, name string) string {
	var names []string
	for _, f := range s.Fields() {
		names = append(names, f.Name)
	}
	return btfdump.Suggest(name, names)
}

// protoFields makes a struct of a function's parameters. The n-th lies n
// registers in.
func (c *compiler) protoFields(p *btf.FuncProto, skip int, user bool) []types.Field {
	var out []types.Field
	for i, prm := range p.Params {
		if i < skip {
			continue
		}
		out = append(out, types.Field{Name: prm.Name, Type: c.btf.Type(prm.Type).WithUser(user), Off: (i - skip) * 8, Arg: i - skip})
	}
	return out
}
