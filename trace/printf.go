package trace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skepdev/skep/lang"
)

// sprintf formats as C's printf does, over decoded arguments.
func sprintf(format string, args []datum) string {
	pieces, verbs, err := lang.ParseFormat(format)
	if err != nil {
		return format
	}
	var b strings.Builder
	for i, v := range verbs {
		b.WriteString(pieces[i])
		if i < len(args) {
			b.WriteString(conversion(v, args[i]))
		}
	}
	b.WriteString(pieces[len(pieces)-1])
	return b.String()
}

// conversion formats one value: %[flags][width][.precision][length]conv.
func conversion(v string, d datum) string {
	i := 1
	for i < len(v) && strings.IndexByte("-+ #0", v[i]) >= 0 {
		i++
	}
	flags := v[1:i]
	j := i
	for j < len(v) && (v[j] >= '0' && v[j] <= '9' || v[j] == '.') {
		j++
	}
	size := v[i:j]
	k := j
	for k < len(v) && strings.IndexByte("hljztL", v[k]) >= 0 {
		k++
	}
	length, conv := v[j:k], v[k:]
	s := ""
	switch conv {
	case "d", "i", "u", "x", "X", "o":
		s = fmtInt(flags, size, length, conv, d)
		return s
	case "c":
		s = string([]byte{byte(asUint(d))})
	case "p":
		s = "0x" + strconv.FormatUint(asUint(d), 16)
	case "r", "rx", "rh":
		buf, _ := d.(buffer)
		s = hexBuffer(buf, conv == "r", conv != "rh")
	case "gr":
		s = gfpFlags(asUint(d))
	default:
		s = text(d)
		if _, prec, ok := strings.Cut(size, "."); ok {
			if n, err := strconv.Atoi(prec); err == nil && n < len(s) {
				s = s[:n]
			}
		}
	}
	width, _, _ := strings.Cut(size, ".")
	n, _ := strconv.Atoi(width)
	return pad(s, min(n, maxWidth), strings.Contains(flags, "-"))
}

// maxWidth bounds what a format may blow up.
const maxWidth = 1 << 16

func pad(s string, width int, left bool) string {
	if n := width - len(s); n > 0 {
		if left {
			return s + strings.Repeat(" ", n)
		}
		return strings.Repeat(" ", n) + s
	}
	return s
}

// fmtInt formats a number at the width its length says.
func fmtInt(flags, size, length, conv string, d datum) string {
	u := asUint(d)
	bits := 64
	switch {
	case length == "hh":
		bits = 8
	case length == "h":
		bits = 16
	case length == "":
		bits = 32
		// A plain conversion prints the number it is given whole, unless it is
		// hexadecimal and negative.
		if conv == "d" || conv == "i" || conv == "u" {
			bits = 64
		}
	}
	shift := 64 - bits
	signed := int64(u<<shift) >> shift
	u = u << shift >> shift
	if len(size) > 5 {
		size = size[:5]
	}
	verb := map[string]string{"d": "d", "i": "d", "u": "d", "x": "x", "X": "X", "o": "o"}[conv]
	f := "%" + flags + size + verb
	if conv == "d" || conv == "i" {
		return fmt.Sprintf(f, signed)
	}
	return fmt.Sprintf(f, u)
}
