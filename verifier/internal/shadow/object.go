package shadow

import (
	"cmp"
	"encoding/binary"
	"fmt"
)

type objectKind uint8

const (
	objFrame objectKind = iota
	objContext
	objMap
	objValue
	objKey
	objPacket
	objMemory // ring buffer records, slices of dynptrs
	objSocket
	objFunc
	objKernel   // a structure of the kernel's
	objSentinel // what packet ends point to
)

func (k objectKind) String() string {
	return [...]string{"frame", "context", "map", "map value", "map key", "packet", "memory", "socket", "function", "kernel structure", "packet end"}[k]
}

// object is memory that a program may get a pointer to. Addresses of different
// objects lie far apart.
type object struct {
	kind objectKind
	base uint64
	data []byte
	// index of the map, number of the frame, or slot of the function.
	index int
	// gone says why it may not be accessed any more.
	gone     string
	readOnly bool
	ptrs     map[int]*object // provenance of 8 aligned bytes
	dyns     map[int]*dynptr // by offset of the first of 16 bytes
}

// dynptr is what 16 bytes of a frame stand for.
type dynptr struct {
	obj  *object // nil: the reservation failed
	off  int
	size int
	// packet: of the packet, whichever is the current one.
	packet bool
	// iter, if not nil: no dynptr but an iterator. width are its bytes on the
	// stack; 0 means 16.
	iter  *iterator
	width int
}

// val is a register's content: a number, and the object it points into if it is
// known to.
type val struct {
	n uint64
	o *object
}

func (v val) String() string {
	if v.o == nil {
		return fmt.Sprintf("%#x", v.n)
	}
	return fmt.Sprintf("%s%+d", v.o.kind, int64(v.n-v.o.base))
}

// span is the part of o that an access touches.
func (v val) span(off, size int) (at int, err error) {
	if v.o == nil {
		return 0, fmt.Errorf("%d bytes are accessed at the number %#x%+d", size, v.n, off)
	}
	if v.o.gone != "" {
		return 0, fmt.Errorf("%s is accessed that %s", v.o.kind, v.o.gone)
	}
	d := int64(v.n-v.o.base) + int64(off)
	if d < 0 || size < 0 || d+int64(size) > int64(len(v.o.data)) {
		return 0, fmt.Errorf("%d bytes are accessed at offset %d of a %s of %d bytes", size, d, v.o.kind, len(v.o.data))
	}
	return int(d), nil
}

// forget drops what [at, at+size) stood for as a whole.
func (o *object) forget(at, size int) {
	for i := range o.ptrs {
		if i < at+size && at < i+8 {
			delete(o.ptrs, i)
		}
	}
	for i, d := range o.dyns {
		if i < at+size && at < i+cmp.Or(d.width, dynptrSize) {
			delete(o.dyns, i)
		}
	}
}

func (o *object) load(at, size int) val {
	var b [8]byte
	copy(b[:], o.data[at:at+size])
	v := val{n: binary.LittleEndian.Uint64(b[:])}
	if size == 8 {
		v.o = o.ptrs[at]
	}
	return v
}

func (o *object) store(at, size int, v val) {
	o.forget(at, size)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v.n)
	copy(o.data[at:at+size], b[:])
	if size == 8 && v.o != nil {
		if o.ptrs == nil {
			o.ptrs = map[int]*object{}
		}
		o.ptrs[at] = v.o
	}
}
