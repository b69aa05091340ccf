package packet

import "fmt"

const cbOff, cbEnd = 48, 68

// Load is interp.Context's.
func (s *SKB) Load(off, size uint64) (uint64, bool) {
	if off >= skbSize || off&(size-1) != 0 {
		return 0, false
	}
	if off >= cbOff && off < cbEnd {
		return s.loadCB(off-cbOff, size)
	}
	i := fieldAt[off/4]
	if i == 0 {
		return 0, false
	}
	f := &skbFields[i-1]
	if f.read&s.kind == 0 {
		return 0, false
	}
	if uint64(f.size) == size {
		return f.get(s), off == uint64(f.off)
	}
	if !f.narrow || size > uint64(f.size) {
		return 0, false
	}
	if f.loads != 0 && size >= uint64(f.loads) {
		return f.get(s), true
	}
	in := off - uint64(f.off)
	if isBig {
		in = uint64(f.size) - size - in
	}
	return f.get(s) >> (8 * in) & (1<<(8*size) - 1), true
}

// Store is interp.Context's.
func (s *SKB) Store(off, size, v uint64) bool {
	if off >= skbSize || off&(size-1) != 0 {
		return false
	}
	if off >= cbOff && off < cbEnd {
		return s.storeCB(off-cbOff, size, v)
	}
	i := fieldAt[off/4]
	if i == 0 {
		return false
	}
	f := &skbFields[i-1]
	if f.write&s.kind == 0 || uint64(f.size) != size || uint64(f.off) != off {
		return false
	}
	f.set(s, v)
	return true
}

// The control block is five words that can be accessed in any aligned size.

func (s *SKB) loadCB(off, size uint64) (uint64, bool) {
	if off+size > cbEnd-cbOff {
		return 0, false
	}
	w := uint64(s.CB[off/4])
	if size == 8 {
		hi := uint64(s.CB[off/4+1])
		if isBig {
			return w<<32 | hi, true
		}
		return hi<<32 | w, true
	}
	return w >> cbShift(off, size) & (1<<(8*size) - 1), true
}

func (s *SKB) storeCB(off, size, v uint64) bool {
	if off+size > cbEnd-cbOff {
		return false
	}
	if size == 8 {
		lo, hi := uint32(v), uint32(v>>32)
		if isBig {
			lo, hi = hi, lo
		}
		s.CB[off/4], s.CB[off/4+1] = lo, hi
		return true
	}
	shift := cbShift(off, size)
	mask := uint32(1<<(8*size)-1) << shift
	w := &s.CB[off/4]
	*w = *w&^mask | uint32(v)<<shift&mask
	return true
}

func cbShift(off, size uint64) uint64 {
	in := off & 3
	if isBig {
		in = 4 - size - in
	}
	return 8 * in
}

// Explain is interp.Context's.
func (s *SKB) Explain(off, size uint64, write bool) string {
	if off >= skbSize {
		return "past the end of the context (struct __sk_buff has 192 bytes)"
	}
	if off >= cbOff && off < cbEnd {
		return fmt.Sprintf("%d bytes at byte %d of context field cb, which has 20", size, off-cbOff)
	}
	i := fieldAt[off/4]
	if i == 0 {
		return "padding of the context"
	}
	f := &skbFields[i-1]
	name := "context field " + f.name
	switch {
	case write && f.write == 0:
		return name + " is read-only"
	case write && f.write&s.kind == 0:
		return name + " is read-only for programs of this type"
	case !write && f.read&s.kind == 0:
		return name + " is not readable for programs of this type"
	case write || !f.narrow:
		return fmt.Sprintf("%s must be accessed as %d bytes", name, f.size)
	}
	return fmt.Sprintf("%d bytes at byte %d of %s, which has %d", size, off-uint64(f.off), name, f.size)
}
