package symbol

import (
	"debug/elf"
	"encoding/binary"
	"errors"
)

// goTable is the table of functions and lines that every Go binary carries for
// its run time, stripped or not (runtime/symtab.go; magic numbers of Go 1.16,
// 1.18 and 1.20, the newest). Reads outside of it yield zeros and no names.
type goTable struct {
	data       []byte
	o          binary.ByteOrder
	ptr        uint64 // size of a pointer in bytes
	minLC      uint64 // size of an instruction's unit
	text       uint64 // address of the first function, runtime.text
	count      uint64 // of functions
	names, cus uint64 // offsets in data …
	files, pcs uint64
	funcs      uint64
	entrySize  uint64 // of the table of functions
}

// Magic numbers of .gopclntab.
const (
	goMagic116 = 0xfffffffa
	goMagic118 = 0xfffffff0
	goMagic120 = 0xfffffff1
)

// goTable finds the table of a Go binary.
func (m *image) goTable() (*goTable, error) {
	sec := m.Section(".gopclntab")
	if sec == nil {
		sec = m.Section(".data.rel.ro.gopclntab")
	}
	if sec == nil {
		return nil, errors.New("no Go table")
	}
	data, err := m.section(sec)
	if err != nil {
		return nil, err
	}
	return newGoTable(data, m.ByteOrder, m.goText())
}

// goText is the address of runtime.text for tables that do not say it (Go
// 1.26): as the module's description has it, or where code begins.
func (m *image) goText() uint64 {
	const textField = 176 // struct moduledata: pcHeader, six slices, findfunctab, minpc, maxpc
	if sec := m.Section(".go.module"); sec != nil && m.Class == elf.ELFCLASS64 {
		if b, err := m.section(sec); err == nil && len(b) >= textField+8 {
			if v := m.ByteOrder.Uint64(b[textField:]); v != 0 {
				return v
			}
		}
	}
	if sec := m.Section(".text"); sec != nil {
		return sec.Addr
	}
	return 0
}

func newGoTable(data []byte, o binary.ByteOrder, text uint64) (*goTable, error) {
	const header = 8
	if len(data) < header {
		return nil, errors.New("go table: too short")
	}
	g := &goTable{data: data, o: o, minLC: uint64(data[6]), ptr: uint64(data[7]), text: text}
	if g.ptr != 4 && g.ptr != 8 {
		return nil, errors.New("go table: bad pointer size")
	}
	word := func(i uint64) uint64 { return g.uint(header+i*g.ptr, g.ptr) }
	first := uint64(2)
	switch magic := o.Uint32(data); magic {
	case goMagic116:
		g.entrySize = 2 * g.ptr
	case goMagic118, goMagic120:
		g.entrySize = 8
		if v := word(2); v != 0 {
			g.text = v
		}
		first = 3
	default:
		return nil, errors.New("go table: of a Go version before 1.16, or unknown")
	}
	g.count = word(0)
	g.names, g.cus, g.files, g.pcs, g.funcs = word(first), word(first+1), word(first+2), word(first+3), word(first+4)
	if g.count > MaxSymbols || g.funcs+g.count*g.entrySize > uint64(len(data)) {
		return nil, errors.New("go table: functions outside of it")
	}
	return g, nil
}

// uint reads an integer of size bytes at an offset; 0 outside.
func (g *goTable) uint(off, size uint64) uint64 {
	if off > uint64(len(g.data)) || size > uint64(len(g.data))-off {
		return 0
	}
	switch size {
	case 4:
		return uint64(g.o.Uint32(g.data[off:]))
	case 8:
		return g.o.Uint64(g.data[off:])
	}
	return uint64(g.data[off])
}

// entry is the i-th function's address, and where its description stands.
func (g *goTable) entry(i uint64) (addr, desc uint64) {
	at, half := g.funcs+i*g.entrySize, g.entrySize/2
	addr, desc = g.uint(at, half), g.uint(at+half, half)
	if g.o.Uint32(g.data) != goMagic116 {
		addr += g.text
	}
	return addr, g.funcs + desc
}

// functions enters all of them. The last function ends where the table says.
func (g *goTable) functions(t *table) {
	for i := uint64(0); i < g.count; i++ {
		addr, desc := g.entry(i)
		next, _ := g.entry(i + 1)
		size := uint64(0)
		if next > addr {
			size = next - addr
		}
		if name := g.str(g.names + g.field(desc, 1)); name != "" {
			t.addName(addr, size, name, 0)
		}
	}
}

// field is a 32-bit field of a function's description. What comes before it is
// the entry: an offset of 32 bits, a pointer in Go 1.16.
func (g *goTable) field(desc, i uint64) uint64 {
	first := uint64(4)
	if g.o.Uint32(g.data) == goMagic116 {
		first = g.ptr
	}
	return g.uint(desc+first+(i-1)*4, 4)
}

// Fields of a function's description, counted after the entry.
const (
	goPCFile  = 5
	goPCLine  = 6
	goCU      = 8
	goNoValue = -1
)

// str is the string at an offset.
func (g *goTable) str(off uint64) string {
	if off >= uint64(len(g.data)) {
		return ""
	}
	t := table{blob: g.data[off:]}
	return t.nameAt(0)
}

// find is the index of the function that holds addr.
func (g *goTable) find(addr uint64) (uint64, bool) {
	lo, hi := uint64(0), g.count
	for lo < hi {
		mid := (lo + hi) / 2
		if a, _ := g.entry(mid); a > addr {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	end, _ := g.entry(g.count)
	if lo == 0 || (end > 0 && addr >= end) {
		return 0, false
	}
	return lo - 1, true
}

// line is the source line of an address.
func (g *goTable) line(addr uint64) (file string, line int) {
	i, ok := g.find(addr)
	if !ok {
		return "", 0
	}
	entry, desc := g.entry(i)
	f := g.value(g.field(desc, goPCFile), addr-entry)
	n := g.value(g.field(desc, goPCLine), addr-entry)
	if f < 0 || n < 0 {
		return "", 0
	}
	at := g.cus + (g.field(desc, goCU)+uint64(f))*4
	return g.str(g.files + g.uint(at, 4)), n
}

// value looks a table of values by program counter up; off counts from the
// function's entry.
func (g *goTable) value(tab, off uint64) int {
	found := goNoValue
	g.steps(tab, func(end uint64, v int) bool {
		if off < end {
			found = v
			return false
		}
		return true
	})
	return found
}

// steps walks a table of values by program counter: v holds up to end, which
// counts from the function's entry.
func (g *goTable) steps(tab uint64, f func(end uint64, v int) bool) {
	if tab == 0 || g.pcs+tab >= uint64(len(g.data)) {
		return
	}
	b := g.data[g.pcs+tab:]
	v, pc := int32(-1), uint64(0)
	for first := true; ; first = false {
		u, n := binary.Uvarint(b)
		if n <= 0 || (u == 0 && !first) {
			return
		}
		b = b[n:]
		v += int32(-(uint32(u) & 1) ^ (uint32(u) >> 1))
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return
		}
		b = b[n:]
		pc += d * g.minLC
		if !f(pc, int(v)) {
			return
		}
	}
}
