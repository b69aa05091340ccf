package syntax

import (
	"fmt"
	"strconv"
	"strings"
)

// Print writes a script in one canonical form. Comments are not kept.
// Parsing what it writes gives the same tree again.
func Print(p *Program) string {
	w := &printer{}
	if p.Shebang != "" {
		w.line(p.Shebang)
	}
	for _, c := range p.C {
		w.line(c.Text)
	}
	if p.Config != nil {
		w.line("config = {")
		for _, s := range p.Config.Settings {
			v := s.Value
			if s.Quoted {
				v = Quote(v)
			}
			w.line("\t" + s.Name + " = " + v + ";")
		}
		w.line("}")
	}
	for _, i := range p.Imports {
		w.line("import " + Quote(i.Path) + ";")
	}
	for _, m := range p.Maps {
		w.line(fmt.Sprintf("let %s = %s(%d);", m.Name, m.Kind, m.Entries))
	}
	for _, m := range p.Macros {
		w.text("macro " + m.Name + "(" + exprs(m.Params) + ") ")
		w.block(m.Body)
		w.line("")
	}
	for _, f := range p.Funcs {
		var ps []string
		for _, a := range f.Params {
			ps = append(ps, a.Name+": "+ExprString(a.Type))
		}
		w.text("fn " + f.Name + "(" + strings.Join(ps, ", ") + "): " + ExprString(f.Result) + " ")
		w.block(f.Body)
		w.line("")
	}
	for _, pr := range p.Probes {
		w.probe(pr)
	}
	return w.b.String()
}

// ExprString writes one expression, in parentheses where needed.
func ExprString(e Expr) string {
	w := &printer{}
	w.expr(e)
	return w.b.String()
}

type printer struct {
	b      strings.Builder
	indent int
}

func (w *printer) text(s string) { w.b.WriteString(s) }
func (w *printer) line(s string) { w.b.WriteString(s + "\n") }
func (w *printer) tabs()         { w.b.WriteString(strings.Repeat("\t", w.indent)) }

func (w *printer) probe(pr *Probe) {
	for i, a := range pr.Attach {
		if i > 0 {
			w.text(",\n")
		}
		w.text(a.Raw)
	}
	if pr.Predicate != nil {
		w.text("\n/")
		w.expr(pr.Predicate)
		w.text("/\n")
	} else {
		w.text(" ")
	}
	w.block(pr.Body)
	w.line("")
}

func (w *printer) block(b *Block) {
	w.text("{\n")
	w.indent++
	for _, s := range b.Stmts {
		w.tabs()
		w.stmt(s)
		w.text("\n")
	}
	if b.Value != nil {
		w.tabs()
		w.expr(b.Value)
		w.text("\n")
	}
	w.indent--
	w.tabs()
	w.text("}")
}

func (w *printer) stmt(s Stmt) {
	switch s := s.(type) {
	case *ExprStmt:
		w.expr(s.X)
		w.text(";")
	case *Assign:
		w.expr(s.L)
		w.text(" " + s.Op + " ")
		w.expr(s.R)
		w.text(";")
	case *Let:
		w.text("let " + s.Var.Name)
		if s.Type != nil {
			w.text(": ")
			w.expr(s.Type)
		}
		if s.Init != nil {
			w.text(" = ")
			w.expr(s.Init)
		}
		w.text(";")
	case *Discard:
		w.text("_ = ")
		w.expr(s.X)
		w.text(";")
	case *For:
		w.text("for (" + s.Var.Name + " : ")
		if s.Over != nil {
			w.expr(s.Over)
		} else {
			w.operand(s.From)
			w.text("..")
			w.operand(s.To)
		}
		w.text(") ")
		w.block(s.Body)
	case *While:
		w.text("while (")
		w.expr(s.Cond)
		w.text(") ")
		w.block(s.Body)
	case *Unroll:
		w.text("unroll (")
		w.expr(s.N)
		w.text(") ")
		w.block(s.Body)
	case *Jump:
		w.text(s.Word)
		if s.X != nil {
			w.text(" ")
			w.expr(s.X)
		}
		w.text(";")
	case *ImportStmt:
		w.text("import " + Quote(s.Path) + ";")
	}
}

// operand writes x with parentheses unless it binds tightest.
func (w *printer) operand(x Expr) {
	switch x.(type) {
	case *Binary, *Cond, *Cast, *Unary, *If, *Comptime, *Block:
		w.text("(")
		w.expr(x)
		w.text(")")
	default:
		w.expr(x)
	}
}

func (w *printer) expr(e Expr) {
	switch e := e.(type) {
	case *Int:
		w.text(e.Text)
	case *Str:
		w.text(Quote(e.Value))
	case *Bool:
		w.text(strconv.FormatBool(e.Value))
	case *Ident:
		w.text(e.Name)
	case *PosParam:
		w.text("$" + strconv.Itoa(e.N))
	case *ParamCount:
		w.text("$#")
	case *Var:
		w.text(e.Name)
	case *Map:
		w.text(e.Name)
	case *Index:
		w.operand(e.X)
		w.text("[" + exprs(e.Keys) + "]")
	case *Field:
		w.operand(e.X)
		w.text("." + e.Name)
	case *Call:
		w.text(e.Name + "(" + exprs(e.Args) + ")")
	case *SizeOf:
		w.text("sizeof(" + ExprString(e.X) + ")")
	case *TypeInfo:
		w.text("typeinfo(" + ExprString(e.X) + ")")
	case *OffsetOf:
		w.text("offsetof(" + ExprString(e.X) + ", " + strings.Join(e.Fields, ".") + ")")
	case *Unary:
		w.unary(e)
	case *Binary:
		w.operand(e.X)
		w.text(" " + e.Op + " ")
		w.operand(e.Y)
	case *Cond:
		w.operand(e.C)
		w.text(" ? ")
		if e.X != nil {
			w.operand(e.X)
			w.text(" ")
		}
		w.text(": ")
		w.operand(e.Y)
	case *If:
		w.ifExpr(e)
	case *Cast:
		w.text("(" + ExprString(e.Type) + ")")
		w.operand(e.X)
	case *Tuple:
		w.text("(" + exprs(e.Elems))
		if len(e.Elems) == 1 {
			w.text(",")
		}
		w.text(")")
	case *Record:
		w.text("(")
		for i, n := range e.Names {
			if i > 0 {
				w.text(", ")
			}
			w.text(n + "=")
			w.expr(e.Elems[i])
		}
		w.text(")")
	case *Block:
		w.block(e)
	case *Comptime:
		w.text("comptime ")
		w.operand(e.X)
	case *TypeExpr:
		w.typeExpr(e)
	}
}

func (w *printer) unary(e *Unary) {
	if e.Postfix {
		w.operand(e.X)
		w.text(e.Op)
		return
	}
	w.text(e.Op)
	w.operand(e.X)
}

func (w *printer) ifExpr(e *If) {
	w.text("if (")
	w.expr(e.Cond)
	w.text(") ")
	w.block(e.Then)
	if e.Else != nil {
		w.text(" else ")
		w.expr(e.Else)
	}
}

func (w *printer) typeExpr(t *TypeExpr) {
	switch {
	case t.Of != nil:
		w.text("typeof(" + ExprString(t.Of) + ")")
	case t.Tag != "":
		w.text(t.Tag + " " + t.Name)
	default:
		w.text(t.Name)
	}
	for _, m := range t.Mods {
		switch {
		case m.Pointer:
			w.text(" *")
		case m.Len == nil:
			w.text("[]")
		default:
			w.text("[" + ExprString(m.Len) + "]")
		}
	}
}

func exprs(l []Expr) string {
	var s []string
	for _, e := range l {
		s = append(s, ExprString(e))
	}
	return strings.Join(s, ", ")
}

// Quote writes a string literal.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
