package helpers

import (
	"syscall"

	"github.com/skepdev/skep/vm/internal/interp"
)

// The kernel's string functions for programs (kernel/bpf/helpers.c, Linux 6.18).
// They read byte by byte what may end anywhere: a bad address is an answer, not
// a fault.
var stringKfuncs = map[string]interp.Helper{
	"bpf_strcmp":     func(t *interp.Thread) uint64 { return strCompare(t, func(c byte) byte { return c }) },
	"bpf_strcasecmp": func(t *interp.Thread) uint64 { return strCompare(t, lower) },
	"bpf_strnchr":    func(t *interp.Thread) uint64 { return strChr(t, t.R[1], t.R[2], byte(t.R[3])) },
	"bpf_strchr":     func(t *interp.Thread) uint64 { return strChr(t, t.R[1], maxString, byte(t.R[2])) },
	"bpf_strchrnul":  strChrNul,
	"bpf_strrchr":    strRChr,
	"bpf_strnlen":    func(t *interp.Thread) uint64 { return strLen(t, t.R[1], t.R[2]) },
	"bpf_strlen":     func(t *interp.Thread) uint64 { return strLen(t, t.R[1], maxString) },
	"bpf_strspn":     func(t *interp.Thread) uint64 { return strSpan(t, true) },
	"bpf_strcspn":    func(t *interp.Thread) uint64 { return strSpan(t, false) },
	"bpf_strnstr":    func(t *interp.Thread) uint64 { return strStr(t, t.R[3]) },
	"bpf_strstr":     func(t *interp.Thread) uint64 { return strStr(t, maxString) },
}

// maxString is XATTR_SIZE_MAX.
const maxString = 65536

// noErrno says that a byte was read.
const noErrno = syscall.Errno(0)

// charAt reads a byte: ERANGE where the kernel sees an address of user space,
// of which there is only the null page here, EFAULT where nothing is.
func charAt(t *interp.Thread, a uint64) (byte, syscall.Errno) {
	t.Charge(1)
	if a < 4096 {
		return 0, syscall.ERANGE
	}
	b, ok := t.Probe(a, 1, false)
	if !ok {
		return 0, syscall.EFAULT
	}
	return b[0], noErrno
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func strCompare(t *interp.Thread, fold func(byte) byte) uint64 {
	for i := range uint64(maxString) {
		a, e := charAt(t, t.R[1]+i)
		if e != 0 {
			return fail(e)
		}
		b, e := charAt(t, t.R[2]+i)
		if e != 0 {
			return fail(e)
		}
		a, b = fold(a), fold(b)
		switch {
		case a < b:
			return ^uint64(0)
		case a > b:
			return 1
		case a == 0 || t.Stopped():
			return 0
		}
	}
	return fail(syscall.E2BIG)
}

func strChr(t *interp.Thread, s, count uint64, want byte) uint64 {
	i := uint64(0)
	for ; i < count && i < maxString && !t.Stopped(); i++ {
		c, e := charAt(t, s+i)
		switch {
		case e != 0:
			return fail(e)
		case c == want:
			return i
		case c == 0:
			return fail(syscall.ENOENT)
		}
	}
	if i == maxString {
		return fail(syscall.E2BIG)
	}
	return fail(syscall.ENOENT)
}

func strChrNul(t *interp.Thread) uint64 {
	for i := uint64(0); i < maxString && !t.Stopped(); i++ {
		c, e := charAt(t, t.R[1]+i)
		if e != 0 {
			return fail(e)
		}
		if c == 0 || c == byte(t.R[2]) {
			return i
		}
	}
	return fail(syscall.E2BIG)
}

func strRChr(t *interp.Thread) uint64 {
	last := fail(syscall.ENOENT)
	for i := uint64(0); i < maxString && !t.Stopped(); i++ {
		c, e := charAt(t, t.R[1]+i)
		if e != 0 {
			return fail(e)
		}
		if c == byte(t.R[2]) {
			last = i
		}
		if c == 0 {
			return last
		}
	}
	return fail(syscall.E2BIG)
}

func strLen(t *interp.Thread, s, count uint64) uint64 {
	i := uint64(0)
	for ; i < count && i < maxString && !t.Stopped(); i++ {
		c, e := charAt(t, s+i)
		if e != 0 {
			return fail(e)
		}
		if c == 0 {
			return i
		}
	}
	if i == maxString {
		return fail(syscall.E2BIG)
	}
	return i
}

// strSpan counts the characters of the first string up to one that is not, or
// without in is, in the second.
func strSpan(t *interp.Thread, in bool) uint64 {
	for i := uint64(0); i < maxString && !t.Stopped(); i++ {
		c, e := charAt(t, t.R[1]+i)
		if e != 0 {
			return fail(e)
		}
		if c == 0 {
			return i
		}
		found := false
		j := uint64(0)
		for ; j < maxString && !t.Stopped(); j++ {
			set, e := charAt(t, t.R[2]+j)
			if e != 0 {
				return fail(e)
			}
			if found = set == c; found || set == 0 {
				break
			}
		}
		if j == maxString {
			return fail(syscall.E2BIG)
		}
		if found != in {
			return i
		}
	}
	return fail(syscall.E2BIG)
}

// strStr finds the second string in the first n characters of the first.
func strStr(t *interp.Thread, n uint64) uint64 {
	for i := uint64(0); i < maxString && !t.Stopped(); i++ {
		j := uint64(0)
		for ; i+j <= n && j < maxString && !t.Stopped(); j++ {
			c, e := charAt(t, t.R[2]+j)
			if e != 0 {
				return fail(e)
			}
			if c == 0 {
				return i
			}
			// One more of the second is looked at, for one that ends where the
			// first n characters do.
			if i+j == n {
				break
			}
			s, e := charAt(t, t.R[1]+i+j)
			switch {
			case e != 0:
				return fail(e)
			case s == 0:
				return fail(syscall.ENOENT)
			}
			if s != c {
				break
			}
		}
		switch {
		case j == maxString:
			return fail(syscall.E2BIG)
		case i+j == n:
			return fail(syscall.ENOENT)
		}
	}
	return fail(syscall.E2BIG)
}
