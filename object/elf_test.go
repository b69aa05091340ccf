package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// testELF assembles an ELF object whose every claim can be a lie.
type testELF struct {
	machine  elf.Machine
	kind     elf.Type
	sections []testSection // after the null section
	symbols  []testSymbol  // after the null symbol
	noSymtab bool
}

type testSection struct {
	name          string
	kind          elf.SectionType
	flags         elf.SectionFlag
	data          []byte
	size          uint64 // 0: that of data
	link, info    uint32
	entsize, algn uint64
}

type testSymbol struct {
	name    string
	info    byte
	section uint16
	value   uint64
	size    uint64
}

func global(kind elf.SymType) byte { return elf.ST_INFO(elf.STB_GLOBAL, kind) }

// exitProgram is r0 = 0; exit.
func exitProgram() []byte {
	return []byte{0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0}
}

// program is an object of one sound program, to be spoilt.
func program() *testELF {
	return &testELF{
		sections: []testSection{{name: "xdp", kind: elf.SHT_PROGBITS, flags: elf.SHF_ALLOC | elf.SHF_EXECINSTR, data: exitProgram()}},
		symbols:  []testSymbol{{name: "main", info: global(elf.STT_FUNC), section: 1, size: 16}},
	}
}

// relocate adds relocations for section 1.
func (e *testELF) relocate(rels ...[2]uint64) *testELF {
	var b []byte
	for _, r := range rels {
		b = binary.LittleEndian.AppendUint64(b, r[0])
		b = binary.LittleEndian.AppendUint64(b, r[1]<<32|1)
	}
	e.sections = append(e.sections, testSection{name: ".relxdp", kind: elf.SHT_REL, data: b, info: 1, entsize: relSize})
	return e
}

func (e *testELF) bytes() []byte {
	bo := binary.LittleEndian
	names, strings := []byte{0}, []byte{0}
	symtab := make([]byte, symbolSize)
	for _, s := range e.symbols {
		symtab = bo.AppendUint32(symtab, uint32(len(strings)))
		symtab = append(symtab, s.info, 0)
		symtab = bo.AppendUint16(symtab, s.section)
		symtab = bo.AppendUint64(symtab, s.value)
		symtab = bo.AppendUint64(symtab, s.size)
		strings = append(append(strings, s.name...), 0)
	}
	all := append([]testSection{{}}, e.sections...)
	if !e.noSymtab {
		all = append(all, testSection{name: ".symtab", kind: elf.SHT_SYMTAB, data: symtab, link: uint32(len(all) + 1), entsize: symbolSize},
			testSection{name: ".strtab", kind: elf.SHT_STRTAB, data: strings})
	}
	all = append(all, testSection{name: ".shstrtab", kind: elf.SHT_STRTAB})
	var heads, body []byte
	for i := range all {
		s := &all[i]
		name := uint32(len(names))
		if i == 0 {
			name = 0
		} else {
			names = append(append(names, s.name...), 0)
		}
		if i == len(all)-1 {
			s.data = names
		}
		size := s.size
		if size == 0 {
			size = uint64(len(s.data))
		}
		heads = bo.AppendUint32(heads, name)
		heads = bo.AppendUint32(heads, uint32(s.kind))
		heads = bo.AppendUint64(heads, uint64(s.flags))
		heads = bo.AppendUint64(heads, 0)
		heads = bo.AppendUint64(heads, uint64(headerSize+len(body)))
		heads = bo.AppendUint64(heads, size)
		heads = bo.AppendUint32(heads, s.link)
		heads = bo.AppendUint32(heads, s.info)
		heads = bo.AppendUint64(heads, max(s.algn, 1))
		heads = bo.AppendUint64(heads, s.entsize)
		body = append(body, s.data...)
	}
	var h bytes.Buffer
	h.WriteString(elf.ELFMAG + "\x02\x01\x01" + string(make([]byte, 9)))
	kind, machine := e.kind, e.machine
	if kind == 0 {
		kind = elf.ET_REL
	}
	if machine == 0 {
		machine = elf.EM_BPF
	}
	for _, v := range []any{
		kind, machine, uint32(1), uint64(0), uint64(0), uint64(headerSize + len(body)), uint32(0),
		uint16(headerSize), uint16(0), uint16(0), uint16(sectionSize), uint16(len(all)), uint16(len(all) - 1),
	} {
		binary.Write(&h, bo, v) // cannot fail
	}
	return append(append(h.Bytes(), body...), heads...)
}
