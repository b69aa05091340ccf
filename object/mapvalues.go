package object

import "debug/elf"

// plainValues makes the type of a map's ".values" array an array of pointers to
// a structure where the source named the structure by a typedef, which the
// reader behind does not follow, in the bytes it will see.
func (im *image) plainValues() {
	s := im.section(".BTF")
	if s == nil || s.kind == elf.SHT_NOBITS || len(s.data) < btfHeaderSize {
		return
	}
	t := newRawTypes(s.data)
	for _, rec := range t.records {
		if t.kind(rec) != kindDatasec || t.name(rec) != ".maps" {
			continue
		}
		for i := range t.vlen(rec) {
			v := t.record(t.word(rec, btfTypeSize+i*btfKinds[kindDatasec].each))
			if v != nil && t.kind(v) == kindVar {
				t.plainValues(t.record(t.bare(t.word(v, 8))))
			}
		}
	}
}

const (
	kindArray   = 3
	kindPtr     = 2
	kindComp    = 4 // struct
	kindTypedef = 8
)

// plainValues changes the member values of one map definition.
func (t *rawTypes) plainValues(def []byte) {
	if def == nil || t.kind(def) != kindComp {
		return
	}
	for i := range t.vlen(def) {
		at := btfTypeSize + i*btfKinds[kindComp].each
		if t.name(def[at:]) != "values" {
			continue
		}
		arr := t.record(t.word(def, at+4))
		if arr == nil || t.kind(arr) != kindArray {
			continue
		}
		ptr := t.record(t.word(arr, btfTypeSize))
		if ptr != nil && t.kind(ptr) == kindPtr {
			t.order.PutUint32(ptr[8:], t.bare(t.word(ptr, 8)))
		}
	}
}

// bare follows typedefs and qualifiers.
func (t *rawTypes) bare(id uint32) uint32 {
	for range 8 {
		rec := t.record(id)
		if rec == nil {
			return id
		}
		switch t.kind(rec) {
		case kindTypedef, kindConst, kindVolatile:
			id = t.word(rec, 8)
		default:
			return id
		}
	}
	return id
}
