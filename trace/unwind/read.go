package unwind

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

// maxSection is the largest section that is read, in bytes.
const maxSection = 256 << 20

// ErrNoTable: the binary says nothing about its frames.
var ErrNoTable = errors.New("no unwind table")

// Read reads the table of an ELF file. A file that is broken gives an error, and
// never more than the limits allow.
func Read(r io.ReaderAt) (t *Table, err error) {
	defer func() {
		if p := recover(); p != nil { // debug/elf on broken files
			t, err = nil, fmt.Errorf("broken ELF file: %v", p)
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	if f.Machine != elf.EM_X86_64 || f.Class != elf.ELFCLASS64 {
		return nil, fmt.Errorf("unwind tables of %s are not supported: x86-64 only", f.Machine)
	}
	b := &builder{base: lowest(f)}
	golang := goTable(f, b)
	if golang != nil && !errors.Is(golang, ErrNoTable) {
		return nil, golang
	}
	err = ehFrame(f, b)
	if err != nil && (golang != nil || !errors.Is(err, ErrNoTable)) {
		return nil, err
	}
	return b.table(), nil
}

// lowest is the first address of the file's segments.
func lowest(f *elf.File) uint64 {
	const page = 4096
	base, any := uint64(0), false
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && (!any || p.Vaddr < base) {
			base, any = p.Vaddr, true
		}
	}
	return base &^ (page - 1)
}

// Bias is what to subtract from an address in a mapping of the file, so that it
// counts as rows do. start and offset are the mapping's. ok is false if the
// file has no segment there.
func (t *Table) Bias(progs []elf.ProgHeader, start, offset uint64) (bias uint64, ok bool) {
	const page = 4096
	for _, p := range progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && offset >= p.Off&^(page-1) && offset < p.Off+p.Filesz {
			vaddr := p.Vaddr + (offset - p.Off) // may wrap within the page before p.Off, and back
			return start - vaddr + t.Base, true
		}
	}
	return 0, false
}

// Segments are the program headers of an ELF file, for [Table.Bias].
func Segments(r io.ReaderAt) (out []elf.ProgHeader, err error) {
	defer func() {
		if p := recover(); p != nil {
			out, err = nil, fmt.Errorf("broken ELF file: %v", p)
		}
	}()
	f, err := elf.NewFile(r)
	if err != nil {
		return nil, err
	}
	for _, p := range f.Progs {
		out = append(out, p.ProgHeader)
	}
	return out, nil
}

// data reads a section within limits.
func data(s *elf.Section) ([]byte, error) {
	if s == nil || s.Type == elf.SHT_NOBITS || s.Size == 0 {
		return nil, ErrNoTable
	}
	if s.Size > maxSection {
		return nil, fmt.Errorf("section %s has %d bytes, %d are read at most", s.Name, s.Size, maxSection)
	}
	return s.Data()
}
