package symbol

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of what is read of a file.
const (
	// MaxSection is the largest section that is read, uncompressed, in bytes.
	MaxSection = 512 << 20
	// MaxSymbols is how many functions of a file are kept.
	MaxSymbols = 8 << 20
)

// guard turns a panic of a library that reads a broken file into an error.
func guard(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: broken: %v", what, r)
		}
	}()
	return f()
}

// image is an opened ELF file.
type image struct {
	*elf.File
	name string
}

// newImage reads the headers of a file.
func newImage(name string, r io.ReaderAt) (img *image, err error) {
	err = guard(name, func() error {
		f, err := elf.NewFile(r)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		img = &image{f, name}
		return nil
	})
	return img, err
}

// section reads a section that is there and not too large.
func (m *image) section(s *elf.Section) (data []byte, err error) {
	if s == nil || s.Type == elf.SHT_NOBITS {
		return nil, errors.New("no such section")
	}
	if s.Size > MaxSection {
		return nil, fmt.Errorf("%s: section %s has %d bytes, %d are read at most", m.name, s.Name, s.Size, MaxSection)
	}
	err = guard(m.name, func() (err error) {
		data, err = s.Data()
		return err
	})
	return data, err
}

// vaddr is the address, as the file counts them, of what lies at an offset of
// the file. Of segments that share a page the one that holds the byte counts.
func (m *image) vaddr(off uint64) (uint64, bool) {
	const page = 4096
	best, ok := uint64(0), false
	for _, p := range m.Progs {
		if p.Type != elf.PT_LOAD {
			continue
		}
		switch {
		case off >= p.Off && off-p.Off < p.Filesz:
			if p.Flags&elf.PF_X != 0 {
				return off - p.Off + p.Vaddr, true
			}
			best, ok = off-p.Off+p.Vaddr, true
		case !ok && off >= p.Off&^(page-1) && off < p.Off:
			best, ok = p.Vaddr-(p.Off-off), true
		}
	}
	return best, ok
}

// functions enters the functions of .symtab or .dynsym.
func (m *image) functions(t *table, typ elf.SectionType) error {
	var sec *elf.Section
	for _, s := range m.Sections {
		if s.Type == typ {
			sec = s
			break
		}
	}
	if sec == nil || int(sec.Link) >= len(m.Sections) || sec.Link == 0 {
		return fmt.Errorf("%s: no symbol table", m.name)
	}
	data, err := m.section(sec)
	if err != nil {
		return err
	}
	names, err := m.section(m.Sections[sec.Link])
	if err != nil {
		return err
	}
	base := len(t.blob)
	if base+len(names)+1 >= 1<<32-1 {
		return fmt.Errorf("%s: too many names", m.name)
	}
	t.blob = append(append(t.blob, names...), 0)
	step := 24
	if m.Class == elf.ELFCLASS32 {
		step = 16
	}
	for ; len(data) >= step && len(t.syms) < MaxSymbols; data = data[step:] {
		s := m.rawSymbol(data)
		if s.name >= uint32(len(names)) || !m.isFunction(s) || names[s.name] == 0 || names[s.name] == '$' {
			continue
		}
		t.add(s.value, s.size, uint32(base)+s.name, s.rank())
	}
	return nil
}

// rawSymbol is Elf64_Sym or Elf32_Sym.
type rawSymbol struct {
	name        uint32
	info        byte
	shndx       elf.SectionIndex
	value, size uint64
}

func (m *image) rawSymbol(b []byte) rawSymbol {
	o := m.ByteOrder
	if m.Class == elf.ELFCLASS32 {
		return rawSymbol{o.Uint32(b), b[12], elf.SectionIndex(o.Uint16(b[14:])), uint64(o.Uint32(b[4:])), uint64(o.Uint32(b[8:]))}
	}
	return rawSymbol{o.Uint32(b), b[4], elf.SectionIndex(o.Uint16(b[6:])), o.Uint64(b[8:]), o.Uint64(b[16:])}
}

// rank prefers names that others can see, and those with a size.
func (s rawSymbol) rank() uint8 {
	r := uint8(0)
	switch elf.ST_BIND(s.info) {
	case elf.STB_GLOBAL:
		r = 4
	case elf.STB_WEAK:
		r = 2
	}
	if s.size > 0 {
		r++
	}
	return r
}

// isFunction: functions, and labels of assembly in code.
func (m *image) isFunction(s rawSymbol) bool {
	if s.shndx == elf.SHN_UNDEF || s.value == 0 {
		return false
	}
	switch elf.ST_TYPE(s.info) {
	case elf.STT_FUNC, elf.STT_GNU_IFUNC:
		return true
	case elf.STT_NOTYPE:
		return int(s.shndx) < len(m.Sections) && m.Sections[s.shndx].Flags&elf.SHF_EXECINSTR != 0
	}
	return false
}

// buildID is the note of type NT_GNU_BUILD_ID, as hexadecimal digits.
func (m *image) buildID() string {
	const gnuBuildID, longest = 3, 64
	for _, s := range m.Sections {
		if s.Type != elf.SHT_NOTE || s.Size > 1<<16 {
			continue
		}
		b, err := m.section(s)
		if err != nil {
			continue
		}
		for len(b) >= 12 {
			n, d, typ := uint64(m.ByteOrder.Uint32(b)), uint64(m.ByteOrder.Uint32(b[4:])), m.ByteOrder.Uint32(b[8:])
			desc := 12 + (n+3)&^3
			end := desc + (d+3)&^3
			if end > uint64(len(b)) {
				break
			}
			if typ == gnuBuildID && strings.TrimRight(string(b[12:12+n]), "\x00") == "GNU" && d <= longest {
				return fmt.Sprintf("%x", b[desc:desc+d])
			}
			b = b[end:]
		}
	}
	return ""
}
