package object

import (
	"bytes"
	"encoding/binary"
)

// rawTypes finds records by type id in BTF that walkTypes has checked.
type rawTypes struct {
	order   binary.ByteOrder
	strings []byte
	records [][]byte // of type id i+1
}

func newRawTypes(raw []byte) *rawTypes {
	order, err := btfOrder(raw)
	if err != nil {
		return &rawTypes{order: binary.NativeEndian}
	}
	body := raw[order.Uint32(raw[4:]):]
	t := &rawTypes{order: order, strings: body[order.Uint32(raw[16:]):][:order.Uint32(raw[20:])]}
	types := body[order.Uint32(raw[8:]):][:order.Uint32(raw[12:])]
	for len(types) > 0 {
		k := btfKinds[t.kind(types)]
		n := btfTypeSize + k.fixed + k.each*t.vlen(types)
		t.records = append(t.records, types[:n])
		types = types[n:]
	}
	return t
}

func (t *rawTypes) word(rec []byte, at int) uint32 { return t.order.Uint32(rec[at:]) }
func (t *rawTypes) kind(rec []byte) int            { return int(t.word(rec, 4) >> 24 & 0x1f) }
func (t *rawTypes) vlen(rec []byte) int            { return int(t.word(rec, 4) & 0xffff) }

// record is the record of a type, or nil.
func (t *rawTypes) record(id uint32) []byte {
	if id == 0 || uint64(id) > uint64(len(t.records)) {
		return nil
	}
	return t.records[id-1]
}

func (t *rawTypes) name(rec []byte) string {
	s := t.strings[t.word(rec, 0):]
	return string(s[:max(bytes.IndexByte(s, 0), 0)])
}

// isVoid says whether a type is void, const and volatile aside.
func (t *rawTypes) isVoid(id uint32) bool {
	for range 8 {
		if id == 0 {
			return true
		}
		rec := t.record(id)
		if rec == nil || t.kind(rec) != kindConst && t.kind(rec) != kindVolatile {
			return false
		}
		id = t.word(rec, 8)
	}
	return false
}
