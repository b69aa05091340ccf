package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang/syntax"
)

// expander copies trees: macros become blocks, positional parameters and C
// constants literals, and constant arithmetic its result. Copies let each
// attach point have types of its own.
type expander struct {
	c      *compiler
	macros map[string][]*syntax.Macro
	// calls are the places of the macro calls around.
	calls []syntax.Span
	// subst are a macro's parameters; rename gives its variables fresh names.
	subst  map[string]syntax.Expr
	rename string
	serial *int
	where  map[syntax.Node][]syntax.Span
}

const maxMacroDepth = 64

func (x *expander) block(b *syntax.Block) *syntax.Block {
	if b == nil {
		return nil
	}
	out := &syntax.Block{Span: b.Span}
	for _, s := range b.Stmts {
		out.Stmts = append(out.Stmts, x.stmt(s))
	}
	if b.Value != nil {
		out.Value = x.expr(b.Value)
	}
	return out
}

func (x *expander) stmt(s syntax.Stmt) syntax.Stmt {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		return &syntax.ExprStmt{Span: s.Span, X: x.expr(s.X)}
	case *syntax.Assign:
		return &syntax.Assign{Span: s.Span, L: x.expr(s.L), Op: s.Op, R: x.expr(s.R)}
	case *syntax.Let:
		l := &syntax.Let{Span: s.Span, Var: x.variable(s.Var), Type: x.typeExpr(s.Type)}
		if s.Init != nil {
			l.Init = x.expr(s.Init)
		}
		return l
	case *syntax.Discard:
		return &syntax.Discard{Span: s.Span, X: x.expr(s.X)}
	case *syntax.For:
		f := &syntax.For{Span: s.Span, Var: x.variable(s.Var)}
		if s.Over != nil {
			m, ok := x.expr(s.Over).(*syntax.Map)
			if !ok {
				x.c.errorf(s.Over, "", "expected map or range in for loop")
				m = s.Over
			}
			f.Over = m
		} else {
			f.From, f.To = x.expr(s.From), x.expr(s.To)
		}
		f.Body = x.block(s.Body)
		return f
	case *syntax.While:
		return &syntax.While{Span: s.Span, Cond: x.expr(s.Cond), Body: x.block(s.Body)}
	case *syntax.Unroll:
		return x.unroll(s)
	case *syntax.Jump:
		j := &syntax.Jump{Span: s.Span, Word: s.Word}
		if s.X != nil {
			j.X = x.expr(s.X)
		}
		return j
	}
	return s
}

// unroll repeats the body; each copy is a scope of its own.
func (x *expander) unroll(s *syntax.Unroll) syntax.Stmt {
	n, ok := x.expr(s.N).(*syntax.Int)
	out := &syntax.Block{Span: s.Span}
	switch {
	case !ok:
		x.c.errorf(s.N, "", "unroll needs a constant number of rounds")
	case n.Value < 1 || int64(n.Value) < 1:
		x.c.errorf(s.N, "", "unroll minimum value is 1")
	case n.Value > 100:
		x.c.errorf(s.N, "", "unroll maximum value is 100")
	default:
		for range n.Value {
			out.Stmts = append(out.Stmts, &syntax.ExprStmt{Span: s.Span, X: x.block(s.Body)})
		}
	}
	return &syntax.ExprStmt{Span: s.Span, X: out}
}

func (x *expander) variable(v *syntax.Var) *syntax.Var {
	if x.subst != nil {
		if s, ok := x.subst[v.Name]; ok {
			if sv, ok := s.(*syntax.Var); ok {
				return &syntax.Var{Span: v.Span, Name: sv.Name}
			}
		}
	}
	return &syntax.Var{Span: v.Span, Name: v.Name + x.rename}
}

func (x *expander) list(l []syntax.Expr) []syntax.Expr {
	var out []syntax.Expr
	for _, e := range l {
		out = append(out, x.expr(e))
	}
	return out
}

func (x *expander) typeExpr(t *syntax.TypeExpr) *syntax.TypeExpr {
	if t == nil {
		return nil
	}
	out := &syntax.TypeExpr{Span: t.Span, Tag: t.Tag, Name: t.Name}
	if s, ok := x.subst[t.Name]; ok && t.Tag == "" && t.Of == nil {
		out.Of = s
		out.Name = ""
	}
	if t.Of != nil {
		out.Of = x.expr(t.Of)
	}
	for _, m := range t.Mods {
		n := syntax.TypeMod{Pointer: m.Pointer}
		if m.Len != nil {
			n.Len = x.expr(m.Len)
		}
		out.Mods = append(out.Mods, n)
	}
	return out
}

func (x *expander) expr(e syntax.Expr) syntax.Expr {
	if len(x.calls) > 0 {
		out := x.expand(e)
		if c, ok := out.(*syntax.Call); ok {
			x.where[c] = append([]syntax.Span(nil), x.calls...)
		}
		return out
	}
	return x.expand(e)
}

func (x *expander) expand(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Ident:
		return x.ident(e)
	case *syntax.Var:
		return x.variable(e)
	case *syntax.Map:
		if s, ok := x.subst[e.Name]; ok {
			return s
		}
		if x.rename != "" && !x.c.mapKnown(e.Name) {
			x.c.errorf(e, "", "Unhygienic access to map: %s. Maps must be passed into the macro as arguments.", e.Name)
		}
		return &syntax.Map{Span: e.Span, Name: e.Name}
	case *syntax.PosParam:
		return x.param(e, false)
	case *syntax.ParamCount:
		n := len(x.c.opt.Params)
		return &syntax.Int{Span: e.Span, Value: uint64(n), Text: strconv.Itoa(n)}
	case *syntax.Index:
		return x.fold(&syntax.Index{Span: e.Span, X: x.expr(e.X), Keys: x.list(e.Keys)})
	case *syntax.Field:
		return &syntax.Field{Span: e.Span, X: x.expr(e.X), Name: e.Name, Arrow: e.Arrow}
	case *syntax.Call:
		return x.call(e)
	case *syntax.SizeOf:
		return &syntax.SizeOf{Span: e.Span, X: x.typeArg(e.X)}
	case *syntax.OffsetOf:
		o := &syntax.OffsetOf{Span: e.Span, X: x.typeArg(e.X)}
		for _, f := range e.Fields {
			if id, ok := x.subst[f].(*syntax.Ident); ok {
				f = id.Name
			}
			o.Fields = append(o.Fields, f)
		}
		return o
	case *syntax.TypeInfo:
		return &syntax.TypeInfo{Span: e.Span, X: x.typeArg(e.X)}
	case *syntax.Unary:
		return x.fold(&syntax.Unary{Span: e.Span, Op: e.Op, X: x.expr(e.X), Postfix: e.Postfix})
	case *syntax.Binary:
		return x.fold(&syntax.Binary{Span: e.Span, Op: e.Op, X: x.expr(e.X), Y: x.expr(e.Y)})
	case *syntax.Cond:
		c := &syntax.Cond{Span: e.Span, C: x.expr(e.C), Y: x.expr(e.Y)}
		if e.X != nil {
			c.X = x.expr(e.X)
		}
		return c
	case *syntax.If:
		i := &syntax.If{Span: e.Span, Cond: x.expr(e.Cond), Then: x.block(e.Then)}
		if e.Else != nil {
			i.Else = x.expr(e.Else)
		}
		return i
	case *syntax.Cast:
		return &syntax.Cast{Span: e.Span, Type: x.typeExpr(e.Type), X: x.expr(e.X)}
	case *syntax.Tuple:
		return &syntax.Tuple{Span: e.Span, Elems: x.list(e.Elems)}
	case *syntax.Record:
		return &syntax.Record{Span: e.Span, Names: e.Names, Elems: x.list(e.Elems)}
	case *syntax.Block:
		return x.block(e)
	case *syntax.Comptime:
		return x.expr(e.X)
	case *syntax.TypeExpr:
		return x.typeExpr(e)
	case *syntax.Int:
		c := *e
		return &c
	case *syntax.Str:
		c := *e
		return &c
	case *syntax.Bool:
		c := *e
		return &c
	}
	return e
}

// typeArg: a bare word where a type may stand is a type, unless a macro's
// parameter has that name.
func (x *expander) typeArg(e syntax.Expr) syntax.Expr {
	if t, ok := e.(*syntax.TypeExpr); ok {
		return x.typeExpr(t)
	}
	return x.expr(e)
}

// ident: a macro's parameter, a macro without arguments, a C constant, or a
// builtin that is looked up later.
func (x *expander) ident(e *syntax.Ident) syntax.Expr {
	if s, ok := x.subst[e.Name]; ok {
		return s
	}
	if n, ok := strings.CutPrefix(e.Name, "__builtin_"); ok && x.c.isLanguageWord(n) {
		return &syntax.Ident{Span: e.Span, Name: n}
	}
	if m := x.macro(e.Name, nil); m != nil {
		return x.inline(m, e, nil)
	}
	if text, ok := x.c.cdefs.Macros[e.Name]; ok && !x.c.isLanguageWord(e.Name) {
		if v := x.c.macroValue(e, e.Name, text, 0); v != nil {
			return x.expr(v)
		}
	}
	return &syntax.Ident{Span: e.Span, Name: e.Name}
}

// param is $n: a number if it reads as one, else a string.
func (x *expander) param(e *syntax.PosParam, str bool) syntax.Expr {
	if e.N > len(x.c.opt.Params) {
		if str {
			return &syntax.Str{Span: e.Span}
		}
		return &syntax.Int{Span: e.Span, Text: "0"}
	}
	s := x.c.opt.Params[e.N-1]
	if !str {
		digits, neg := s, false
		if len(s) > 1 && s[0] == '-' {
			digits, neg = s[1:], true
		}
		if v, ok := syntax.ParseInt(digits); ok {
			if neg {
				return negative(e.Span, v)
			}
			return &syntax.Int{Span: e.Span, Value: v, Text: s}
		}
	}
	return &syntax.Str{Span: e.Span, Value: s}
}

func negative(at syntax.Span, v uint64) *syntax.Int {
	return &syntax.Int{Span: at, Value: -v, Text: "-" + strconv.FormatUint(v, 10)}
}

// call expands macros; str($1) takes parameters as text.
func (x *expander) call(e *syntax.Call) syntax.Expr {
	if m := x.macro(e.Name, e.Args); m != nil {
		return x.inline(m, e, e.Args)
	}
	if len(x.macros[e.Name]) > 0 && !x.c.isLanguageWord(e.Name) {
		x.c.errorf(e, "", "%s", x.mismatch(e))
		return &syntax.Int{Span: e.Span, Text: "0"}
	}
	if e.Name == "container_of" && len(e.Args) == 3 {
		return x.containerOf(e)
	}
	out := &syntax.Call{Span: e.Span, Name: e.Name}
	for i, a := range e.Args {
		if e.Name == "str" && i == 0 {
			if v := x.strParam(a); v != nil {
				out.Args = append(out.Args, v)
				continue
			}
		}
		out.Args = append(out.Args, x.expr(a))
	}
	return out
}

// strParam resolves str($1) and str($1 + n).
func (x *expander) strParam(a syntax.Expr) syntax.Expr {
	switch a := a.(type) {
	case *syntax.PosParam:
		return x.param(a, true)
	case *syntax.Binary:
		p, n := a.X, a.Y
		if _, ok := p.(*syntax.PosParam); !ok {
			p, n = n, p
		}
		pp, ok := p.(*syntax.PosParam)
		i, okInt := n.(*syntax.Int)
		if !ok || !okInt {
			return nil
		}
		if a.Op != "+" {
			x.c.errorf(a, "", "only addition of a single constant is allowed on positional parameters")
			return nil
		}
		s := x.param(pp, true).(*syntax.Str).Value
		if i.Value > uint64(len(s)) {
			x.c.errorf(a, "", "cannot offset positional parameter beyond its length: %d > %d", i.Value, len(s))
			return &syntax.Str{Span: a.Span}
		}
		return &syntax.Str{Span: a.Span, Value: s[i.Value:]}
	}
	return nil
}

// macro finds the macro whose parameters fit the arguments.
func (x *expander) macro(name string, args []syntax.Expr) *syntax.Macro {
	for _, m := range x.macros[name] {
		if fits(m, args) {
			return m
		}
	}
	return nil
}

func fits(m *syntax.Macro, args []syntax.Expr) bool {
	if len(m.Params) != len(args) {
		return false
	}
	for i, p := range m.Params {
		switch p.(type) {
		case *syntax.Var:
			if _, ok := args[i].(*syntax.Var); !ok {
				return false
			}
		case *syntax.Map:
			if _, ok := args[i].(*syntax.Map); !ok {
				return false
			}
		}
	}
	return true
}

func (x *expander) mismatch(e *syntax.Call) string {
	ms := x.macros[e.Name]
	if len(ms) == 1 {
		m := ms[0]
		if len(m.Params) != len(e.Args) {
			return fmt.Sprintf("Call to macro has wrong number arguments. Expected: %d but got %d", len(m.Params), len(e.Args))
		}
		for i, p := range m.Params {
			switch p := p.(type) {
			case *syntax.Var:
				if _, ok := e.Args[i].(*syntax.Var); !ok {
					return fmt.Sprintf("Mismatched arg to macro call. Macro expects a variable for arg %s but got %s.", p.Name, what(e.Args[i]))
				}
			case *syntax.Map:
				if _, ok := e.Args[i].(*syntax.Map); !ok {
					return fmt.Sprintf("Mismatched arg to macro call. Macro expects a map for arg %s but got %s.", p.Name, what(e.Args[i]))
				}
			}
		}
	}
	return fmt.Sprintf("Call to macro '%s' matches none of its definitions", e.Name)
}

func what(e syntax.Expr) string {
	switch e.(type) {
	case *syntax.Var:
		return "a variable"
	case *syntax.Map:
		return "a map"
	}
	return "an expression"
}

// inline is the macro's body as a block, its variables renamed.
func (x *expander) inline(m *syntax.Macro, at syntax.Node, args []syntax.Expr) syntax.Expr {
	if len(x.calls) >= maxMacroDepth {
		x.c.errorf(at, "", "Macro recursion limit reached: %s", m.Name)
		return &syntax.Int{Span: at.Pos(), Text: "0"}
	}
	*x.serial++
	in := &expander{
		c: x.c, macros: x.macros, serial: x.serial, where: x.where, subst: map[string]syntax.Expr{},
		rename: "#" + strconv.Itoa(*x.serial), calls: append(append([]syntax.Span{}, x.calls...), at.Pos()),
	}
	for i, p := range m.Params {
		a := x.expr(args[i])
		switch p := p.(type) {
		case *syntax.Var:
			in.subst[p.Name] = a
		case *syntax.Map:
			in.subst[p.Name] = a
		case *syntax.Ident:
			in.subst[p.Name] = a
		}
	}
	b := in.block(m.Body)
	if len(b.Stmts) == 0 && b.Value != nil {
		return b.Value
	}
	b.Span = at.Pos()
	return b
}
