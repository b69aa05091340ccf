package symbol

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
)

// Limits of DWARF.
const (
	// MaxDWARF is how much DWARF of a file is read, uncompressed, in bytes.
	// Files with more have names without lines.
	MaxDWARF = 512 << 20
	// maxUnit is how many entries and lines of a unit are read.
	maxUnit = 4 << 20
	// keptUnits is how many units' lines are kept.
	keptUnits = 64
)

// lines finds source lines and inlined functions in DWARF (versions 2 to 5).
type lines struct {
	d     *dwarf.Data
	line  []byte // .debug_line
	order binary.ByteOrder
	units []unitRange
	kept  map[dwarf.Offset]*unit
}

type unitRange struct {
	lo, hi uint64
	at     dwarf.Offset
}

// dwarfLines reads a file's DWARF and where its units are; the rest is read
// when asked for.
func (m *image) dwarfLines() (*lines, error) {
	total := uint64(0)
	for _, s := range m.Sections {
		if strings.HasPrefix(s.Name, ".debug_") || strings.HasPrefix(s.Name, ".zdebug_") {
			total += s.Size
		}
	}
	if total == 0 || total > MaxDWARF {
		return nil, fmt.Errorf("%s: %d bytes of DWARF, want 1 to %d", m.name, total, MaxDWARF)
	}
	l := &lines{kept: map[dwarf.Offset]*unit{}}
	err := guard(m.name, func() (err error) {
		if l.d, err = m.DWARF(); err != nil {
			return err
		}
		info := m.Section(".debug_info")
		if info == nil {
			return errors.New("no .debug_info")
		}
		l.order = m.ByteOrder
		l.line, _ = m.section(m.Section(".debug_line"))
		return l.index(info, m.ByteOrder)
	})
	return l, err
}

// index reads the first entry of each unit. Units are found by their headers:
// the next one begins where the last one's length says.
func (l *lines) index(info *elf.Section, o binary.ByteOrder) error {
	r := l.d.Reader()
	size, src := info.Size, info.Open()
	for off := uint64(0); off+11 < size; {
		var h [24]byte
		if _, err := src.Seek(int64(off), io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(src, h[:min(24, size-off)]); err != nil {
			return err
		}
		length, head, wide := uint64(o.Uint32(h[:])), uint64(4), uint64(4)
		if length == 0xffffffff {
			length, head, wide = o.Uint64(h[4:]), 12, 8
		}
		version := o.Uint16(h[head:])
		first, whole := head+2+wide+1, true // version, offset of abbreviations, size of addresses
		if version >= 5 {
			const compile, skeleton = 1, 4
			typ := h[head+2]
			first++
			if typ == skeleton {
				first += 8
			}
			whole = typ == compile || typ == skeleton
		}
		if length > size-off-head {
			return fmt.Errorf("unit at %#x ends outside of .debug_info", off)
		}
		if whole {
			r.Seek(dwarf.Offset(off + first))
			if e, err := r.Next(); err == nil && e != nil && e.Tag == dwarf.TagCompileUnit {
				rs, _ := l.d.Ranges(e)
				for _, rg := range rs {
					if rg[1] > rg[0] {
						l.units = append(l.units, unitRange{rg[0], rg[1], e.Offset})
					}
				}
			}
		}
		off += head + length
	}
	sort.Slice(l.units, func(i, j int) bool { return l.units[i].lo < l.units[j].lo })
	return nil
}

// find is what DWARF says of an address: the functions there, innermost first,
// each with the line it is at; none if it says nothing.
func (l *lines) find(addr uint64) (out []Frame) {
	_ = guard("dwarf", func() error {
		u := l.unit(addr)
		if u == nil {
			return errors.New("no unit")
		}
		out = u.find(addr)
		return nil
	})
	return out
}

// unit is the unit that holds addr.
func (l *lines) unit(addr uint64) *unit {
	i := sort.Search(len(l.units), func(i int) bool { return l.units[i].lo > addr })
	const overlapping = 16
	for j := i - 1; j >= 0 && j >= i-overlapping; j-- {
		if addr >= l.units[j].hi {
			continue
		}
		at := l.units[j].at
		u, ok := l.kept[at]
		if !ok {
			if len(l.kept) >= keptUnits {
				clear(l.kept)
			}
			u = l.read(at)
			l.kept[at] = u
		}
		return u
	}
	return nil
}

// unit is a compilation unit's lines and functions.
type unit struct {
	rows  []row
	files []string
	funcs []part // sorted by lo
	// ranges is how many were read: entries may share long lists of them.
	ranges int
}

// maxRanges bounds a unit's.
const maxRanges = 1 << 20

// part is a range of a function's code: its own, or a cold part set aside.
type part struct {
	lo, hi uint64
	of     *scope
}

// row says which line code belongs to, up to the next row; file -1 ends code.
type row struct {
	addr       uint64
	file, line int32
}

// scope is a function, or a range of one that was inlined into it.
type scope struct {
	lo, hi   uint64 // of what is inlined
	name     string
	file     int32 // of the call, for inlined ones
	line     int32
	inlined  []scope // innermost last
	nameFrom dwarf.Offset
}

func (l *lines) read(at dwarf.Offset) *unit {
	u := &unit{}
	r := l.d.Reader()
	r.Seek(at)
	cu, err := r.Next()
	if err != nil || cu == nil {
		return u
	}
	if off, ok := cu.Val(dwarf.AttrStmtList).(int64); ok && lineHeaderFits(l.line, off, l.order) == nil {
		if lr, err := l.d.LineReader(cu); err == nil && lr != nil {
			u.readLines(lr)
		}
	}
	if cu.Children {
		l.readFuncs(u, r)
	}
	sort.SliceStable(u.funcs, func(i, j int) bool { return u.funcs[i].lo < u.funcs[j].lo })
	return u
}

func (u *unit) readLines(lr *dwarf.LineReader) {
	var e dwarf.LineEntry
	index := map[*dwarf.LineFile]int32{}
	for len(u.rows) < maxUnit && lr.Next(&e) == nil {
		if e.EndSequence {
			u.rows = append(u.rows, row{e.Address, -1, 0})
			continue
		}
		f, ok := index[e.File]
		if !ok {
			f = -1
			for i, lf := range lr.Files() {
				if lf == e.File {
					f = int32(i)
				}
			}
			index[e.File] = f
		}
		u.rows = append(u.rows, row{e.Address, f, int32(e.Line)})
	}
	for _, f := range lr.Files() {
		name := ""
		if f != nil {
			name = f.Name
		}
		u.files = append(u.files, name)
	}
	sort.SliceStable(u.rows, func(i, j int) bool { return u.rows[i].addr < u.rows[j].addr })
}

// readFuncs reads functions and what is inlined into them.
func (l *lines) readFuncs(u *unit, r *dwarf.Reader) {
	var open []*scope // the functions we are inside, by depth; nil for other entries
	var all []*scope
	for n := 0; n < maxUnit && u.ranges < maxRanges; n++ {
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		if e.Tag == 0 {
			if len(open) == 0 {
				break
			}
			open = open[:len(open)-1]
			continue
		}
		var outer *scope
		if len(open) > 0 {
			outer = open[len(open)-1]
		}
		inside := outer
		switch e.Tag {
		case dwarf.TagSubprogram:
			if inside = l.function(u, e); inside != nil {
				all = append(all, inside)
			}
		case dwarf.TagInlinedSubroutine:
			if outer != nil {
				l.inline(u, outer, e)
			}
		}
		if e.Children {
			open = append(open, inside)
		}
	}
	for _, f := range all {
		l.nameAll(f)
	}
}

// function enters a function's ranges; nil if it has no code.
func (l *lines) function(u *unit, e *dwarf.Entry) *scope {
	rs, err := l.d.Ranges(e)
	if err != nil || len(rs) == 0 {
		return nil
	}
	u.ranges += len(rs)
	f := &scope{nameFrom: e.Offset}
	for _, rg := range rs {
		u.funcs = append(u.funcs, part{rg[0], rg[1], f})
	}
	return f
}

func (l *lines) inline(u *unit, f *scope, e *dwarf.Entry) {
	rs, err := l.d.Ranges(e)
	if err != nil {
		return
	}
	u.ranges += len(rs)
	file, _ := e.Val(dwarf.AttrCallFile).(int64)
	line, _ := e.Val(dwarf.AttrCallLine).(int64)
	for _, rg := range rs {
		f.inlined = append(f.inlined, scope{lo: rg[0], hi: rg[1], file: int32(file), line: int32(line), nameFrom: e.Offset})
	}
}

func (l *lines) nameAll(s *scope) {
	s.name = l.name(s.nameFrom)
	for i := range s.inlined {
		s.inlined[i].name = l.name(s.inlined[i].nameFrom)
	}
}

// name is the linkage name, demangled, or the plain one; entries without refer
// to others.
func (l *lines) name(at dwarf.Offset) string {
	const steps = 4
	r := l.d.Reader()
	plain := ""
	for range steps {
		r.Seek(at)
		e, err := r.Next()
		if err != nil || e == nil {
			break
		}
		if s, ok := e.Val(dwarf.AttrLinkageName).(string); ok && s != "" {
			return Demangle(s)
		}
		if s, ok := e.Val(dwarf.AttrName).(string); ok && plain == "" {
			plain = s
		}
		next, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
		if !ok {
			if next, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset); !ok {
				break
			}
		}
		at = next
	}
	return plain
}

func (u *unit) file(i int32) string {
	if i < 0 || int(i) >= len(u.files) {
		return ""
	}
	return u.files[i]
}

// find: the innermost function is at the line of the line table, each outer one
// at the call of the next inner one.
func (u *unit) find(addr uint64) []Frame {
	at := Frame{}
	if i := sort.Search(len(u.rows), func(i int) bool { return u.rows[i].addr > addr }); i > 0 && u.rows[i-1].file >= 0 {
		at.File, at.Line = u.file(u.rows[i-1].file), int(u.rows[i-1].line)
	}
	i := sort.Search(len(u.funcs), func(i int) bool { return u.funcs[i].lo > addr })
	if i == 0 || addr >= u.funcs[i-1].hi {
		if at.Line == 0 {
			return nil
		}
		return []Frame{at}
	}
	f := u.funcs[i-1].of
	var out []Frame
	for j := len(f.inlined) - 1; j >= 0; j-- {
		in := f.inlined[j]
		if addr < in.lo || addr >= in.hi {
			continue
		}
		at.Name, at.Inlined = in.name, true
		out = append(out, at)
		at = Frame{File: u.file(in.file), Line: int(in.line)}
	}
	at.Name, at.Offset = f.name, addr-u.funcs[i-1].lo
	return append(out, at)
}
