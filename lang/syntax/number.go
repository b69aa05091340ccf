package syntax

import (
	"math/bits"
	"strconv"
	"strings"
)

// durations are the suffixes that make a number of nanoseconds.
var durations = map[string]uint64{
	"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9, "h": 3600e9, "d": 24 * 3600e9,
}

// ParseInt reads an integer literal as the language writes it: decimal, 0x,
// leading 0 for octal, 1e6, _ between digits, C's suffixes, and durations.
func ParseInt(s string) (uint64, bool) {
	body, mult := splitSuffix(s)
	if mult == 0 {
		return 0, false
	}
	if strings.HasSuffix(body, "_") || body == "" {
		return 0, false
	}
	var v uint64
	var err error
	plain := strings.ReplaceAll(body, "_", "")
	switch {
	case strings.HasPrefix(plain, "0x"), strings.HasPrefix(plain, "0X"):
		v, err = strconv.ParseUint(plain[2:], 16, 64)
	case strings.ContainsAny(plain, "eE"):
		m, e, _ := strings.Cut(strings.ToLower(plain), "e")
		v, err = scientific(m, e)
	case len(plain) > 1 && plain[0] == '0':
		v, err = strconv.ParseUint(plain[1:], 8, 64)
	default:
		v, err = strconv.ParseUint(plain, 10, 64)
	}
	if err != nil {
		return 0, false
	}
	hi, lo := bits.Mul64(v, mult)
	return lo, hi == 0
}

func scientific(m, e string) (uint64, error) {
	v, err := strconv.ParseUint(m, 10, 64)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(e, 10, 64)
	if err != nil || n > 19 {
		return 0, strconv.ErrRange
	}
	for range n {
		hi, lo := bits.Mul64(v, 10)
		if hi != 0 {
			return 0, strconv.ErrRange
		}
		v = lo
	}
	return v, nil
}

// splitSuffix cuts the suffix off; the factor is 0 if nobody knows it.
func splitSuffix(s string) (string, uint64) {
	i := len(s)
	digit := isDigit
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		digit = isHex
	}
	for i > 0 && !digit(s[i-1]) && s[i-1] != '_' {
		i--
	}
	suffix := s[i:]
	if suffix == "" {
		return s, 1
	}
	if d, ok := durations[suffix]; ok {
		return s[:i], d
	}
	switch strings.ToLower(suffix) {
	case "u", "l", "ll", "ul", "ull":
		return s[:i], 1
	}
	return s, 0
}

// number reads an integer literal.
func (p *parser) number() *Int {
	start := p.pos
	hex := p.at(0) == '0' && p.at(1)|0x20 == 'x'
	for isIdent(p.at(0)) {
		// A digit string may be followed by "..": that is a range, and
		// letters other than suffixes are reported below.
		p.pos++
	}
	text := p.text[start:p.pos]
	v, ok := ParseInt(text)
	if !ok {
		at := Span{start, p.pos}
		body, mult := splitSuffix(text)
		switch {
		case mult == 0:
			i := len(body)
			for i > 0 && !isDigit(body[i-1]) && !(hex && isHex(body[i-1])) && body[i-1] != '_' {
				i--
			}
			p.failAt(Span{start + i, p.pos}, "invalid integer suffix '"+body[i:]+"'", "durations are ns, us, ms, s, m, h and d")
		case strings.HasSuffix(body, "_"):
			p.failAt(Span{start + len(body) - 1, start + len(body)}, "trailing underscore in integer literal", "")
		}
		p.failAt(at, "Failed to convert integer, value is too large: "+text, "integers have at most 64 bits")
	}
	return &Int{Span{start, p.pos}, v, text}
}
