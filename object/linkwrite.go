package object

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// elfWriter lays the parts of an ELF file behind each other.
type elfWriter struct {
	order   appendOrder
	out     []byte
	headers []byte
	names   []byte
}

func (w *elfWriter) section(name string, kind elf.SectionType, flags elf.SectionFlag, data []byte, size uint64, link, info uint32, align, entsize uint64) {
	for uint64(len(w.out))%max(align, 1) != 0 {
		w.out = append(w.out, 0)
	}
	at := len(w.names)
	w.names = append(append(w.names, name...), 0)
	h := w.order.AppendUint32(w.order.AppendUint32(w.headers, uint32(at)), uint32(kind))
	for _, v := range []uint64{uint64(flags), 0, uint64(len(w.out)), size} {
		h = w.order.AppendUint64(h, v)
	}
	h = w.order.AppendUint32(w.order.AppendUint32(h, link), info)
	w.headers = w.order.AppendUint64(w.order.AppendUint64(h, align), entsize)
	w.out = append(w.out, data...)
}

func (l *linker) write() ([]byte, error) {
	m, err := l.mergeTypes()
	if err != nil {
		return nil, err
	}
	ext, err := l.mergeExt(m)
	if err != nil {
		return nil, err
	}
	w := &elfWriter{order: l.order, out: make([]byte, headerSize), headers: make([]byte, sectionSize), names: []byte{0}}
	for _, s := range l.sections {
		w.section(s.name, s.kind, s.flags, s.data, s.size, 0, 0, s.align, 0)
	}
	symbols, strings, locals := l.symbolTable()
	symtab := uint32(len(l.sections) + 1)
	w.section(".symtab", elf.SHT_SYMTAB, 0, symbols, uint64(len(symbols)), symtab+1, uint32(locals), 8, symbolSize)
	w.section(".strtab", elf.SHT_STRTAB, 0, strings, uint64(len(strings)), 0, 0, 1, 0)
	count := int(symtab) + 2
	for _, s := range l.sections {
		if len(s.relocs) == 0 {
			continue
		}
		var rel []byte
		for _, r := range s.relocs {
			rel = l.order.AppendUint64(rel, r.offset)
			rel = l.order.AppendUint64(rel, uint64(r.symbol.index)<<32|uint64(r.kind))
		}
		w.section(".rel"+s.name, elf.SHT_REL, 0, rel, uint64(len(rel)), symtab, uint32(s.index), 8, relSize)
		count++
	}
	if m.count > 0 {
		btf := m.bytes()
		w.section(".BTF", elf.SHT_PROGBITS, 0, btf, uint64(len(btf)), 0, 0, 4, 0)
		w.section(".BTF.ext", elf.SHT_PROGBITS, 0, ext, uint64(len(ext)), 0, 0, 4, 0)
		count += 2
	}
	const shstrtab = ".shstrtab"
	w.section(shstrtab, elf.SHT_STRTAB, 0, append(slices.Clone(w.names), shstrtab+"\x00"...), uint64(len(w.names)+len(shstrtab)+1), 0, 0, 1, 0)
	return w.finish(l.machine, count+1)
}

// finish puts the headers where they belong.
func (w *elfWriter) finish(machine elf.Machine, count int) ([]byte, error) {
	for len(w.out)%8 != 0 {
		w.out = append(w.out, 0)
	}
	if len(w.out)+len(w.headers) > MaxFileSize {
		return nil, fmt.Errorf("link: %d bytes are more than the %d allowed", len(w.out)+len(w.headers), MaxFileSize)
	}
	h := w.out[:headerSize]
	copy(h, elf.ELFMAG)
	h[elf.EI_CLASS], h[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.EV_CURRENT)
	h[elf.EI_DATA] = byte(elf.ELFDATA2LSB)
	if binary.ByteOrder(w.order) == binary.BigEndian {
		h[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
	}
	w.order.PutUint16(h[16:], uint16(elf.ET_REL))
	w.order.PutUint16(h[18:], uint16(machine))
	w.order.PutUint32(h[20:], uint32(elf.EV_CURRENT))
	w.order.PutUint64(h[40:], uint64(len(w.out)))
	w.order.PutUint16(h[52:], headerSize)
	w.order.PutUint16(h[58:], sectionSize)
	w.order.PutUint16(h[60:], uint16(count))
	w.order.PutUint16(h[62:], uint16(count-1))
	return append(w.out, w.headers...), nil
}

// symbolTable numbers the symbols, local ones first, and gives the table, its
// strings, and how many come before the global ones.
func (l *linker) symbolTable() (table, strings []byte, locals int) {
	ordered := slices.Clone(l.all)
	isGlobal := func(s *outSymbol) int {
		if elf.ST_BIND(s.info) == elf.STB_LOCAL {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(ordered, func(a, b *outSymbol) int { return isGlobal(a) - isGlobal(b) })
	table, strings, locals = make([]byte, symbolSize), []byte{0}, 1
	for i, s := range ordered {
		s.index = i + 1
		locals += 1 - isGlobal(s)
		at := uint32(0)
		if s.name != "" {
			at = uint32(len(strings))
			strings = append(append(strings, s.name...), 0)
		}
		sec := uint16(elf.SHN_UNDEF)
		if s.section != nil {
			sec = uint16(s.section.index)
		}
		table = append(l.order.AppendUint32(table, at), s.info, s.other)
		table = l.order.AppendUint16(table, sec)
		table = l.order.AppendUint64(l.order.AppendUint64(table, s.value), s.size)
	}
	return table, strings, locals
}
