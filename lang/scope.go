package lang

import (
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// variable is a scratch variable of one program.
type variable struct {
	name string
	t    *types.Type
	// declared types do not grow.
	declared bool
	// depth counts the callback loops around its declaration; captured
	// variables are used in a deeper one and live in memory.
	depth    int
	captured bool
	taken    bool // its address is taken
	home     home
}

// scopes finds the variable each occurrence means.
type scopes struct {
	c     *compiler
	u     *unit
	stack []map[string]*variable
	depth int
}

func (c *compiler) resolveScopes(u *unit) {
	s := &scopes{c: c, u: u}
	s.push()
	for _, p := range u.params {
		v := &variable{name: p.Name}
		s.stack[0][p.Name] = v
		u.paramVars = append(u.paramVars, v)
	}
	s.expr(u.pred)
	s.block(u.body)
}

func (s *scopes) push() { s.stack = append(s.stack, map[string]*variable{}) }
func (s *scopes) pop()  { s.stack = s.stack[:len(s.stack)-1] }

func (s *scopes) find(name string) *variable {
	for i := len(s.stack) - 1; i >= 0; i-- {
		if v := s.stack[i][name]; v != nil {
			return v
		}
	}
	return nil
}

func (s *scopes) declare(v *syntax.Var) *variable {
	n := &variable{name: v.Name, depth: s.depth}
	s.stack[len(s.stack)-1][v.Name] = n
	s.u.vars[v] = n
	return n
}

func (s *scopes) use(v *syntax.Var) {
	found := s.find(v.Name)
	if found == nil {
		s.c.errorf(v, "", "Undefined or undeclared variable: %s", v.Name)
		found = s.declare(v)
	}
	if found.depth < s.depth {
		found.captured = true
	}
	s.u.vars[v] = found
}

func (s *scopes) block(b *syntax.Block) {
	if b == nil {
		return
	}
	s.push()
	defer s.pop()
	for _, st := range b.Stmts {
		s.stmt(st)
	}
	s.expr(b.Value)
}

func (s *scopes) stmt(st syntax.Stmt) {
	switch st := st.(type) {
	case *syntax.ExprStmt:
		s.expr(st.X)
	case *syntax.Discard:
		s.expr(st.X)
	case *syntax.Assign:
		s.expr(st.R)
		if v, ok := st.L.(*syntax.Var); ok && st.Op == "=" {
			if s.find(v.Name) == nil {
				s.declare(v)
				return
			}
			s.use(v)
			return
		}
		s.expr(st.L)
	case *syntax.Let:
		s.expr(st.Init)
		if st.Type != nil {
			s.expr(st.Type)
		}
		if old := s.stack[len(s.stack)-1][st.Var.Name]; old != nil {
			s.c.errorf(st.Var, "", "Variable %s was previously declared. Variable shadowing is not allowed.", st.Var.Name)
		}
		s.declare(st.Var)
	case *syntax.For:
		s.expr(st.From)
		s.expr(st.To)
		s.push()
		if s.find(st.Var.Name) != nil {
			s.c.errorf(st.Var, "", "Loop declaration shadows existing variable: %s", st.Var.Name)
		}
		if s.c.usesCallback(st) {
			s.depth++
		}
		s.declare(st.Var)
		s.block(st.Body)
		if s.c.usesCallback(st) {
			s.depth--
		}
		s.pop()
	case *syntax.While:
		s.expr(st.Cond)
		s.block(st.Body)
	case *syntax.Jump:
		s.expr(st.X)
	}
}

func (s *scopes) exprs(l []syntax.Expr) {
	for _, e := range l {
		s.expr(e)
	}
}

func (s *scopes) expr(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Var:
		s.use(e)
	case *syntax.Block:
		s.block(e)
	case *syntax.If:
		s.expr(e.Cond)
		s.block(e.Then)
		s.expr(e.Else)
	case *syntax.Index:
		s.expr(e.X)
		s.exprs(e.Keys)
	case *syntax.Field:
		s.expr(e.X)
	case *syntax.Call:
		s.exprs(e.Args)
	case *syntax.SizeOf:
		s.expr(e.X)
	case *syntax.OffsetOf:
		s.expr(e.X)
	case *syntax.TypeInfo:
		s.expr(e.X)
	case *syntax.Unary:
		s.expr(e.X)
		if v, ok := e.X.(*syntax.Var); ok && e.Op == "&" {
			if found := s.u.vars[v]; found != nil {
				found.taken = true
			}
		}
	case *syntax.Binary:
		s.expr(e.X)
		s.expr(e.Y)
	case *syntax.Cond:
		s.expr(e.C)
		s.expr(e.X)
		s.expr(e.Y)
	case *syntax.Cast:
		s.expr(e.Type)
		s.expr(e.X)
	case *syntax.Tuple:
		s.exprs(e.Elems)
	case *syntax.Record:
		s.exprs(e.Elems)
	case *syntax.TypeExpr:
		if e != nil {
			s.expr(e.Of)
		}
	}
}
