package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
)

// image is a bounded view of an ELF64 relocatable file: nothing in it was
// believed before it was compared with the file's size. debug/elf is not used
// for this first look because it allocates what headers claim.
type image struct {
	data     []byte
	order    binary.ByteOrder
	machine  elf.Machine
	sections []section
	symbols  []symbol
	symtab   *section // nil if there is none
}

type section struct {
	index   int
	name    string
	kind    elf.SectionType
	flags   elf.SectionFlag
	data    []byte // nil for SHT_NOBITS
	offset  int    // of data in the file
	size    uint64
	link    uint32
	info    uint32
	align   uint64
	entsize uint64
	nameOff uint32
}

func (s *section) String() string {
	if s.name != "" {
		return "section " + s.name
	}
	return fmt.Sprintf("section %d", s.index)
}

type symbol struct {
	name    string
	info    byte
	other   byte
	section elf.SectionIndex
	value   uint64
	size    uint64
	entry   int // offset of the table's entry in the file
}

func (s *symbol) bind() elf.SymBind { return elf.ST_BIND(s.info) }
func (s *symbol) kind() elf.SymType { return elf.ST_TYPE(s.info) }

const (
	headerSize   = 64
	sectionSize  = 64
	symbolSize   = 24
	relSize      = 16
	slotSize     = 8
	symInfoField = 4 // of st_info in an entry
	symSizeField = 16
)

// readImage reads header, sections and symbols.
func readImage(data []byte, anyOrder bool) (*image, error) {
	im := &image{data: data}
	if err := im.readHeader(anyOrder); err != nil {
		return nil, err
	}
	if err := im.readSections(); err != nil {
		return nil, err
	}
	if err := im.readSymbols(); err != nil {
		return nil, err
	}
	return im, nil
}

// readSections reads the section headers and cuts out their contents.
func (im *image) readSections() error {
	bo, size := im.order, uint64(len(im.data))
	off := bo.Uint64(im.data[40:])
	entsize := bo.Uint16(im.data[58:])
	count := uint64(bo.Uint16(im.data[60:]))
	names := uint32(bo.Uint16(im.data[62:]))
	if off == 0 {
		return &Error{What: "the file has no sections", Mend: "it was stripped or linked; use clang's object file (-c) as it is"}
	}
	if entsize != sectionSize {
		return malformed("ELF header", fmt.Sprintf("section headers of %d bytes instead of %d", entsize, sectionSize))
	}
	if off > size || size-off < sectionSize {
		return truncated("section headers", off, size)
	}
	// Counts that do not fit in 16 bits stand in section 0.
	first := im.data[off:]
	if count == 0 {
		count = bo.Uint64(first[32:])
	}
	if names == uint32(elf.SHN_XINDEX) {
		names = bo.Uint32(first[40:])
	}
	if count > maxSections {
		return malformed("ELF header", fmt.Sprintf("%d sections, more than the %d allowed", count, maxSections))
	}
	if (size-off)/sectionSize < count {
		return truncated("section headers", off+count*sectionSize, size)
	}
	im.sections = make([]section, count)
	for i := range im.sections {
		if err := im.readSection(i, im.data[off+uint64(i)*sectionSize:]); err != nil {
			return err
		}
	}
	return im.nameSections(names)
}

func (im *image) readSection(i int, h []byte) error {
	bo, size := im.order, uint64(len(im.data))
	s := &im.sections[i]
	*s = section{
		index:   i,
		nameOff: bo.Uint32(h),
		kind:    elf.SectionType(bo.Uint32(h[4:])),
		flags:   elf.SectionFlag(bo.Uint64(h[8:])),
		size:    bo.Uint64(h[32:]),
		link:    bo.Uint32(h[40:]),
		info:    bo.Uint32(h[44:]),
		align:   bo.Uint64(h[48:]),
		entsize: bo.Uint64(h[56:]),
	}
	if i == 0 || s.kind == elf.SHT_NULL || s.kind == elf.SHT_NOBITS {
		return nil
	}
	off := bo.Uint64(h[24:])
	if off > size || size-off < s.size {
		return truncated(s.String(), saturate(off, s.size), size)
	}
	s.data, s.offset = im.data[off:off+s.size:off+s.size], int(off)
	return nil
}

func (im *image) nameSections(table uint32) error {
	if uint64(table) >= uint64(len(im.sections)) || im.sections[table].kind != elf.SHT_STRTAB {
		return malformed("ELF header", fmt.Sprintf("section %d cannot hold the names of sections", table))
	}
	budget := maxNames
	for i := range im.sections {
		s := &im.sections[i]
		if s.kind == elf.SHT_NULL {
			continue
		}
		name, err := cString(im.sections[table].data, s.nameOff, &budget)
		if err != nil {
			return malformed(s.String(), "name "+err.Error())
		}
		s.name = name
	}
	return nil
}

func (im *image) readSymbols() error {
	for i := range im.sections {
		if im.sections[i].kind != elf.SHT_SYMTAB {
			continue
		}
		if im.symtab != nil {
			return malformed(im.sections[i].String(), "a second symbol table")
		}
		im.symtab = &im.sections[i]
	}
	t := im.symtab
	if t == nil {
		return &Error{What: "no symbol table", Mend: "the object was stripped: strip with llvm-strip -g, which keeps symbols"}
	}
	if t.entsize != symbolSize || t.size%symbolSize != 0 || t.size == 0 {
		return malformed(t.String(), fmt.Sprintf("%d bytes do not hold symbols of %d bytes (entry size %d)", t.size, symbolSize, t.entsize))
	}
	if t.size/symbolSize > maxSymbols {
		return malformed(t.String(), fmt.Sprintf("%d symbols, more than the %d allowed", t.size/symbolSize, maxSymbols))
	}
	if uint64(t.link) >= uint64(len(im.sections)) || im.sections[t.link].kind != elf.SHT_STRTAB {
		return malformed(t.String(), fmt.Sprintf("section %d cannot hold the names of symbols", t.link))
	}
	bo, strings, budget := im.order, im.sections[t.link].data, maxNames
	im.symbols = make([]symbol, t.size/symbolSize)
	for i := range im.symbols {
		e := t.data[i*symbolSize:]
		s := &im.symbols[i]
		*s = symbol{
			info:    e[symInfoField],
			other:   e[5],
			section: elf.SectionIndex(bo.Uint16(e[6:])),
			value:   bo.Uint64(e[8:]),
			size:    bo.Uint64(e[16:]),
			entry:   t.offset + i*symbolSize,
		}
		name, err := cString(strings, bo.Uint32(e), &budget)
		if err != nil {
			return malformed(fmt.Sprintf("symbol %d", i), "name "+err.Error())
		}
		s.name = name
		if s.section < elf.SHN_LORESERVE && int(s.section) >= len(im.sections) {
			return malformed(fmt.Sprintf("symbol %d (%s)", i, name), fmt.Sprintf("stands in section %d of %d", s.section, len(im.sections)))
		}
	}
	return nil
}

// section returns the section of that name, or nil.
func (im *image) section(name string) *section {
	for i := range im.sections {
		if im.sections[i].name == name {
			return &im.sections[i]
		}
	}
	return nil
}

// cString reads the string at off. Names are counted against budget at each
// use, because a file may point at one long name from everywhere.
func cString(table []byte, off uint32, budget *int) (string, error) {
	if uint64(off) >= uint64(len(table)) {
		if off == 0 {
			return "", nil
		}
		return "", fmt.Errorf("at %d is outside its table of %d bytes", off, len(table))
	}
	rest := table[off:]
	n := bytes.IndexByte(rest[:min(len(rest), *budget+1)], 0)
	if n < 0 {
		if len(rest) > *budget {
			return "", fmt.Errorf("is one of names longer than %d bytes together", maxNames)
		}
		return "", fmt.Errorf("at %d does not end", off)
	}
	*budget -= n
	return string(rest[:n]), nil
}

func truncated(where string, need, have uint64) error {
	return &Error{Where: where, What: fmt.Sprintf("reaches to byte %d of a file of %d", need, have), Mend: "the file is truncated or damaged: copy or build it again"}
}

// saturate adds without wrapping around.
func saturate(a, b uint64) uint64 {
	if a+b < a {
		return ^uint64(0)
	}
	return a + b
}
