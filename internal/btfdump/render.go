package btfdump

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// hexString is 0x and two digits a byte, in memory order.
func hexString(b []byte) string {
	var s strings.Builder
	s.Grow(2 + 2*len(b))
	s.WriteString("0x")
	for _, c := range b {
		s.WriteByte(hexDigits[c>>4])
		s.WriteByte(hexDigits[c&15])
	}
	return s.String()
}

// AppendJSON appends v as JSON in one line. Fields keep their order. Integers
// are written with all their digits, also beyond 2⁵³. Floats that JSON cannot
// say are the strings "NaN", "+Inf" and "-Inf".
func (v Value) AppendJSON(dst []byte) []byte {
	switch v.Kind {
	case Bool:
		return strconv.AppendBool(dst, v.Uint != 0)
	case Int:
		return strconv.AppendInt(dst, int64(v.Uint), 10)
	case Uint:
		return strconv.AppendUint(dst, v.Uint, 10)
	case Float:
		return appendFloat(dst, v.Float64, true)
	case Text, Symbol:
		return appendQuoted(dst, v.Str)
	case List:
		dst = append(dst, '[')
		for i, e := range v.Elems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = e.AppendJSON(dst)
		}
		return append(dst, ']')
	case Struct:
		dst = append(dst, '{')
		for i, f := range v.Fields {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, f.Name)
			dst = append(dst, ':')
			dst = f.Value.AppendJSON(dst)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

func appendFloat(dst []byte, f float64, quote bool) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		if quote {
			return strconv.AppendQuote(dst, strconv.FormatFloat(f, 'g', -1, 64))
		}
		return strconv.AppendFloat(dst, f, 'g', -1, 64)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, 64)
}

// appendQuoted appends s as a JSON string, which is a YAML string too. Bytes
// that are not UTF-8 become U+FFFD; Decode makes no such strings.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			dst = append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

// String is v in one line for people: {packets=3 names=[a b] rest=[0 ×62]}.
func (v Value) String() string { return string(v.AppendText(nil)) }

// AppendText appends the one-line form. Four or more equal elements of a list
// in a row are written once, with their number.
func (v Value) AppendText(dst []byte) []byte {
	switch v.Kind {
	case Float:
		return appendFloat(dst, v.Float64, false)
	case Text, Symbol:
		if plainText(v.Str) {
			return append(dst, v.Str...)
		}
		return appendQuoted(dst, v.Str)
	case List:
		return v.appendTextList(dst)
	case Struct:
		dst = append(dst, '{')
		for i, f := range v.Fields {
			if i > 0 {
				dst = append(dst, ' ')
			}
			dst = append(dst, f.Name...)
			dst = append(dst, '=')
			dst = f.Value.AppendText(dst)
		}
		return append(dst, '}')
	case Null:
		return append(dst, '-')
	}
	return v.AppendJSON(dst)
}

func (v Value) appendTextList(dst []byte) []byte {
	dst = append(dst, '[')
	for i := 0; i < len(v.Elems); {
		if i > 0 {
			dst = append(dst, ' ')
		}
		n := 1
		for i+n < len(v.Elems) && v.Elems[i+n].Equal(v.Elems[i]) {
			n++
		}
		dst = v.Elems[i].AppendText(dst)
		if n < 4 {
			i++
			continue
		}
		dst = append(dst, " ×"...)
		dst = strconv.AppendInt(dst, int64(n), 10)
		i += n
	}
	return append(dst, ']')
}

// plainText says whether s can stand in a line of text without quotes.
func plainText(s string) bool {
	if s == "" {
		return false
	}
	return !strings.ContainsAny(s, " \t\r\n\"{}[]=") && printable(s)
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !strconv.IsPrint(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
	}
	return true
}
