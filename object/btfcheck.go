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
	if err := walkTypes(s.data, maxTypeDepth); err != nil {
		return &Error{Where: s.String(), What: "malformed types", Err: err, Mend: "build the object again with clang -g"}
	}
	return nil
}

const (
	btfMagic      = 0xeb9f
	btfHeaderSize = 24
	btfTypeSize   = 12
)

// btfKind says how many bytes follow a type's record, fixed ones and each for
// every member, and where among them other types are named.
type btfKind struct {
	fixed, each int
	names       bool  // members begin with a name
	refers      bool  // the record's last word is a type
	fixedRefs   []int // offsets of types in the fixed part
	memberRef   int   // offset of the type in a member, or -1
}

// btfKinds by number, as in the kernel's Documentation/bpf/btf.rst.
var btfKinds = [...]btfKind{
	1:  {fixed: 4, memberRef: -1},                          // int
	2:  {refers: true, memberRef: -1},                      // pointer
	3:  {fixed: 12, fixedRefs: []int{0, 4}, memberRef: -1}, // array
	4:  {each: 12, names: true, memberRef: 4},              // struct
	5:  {each: 12, names: true, memberRef: 4},              // union
	6:  {each: 8, names: true, memberRef: -1},              // enum
	7:  {memberRef: -1},                                    // forward
	8:  {refers: true, memberRef: -1},                      // typedef
	9:  {refers: true, memberRef: -1},                      // volatile
	10: {refers: true, memberRef: -1},                      // const
	11: {refers: true, memberRef: -1},                      // restrict
	12: {refers: true, memberRef: -1},                      // func
	13: {refers: true, each: 8, names: true, memberRef: 4}, // func_proto
	14: {refers: true, fixed: 4, memberRef: -1},            // var
	15: {each: 12, memberRef: 0},                           // datasec
	16: {memberRef: -1},                                    // float
	17: {refers: true, fixed: 4, memberRef: -1},            // decl_tag
	18: {refers: true, memberRef: -1},                      // type_tag
	19: {each: 12, names: true, memberRef: -1},             // enum64
}

const kindDeclTag = 17

// walkTypes checks raw BTF whose references may lead maxDepth types deep.
func walkTypes(raw []byte, maxDepth int) error {
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
	w := typeWalk{order: order, strings: strings, budget: maxNames}
	w.graph.from = append(w.graph.from, 0)
	for n := 0; len(types) > 0; n++ {
		if n >= MaxTypes {
			return fmt.Errorf("more than %d types", MaxTypes)
		}
		used, err := w.record(types, n)
		if err != nil {
			return fmt.Errorf("type %d: %w", n+1, err)
		}
		types = types[used:]
	}
	w.graph.addTags(w.tags)
	if d := w.graph.depth(); d > maxDepth {
		return fmt.Errorf("types refer to each other over %d steps, more than the %d allowed", d, maxDepth)
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
	budget  int
	graph   typeGraph
	tags    [][2]int32 // declaration tags: the type, the tag
}

// record checks the first record of b, of type n counted from 0, and returns its
// length.
func (w *typeWalk) record(b []byte, n int) (int, error) {
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
	w.graph.addRecord(b, w.order)
	if target := w.order.Uint32(b[8:]); kind == kindDeclTag && target > 0 && target <= MaxTypes {
		w.tags = append(w.tags, [2]int32{int32(target - 1), int32(n)})
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
	if _, err := cString(w.strings, off, &w.budget); err != nil {
		return fmt.Errorf("name %w", err)
	}
	return nil
}
