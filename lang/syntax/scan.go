package syntax

import "strings"

func isSpace(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f'
}
func isDigit(c byte) bool      { return c >= '0' && c <= '9' }
func isIdentStart(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' }
func isIdent(c byte) bool      { return isIdentStart(c) || isDigit(c) }
func isHex(c byte) bool        { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
func isOctal(c byte) bool      { return c >= '0' && c <= '7' }

// at is the character i bytes ahead, 0 at the end.
func (p *parser) at(i int) byte {
	if p.pos+i < len(p.text) {
		return p.text[p.pos+i]
	}
	return 0
}

func (p *parser) eof() bool { return p.pos >= len(p.text) }

// skip passes white space and comments.
func (p *parser) skip() { p.pos = p.skipFrom(p.pos) }

func (p *parser) skipFrom(pos int) int {
	for pos < len(p.text) {
		rest := p.text[pos:]
		switch {
		case isSpace(rest[0]):
			pos++
		case strings.HasPrefix(rest, "//"):
			i := strings.IndexByte(rest, '\n')
			if i < 0 {
				return len(p.text)
			}
			pos += i
		case strings.HasPrefix(rest, "/*"):
			i := strings.Index(rest[2:], "*/")
			if i < 0 {
				p.failAt(Span{pos, len(p.text)}, "end of file during comment", "close the comment with */")
				return len(p.text)
			}
			pos += i + 4
		default:
			return pos
		}
	}
	return pos
}

// peek is the next character after white space.
func (p *parser) peek() byte {
	p.skip()
	return p.at(0)
}

// looking says whether s is next; words must end there.
func (p *parser) looking(s string) bool {
	p.skip()
	if !strings.HasPrefix(p.text[p.pos:], s) {
		return false
	}
	return !isIdent(s[len(s)-1]) || !isIdent(p.at(len(s)))
}

// accept passes s if it is next.
func (p *parser) accept(s string) bool {
	if p.looking(s) {
		p.pos += len(s)
		return true
	}
	return false
}

// expect passes s or complains.
func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.unexpected("expected '" + s + "'")
	}
}

// word reads an identifier; "" if there is none.
func (p *parser) word() string {
	p.skip()
	start := p.pos
	if !isIdentStart(p.at(0)) {
		return ""
	}
	for isIdent(p.at(0)) {
		p.pos++
	}
	return p.text[start:p.pos]
}

func (p *parser) wantWord(what string) string {
	w := p.word()
	if w == "" {
		p.unexpected("expected " + what)
	}
	return w
}

// sigil reads $name or @name with its sign; the name may be empty for @.
func (p *parser) sigil() string {
	start := p.pos
	p.pos++
	for isIdent(p.at(0)) {
		p.pos++
	}
	return p.text[start:p.pos]
}

// stringLit reads a quoted string and resolves its escapes.
func (p *parser) stringLit() string {
	start := p.pos
	p.pos++
	var b strings.Builder
	for {
		c := p.at(0)
		switch {
		case p.eof() || c == '\n':
			p.failAt(Span{start, p.pos}, "unterminated string", `close the string with "`)
		case c == '"':
			p.pos++
			return b.String()
		case c == '\\':
			p.escape(&b)
		default:
			b.WriteByte(c)
			p.pos++
		}
	}
}

var simpleEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', '"': '"', '\\': '\\'}

// escape reads one escape sequence.
func (p *parser) escape(b *strings.Builder) {
	start := p.pos
	c := p.at(1)
	if r, ok := simpleEscapes[c]; ok {
		b.WriteByte(r)
		p.pos += 2
		return
	}
	digits := func(from, most int, ok func(byte) bool) string {
		n := 0
		for n < most && ok(p.at(from+n)) {
			n++
		}
		s := p.text[p.pos+from : p.pos+from+n]
		p.pos += from + n
		return s
	}
	switch {
	case isOctal(c):
		v := 0
		s := digits(1, 3, isOctal)
		for _, d := range []byte(s) {
			v = v*8 + int(d-'0')
		}
		if v > 255 {
			p.failAt(Span{start, p.pos}, `octal escape sequence out of range '\`+s+"'", "")
		}
		b.WriteByte(byte(v))
	case c|0x20 == 'x':
		s := digits(2, 2, isHex)
		if s == "" {
			p.failAt(Span{start, p.pos}, "invalid hex escape sequence", `write two hexadecimal digits, as in \x1b`)
		}
		v := 0
		for _, d := range []byte(s) {
			v = v*16 + hexValue(d)
		}
		b.WriteByte(byte(v))
	case c == 0 && p.pos+1 >= len(p.text):
		p.failAt(Span{start, len(p.text)}, "unterminated string", "")
	default:
		p.failAt(Span{start, start + 2}, `invalid escape character '\`+string(rune(c))+"'", "")
	}
}

func hexValue(d byte) int {
	if isDigit(d) {
		return int(d - '0')
	}
	return int(d|0x20-'a') + 10
}
