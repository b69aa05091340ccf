package syntax

import "strconv"

func (p *parser) expression() Expr {
	defer p.enter()()
	p.skip()
	c := p.binary(1)
	if !p.looking("?") {
		return c
	}
	p.pos++
	e := &Cond{C: c}
	if !p.looking(":") {
		e.X = p.expression()
	}
	p.expect(":")
	e.Y = p.expression()
	e.Span = Span{c.Pos().Start, p.pos}
	return e
}

// operators by precedence, longest first among those that share a beginning.
var operators = []struct {
	op   string
	prec int
}{
	{"||", 1},
	{"&&", 2},
	{"==", 6},
	{"!=", 6},
	{"<=", 7},
	{">=", 7},
	{"<<", 8},
	{">>", 8},
	{"|", 3},
	{"^", 4},
	{"&", 5},
	{"<", 7},
	{">", 7},
	{"+", 9},
	{"-", 9},
	{"*", 10},
	{"/", 10},
	{"%", 10},
}

// operator is the binary operator that is next, "" if none.
func (p *parser) operator() (string, int) {
	p.skip()
	for _, o := range operators {
		if !p.looking(o.op) {
			continue
		}
		next := p.at(len(o.op))
		switch o.op {
		case "==", "!=", "<=", ">=", "||", "&&":
			return o.op, o.prec
		case "+", "-":
			if next == o.op[0] {
				return "", 0 // postfix ++ was read before
			}
		}
		if next == '=' {
			return "", 0 // an assignment
		}
		if o.op == "/" && p.endsPredicate() {
			return "", 0
		}
		return o.op, o.prec
	}
	return "", 0
}

// endsPredicate: a slash in front of the body's brace is no division.
func (p *parser) endsPredicate() bool {
	i := p.skipFrom(p.pos + 1)
	return i >= len(p.text) || p.text[i] == '{'
}

func (p *parser) binary(least int) Expr {
	x := p.unary()
	for {
		op, prec := p.operator()
		if op == "" || prec < least {
			return x
		}
		p.pos += len(op)
		y := p.binaryRight(prec + 1)
		x = &Binary{Span{x.Pos().Start, y.Pos().End}, op, x, y}
	}
}

func (p *parser) binaryRight(prec int) Expr {
	defer p.enter()()
	return p.binary(prec)
}

var prefixes = []string{"++", "--", "&", "*", "-", "!", "~", "+"}

func (p *parser) unary() Expr {
	defer p.enter()()
	p.skip()
	start := p.pos
	for _, op := range prefixes {
		if !p.looking(op) {
			continue
		}
		p.pos += len(op)
		x := p.unary()
		if op == "+" {
			return x
		}
		return &Unary{Span{start, x.Pos().End}, op, x, false}
	}
	return p.postfix(p.primary())
}

func (p *parser) postfix(x Expr) Expr {
	start := x.Pos().Start
	for {
		switch {
		case p.looking("->"):
			p.pos += 2
			x = &Field{X: x, Name: p.fieldName(), Arrow: true}
			x.(*Field).Span = Span{start, p.pos}
		case p.looking(".") && p.at(1) != '.':
			p.pos++
			x = &Field{X: x, Name: p.fieldName()}
			x.(*Field).Span = Span{start, p.pos}
		case p.looking("["):
			p.pos++
			ix := &Index{X: x, Keys: p.list("]")}
			ix.Span = Span{start, p.pos}
			if len(ix.Keys) == 0 {
				p.failAt(ix.Span, "expected an index", "")
			}
			x = ix
		case p.looking("++"), p.looking("--"):
			op := p.text[p.pos : p.pos+2]
			p.pos += 2
			x = &Unary{Span{start, p.pos}, op, x, true}
		default:
			return x
		}
	}
}

// fieldName is a word, or a number for tuples; "x.1.2" is two of them.
func (p *parser) fieldName() string {
	p.skip()
	start := p.pos
	if isDigit(p.at(0)) {
		for isDigit(p.at(0)) {
			p.pos++
		}
		return p.text[start:p.pos]
	}
	return p.wantWord("field name")
}

// list reads expressions up to the closing sign.
func (p *parser) list(end string) []Expr {
	var out []Expr
	for !p.accept(end) {
		out = append(out, p.expression())
		if !p.looking(end) {
			p.expect(",")
		}
	}
	return out
}

func (p *parser) primary() Expr {
	c := p.peek()
	start := p.pos
	here := func() Span { return Span{start, p.pos} }
	switch {
	case c == '(':
		return p.paren()
	case c == '{':
		return p.block()
	case c == '"':
		s := p.stringLit()
		return &Str{here(), s}
	case isDigit(c):
		return p.number()
	case c == '@':
		name := p.sigil()
		return &Map{here(), name}
	case c == '$':
		return p.dollar()
	case isIdentStart(c):
		return p.name()
	}
	p.unexpected("expected expression")
	return nil
}

func (p *parser) dollar() Expr {
	start := p.pos
	if p.at(1) == '#' {
		p.pos += 2
		return &ParamCount{Span{start, p.pos}}
	}
	name := p.sigil()
	at := Span{start, p.pos}
	if len(name) > 1 && isDigit(name[1]) {
		n, err := strconv.Atoi(name[1:])
		if err != nil || n < 1 {
			p.failAt(at, "param "+name+" is out of integer range [1, 9223372036854775807]", "")
		}
		return &PosParam{at, n}
	}
	if name == "$" {
		p.failAt(Span{start, start + 1}, "expected a variable's name after $", "")
	}
	return &Var{at, name}
}

// name reads what begins with a letter: keywords, calls, bare words.
func (p *parser) name() Expr {
	start := p.pos
	w := p.word()
	here := func() Span { return Span{start, p.pos} }
	switch w {
	case "if":
		p.pos = start
		return p.ifExpr()
	case "true", "false":
		return &Bool{here(), w == "true"}
	case "comptime":
		x := p.unary()
		return &Comptime{here(), x}
	case "sizeof":
		if p.peek() == '(' {
			p.pos++
			x := p.typeOrExpr(")")
			p.expect(")")
			return &SizeOf{here(), x}
		}
	case "typeinfo":
		if p.peek() == '(' {
			p.pos++
			x := p.typeOrExpr(")")
			p.expect(")")
			return &TypeInfo{here(), x}
		}
	case "offsetof":
		if p.peek() == '(' {
			return p.offsetOf(start)
		}
	case "typeof":
		p.pos = start
		return p.wantType()
	}
	if p.peek() != '(' {
		return &Ident{Span{start, start + len(w)}, w}
	}
	p.pos++
	c := &Call{Name: w}
	c.Args = p.list(")")
	c.Span = here()
	return c
}

func (p *parser) offsetOf(start int) Expr {
	p.expect("(")
	o := &OffsetOf{X: p.typeOrExpr(",")}
	p.expect(",")
	o.Fields = append(o.Fields, p.fieldName())
	for p.accept(".") || p.accept("->") {
		o.Fields = append(o.Fields, p.fieldName())
	}
	p.expect(")")
	o.Span = Span{start, p.pos}
	return o
}

func (p *parser) ifExpr() Expr {
	defer p.enter()()
	start := p.pos
	p.expect("if")
	e := &If{}
	if p.peek() == '(' && !p.parenIsOperand() {
		p.pos++
		e.Cond = p.expression()
		p.expect(")")
	} else {
		e.Cond = p.unary()
	}
	e.Then = p.block()
	e.Span = Span{start, p.pos}
	if p.accept("else") {
		switch {
		case p.looking("if"):
			e.Else = p.ifExpr()
		case p.peek() == '{':
			e.Else = p.block()
		default:
			p.unexpected("expected '{' or 'if' after 'else'")
		}
		e.End = p.pos
	}
	return e
}

// parenIsOperand: "if (a) == b {" has its parentheses around an operand only.
func (p *parser) parenIsOperand() bool { return false }

// paren reads (): empty tuple, record, cast, tuple or group.
func (p *parser) paren() Expr {
	start := p.pos
	if known, ok := p.parens[start]; ok {
		p.pos = known.Pos().End
		return known.Expr
	}
	x := p.parenOnce(start)
	p.parens[start] = parsed{x, Span{start, p.pos}}
	return x
}

// parsed is what a parenthesis was found to hold.
type parsed struct {
	Expr
	span Span
}

// Pos is that of the parenthesis, which of a group is more than its content's.
func (p parsed) Pos() Span { return p.span }

func (p *parser) parenOnce(start int) Expr {
	p.pos++
	if p.accept(")") {
		return &Tuple{Span: Span{start, p.pos}}
	}
	var out Expr
	if p.recordFollows() {
		return p.record(start)
	}
	if p.tryOnce(start, func() bool { out = p.cast(start); return out != nil }) {
		c := out.(*Cast)
		c.X = p.unary()
		c.Span = Span{start, c.X.Pos().End}
		return c
	}
	x := p.expression()
	if p.accept(")") {
		return x
	}
	p.expect(",")
	t := &Tuple{Elems: append([]Expr{x}, p.list(")")...)}
	t.Span = Span{start, p.pos}
	return t
}

// recordFollows: a word and a single "=".
func (p *parser) recordFollows() bool {
	i := p.skipFrom(p.pos)
	from := i
	for i < len(p.text) && isIdent(p.text[i]) {
		i++
	}
	if i == from || isDigit(p.text[from]) {
		return false
	}
	i = p.skipFrom(i)
	return i+1 < len(p.text) && p.text[i] == '=' && p.text[i+1] != '='
}

func (p *parser) record(start int) Expr {
	r := &Record{}
	for !p.accept(")") {
		r.Names = append(r.Names, p.wantWord("field name"))
		p.expect("=")
		r.Elems = append(r.Elems, p.expression())
		if !p.looking(")") {
			p.expect(",")
		}
	}
	r.Span = Span{start, p.pos}
	return r
}

// cast reads "type)" if an operand follows; nil otherwise.
func (p *parser) cast(start int) Expr {
	if !isIdentStart(p.peek()) {
		return nil
	}
	at := p.pos
	if w := p.word(); isBuiltin(w) {
		return nil
	}
	p.pos = at
	t := p.typeExpr()
	if t == nil || !p.accept(")") || !p.operandFollows(t) {
		return nil
	}
	return &Cast{Span: Span{start, p.pos}, Type: t}
}

// operandFollows decides "(name) …" by what comes next. A sign could be binary
// after a bare word that may be a value; types that are plainly types take it.
func (p *parser) operandFollows(t *TypeExpr) bool {
	c := p.peek()
	switch {
	case isIdent(c), c == '"', c == '(', c == '@', c == '$', c == '{':
		return true
	case c == '!' || c == '~':
		return p.at(1) != '='
	case c == '*', c == '&', c == '-', c == '+':
		if p.at(1) == '=' || c == '&' && p.at(1) == '&' {
			return false
		}
		return true
	}
	return false
}
