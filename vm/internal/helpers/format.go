package helpers

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"

	"github.com/skepdev/skep/vm/internal/interp"
)

// render formats as bpf_trace_printk does; format ends at its zero byte,
// which must be there. The text is t.Text, valid until the next call.
func render(t *interp.Thread, format []byte, args []uint64) ([]byte, syscall.Errno) {
	end := bytes.IndexByte(format, 0)
	if end < 0 {
		return nil, syscall.EINVAL
	}
	return renderString(t, format[:end], args)
}

// maxText bounds a line (MAX_BPRINTF_BUF).
const maxText = 1024

func renderString(t *interp.Thread, f []byte, args []uint64) ([]byte, syscall.Errno) {
	p := printer{t: t, out: t.Text[:0], args: args}
	for i := 0; i < len(f); {
		switch c := f[i]; {
		case c == '%':
			n, e := p.verb(f[i+1:])
			if e != 0 {
				return nil, e
			}
			i += 1 + n
		case c >= 0x80 || c < ' ' && (c < '\t' || c > '\r'):
			return nil, syscall.EINVAL
		default:
			p.out = append(p.out, c)
			i++
		}
	}
	if len(p.out) > maxText {
		p.out = p.out[:maxText]
	}
	t.Text = p.out
	return p.out, 0
}

type printer struct {
	t    *interp.Thread
	out  []byte
	args []uint64
	used int
}

func (p *printer) arg() (uint64, bool) {
	if p.used >= len(p.args) {
		return 0, false
	}
	p.used++
	return p.args[p.used-1], true
}

// spec is a directive: flags, width, and how many longs.
type spec struct {
	left, plus, space, alt, zero bool
	width, longs                 int
}

// verb formats one directive and returns how much of f it took.
func (p *printer) verb(f []byte) (int, syscall.Errno) {
	var s spec
	i := 0
	if i < len(f) && f[i] == '%' {
		p.out = append(p.out, '%')
		return 1, 0
	}
flags:
	for ; i < len(f); i++ {
		switch f[i] {
		case '-':
			s.left = true
		case '+':
			s.plus = true
		case ' ':
			s.space = true
		case '#':
			s.alt = true
		case '0':
			s.zero = true
		default:
			break flags
		}
	}
	for ; i < len(f) && f[i] >= '0' && f[i] <= '9'; i++ {
		s.width = min(s.width*10+int(f[i]-'0'), maxText)
	}
	for ; i < len(f) && f[i] == 'l' && s.longs < 2; i++ {
		s.longs++
	}
	if i == len(f) {
		return 0, syscall.EINVAL
	}
	c := f[i]
	i++
	if c == 'p' {
		n, e := p.pointer(f[i:], s)
		return i + n, e
	}
	v, ok := p.arg()
	if !ok {
		return 0, syscall.EINVAL
	}
	switch c {
	case 'c':
		p.pad(append(p.buf(), byte(v)), s, 0)
	case 's':
		p.text(v, s)
	case 'd', 'i':
		p.signed(v, s)
	case 'u':
		p.unsigned(v, 10, s, false)
	case 'x':
		p.unsigned(v, 16, s, false)
	case 'X':
		p.unsigned(v, 16, s, true)
	default:
		return 0, syscall.EINVAL
	}
	return i, 0
}

func (p *printer) buf() []byte { return make([]byte, 0, 24) }

func (p *printer) signed(v uint64, s spec) {
	n := int64(v)
	if s.longs == 0 {
		n = int64(int32(v))
	}
	b := p.buf()
	sign := 0
	switch {
	case n < 0:
		b, sign = append(b, '-'), 1
		n = -n
	case s.plus:
		b, sign = append(b, '+'), 1
	case s.space:
		b, sign = append(b, ' '), 1
	}
	p.pad(strconv.AppendUint(b, uint64(n), 10), s, sign)
}

func (p *printer) unsigned(v uint64, base int, s spec, upper bool) {
	if s.longs == 0 {
		v = uint64(uint32(v))
	}
	b := p.buf()
	sign := 0
	if s.alt && base == 16 {
		b, sign = append(b, '0', 'x'), 2
	}
	b = strconv.AppendUint(b, v, base)
	if upper {
		b = bytes.ToUpper(b)
	}
	p.pad(b, s, sign)
}

// pad appends b filled up to the width; zeroes go behind the first sign bytes.
func (p *printer) pad(b []byte, s spec, sign int) {
	fill := s.width - len(b)
	switch {
	case fill <= 0:
		p.out = append(p.out, b...)
	case s.left:
		p.out = append(append(p.out, b...), bytes.Repeat([]byte{' '}, fill)...)
	case s.zero:
		p.out = append(append(p.out, b[:sign]...), bytes.Repeat([]byte{'0'}, fill)...)
		p.out = append(p.out, b[sign:]...)
	default:
		p.out = append(append(p.out, bytes.Repeat([]byte{' '}, fill)...), b...)
	}
}

// text prints the text at an address; one that cannot be read prints as
// nothing, as the kernel does.
func (p *printer) text(at uint64, s spec) {
	b, _ := stringAt(p.t, at, 512)
	s.zero = false
	p.pad(b, s, 0)
}

// pointer formats %p and what may follow: x and K and B, ks and us for text,
// i4, I4, i6, I6 for IP addresses.
func (p *printer) pointer(f []byte, s spec) (int, syscall.Errno) {
	v, ok := p.arg()
	if !ok {
		return 0, syscall.EINVAL
	}
	next := func(i int) byte {
		if i < len(f) {
			return f[i]
		}
		return 0
	}
	switch c := next(0); {
	case (c == 'k' || c == 'u') && next(1) == 's':
		p.text(v, s)
		return 2, 0
	case c == 'i' || c == 'I':
		return p.address(v, c, next(1), s)
	case c == 'x', c == 'K', c == 'B', c == 's', c == 'S':
		p.hex(v, s)
		return 1, 0
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
		return 0, syscall.EINVAL
	}
	p.hex(v, s)
	return 0, 0
}

func (p *printer) hex(v uint64, s spec) {
	s.longs = 2
	p.unsigned(v, 16, s, false)
}

func (p *printer) address(at uint64, kind, family byte, s spec) (int, syscall.Errno) {
	n := 4
	if family == '6' {
		n = 16
	} else if family != '4' {
		return 0, syscall.EINVAL
	}
	b, ok := p.t.Probe(at, uint64(n), false)
	if !ok {
		b = make([]byte, n)
	}
	out := p.buf()
	switch {
	case n == 4 && kind == 'I':
		out = netip.AddrFrom4([4]byte(b)).AppendTo(out)
	case n == 4:
		for i, c := range b {
			if i > 0 {
				out = append(out, '.')
			}
			out = append(out, '0'+c/100, '0'+c/10%10, '0'+c%10)
		}
	case kind == 'I':
		for i := range 8 {
			if i > 0 {
				out = append(out, ':')
			}
			out = appendHex4(out, binary.BigEndian.Uint16(b[2*i:]))
		}
	default:
		for i := range 8 {
			out = appendHex4(out, binary.BigEndian.Uint16(b[2*i:]))
		}
	}
	p.pad(out, s, 0)
	return 2, 0
}

func appendHex4(b []byte, v uint16) []byte {
	const digits = "0123456789abcdef"
	return append(b, digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15])
}
