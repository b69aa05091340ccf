package syntax

import (
	"errors"
	"strings"
)

// MaxDepth is how deep expressions and blocks may nest.
const MaxDepth = 500

// MaxSize is how long a script may be, in bytes.
const MaxSize = 8 << 20

type parser struct {
	file  *File
	text  string
	pos   int
	depth int
	// parens and failed remember what was found at a position, so that going
	// back does not read the inside of n parentheses 2^n times.
	parens map[int]parsed
	failed map[int]bool
}

// bailout carries the first error out of the recursion.
type bailout struct{ err *Error }

// Parse reads a whole script. The error is an [*Error].
func Parse(f *File) (prog *Program, err error) {
	p := &parser{file: f, text: f.Text, parens: map[int]parsed{}, failed: map[int]bool{}}
	defer p.recover(&err)
	if len(f.Text) > MaxSize {
		p.failAt(Span{}, "the script is larger than 8 MiB", "")
	}
	return p.program(), nil
}

// ParseExpr reads a single expression, such as the body of a C macro.
func ParseExpr(f *File) (e Expr, err error) {
	p := &parser{file: f, text: f.Text, parens: map[int]parsed{}, failed: map[int]bool{}}
	defer p.recover(&err)
	e = p.expression()
	if p.peek() != 0 || !p.eof() {
		p.unexpected("unexpected text after the expression")
	}
	return e, nil
}

func (p *parser) recover(err *error) {
	switch r := recover().(type) {
	case nil:
	case bailout:
		*err = r.err
	default:
		panic(r)
	}
}

func (p *parser) failAt(s Span, msg, hint string) {
	panic(bailout{&Error{File: p.file, Span: s, Msg: "syntax error, " + msg, Hint: hint}})
}

// unexpected complains about what is next.
func (p *parser) unexpected(msg string) {
	p.skip()
	end := p.pos
	for end < len(p.text) && isIdent(p.text[end]) {
		end++
	}
	if end == p.pos && end < len(p.text) {
		end++
	}
	found := "unexpected end of file"
	if p.pos < len(p.text) {
		found = "unexpected '" + p.text[p.pos:end] + "'"
	}
	p.failAt(Span{p.pos, end}, found+", "+msg, "")
}

// enter bounds recursion; use as defer p.enter()().
func (p *parser) enter() func() {
	p.depth++
	if p.depth > MaxDepth {
		p.failAt(Span{p.pos, p.pos + 1}, "nested too deeply", "expressions and blocks may nest 500 deep")
	}
	return func() { p.depth-- }
}

// try runs f and goes back to where it began if f fails or says no.
func (p *parser) try(f func() bool) (ok bool) {
	pos, depth := p.pos, p.depth
	defer func() {
		r := recover()
		if _, bail := r.(bailout); r != nil && !bail {
			panic(r)
		} else if bail && errorIsDepth(r) {
			panic(r)
		}
		if r != nil {
			ok = false
		}
		if !ok {
			p.pos, p.depth = pos, depth
		}
	}()
	return f()
}

// tryOnce is try that does not try again what failed at the same position.
func (p *parser) tryOnce(pos int, f func() bool) bool {
	if p.failed[pos] {
		return false
	}
	ok := p.try(f)
	if !ok {
		p.failed[pos] = true
	}
	return ok
}

// errorIsDepth: going back would try the same depth again and again.
func errorIsDepth(r any) bool {
	b, ok := r.(bailout)
	return ok && strings.HasSuffix(b.err.Msg, "nested too deeply")
}

func (p *parser) program() *Program {
	prog := &Program{File: p.file}
	if strings.HasPrefix(p.text, "#!") {
		end := strings.IndexByte(p.text, '\n')
		if end < 0 {
			end = len(p.text)
		}
		prog.Shebang = p.text[:end]
		p.pos = end
	}
	stage := 0
	order := func(n int, what string) {
		if n < stage {
			p.failAt(Span{p.pos, p.pos + 1}, what, "order: C definitions, then config and imports, then probes, macros, functions and map declarations")
		}
		stage = n
	}
	for p.peek(); !p.eof(); p.peek() {
		switch {
		case p.at(0) == '#':
			order(0, "preprocessor lines must come first")
			prog.C = append(prog.C, p.cLine())
		case p.looksLikeC():
			order(0, "C definitions must come first")
			prog.C = append(prog.C, p.cDefinition())
		case p.looking("config") && p.configFollows():
			order(1, "the config block must stand before probes, macros and map declarations")
			if prog.Config != nil {
				p.failAt(Span{p.pos, p.pos + 6}, "second config block", "a script has one config block")
			}
			prog.Config = p.config()
		case p.looking("import") && !p.wordFollowedBy("import", ':'):
			order(1, "imports must stand before probes, macros and map declarations")
			prog.Imports = append(prog.Imports, p.importDecl())
		case p.looking("macro"):
			stage = 2
			prog.Macros = append(prog.Macros, p.macro())
		case p.looking("fn"):
			stage = 2
			prog.Funcs = append(prog.Funcs, p.function())
		case p.looking("let"):
			stage = 2
			prog.Maps = append(prog.Maps, p.mapDecl())
		default:
			stage = 2
			prog.Probes = append(prog.Probes, p.probe())
		}
	}
	return prog
}

func (p *parser) wordFollowedBy(w string, c byte) bool {
	i := p.skipFrom(p.pos + len(w))
	return i < len(p.text) && p.text[i] == c
}

func (p *parser) configFollows() bool { return p.wordFollowedBy("config", '=') }

// looksLikeC: struct, union or enum at the top level.
func (p *parser) looksLikeC() bool {
	return p.looking("struct") || p.looking("union") || p.looking("enum") || p.looking("typedef")
}

// cLine reads a preprocessor line; a backslash continues it.
func (p *parser) cLine() *CText {
	start := p.pos
	for !p.eof() && p.at(0) != '\n' {
		if p.at(0) == '\\' && p.at(1) == '\n' {
			p.pos++
		}
		p.pos = min(p.pos+1, len(p.text))
	}
	return &CText{Span{start, p.pos}, strings.TrimSpace(p.text[start:p.pos])}
}

// cDefinition reads up to the brace that closes it, with its attributes.
func (p *parser) cDefinition() *CText {
	start := p.pos
	depth := 0
	typedef := p.looking("typedef")
	for !p.eof() {
		p.skip()
		if p.eof() {
			break
		}
		c := p.at(0)
		if c == ';' && depth == 0 {
			break
		}
		p.pos++
		if c == '{' {
			depth++
		}
		if c == '}' {
			if depth--; depth == 0 && !typedef {
				break
			}
		}
	}
	if p.eof() && depth != 0 {
		p.failAt(Span{start, start + 6}, "unterminated definition", "close it with }")
	}
	for p.accept("__attribute__") {
		open := 0
		for !p.eof() {
			c := p.peek()
			if p.eof() {
				break
			}
			p.pos++
			if c == '(' {
				open++
			} else if c == ')' {
				if open--; open == 0 {
					break
				}
			}
		}
	}
	end := min(p.pos, len(p.text))
	p.accept(";")
	return &CText{Span{start, end}, p.text[start:end] + ";"}
}

func (p *parser) config() *Config {
	start := p.pos
	p.expect("config")
	p.expect("=")
	p.expect("{")
	c := &Config{}
	for !p.accept("}") {
		p.skip()
		at := p.pos
		s := Setting{Name: p.wantWord("a setting's name")}
		p.expect("=")
		if p.peek() == '"' {
			s.Value, s.Quoted = p.stringLit(), true
		} else {
			from := p.pos
			for isIdent(p.at(0)) {
				p.pos++
			}
			if s.Value = p.text[from:p.pos]; s.Value == "" {
				p.unexpected("expected string, int, boolean, or ident")
			}
		}
		s.Span = Span{at, p.pos}
		c.Settings = append(c.Settings, s)
		if !p.looking("}") {
			p.expect(";")
		}
	}
	c.Span = Span{start, p.pos}
	return c
}

func (p *parser) importDecl() *Import {
	start := p.pos
	p.expect("import")
	if p.peek() != '"' {
		p.unexpected("expected a path in quotes")
	}
	i := &Import{Path: p.stringLit()}
	i.Span = Span{start, p.pos}
	p.expect(";")
	return i
}

func (p *parser) macro() *Macro {
	start := p.pos
	p.expect("macro")
	m := &Macro{Name: p.wantWord("macro name")}
	m.Span = Span{start, p.pos}
	if p.accept("(") {
		for !p.accept(")") {
			m.Params = append(m.Params, p.macroParam())
			if !p.looking(")") {
				p.expect(",")
			}
		}
	}
	m.Body = p.block()
	return m
}

func (p *parser) macroParam() Expr {
	c := p.peek()
	start := p.pos
	switch {
	case c == '$':
		return &Var{Name: p.sigil(), Span: Span{start, p.pos}}
	case c == '@':
		return &Map{Name: p.sigil(), Span: Span{start, p.pos}}
	}
	w := p.wantWord("macro argument ($var, @map, or identifier)")
	if isBuiltin(w) {
		p.failAt(Span{start, p.pos}, "builtin '"+w+"' can't be used as a macro argument", "")
	}
	return &Ident{Name: w, Span: Span{start, p.pos}}
}

func (p *parser) function() *Func {
	start := p.pos
	p.expect("fn")
	f := &Func{Name: p.wantWord("function name")}
	f.Span = Span{start, p.pos}
	p.expect("(")
	for !p.accept(")") {
		if p.peek() != '$' {
			p.unexpected("expected variable in function argument")
		}
		at := p.pos
		prm := Param{Name: p.sigil()}
		p.expect(":")
		prm.Type = p.wantType()
		prm.Span = Span{at, p.pos}
		f.Params = append(f.Params, prm)
		if !p.looking(")") {
			p.expect(",")
		}
	}
	p.expect(":")
	f.Result = p.wantType()
	f.Body = p.block()
	return f
}

func (p *parser) mapDecl() *MapDecl {
	start := p.pos
	p.expect("let")
	if p.peek() != '@' {
		p.unexpected("expected '@' in map declaration")
	}
	d := &MapDecl{Name: p.sigil()}
	p.expect("=")
	d.Kind = p.wantWord("map type name")
	p.expect("(")
	if !isDigit(p.peek()) {
		p.unexpected("expected positive integer for map declaration max entries")
	}
	d.Entries = p.number().Value
	p.expect(")")
	p.accept(";")
	d.Span = Span{start, p.pos}
	return d
}

func (p *parser) probe() *Probe {
	pr := &Probe{}
	for {
		pr.Attach = append(pr.Attach, p.attachPoint())
		if !p.accept(",") {
			break
		}
		if c := p.peek(); c == '/' || c == '{' {
			break
		}
	}
	pr.Span = Span{pr.Attach[0].Start, pr.Attach[len(pr.Attach)-1].End}
	if p.peek() == '/' {
		p.pos++
		pr.Predicate = p.predicate()
		p.expect("/")
	}
	if p.peek() != '{' {
		p.unexpected("expected '{' after the probe")
	}
	pr.Body = p.block()
	return pr
}

// predicate reads up to the closing slash. A division inside would end it, so
// a slash that opens the body is not an operator.
func (p *parser) predicate() Expr { return p.expression() }

// attachPoint reads raw characters: paths hold slashes and quotes.
func (p *parser) attachPoint() *AttachPoint {
	p.skip()
	start := p.pos
	colon := false
	for !p.eof() {
		c := p.at(0)
		if c == '{' || c == ',' || isSpace(c) {
			break
		}
		if c == '/' && !colon && p.pos > start {
			break
		}
		if c == '/' && p.at(1) == '*' {
			break
		}
		if c == '"' {
			p.quoted()
			continue
		}
		colon = colon || c == ':'
		p.pos++
	}
	if p.pos == start {
		p.unexpected("expected attach point")
	}
	return &AttachPoint{Span{start, p.pos}, p.text[start:p.pos]}
}

func (p *parser) quoted() {
	start := p.pos
	for p.pos++; p.at(0) != '"'; p.pos++ {
		if p.at(0) == '\\' {
			p.pos++
		}
		if p.eof() {
			p.pos = len(p.text)
			p.failAt(Span{start, p.pos}, "unterminated string", "")
		}
	}
	p.pos++
}

// AsError returns err's [*Error], or nil.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
