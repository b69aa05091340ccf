package lang

import (
	"sort"

	"github.com/skepdev/skep/lang/syntax"
)

// walk calls f for e and every expression in it.
func walk(e syntax.Expr, f func(syntax.Expr)) {
	if e == nil {
		return
	}
	switch t := e.(type) {
	case *syntax.TypeExpr:
		if t == nil {
			return
		}
	case *syntax.Block:
		if t == nil {
			return
		}
	}
	f(e)
	list := func(l ...syntax.Expr) {
		for _, x := range l {
			walk(x, f)
		}
	}
	switch e := e.(type) {
	case *syntax.Index:
		list(e.X)
		list(e.Keys...)
	case *syntax.Field:
		list(e.X)
	case *syntax.Call:
		list(e.Args...)
	case *syntax.SizeOf:
		list(e.X)
	case *syntax.OffsetOf:
		list(e.X)
	case *syntax.TypeInfo:
		list(e.X)
	case *syntax.Unary:
		list(e.X)
	case *syntax.Binary:
		list(e.X, e.Y)
	case *syntax.Cond:
		list(e.C, e.X, e.Y)
	case *syntax.If:
		list(e.Cond, e.Then, e.Else)
	case *syntax.Cast:
		list(e.Type, e.X)
	case *syntax.Tuple:
		list(e.Elems...)
	case *syntax.Record:
		list(e.Elems...)
	case *syntax.Comptime:
		list(e.X)
	case *syntax.TypeExpr:
		list(e.Of)
	case *syntax.Block:
		for _, s := range e.Stmts {
			walkStmt(s, f)
		}
		list(e.Value)
	}
}

func walkStmt(s syntax.Stmt, f func(syntax.Expr)) {
	switch s := s.(type) {
	case *syntax.ExprStmt:
		walk(s.X, f)
	case *syntax.Assign:
		walk(s.L, f)
		walk(s.R, f)
	case *syntax.Let:
		walk(s.Var, f)
		if s.Type != nil {
			walk(s.Type, f)
		}
		walk(s.Init, f)
	case *syntax.Discard:
		walk(s.X, f)
	case *syntax.For:
		walk(s.Var, f)
		if s.Over != nil {
			walk(s.Over, f)
		}
		walk(s.From, f)
		walk(s.To, f)
		walk(s.Body, f)
	case *syntax.While:
		walk(s.Cond, f)
		walk(s.Body, f)
	case *syntax.Unroll:
		walk(s.N, f)
		walk(s.Body, f)
	case *syntax.Jump:
		walk(s.X, f)
	}
}

// relocate gives every expression in e the place at, for text that is not in
// the script.
func relocate(e syntax.Expr, at syntax.Span) {
	walk(e, func(n syntax.Expr) {
		switch n := n.(type) {
		case *syntax.Int:
			n.Span = at
		case *syntax.Str:
			n.Span = at
		case *syntax.Bool:
			n.Span = at
		case *syntax.Ident:
			n.Span = at
		case *syntax.Field:
			n.Span = at
		case *syntax.Call:
			n.Span = at
		case *syntax.Unary:
			n.Span = at
		case *syntax.Binary:
			n.Span = at
		case *syntax.Cond:
			n.Span = at
		case *syntax.Cast:
			n.Span = at
		case *syntax.Index:
			n.Span = at
		case *syntax.TypeExpr:
			n.Span = at
		}
	})
}

func sortStrings(s []string) { sort.Strings(s) }
