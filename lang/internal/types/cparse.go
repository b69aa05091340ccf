package types

import (
	"fmt"
	"strconv"
	"strings"
)

// CDefs is what preprocessor lines and C definitions of a script say.
type CDefs struct {
	// Tagged are "struct x", "union x" and "enum x"; typedefs have no tag.
	Tagged map[string]*Type
	// Constants are enumerators.
	Constants map[string]Constant
	// Macros are object-like #defines, as text.
	Macros map[string]string
	// Includes are the headers asked for.
	Includes []string
	// Outside finds what is not defined here: tag and name, or a typedef with
	// tag "".
	Outside func(tag, name string) *Type
	// Value evaluates an array length or enumerator beyond plain numbers.
	anon int
}

// Constant is an enumerator.
type Constant struct {
	Value int64
	Enum  *Type
}

// NewCDefs makes an empty set.
func NewCDefs(outside func(tag, name string) *Type) *CDefs {
	return &CDefs{
		Tagged: map[string]*Type{}, Constants: map[string]Constant{}, Macros: map[string]string{}, Outside: outside,
	}
}

// Lookup finds a type by tag and name.
func (d *CDefs) Lookup(tag, name string) *Type {
	key := name
	if tag != "" {
		key = tag + " " + name
	}
	if t := d.Tagged[key]; t != nil {
		return t
	}
	if tag == "" {
		if t := Basic(name); t != nil {
			return t
		}
	}
	if d.Outside != nil {
		return d.Outside(tag, name)
	}
	return nil
}

// CError is a mistake in C text; Off is its byte offset there.
type CError struct {
	Off int
	Msg string
}

func (e *CError) Error() string { return e.Msg }

// Define reads one definition: struct, union, enum or typedef.
func (d *CDefs) Define(text string) (err error) {
	p := &cparser{d: d, text: text}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *CError:
			err = r
		default:
			panic(r)
		}
	}()
	p.next()
	for p.tok != "" {
		p.declaration()
	}
	return nil
}

type cparser struct {
	d     *CDefs
	text  string
	pos   int
	start int // of tok
	tok   string
	depth int
}

func (p *cparser) fail(format string, a ...any) { panic(&CError{p.start, fmt.Sprintf(format, a...)}) }

func isWord(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c >= '0' && c <= '9'
}

// next reads a token: a word, or one sign.
func (p *cparser) next() {
	for p.pos < len(p.text) {
		rest := p.text[p.pos:]
		switch {
		case strings.ContainsRune(" \t\r\n", rune(rest[0])):
			p.pos++
			continue
		case strings.HasPrefix(rest, "//"):
			if i := strings.IndexByte(rest, '\n'); i >= 0 {
				p.pos += i
			} else {
				p.pos = len(p.text)
			}
			continue
		case strings.HasPrefix(rest, "/*"):
			if i := strings.Index(rest, "*/"); i >= 0 {
				p.pos += i + 2
			} else {
				p.pos = len(p.text)
			}
			continue
		}
		break
	}
	p.start = p.pos
	if p.pos >= len(p.text) {
		p.tok = ""
		return
	}
	end := p.pos + 1
	if isWord(p.text[p.pos]) {
		for end < len(p.text) && isWord(p.text[end]) {
			end++
		}
	}
	p.tok = p.text[p.pos:end]
	p.pos = end
}

func (p *cparser) accept(s string) bool {
	if p.tok == s {
		p.next()
		return true
	}
	return false
}

func (p *cparser) expect(s string) {
	if !p.accept(s) {
		p.fail("expected '%s', found '%s'", s, p.tok)
	}
}

func (p *cparser) word() string {
	if p.tok == "" || !isWord(p.tok[0]) {
		p.fail("expected a name, found '%s'", p.tok)
	}
	w := p.tok
	p.next()
	return w
}

func (p *cparser) declaration() {
	if p.accept(";") {
		return
	}
	typedef := p.accept("typedef")
	base := p.specifier()
	for p.tok != ";" && p.tok != "" {
		name, t := p.declarator(base)
		if typedef {
			p.d.Tagged[name] = t
		}
		if !p.accept(",") {
			break
		}
	}
	p.accept(";")
}

// specifier reads the type in front of declarators.
func (p *cparser) specifier() *Type {
	if p.depth++; p.depth > maxDepth {
		p.fail("definitions nested too deeply")
	}
	defer func() { p.depth-- }()
	p.qualifiers()
	switch p.tok {
	case "struct", "union":
		return p.composite()
	case "enum":
		return p.enum()
	}
	name := p.word()
	for p.tok != "" && isCWord(name) && isCWord(p.tok) {
		name += " " + p.word()
	}
	p.qualifiers()
	t := p.d.Lookup("", name)
	if t == nil {
		p.fail("unknown type name '%s'", name)
	}
	return t
}

func isCWord(s string) bool {
	for _, w := range strings.Fields(s) {
		switch w {
		case "unsigned", "signed", "int", "long", "short", "char":
		default:
			return false
		}
	}
	return true
}

func (p *cparser) qualifiers() {
	for {
		switch p.tok {
		case "const", "volatile", "static", "extern", "__user", "__rcu", "restrict", "__restrict", "register", "inline":
			p.next()
		default:
			return
		}
	}
}

// composite reads struct or union: a reference, or a definition.
func (p *cparser) composite() *Type {
	tag := p.word()
	packed := p.attributes()
	name := ""
	if p.tok != "{" {
		name = p.word()
	} else {
		p.d.anon++
		name = fmt.Sprintf("(anonymous %d)", p.d.anon)
	}
	full := tag + " " + name
	if p.tok != "{" {
		if t := p.d.Lookup(tag, name); t != nil {
			return t
		}
		// Forward: known by name until it is defined.
		t := &Type{Kind: Struct, Struct: &Composite{Name: full, Union: tag == "union"}}
		p.d.Tagged[full] = t
		return t
	}
	t := p.d.Tagged[full]
	if t == nil {
		t = &Type{Kind: Struct, Struct: &Composite{Name: full, Union: tag == "union"}}
		p.d.Tagged[full] = t
	} else if t.Struct.done {
		p.fail("redefinition of '%s'", name)
	}
	p.next()
	var fields []Field
	for !p.accept("}") {
		if p.tok == "" {
			p.fail("expected '}'")
		}
		fields = append(fields, p.member()...)
	}
	packed = p.attributes() || packed
	t.Struct.all, t.Struct.done = fields, true
	t.Size = layoutC(t.Struct, packed)
	return t
}

func (p *cparser) attributes() (packed bool) {
	for p.accept("__attribute__") {
		for open := 0; p.tok != ""; {
			if p.tok == "(" {
				open++
			} else if p.tok == ")" {
				open--
			} else if p.tok == "packed" || p.tok == "__packed__" {
				packed = true
			}
			p.next()
			if open == 0 {
				break
			}
		}
	}
	return packed
}

func (p *cparser) member() []Field {
	if p.accept(";") {
		return nil
	}
	base := p.specifier()
	if p.accept(";") { // struct without a name
		return []Field{{Type: base}}
	}
	var out []Field
	for {
		f := Field{}
		f.Name, f.Type = p.declarator(base)
		if p.accept(":") {
			f.BitLen = int(p.number())
		}
		p.attributes()
		out = append(out, f)
		if !p.accept(",") {
			break
		}
	}
	if p.tok != "}" {
		p.expect(";")
	}
	return out
}

// declarator reads "*name[4]", "(*name)(args)" and the like.
func (p *cparser) declarator(base *Type) (string, *Type) {
	p.qualifiers()
	for p.accept("*") {
		base = PtrTo(base, false)
		p.qualifiers()
	}
	if p.accept("(") { // pointer to function or array
		p.expect("*")
		p.qualifiers()
		name := ""
		if p.tok != ")" {
			name = p.word()
		}
		p.expect(")")
		if p.tok == "(" {
			p.skipParens()
			return name, PtrTo(TVoid, false)
		}
		return name, PtrTo(p.arrays(base), false)
	}
	name := ""
	if p.tok != "" && isWord(p.tok[0]) {
		name = p.word()
	}
	return name, p.arrays(base)
}

func (p *cparser) skipParens() {
	for open := 0; p.tok != ""; {
		if p.tok == "(" {
			open++
		} else if p.tok == ")" {
			open--
		}
		p.next()
		if open == 0 {
			return
		}
	}
}

func (p *cparser) arrays(base *Type) *Type {
	var lens []int
	for p.accept("[") {
		n := 0
		if p.tok != "]" {
			n = int(p.number())
		}
		if n < 0 || n > 1<<24 {
			p.fail("array of %d elements", n)
		}
		p.expect("]")
		lens = append(lens, n)
	}
	for i := len(lens) - 1; i >= 0; i-- {
		if base == charType && lens[i] > 0 {
			base = StringType(lens[i])
			continue
		}
		base = ArrayOf(base, lens[i])
	}
	return base
}

// number evaluates a constant expression of numbers, enumerators, macros and
// + - * / << |.
func (p *cparser) number() int64 {
	v := p.operand()
	for {
		op := p.tok
		switch op {
		case "+", "-", "*", "/", "|":
			p.next()
		case "<", ">":
			p.next()
			p.expect(op)
		default:
			return v
		}
		w := p.operand()
		switch op {
		case "+":
			v += w
		case "-":
			v -= w
		case "*":
			v *= w
		case "|":
			v |= w
		case "<":
			v <<= uint(w) & 63
		case ">":
			v >>= uint(w) & 63
		case "/":
			if w == 0 {
				p.fail("division by zero")
			}
			v /= w
		}
	}
}

func (p *cparser) operand() int64 {
	if p.depth++; p.depth > maxDepth {
		p.fail("expression nested too deeply")
	}
	defer func() { p.depth-- }()
	switch {
	case p.accept("("):
		v := p.number()
		p.expect(")")
		return v
	case p.accept("-"):
		return -p.operand()
	case p.accept("~"):
		return ^p.operand()
	}
	w := p.word()
	if c, ok := p.d.Constants[w]; ok {
		return c.Value
	}
	if m, ok := p.d.Macros[w]; ok {
		sub := &cparser{d: p.d, text: m, depth: p.depth + 1}
		sub.next()
		return sub.number()
	}
	v, err := strconv.ParseInt(strings.TrimRight(w, "uUlL"), 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(strings.TrimRight(w, "uUlL"), 0, 64)
		if err != nil {
			p.fail("'%s' is not a constant", w)
		}
		v = int64(u)
	}
	return v
}

func (p *cparser) enum() *Type {
	p.next()
	name := ""
	if p.tok != "{" && p.tok != ":" {
		name = p.word()
	}
	size, signed := 4, false
	if p.accept(":") {
		t := p.specifier()
		size, signed = t.Size, t.Signed
	}
	if p.tok != "{" {
		if t := p.d.Lookup("enum", name); t != nil {
			return t
		}
		return TUint32
	}
	p.next()
	e := &Enum{Name: name, Values: map[uint64]string{}}
	next := int64(0)
	var names []string
	for !p.accept("}") {
		w := p.word()
		if p.accept("=") {
			next = p.number()
		}
		if next < 0 {
			signed = true
		}
		if next > 1<<32-1 || next < -1<<31 {
			size = 8
		}
		e.Values[uint64(next)] = w
		p.d.Constants[w] = Constant{Value: next}
		names = append(names, w)
		next++
		if !p.accept(",") && p.tok != "}" {
			p.fail("expected ',' or '}', found '%s'", p.tok)
		}
	}
	t := &Type{Kind: Int, Size: size, Signed: signed, Enum: e}
	for _, w := range names {
		c := p.d.Constants[w]
		c.Enum = t
		p.d.Constants[w] = c
	}
	if name != "" {
		p.d.Tagged["enum "+name] = t
	}
	return t
}

// layoutC gives members their offsets as the System V ABI does and returns the
// size in bytes.
func layoutC(c *Composite, packed bool) int {
	bit, most, largest := 0, 1, 0
	for i := range c.all {
		f := &c.all[i]
		size, align := f.Type.Size, f.Type.cAlign()
		if packed {
			align = 1
		}
		if c.Union {
			bit = 0
		}
		most = max(most, align)
		switch {
		case f.BitLen > 0:
			unit := size * 8
			if unit == 0 {
				unit = 32
			}
			if !packed && bit/unit != (bit+f.BitLen-1)/unit {
				bit = (bit + unit - 1) / unit * unit
			}
			f.Off = bit / unit * size
			f.BitOff = bit - f.Off*8
			bit += f.BitLen
		default:
			bit = (bit + align*8 - 1) / (align * 8) * (align * 8)
			f.Off = bit / 8
			bit += size * 8
		}
		largest = max(largest, (bit+7)/8)
	}
	c.Size = (largest + most - 1) / most * most
	return c.Size
}

// cAlign is the alignment in C.
func (t *Type) cAlign() int {
	switch t.Kind {
	case Array:
		return t.Elem.cAlign()
	case String:
		return 1
	case Struct:
		a := 1
		for _, f := range t.Struct.Fields() {
			a = max(a, f.Type.cAlign())
		}
		return a
	}
	return max(min(t.Size, 8), 1)
}
