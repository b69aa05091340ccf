package object

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
)

const (
	kindFunc = 12

	linkStatic = 0
	linkExtern = 2
)

// typeMerger makes one table of the types of all objects. Types that are alike in
// all that they lead to are kept once; functions and variables go by the symbols
// that stand for them.
type typeMerger struct {
	l       *linker
	order   appendOrder
	strings []byte
	offsets map[string]uint32
	out     []byte
	count   uint32
	// parts and records are those of all objects; ids are the new numbers.
	parts   []*part
	records [][]byte
	ids     []uint32
}

func (m *typeMerger) text(s string) uint32 {
	at, ok := m.offsets[s]
	if !ok {
		at = uint32(len(m.strings))
		m.strings = append(append(m.strings, s...), 0)
		m.offsets[s] = at
	}
	return at
}

// refs calls ref with the place of each reference to a type, and name with that
// of each name but the record's own.
func (t *rawTypes) refs(rec []byte, ref, name func(at int)) {
	k := btfKinds[t.kind(rec)]
	if k.refers {
		ref(8)
	}
	for _, at := range k.fixedRefs {
		ref(btfTypeSize + at)
	}
	for i := range t.vlen(rec) {
		at := btfTypeSize + k.fixed + i*k.each
		if k.memberRef >= 0 {
			ref(at + k.memberRef)
		}
		if k.names {
			name(at)
		}
	}
}

func (t *rawTypes) linkage(rec []byte) int {
	if t.kind(rec) == kindFunc {
		return t.vlen(rec)
	}
	return int(t.word(rec, btfTypeSize))
}

// mergeTypes fills the new numbers of all types. It comes after all symbols are
// known.
func (l *linker) mergeTypes() (*typeMerger, error) {
	m := &typeMerger{l: l, order: l.order, strings: []byte{0}, offsets: map[string]uint32{"": 0}}
	for _, p := range l.parts {
		p.firstType = len(m.records)
		for _, rec := range p.t.records {
			m.parts, m.records = append(m.parts, p), append(m.records, rec)
		}
	}
	if len(m.records) > maxLinkedTypes {
		return nil, fmt.Errorf("link: %d types are more than the %d allowed", len(m.records), maxLinkedTypes)
	}
	label := m.classes()
	first := map[uint64]uint32{}
	named := map[string]uint32{}
	tags := map[string]uint32{}
	m.ids = make([]uint32, len(m.records))
	var kept []int
	keep := func(i int) uint32 {
		kept = append(kept, i)
		return uint32(len(kept))
	}
	var later []int
	for i, rec := range m.records {
		p := m.parts[i]
		switch p.t.kind(rec) {
		case kindDatasec:
		case kindFunc, kindVar:
			key, one := m.objectKey(p, rec)
			if !one {
				m.ids[i] = keep(i)
			} else if p.t.linkage(rec) != linkExtern || named[key] == 0 && !m.defined(p, rec) {
				m.ids[i] = keep(i)
				named[key] = m.ids[i]
			} else {
				later = append(later, i)
			}
		case kindDeclTag:
			later = append(later, i)
		default:
			if first[label[i]] == 0 {
				first[label[i]] = keep(i)
			}
			m.ids[i] = first[label[i]]
		}
	}
	var tagged []int
	for _, i := range later {
		if p, rec := m.parts[i], m.records[i]; p.t.kind(rec) == kindDeclTag {
			tagged = append(tagged, i)
		} else {
			key, _ := m.objectKey(p, rec)
			m.ids[i] = named[key]
		}
	}
	for _, i := range tagged {
		p, rec := m.parts[i], m.records[i]
		key := fmt.Sprint(m.id(p, p.t.word(rec, 8)), p.t.word(rec, btfTypeSize), p.t.name(rec))
		if tags[key] == 0 {
			tags[key] = keep(i)
		}
		m.ids[i] = tags[key]
	}
	for _, i := range kept {
		m.emit(m.parts[i], m.records[i])
	}
	m.dataSections()
	return m, nil
}

// maxLinkedTypes is what a table of types may hold (BTF_MAX_TYPE).
const maxLinkedTypes = 0xfffff

// objectKey is the name under which a function or variable is known to all
// objects; one is false for those of their object alone.
func (m *typeMerger) objectKey(p *part, rec []byte) (key string, one bool) {
	name := p.t.name(rec)
	if p.t.linkage(rec) == linkStatic || p.gone[name] {
		return "", false
	}
	return fmt.Sprint(p.t.kind(rec), " ", name), true
}

// defined says whether some object defines what an extern record names.
func (m *typeMerger) defined(p *part, rec []byte) bool {
	s := m.l.symbols[p.t.name(rec)]
	return p.t.linkage(rec) == linkExtern && s != nil && s.section != nil
}

// id is the new number of a part's type.
func (m *typeMerger) id(p *part, old uint32) uint32 {
	if old == 0 || uint64(old) > uint64(len(p.t.records)) {
		return 0
	}
	return m.ids[p.firstType+int(old)-1]
}

// classes gives types numbers: two have the same if they, and all that they lead
// to, are the same. It refines what each is by itself until nothing more tells
// them apart.
func (m *typeMerger) classes() []uint64 {
	seed := maphash.MakeSeed()
	own := make([]uint64, len(m.records))
	for i, rec := range m.records {
		t := m.parts[i].t
		var h maphash.Hash
		h.SetSeed(seed)
		flat := slices.Clone(rec)
		_, _ = h.WriteString(t.name(rec))
		t.order.PutUint32(flat, 0)
		t.refs(rec, func(at int) { t.order.PutUint32(flat[at:], 0) }, func(at int) {
			_ = h.WriteByte(0)
			_, _ = h.WriteString(t.name(rec[at:]))
			t.order.PutUint32(flat[at:], 0)
		})
		_ = h.WriteByte(0)
		_, _ = h.Write(flat)
		own[i] = h.Sum64()
	}
	label := own
	for known := 0; ; {
		next, seen := make([]uint64, len(label)), make(map[uint64]bool, known)
		for i, rec := range m.records {
			p := m.parts[i]
			var h maphash.Hash
			h.SetSeed(seed)
			var word [8]byte
			add := func(v uint64) { binary.LittleEndian.PutUint64(word[:], v); _, _ = h.Write(word[:]) }
			add(own[i])
			p.t.refs(rec, func(at int) {
				id := p.t.word(rec, at)
				if id == 0 || uint64(id) > uint64(len(p.t.records)) {
					add(0)
					return
				}
				add(label[p.firstType+int(id)-1])
			}, func(int) {})
			next[i] = h.Sum64()
			seen[next[i]] = true
		}
		label = next
		if len(seen) <= known {
			return label
		}
		known = len(seen)
	}
}

// emit writes a record with its new references and names.
func (m *typeMerger) emit(p *part, rec []byte) {
	out := slices.Clone(rec)
	put := func(at int, v uint32) { m.order.PutUint32(out[at:], v) }
	put(0, m.text(p.t.name(rec)))
	p.t.refs(rec, func(at int) { put(at, m.id(p, p.t.word(rec, at))) }, func(at int) { put(at, m.text(p.t.name(rec[at:]))) })
	if k := p.t.kind(rec); (k == kindFunc || k == kindVar) && p.gone[p.t.name(rec)] && p.t.linkage(rec) != linkExtern {
		if k == kindFunc {
			put(4, p.t.word(rec, 4)&^0xffff|linkStatic)
		} else {
			put(btfTypeSize, linkStatic)
		}
	}
	m.out = append(m.out, out...)
	m.count++
}

// dataVar is a variable, or extern function, of a section.
type dataVar struct{ typ, offset, size uint32 }

// dataSections writes the records of sections, all of one name as one.
func (m *typeMerger) dataSections() {
	var names []string
	vars := map[string][]dataVar{}
	for i, rec := range m.records {
		p := m.parts[i]
		if p.t.kind(rec) != kindDatasec {
			continue
		}
		name := p.t.name(rec)
		if _, ok := vars[name]; !ok {
			names = append(names, name)
		}
		list := vars[name]
		for k := range p.t.vlen(rec) {
			at := btfTypeSize + 12*k
			if v, ok := m.dataVar(p, name, p.t.word(rec, at), p.t.word(rec, at+8)); ok && !slices.ContainsFunc(list, func(o dataVar) bool { return o.typ == v.typ }) {
				list = append(list, v)
			}
		}
		vars[name] = list
	}
	for _, name := range names {
		list := vars[name]
		slices.SortStableFunc(list, func(a, b dataVar) int { return cmp.Compare(a.offset, b.offset) })
		size := uint32(0)
		for _, s := range m.l.sections {
			if s.name == name {
				size = uint32(s.size)
			}
		}
		if len(list) == 0 || len(list) > 0xffff {
			continue
		}
		for _, w := range []uint32{m.text(name), kindDatasec<<24 | uint32(len(list)), size} {
			m.out = m.order.AppendUint32(m.out, w)
		}
		for _, v := range list {
			for _, w := range []uint32{v.typ, v.offset, v.size} {
				m.out = m.order.AppendUint32(m.out, w)
			}
		}
		m.count++
	}
}

// dataVar is an entry of a section; false for what another object defines, or
// what gave way.
func (m *typeMerger) dataVar(p *part, section string, typ, size uint32) (dataVar, bool) {
	rec := p.t.record(typ)
	if rec == nil || p.t.kind(rec) != kindVar && p.t.kind(rec) != kindFunc {
		return dataVar{}, false
	}
	name := p.t.name(rec)
	v := dataVar{typ: m.id(p, typ), size: size}
	if p.t.linkage(rec) == linkExtern {
		return v, v.typ != 0 && !m.defined(p, rec)
	}
	if p.gone[name] {
		return v, false
	}
	for i := range p.im.symbols {
		s := &p.im.symbols[i]
		if s.name != name || s.section == elf.SHN_UNDEF || s.section >= elf.SHN_LORESERVE || p.im.sections[s.section].name != section {
			continue
		}
		v.offset = uint32(s.value + p.at[s.section])
		if v.size == 0 {
			v.size = uint32(s.size)
		}
		return v, true
	}
	return v, false
}

// bytes is the .BTF section.
func (m *typeMerger) bytes() []byte {
	const version = 1
	out := m.order.AppendUint16(nil, btfMagic)
	out = append(out, version, 0)
	for _, w := range []uint32{btfHeaderSize, 0, uint32(len(m.out)), uint32(len(m.out)), uint32(len(m.strings))} {
		out = m.order.AppendUint32(out, w)
	}
	return append(append(out, m.out...), m.strings...)
}
