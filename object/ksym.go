package object

import "debug/elf"

// plainKsyms makes "extern const void name __ksym", which is how libbpf's
// documentation declares a symbol without a type, the "extern void name" that
// the reader behind insists on, in the bytes it will see. Symbols with a real
// type are left as they are, and it refuses them.
func (im *image) plainKsyms() {
	s := im.section(".BTF")
	if s == nil || s.kind == elf.SHT_NOBITS || len(s.data) < btfHeaderSize {
		return
	}
	t := newRawTypes(s.data)
	for _, rec := range t.records {
		if t.kind(rec) != kindDatasec || t.name(rec) != ".ksyms" {
			continue
		}
		for i := range t.vlen(rec) {
			v := t.record(t.word(rec, btfTypeSize+i*btfKinds[kindDatasec].each))
			if v != nil && t.kind(v) == kindVar && t.isVoid(t.word(v, 8)) {
				t.order.PutUint32(v[8:], 0)
			}
		}
	}
}

const (
	kindVolatile = 9
	kindConst    = 10
	kindVar      = 14
	kindDatasec  = 15
)
