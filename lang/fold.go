package lang

import (
	"strconv"

	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// fold computes what is constant.
func (x *expander) fold(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.Unary:
		return foldUnary(e)
	case *syntax.Binary:
		return x.foldBinary(e)
	case *syntax.Index:
		t, ok := e.X.(*syntax.Tuple)
		if n, isInt := e.Keys[0].(*syntax.Int); ok && isInt && len(e.Keys) == 1 && n.Value < uint64(len(t.Elems)) {
			return &syntax.Field{Span: e.Span, X: t, Name: strconv.FormatUint(n.Value, 10)}
		}
	}
	return e
}

func foldUnary(e *syntax.Unary) syntax.Expr {
	switch v := e.X.(type) {
	case *syntax.Int:
		switch e.Op {
		case "-":
			if negLiteral(v) {
				return &syntax.Int{Span: e.Span, Value: -v.Value, Text: strconv.FormatUint(-v.Value, 10)}
			}
			if v.Value <= 1<<63 {
				return negative(e.Span, v.Value)
			}
		case "!":
			return &syntax.Bool{Span: e.Span, Value: v.Value == 0}
		}
	case *syntax.Bool:
		if e.Op == "!" {
			return &syntax.Bool{Span: e.Span, Value: !v.Value}
		}
	}
	return e
}

// negLiteral: literals below zero are marked by their text.
func negLiteral(v *syntax.Int) bool { return len(v.Text) > 0 && v.Text[0] == '-' }

// litType is the type of a number as written.
func litType(v *syntax.Int) *types.Type {
	if negLiteral(v) {
		return types.NegLiteral(int64(v.Value))
	}
	return types.Literal(v.Value)
}

func (x *expander) foldBinary(e *syntax.Binary) syntax.Expr {
	a, ok1 := e.X.(*syntax.Int)
	b, ok2 := e.Y.(*syntax.Int)
	if !ok1 || !ok2 {
		s, ok1 := e.X.(*syntax.Str)
		t, ok2 := e.Y.(*syntax.Str)
		if ok1 && ok2 {
			switch e.Op {
			case "==":
				return &syntax.Bool{Span: e.Span, Value: s.Value == t.Value}
			case "!=":
				return &syntax.Bool{Span: e.Span, Value: s.Value != t.Value}
			}
		}
		return e
	}
	signed := negLiteral(a) || negLiteral(b)
	boolean := func(v bool) syntax.Expr { return &syntax.Bool{Span: e.Span, Value: v} }
	cmp := func() int {
		switch {
		case negLiteral(a) != negLiteral(b):
			if negLiteral(a) {
				return -1
			}
			return 1
		case signed && int64(a.Value) != int64(b.Value):
			if int64(a.Value) < int64(b.Value) {
				return -1
			}
			return 1
		case a.Value < b.Value:
			return -1
		case a.Value > b.Value:
			return 1
		}
		return 0
	}
	switch e.Op {
	case "==":
		return boolean(cmp() == 0)
	case "!=":
		return boolean(cmp() != 0)
	case "<":
		return boolean(cmp() < 0)
	case "<=":
		return boolean(cmp() <= 0)
	case ">":
		return boolean(cmp() > 0)
	case ">=":
		return boolean(cmp() >= 0)
	case "&&":
		return boolean(a.Value != 0 && b.Value != 0)
	case "||":
		return boolean(a.Value != 0 || b.Value != 0)
	}
	return x.foldInts(e, a, b, signed)
}

func (x *expander) foldInts(e *syntax.Binary, a, b *syntax.Int, signed bool) syntax.Expr {
	u, v := a.Value, b.Value
	var r uint64
	switch e.Op {
	case "+":
		r = u + v
		if !signed && r < u {
			x.c.errorf(e, "", "unable to fold: literals %d and %d overflow in +", u, v)
		}
	case "-":
		r = u - v
		signed = signed || v > u
	case "*":
		r = u * v
	case "/", "%":
		switch {
		case v == 0:
			x.c.errorf(e, "", "unable to fold: division by zero")
			return e
		case signed && e.Op == "/":
			r = uint64(int64(u) / int64(v))
		case signed:
			r = uint64(int64(u) % int64(v))
		case e.Op == "/":
			r = u / v
		default:
			r = u % v
		}
	case "&":
		r = u & v
	case "|":
		r = u | v
	case "^":
		r = u ^ v
	case "<<":
		r = u << (v & 63)
	case ">>":
		if signed {
			r = uint64(int64(u) >> (v & 63))
		} else {
			r = u >> (v & 63)
		}
	default:
		return e
	}
	if signed && int64(r) < 0 {
		return negative(e.Span, -r)
	}
	return &syntax.Int{Span: e.Span, Value: r, Text: strconv.FormatUint(r, 10)}
}

// constInt is e's value if it is a constant.
func constInt(e syntax.Expr) (int64, bool) {
	switch e := e.(type) {
	case *syntax.Int:
		return int64(e.Value), true
	case *syntax.Bool:
		if e.Value {
			return 1, true
		}
		return 0, true
	case *syntax.Cast:
		return constInt(e.X)
	}
	return 0, false
}

// constStr is e's text if it is a string literal.
func constStr(e syntax.Expr) (string, bool) {
	if c, ok := e.(*syntax.Call); ok && c.Name == "str" && len(c.Args) == 1 {
		e = c.Args[0]
	}
	s, ok := e.(*syntax.Str)
	if !ok {
		return "", false
	}
	return s.Value, true
}
