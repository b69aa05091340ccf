package helpers

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
)

var textTable = table{
	abi.FnTracePrintk:  tracePrintk,
	abi.FnTraceVprintk: traceVprintk,
	abi.FnSnprintf:     snprintf,
	abi.FnStrtol:       strtol,
	abi.FnStrtoul:      strtoul,
}

// maxArgs bounds the arguments of a format (MAX_BPRINTF_VARARGS).
const maxArgs = 12

func tracePrintk(t *interp.Thread) uint64 {
	f := t.Read(t.R[1], uint64(uint32(t.R[2])))
	if f == nil {
		return 0
	}
	args := [maxArgs]uint64{t.R[3], t.R[4], t.R[5]}
	return printk(t, f, args[:3])
}

func traceVprintk(t *interp.Thread) uint64 {
	f := t.Read(t.R[1], uint64(uint32(t.R[2])))
	if f == nil {
		return 0
	}
	var args [maxArgs]uint64
	n, ok := readArgs(t, t.R[3], t.R[4], &args)
	if !ok {
		return fail(syscall.EINVAL)
	}
	return printk(t, f, args[:n])
}

func printk(t *interp.Thread, format []byte, args []uint64) uint64 {
	text, e := render(t, format, args)
	if e != 0 {
		return fail(e)
	}
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	if t.Env.Printk != nil {
		t.Env.Printk(t, text)
	}
	return uint64(n)
}

// readArgs reads the array of arguments of the v-functions; false if it is not
// one.
func readArgs(t *interp.Thread, at, size uint64, args *[maxArgs]uint64) (n int, ok bool) {
	size = uint64(uint32(size))
	if size&7 != 0 || size > maxArgs*8 {
		return 0, false
	}
	b := t.Read(at, size)
	if b == nil {
		return 0, true
	}
	for i := range int(size / 8) {
		args[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return int(size / 8), true
}

// snprintf writes at most its size with the closing zero, and returns what it
// would have written with it.
func snprintf(t *interp.Thread) uint64 {
	out := t.Write(t.R[1], uint64(uint32(t.R[2])))
	if out == nil {
		return 0
	}
	var args [maxArgs]uint64
	n, ok := readArgs(t, t.R[4], t.R[5], &args)
	if !ok {
		return fail(syscall.EINVAL)
	}
	const maxFormat = 4096
	format, ok := stringAt(t, t.R[3], maxFormat)
	if !ok {
		t.Read(t.R[3], maxFormat)
		return 0
	}
	// The buffer given to format is on its own: what is printed may be in out.
	text, e := renderString(t, format, args[:n])
	if e != 0 {
		return fail(e)
	}
	if len(out) > 0 {
		k := copy(out[:len(out)-1], text)
		out[k] = 0
	}
	return uint64(len(text) + 1)
}

func strtol(t *interp.Thread) uint64 {
	v, neg, n, e := parseNumber(t)
	if e != 0 {
		return fail(e)
	}
	if t.Stopped() {
		return 0
	}
	if v > 1<<63-1 && !(neg && v == 1<<63) {
		return fail(syscall.ERANGE)
	}
	if neg {
		v = -v
	}
	return putNumber(t, v, n)
}

func strtoul(t *interp.Thread) uint64 {
	v, neg, n, e := parseNumber(t)
	switch {
	case e != 0:
		return fail(e)
	case t.Stopped():
		return 0
	case neg:
		return fail(syscall.EINVAL)
	}
	return putNumber(t, v, n)
}

func putNumber(t *interp.Thread, v uint64, n int) uint64 {
	out := t.Write(t.R[4], 8)
	if out == nil {
		return 0
	}
	putUint64(out, v)
	return uint64(n)
}

// parseNumber reads an optionally signed number: blanks, sign, and digits of
// the base in the flags (0: by prefix). n is how many bytes it took.
func parseNumber(t *interp.Thread) (v uint64, neg bool, n int, e syscall.Errno) {
	s := t.Read(t.R[1], uint64(uint32(t.R[2])))
	if s == nil {
		return 0, false, 0, 0
	}
	base := t.R[3] & 0x1f
	if t.R[3]&^0x1f != 0 || base != 0 && base != 8 && base != 10 && base != 16 || len(s) == 0 {
		return 0, false, 0, syscall.EINVAL
	}
	i := 0
	for i < len(s) && (s[i] == ' ' || s[i] >= '\t' && s[i] <= '\r') {
		i++
	}
	if i < len(s) && s[i] == '-' {
		neg = true
		i++
	}
	if i == len(s) {
		return 0, false, 0, syscall.EINVAL
	}
	base, skip := prefix(s[i:], base)
	i += skip
	start := i
	for ; i < len(s); i++ {
		d := digit(s[i])
		if d >= base {
			break
		}
		if v > (1<<64-1-d)/base {
			return 0, false, 0, syscall.ERANGE
		}
		v = v*base + d
	}
	if i == start {
		return 0, false, 0, syscall.EINVAL
	}
	return v, neg, i, 0
}

// prefix resolves base 0 and passes over 0x.
func prefix(s []byte, base uint64) (uint64, int) {
	hex := len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && digit(s[2]) < 16
	switch {
	case hex && (base == 0 || base == 16):
		return 16, 2
	case base == 0 && s[0] == '0':
		return 8, 0
	case base == 0:
		return 10, 0
	}
	return base, 0
}

func digit(c byte) uint64 {
	switch {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return 99
}
