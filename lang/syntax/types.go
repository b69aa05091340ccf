package syntax

// isBuiltin: names that are values, never types, after "(".

func isBuiltin(w string) bool {
	switch w {
	case "arg0", "arg1", "arg2", "arg3", "arg4", "arg5", "arg6", "arg7", "arg8", "arg9",
		"args", "cgroup", "comm", "cpid", "cpu", "ctx", "curtask", "elapsed", "func", "gid",
		"jiffies", "kstack", "nsecs", "numaid", "pid", "probe", "rand", "retval", "tid",
		"uid", "username", "ustack", "usermode", "ncpus", "ppid", "pcomm",
		"sarg0", "sarg1", "sarg2", "sarg3", "sarg4", "sarg5", "sarg6", "sarg7", "sarg8", "sarg9":
		return true
	}
	return false
}

// typeExpr reads a type; nil if none is next.
func (p *parser) typeExpr() *TypeExpr {
	p.skip()
	start := p.pos
	t := &TypeExpr{}
	if p.accept("typeof") {
		p.expect("(")
		t.Of = p.typeOrExpr(")")
		p.expect(")")
	} else {
		w := p.word()
		switch w {
		case "":
			return nil
		case "struct", "union", "enum":
			t.Tag = w
			if w = p.word(); w == "" {
				return nil
			}
		case "const", "volatile":
			return p.typeExpr()
		case "unsigned", "signed", "long", "short", "int", "char":
			w = p.cIntName(w)
		}
		t.Name = w
	}
	for {
		switch {
		case p.looking("*"):
			p.pos++
			t.Mods = append(t.Mods, TypeMod{Pointer: true})
		case p.looking("["):
			p.pos++
			m := TypeMod{}
			if !p.looking("]") {
				m.Len = p.expression()
			}
			p.expect("]")
			t.Mods = append(t.Mods, m)
		default:
			t.Span = Span{start, p.pos}
			return t
		}
	}
}

// cIntName joins the words of a C integer type ("unsigned long").
func (p *parser) cIntName(w string) string {
	for {
		at := p.pos
		switch next := p.word(); next {
		case "unsigned", "signed", "long", "short", "int", "char":
			w += " " + next
		default:
			p.pos = at
			return w
		}
	}
}

func (p *parser) wantType() *TypeExpr {
	t := p.typeExpr()
	if t == nil {
		p.unexpected("expected a type")
	}
	return t
}

// typeOrExpr reads what sizeof and typeof take: a type if the whole argument
// can be read as one, else an expression.
func (p *parser) typeOrExpr(end string) Expr {
	var t *TypeExpr
	if isIdentStart(p.peek()) {
		at := p.pos
		w := p.word()
		p.pos = at
		if !isBuiltin(w) && p.tryOnce(at, func() bool { t = p.typeExpr(); return t != nil && p.looking(end) }) {
			return t
		}
	}
	return p.expression()
}
