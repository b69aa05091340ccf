package object

import (
	"encoding/binary"
	"fmt"
)

// checkTypes walks the records of .BTF without building types: the decoder
// behind recurses along references, copies a name at each use, and an overflow
// of its stack could not be contained.
func checkTypes(im *image) error {
	for _, name := range []string{".BTF", ".BTF.ext"} {
		if s := im.section(name); s != nil && s.size > MaxTypesSize {
			return tooLarge(s, MaxTypesSize)
		}
	}
	s := im.section(".BTF")
	if s == nil || s.size == 0 {
		return nil
	}
	if err := walkTypes(s.data, 0, 0); err != nil {
		return &Error{Where: s.String(), What: "malformed types", Err: err, Mend: "build the object again with clang -g"}
	}
	return nil
}

const (
	btfMagic      = 0xeb9f
	btfHeaderSize = 24
	btfTypeSize   = 12
)

// btfKind says how many bytes follow a type's record: fixed ones, and each for
// every member, with the place of the member's name in it.
type btfKind struct {
	fixed, each int
	names       bool // members begin with a name
}

// btfKinds by number, as in the kernel's Documentation/bpf/btf.rst.
var btfKinds = [...]btfKind{
	1: {fixed: 4}, 2: {}, 3: {fixed: 12},
	4: {each: 12, names: true}, 5: {each: 12, names: true}, 6: {each: 8, names: true},
	7: {}, 8: {}, 9: {}, 10: {}, 11: {}, 12: {},
	13: {each: 8, names: true}, 14: {fixed: 4}, 15: {each: 12},
	16: {}, 17: {fixed: 4}, 18: {}, 19: {each: 12, names: true},
}

// walkTypes checks raw BTF. baseTypes and baseStrings are the number of types
// and bytes of strings of the BTF it extends, or 0.
func walkTypes(raw []byte, baseTypes int, baseStrings uint32) error {
	order, err := btfOrder(raw)
	if err != nil {
		return err
	}
	hdr := order.Uint32(raw[4:])
	if hdr < btfHeaderSize || uint64(hdr) > uint64(len(raw)) {
		return fmt.Errorf("a header of %d bytes in %d", hdr, len(raw))
	}
	types, err := btfPart(raw[hdr:], order.Uint32(raw[8:]), order.Uint32(raw[12:]), "types")
	if err != nil {
		return err
	}
	strings, err := btfPart(raw[hdr:], order.Uint32(raw[16:]), order.Uint32(raw[20:]), "strings")
	if err != nil {
		return err
	}
	w := typeWalk{order: order, strings: strings, base: baseStrings, budget: maxNames}
	for n := baseTypes; len(types) > 0; n++ {
		if n >= MaxTypes {
			return fmt.Errorf("more than %d types", MaxTypes)
		}
		used, err := w.record(types)
		if err != nil {
			return fmt.Errorf("type %d: %w", n+1, err)
		}
		types = types[used:]
	}
	return nil
}

func btfOrder(raw []byte) (binary.ByteOrder, error) {
	if len(raw) < btfHeaderSize {
		return nil, fmt.Errorf("%d bytes do not hold a header", len(raw))
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if order.Uint16(raw) == btfMagic {
			return order, nil
		}
	}
	return nil, fmt.Errorf("begins with %#x instead of %#x", binary.NativeEndian.Uint16(raw), btfMagic)
}

func btfPart(body []byte, off, size uint32, what string) ([]byte, error) {
	if uint64(off)+uint64(size) > uint64(len(body)) {
		return nil, fmt.Errorf("%s reach to byte %d of %d", what, uint64(off)+uint64(size), len(body))
	}
	return body[off : off+size], nil
}

type typeWalk struct {
	order   binary.ByteOrder
	strings []byte
	base    uint32 // strings before this belong to the base
	budget  int
}

// record checks the first record of b and returns its length.
func (w *typeWalk) record(b []byte) (int, error) {
	if len(b) < btfTypeSize {
		return 0, fmt.Errorf("%d bytes do not hold a record", len(b))
	}
	info := w.order.Uint32(b[4:])
	kind, vlen := info>>24&0x1f, int(info&0xffff)
	if kind == 0 || int(kind) >= len(btfKinds) {
		return 0, fmt.Errorf("unknown kind %d", kind)
	}
	k := btfKinds[kind]
	size := btfTypeSize + k.fixed + k.each*vlen
	if size > len(b) {
		return 0, fmt.Errorf("%d bytes do not hold %d members of kind %d", len(b), vlen, kind)
	}
	if err := w.name(w.order.Uint32(b)); err != nil {
		return 0, err
	}
	if !k.names {
		return size, nil
	}
	for i := range vlen {
		if err := w.name(w.order.Uint32(b[btfTypeSize+i*k.each:])); err != nil {
			return 0, fmt.Errorf("member %d: %w", i, err)
		}
	}
	return size, nil
}

func (w *typeWalk) name(off uint32) error {
	if off < w.base {
		return nil
	}
	if _, err := cString(w.strings, off-w.base, &w.budget); err != nil {
		return fmt.Errorf("name %w", err)
	}
	return nil
}
