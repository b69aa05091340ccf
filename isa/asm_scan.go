package isa

import (
	"fmt"
	"strconv"
	"strings"
)

type tokenKind uint8

const (
	tokEnd tokenKind = iota
	tokWord
	tokNumber
	tokSign // operators and brackets
)

// token is a piece of a line. Numbers carry no sign; hex tells how they were
// written.
type token struct {
	kind  tokenKind
	text  string
	value uint64
	hex   bool
}

func (t token) is(sign string) bool   { return t.kind == tokSign && t.text == sign }
func (t token) word(text string) bool { return t.kind == tokWord && t.text == text }

func (t token) String() string {
	if t.kind == tokEnd {
		return "the end of the line"
	}
	return strconv.Quote(t.text)
}

// signs in the order they are tried: longer ones first.
var signs = []string{
	"s>>=", "<<=", ">>=", "s>=", "s<=", "s/=", "s%=",
	"+=", "-=", "*=", "/=", "|=", "&=", "%=", "^=", "==", "!=", ">=", "<=", "s>", "s<",
	"=", ">", "<", "&", "*", "(", ")", "[", "]", "+", "-", ",", ":", "#",
}

// scan cuts a line into tokens, the last of which is tokEnd. Comments are
// dropped.
func scan(line string) ([]token, error) {
	var out []token
	for i := 0; i < len(line); {
		c := line[i]
		rest := line[i:]
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			i++
			continue
		case c == ';' || strings.HasPrefix(rest, "//"):
			i = len(line)
			continue
		}
		if s := signAt(rest); s != "" {
			out = append(out, token{kind: tokSign, text: s})
			i += len(s)
			continue
		}
		n := wordLen(rest)
		if n == 0 {
			return nil, fmt.Errorf("column %d: unexpected character %q", i+1, c)
		}
		t, err := wordToken(rest[:n])
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i+1, err)
		}
		out = append(out, t)
		i += n
	}
	return append(out, token{}), nil
}

func signAt(s string) string {
	for _, sign := range signs {
		if strings.HasPrefix(s, sign) {
			return sign
		}
	}
	return ""
}

func wordLen(s string) int {
	n := 0
	for n < len(s) && isWordByte(s[n]) {
		n++
	}
	return n
}

func isWordByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '$'
}

func wordToken(s string) (token, error) {
	if s[0] < '0' || s[0] > '9' {
		return token{kind: tokWord, text: s}, nil
	}
	digits, base := s, 10
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		digits, base = s[2:], 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return token{}, fmt.Errorf("%q is not a number of at most 64 bits", s)
	}
	return token{kind: tokNumber, text: s, value: v, hex: base == 16}, nil
}
