package object

import (
	"bytes"
	"debug/elf"
)

// A .BTF.ext section has three tables: functions, lines and relocations of types
// (CO-RE), each by section and by the offset of the instruction.
const (
	extOfFuncs = iota
	extOfLines
	extOfCore
	extTables

	extHeader = 32
)

// extFields are, for each table, the places of type numbers and of strings in a
// record behind the offset of the instruction, and its size.
var extFields = [extTables]struct {
	types, strings []int
	size           int
}{
	extOfFuncs: {types: []int{4}, size: 8},
	extOfLines: {strings: []int{4, 8}, size: 16},
	extOfCore:  {types: []int{4}, strings: []int{8}, size: 16},
}

// coreTypeIDLocal is the relocation whose instruction has a type's number
// (BPF_CORE_TYPE_ID_LOCAL).
const coreTypeIDLocal = 6

type extTable map[*outSection][]byte

// mergeExt gives what the objects say of their instructions.
func (l *linker) mergeExt(m *typeMerger) ([]byte, error) {
	var tables [extTables]extTable
	for k := range tables {
		tables[k] = extTable{}
	}
	for _, p := range l.parts {
		s := p.im.section(".BTF.ext")
		if s == nil || s.kind == elf.SHT_NOBITS || len(s.data) == 0 {
			continue
		}
		if len(s.data) < extHeader-8 || l.order.Uint16(s.data) != btfMagic {
			return nil, malformed(p.name+": section .BTF.ext", "its header is damaged")
		}
		head := int(l.order.Uint32(s.data[4:]))
		for k := range tables {
			at := 8 + 8*k
			if at+8 > head || at+8 > len(s.data) || head > len(s.data) {
				break
			}
			raw, err := btfPart(s.data[head:], l.order.Uint32(s.data[at:]), l.order.Uint32(s.data[at+4:]), "records")
			if err == nil {
				err = l.extPart(m, p, k, raw, tables[k])
			}
			if err != nil {
				return nil, &Error{Where: p.name + ": section .BTF.ext", What: "is damaged", Err: err}
			}
		}
	}
	return l.extBytes(m, tables), nil
}

func (l *linker) extPart(m *typeMerger, p *part, k int, raw []byte, out extTable) error {
	damaged := malformed("", "a record reaches beyond its table")
	if len(raw) < 4 {
		return nil
	}
	f, size := extFields[k], int(l.order.Uint32(raw))
	if size < f.size || size > 1024 {
		return malformed("", "records have an impossible size")
	}
	for raw = raw[4:]; len(raw) >= 8; {
		name, count := p.t.text(l.order.Uint32(raw)), uint64(l.order.Uint32(raw[4:]))
		raw = raw[8:]
		if count*uint64(size) > uint64(len(raw)) {
			return damaged
		}
		sec := p.im.section(name)
		for range count {
			rec := append([]byte(nil), raw[:f.size]...)
			raw = raw[size:]
			if sec == nil || p.section[sec.index] == nil {
				continue
			}
			dst := p.section[sec.index]
			at := uint64(l.order.Uint32(rec)) + p.at[sec.index]
			l.order.PutUint32(rec, uint32(at))
			for _, w := range f.types {
				l.order.PutUint32(rec[w:], m.id(p, l.order.Uint32(rec[w:])))
			}
			for _, w := range f.strings {
				l.order.PutUint32(rec[w:], m.text(p.t.text(l.order.Uint32(rec[w:]))))
			}
			if k == extOfCore && l.order.Uint32(rec[12:]) == coreTypeIDLocal && at+slotSize <= uint64(len(dst.data)) {
				copy(dst.data[at+4:at+8], rec[4:8])
			}
			out[dst] = append(out[dst], rec...)
		}
	}
	return nil
}

// text is the string at an offset; "" outside of the table.
func (t *rawTypes) text(off uint32) string {
	if uint64(off) >= uint64(len(t.strings)) {
		return ""
	}
	rest := t.strings[off:]
	return string(rest[:max(bytes.IndexByte(rest, 0), 0)])
}

func (l *linker) extBytes(m *typeMerger, tables [extTables]extTable) []byte {
	var body []byte
	var places [extTables][2]uint32
	for k, table := range tables {
		at := len(body)
		body = l.order.AppendUint32(body, uint32(extFields[k].size))
		for _, s := range l.sections {
			if recs := table[s]; len(recs) > 0 {
				body = l.order.AppendUint32(body, m.text(s.name))
				body = l.order.AppendUint32(body, uint32(len(recs)/extFields[k].size))
				body = append(body, recs...)
			}
		}
		if len(body) == at+4 && k == extOfCore {
			body = body[:at]
		}
		places[k] = [2]uint32{uint32(at), uint32(len(body) - at)}
	}
	out := append(l.order.AppendUint16(nil, btfMagic), 1, 0)
	out = l.order.AppendUint32(out, extHeader)
	for _, p := range places {
		out = l.order.AppendUint32(l.order.AppendUint32(out, p[0]), p[1])
	}
	return append(out, body...)
}
