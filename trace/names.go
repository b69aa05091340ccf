package trace

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skepdev/skep/lang"
)

// inet prints an address: family, then up to 16 bytes.
func inet(b []byte) datum {
	const inet6 = 10
	n := 4
	if ne().Uint32(b) == inet6 {
		n = 16
	}
	a, ok := netip.AddrFromSlice(b[4 : 4+n])
	if !ok {
		return ""
	}
	if a.Is4In6() {
		return "::ffff:" + a.Unmap().String()
	}
	return a.String()
}

func errnoText(e syscall.Errno) string {
	s := e.Error()
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func unwrapErrno(err error) string {
	var e syscall.Errno
	if errors.As(err, &e) {
		return errnoText(e)
	}
	return err.Error()
}

// named prints numbers that have names: users, errors, signals, system calls.
func (s *Session) named(mode string, v datum) (datum, bool) {
	n, ok := number(v)
	if !ok {
		return nil, false
	}
	switch mode {
	case "username":
		u, err := user.LookupId(strconv.FormatInt(n, 10))
		if err != nil {
			return strconv.FormatInt(n, 10), true
		}
		return u.Username, true
	case "errno":
		if n < 0 {
			n = -n
		}
		return errnoText(syscall.Errno(n)), true
	case "signal":
		return signalName(int(n)), true
	case "syscall":
		return syscallName(int(n)), true
	}
	return nil, false
}

// gfpBits are the flags of page allocations (include/linux/gfp_types.h).
var gfpBits = []struct {
	bit  uint
	name string
}{
	{0, "GFP_DMA"},
	{1, "__GFP_HIGHMEM"},
	{2, "GFP_DMA32"},
	{3, "__GFP_MOVABLE"},
	{4, "__GFP_RECLAIMABLE"},
	{5, "__GFP_HIGH"},
	{6, "__GFP_IO"},
	{7, "__GFP_FS"},
	{8, "__GFP_ZERO"},
	{10, "__GFP_DIRECT_RECLAIM"},
	{11, "__GFP_KSWAPD_RECLAIM"},
	{12, "__GFP_WRITE"},
	{13, "__GFP_NOWARN"},
	{14, "__GFP_RETRY_MAYFAIL"},
	{15, "__GFP_NOFAIL"},
	{16, "__GFP_NORETRY"},
	{17, "__GFP_MEMALLOC"},
	{18, "__GFP_COMP"},
	{19, "__GFP_NOMEMALLOC"},
	{20, "__GFP_HARDWALL"},
	{21, "__GFP_THISNODE"},
	{22, "__GFP_ACCOUNT"},
	{23, "__GFP_ZEROTAGS"},
}

// gfpFlags prints allocation flags: the common combinations by name.
func gfpFlags(v uint64) string {
	if v == 0 {
		return "none"
	}
	const reclaim, io, fs, high, hardwall, account = 0xc00, 1 << 6, 1 << 7, 1 << 5, 1 << 20, 1 << 22
	combos := []struct {
		mask uint64
		name string
	}{
		{reclaim | io | fs | hardwall, "GFP_USER"},
		{reclaim | io | fs | account, "GFP_KERNEL_ACCOUNT"},
		{reclaim | io | fs, "GFP_KERNEL"},
		{reclaim | io, "GFP_NOFS"},
		{high | 0x800, "GFP_ATOMIC"},
		{reclaim, "GFP_NOIO"},
	}
	var out []string
	for _, c := range combos {
		if v&c.mask == c.mask {
			out = append(out, c.name)
			v &^= c.mask
			break
		}
	}
	for _, b := range gfpBits {
		if v&(1<<b.bit) != 0 {
			out = append(out, b.name)
			v &^= 1 << b.bit
		}
	}
	if v != 0 {
		out = append(out, fmt.Sprintf("0x%x", v))
	}
	return strings.Join(out, "|")
}

// cgroupPath finds a cgroup's folder by its id.
func (s *Session) cgroupPath(id uint64, filter int) datum {
	pattern := "*"
	if filter < len(s.Object.Filters) {
		pattern = s.Object.Filters[filter]
	}
	const root = "/sys/fs/cgroup"
	if !lang.Glob(pattern, "unified") {
		return ""
	}
	found := ""
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		if inode(path) == id {
			found = "unified:" + "/" + strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
			return filepath.SkipAll
		}
		return nil
	})
	return found
}

// strftime formats a time of a clock: nanoseconds since boot, or TAI.
func (s *Session) strftime(ns uint64, format int, clock uint32) datum {
	f := ""
	if format < len(s.Object.Formats) {
		f = s.Object.Formats[format]
	}
	const tai = 2
	at := int64(ns)
	if clock == tai {
		at -= int64(taiWall())
	} else {
		at += int64(s.boot)
	}
	return strftime(f, time.Unix(0, at))
}

// seriesTime is the wall clock at nanoseconds since boot.
func (s *Session) seriesTime(ns int64) int64 {
	if s.Env != nil && s.Env.DummyClock {
		return ns
	}
	return ns + int64(s.boot)
}

// strftime formats as strftime(3); %f is microseconds.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		c := format[i]
		if f, ok := timeFormats[c]; ok {
			b.WriteString(t.Format(f))
			continue
		}
		if f := timeFuncs[c]; f != nil {
			b.WriteString(f(t))
			continue
		}
		b.WriteByte('%')
		b.WriteByte(c)
	}
	return b.String()
}

var timeFormats = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02",
	'D': "01/02/06", 'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'm': "01", 'M': "04", 'p': "PM", 'r': "03:04:05 PM",
	'R': "15:04", 'S': "05", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06", 'Y': "2006", 'z': "-0700", 'Z': "MST",
}

var timeFuncs = map[byte]func(time.Time) string{
	'%': func(time.Time) string { return "%" },
	'n': func(time.Time) string { return "\n" },
	't': func(time.Time) string { return "\t" },
	'f': func(t time.Time) string { return fmt.Sprintf("%06d", t.Nanosecond()/1000) },
	'j': func(t time.Time) string { return fmt.Sprintf("%03d", t.YearDay()) },
	's': func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) },
	'u': func(t time.Time) string { return strconv.Itoa((int(t.Weekday())+6)%7 + 1) },
	'w': func(t time.Time) string { return strconv.Itoa(int(t.Weekday())) },
	'C': func(t time.Time) string { return fmt.Sprintf("%02d", t.Year()/100) },
	'k': func(t time.Time) string { return fmt.Sprintf("%2d", t.Hour()) },
	'l': func(t time.Time) string { return fmt.Sprintf("%2d", (t.Hour()+11)%12+1) },
	'P': func(t time.Time) string { return strings.ToLower(t.Format("PM")) },
	'V': func(t time.Time) string { _, w := t.ISOWeek(); return fmt.Sprintf("%02d", w) },
	'G': func(t time.Time) string { y, _ := t.ISOWeek(); return strconv.Itoa(y) },
}

func wallClock() time.Time { return time.Now() }

func syscallName(n int) string {
	if s, ok := syscallNames[n]; ok {
		return s
	}
	return strconv.Itoa(n)
}

// renamed are system calls whose tracepoints have other names.
var renamed = map[string]string{
	"newstat": "stat", "newfstat": "fstat", "newlstat": "lstat", "newuname": "uname", "sendfile64": "sendfile",
	"umount": "umount2", "newfstatat": "newfstatat", "sysctl": "_sysctl",
}

// Syscall is the number of a system call by its tracepoint's name.
func (m *Machine) Syscall(name string) (int, bool) {
	if m.calls == nil {
		m.calls = map[string]int{}
		for n, s := range syscallNames {
			m.calls[s] = n
		}
	}
	n, ok := m.calls[name]
	if !ok {
		n, ok = m.calls[renamed[name]]
	}
	return n, ok
}
