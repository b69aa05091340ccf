package syntax

// block reads { statements; value }.
func (p *parser) block() *Block {
	defer p.enter()()
	p.skip()
	b := &Block{Span: Span{Start: p.pos}}
	p.expect("{")
	for !p.accept("}") {
		if p.eof() {
			p.unexpected("expected '}'")
		}
		if p.accept(";") {
			continue
		}
		s := p.statement()
		if es, ok := s.(*ExprStmt); ok && p.looking("}") && !isStatementOnly(es.X) {
			b.Value = es.X
			continue
		}
		b.Stmts = append(b.Stmts, s)
		if p.accept(";") || p.looking("}") || selfEnding(s) {
			continue
		}
		p.unexpected("expected ; or }")
	}
	b.End = p.pos
	return b
}

// isStatementOnly: ++ and -- at a block's end change a variable; they are also
// its value, as any expression is.
func isStatementOnly(Expr) bool { return false }

// selfEnding statements end with a brace and take no semicolon.
func selfEnding(s Stmt) bool {
	switch s := s.(type) {
	case *For, *While, *Unroll:
		return true
	case *ExprStmt:
		switch s.X.(type) {
		case *If, *Block:
			return true
		}
	}
	return false
}

func (p *parser) statement() Stmt {
	p.skip()
	start := p.pos
	switch {
	case p.looking("let"):
		return p.let()
	case p.looking("for"):
		return p.forLoop()
	case p.accept("while"):
		cond := p.loopHead()
		body := p.block()
		return &While{Span{start, p.pos}, cond, body}
	case p.accept("unroll"):
		n := p.loopHead()
		body := p.block()
		return &Unroll{Span{start, p.pos}, n, body}
	case p.looking("break"), p.looking("continue"), p.looking("return"):
		return p.jump()
	case p.looking("import"):
		i := p.importDecl()
		p.pos-- // the caller sees the semicolon
		return &ImportStmt{i.Span, i.Path}
	case p.looking("_") && p.wordFollowedBy("_", '='):
		p.expect("_")
		p.expect("=")
		x := p.expression()
		return &Discard{Span{start, p.pos}, x}
	}
	x := p.exprOrBlock()
	if op := p.assignOp(); op != "" {
		switch x.(type) {
		case *Var, *Map, *Index, *Field, *Unary:
		default:
			p.failAt(x.Pos(), "this cannot be assigned to", "variables ($x) and maps (@x, @x[key]) can")
		}
		r := p.expression()
		return &Assign{Span{start, p.pos}, x, op, r}
	}
	return &ExprStmt{Span{start, x.Pos().End}, x}
}

// exprOrBlock: a conditional or block that begins a statement is whole at its
// brace, so that a following "*" or "(" belongs to the next statement.
func (p *parser) exprOrBlock() Expr {
	if p.looking("if") || p.peek() == '{' {
		x := p.primary()
		if c := p.peek(); c == '.' {
			return p.postfix(x)
		}
		return x
	}
	return p.expression()
}

func (p *parser) loopHead() Expr {
	if p.peek() == '(' {
		p.pos++
		e := p.expression()
		p.expect(")")
		return e
	}
	return p.unary()
}

func (p *parser) jump() Stmt {
	p.skip()
	start := p.pos
	j := &Jump{Word: p.word()}
	if j.Word == "return" {
		if c := p.peek(); c != ';' && c != '}' {
			j.X = p.expression()
		}
	}
	j.Span = Span{start, p.pos}
	return j
}

func (p *parser) let() Stmt {
	start := p.pos
	p.expect("let")
	if p.peek() != '$' {
		p.unexpected("expected a variable after let")
	}
	at := p.pos
	l := &Let{Var: &Var{Name: p.sigil()}}
	l.Var.Span = Span{at, p.pos}
	if p.accept(":") {
		l.Type = p.wantType()
	}
	if p.looking("=") && !p.looking("==") {
		p.expect("=")
		l.Init = p.expression()
	}
	l.Span = Span{start, p.pos}
	return l
}

func (p *parser) forLoop() Stmt {
	start := p.pos
	p.expect("for")
	paren := p.accept("(")
	if p.peek() != '$' {
		p.unexpected("expected variable in for loop")
	}
	at := p.pos
	f := &For{Var: &Var{Name: p.sigil()}}
	f.Var.Span = Span{at, p.pos}
	p.expect(":")
	first := p.unaryNoRange()
	if p.accept("..") {
		f.From, f.To = first, p.unaryNoRange()
	} else if m, ok := first.(*Map); ok {
		f.Over = m
	} else {
		p.failAt(first.Pos(), "expected map or range in for loop", "for ($kv : @map) { … } or for ($i : 0..10) { … }")
	}
	if paren {
		p.expect(")")
	}
	f.Body = p.block()
	f.Span = Span{start, p.pos}
	return f
}

// unaryNoRange reads an operand that ".." may follow.
func (p *parser) unaryNoRange() Expr { return p.unary() }

var assignOps = []string{"<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="}

// assignOp passes an assignment operator.
func (p *parser) assignOp() string {
	p.skip()
	for _, op := range assignOps {
		if p.looking(op) {
			if op == "=" && p.at(1) == '=' {
				return ""
			}
			p.pos += len(op)
			return op
		}
	}
	return ""
}
