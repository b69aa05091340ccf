package symbol

import (
	"bytes"
	"sort"
	"strings"
)

// table holds functions by address. Names lie in one piece of memory, as they
// lie in the file: a table of a hundred thousand functions is three slices.
type table struct {
	syms  []sym
	blob  []byte // names, each ended by a zero byte
	ready bool
}

// sym is a function. A size of 0 is not known: it ends where the next begins.
type sym struct {
	addr uint64
	size uint32
	name uint32 // in the table's blob
	rank uint8  // of several at one address the greatest is taken
}

// add enters a function whose name stands at an offset of a blob that was
// appended at base.
func (t *table) add(addr, size uint64, name uint32, rank uint8) {
	t.syms = append(t.syms, sym{addr, uint32(min(size, 1<<32-1)), name, rank})
}

// addName enters a function by name, which ends at a zero byte; one without a name
// is left out.
func (t *table) addName(addr, size uint64, name string, rank uint8) {
	if name, _, _ = strings.Cut(name, "\x00"); name == "" {
		return
	}
	if len(t.blob)+len(name) >= 1<<32-1 {
		return
	}
	t.add(addr, size, uint32(len(t.blob)), rank)
	t.blob = append(append(t.blob, name...), 0)
}

// finish sorts, and keeps one function per address.
func (t *table) finish() {
	sort.SliceStable(t.syms, func(i, j int) bool {
		a, b := t.syms[i], t.syms[j]
		if a.addr != b.addr {
			return a.addr < b.addr
		}
		return a.rank > b.rank
	})
	kept := t.syms[:0]
	for _, s := range t.syms {
		if n := len(kept); n > 0 && kept[n-1].addr == s.addr {
			kept[n-1].size = max(kept[n-1].size, s.size)
			continue
		}
		kept = append(kept, s)
	}
	t.syms = append([]sym(nil), kept...)
	t.ready = true
}

// find names the function that addr is in.
func (t *table) find(addr uint64) (name string, start uint64, ok bool) {
	i := sort.Search(len(t.syms), func(i int) bool { return t.syms[i].addr > addr })
	// A short function may lie inside a longer one that began before it.
	const nested = 8
	for j := i - 1; j >= 0 && j >= i-nested; j-- {
		s := t.syms[j]
		if s.size != 0 && addr-s.addr >= uint64(s.size) {
			continue
		}
		if s.size == 0 && j != i-1 {
			continue
		}
		return t.nameAt(s.name), s.addr, true
	}
	return "", 0, false
}

func (t *table) nameAt(off uint32) string {
	if int(off) >= len(t.blob) {
		return ""
	}
	b := t.blob[off:]
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	const longest = 64 << 10
	return string(b[:min(len(b), longest)])
}

// bytes is how much memory the table takes.
func (t *table) bytes() int {
	const size = 24
	return cap(t.syms)*size + cap(t.blob)
}
