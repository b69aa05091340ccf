package maps

import "github.com/skepdev/skep/abi"

// ArrayLayout is where native code finds the values of an array: entry i of
// CPU c at Base + c*Plane + i*Stride.
type ArrayLayout struct {
	Base          uintptr
	Stride, Plane uintptr
	Entries       uint32
}

// LayoutOfArray is the layout of an array or per-CPU array.
func LayoutOfArray(m Map) (ArrayLayout, bool) {
	a, ok := m.(*arrayMap)
	if !ok {
		return ArrayLayout{}, false
	}
	return ArrayLayout{a.where.base, a.stride, a.plane, a.spec.MaxEntries}, true
}

// HashLayout is what native code needs to look keys up as find does: keys of 4
// bytes, or of 8 to 16, in tables whose values are not per CPU.
type HashLayout struct {
	Secret0, Secret1 uint64
	Heads            uintptr // 4 bytes for each bucket
	Mask             uint32  // of buckets
	Elems, Stride    uintptr
	// Key, Value and Used are places in an element; Used is 0 if nobody wants
	// to know.
	Key, Value, Used uintptr
}

// Places in an element of any table, and what the last one of a bucket refers
// to besides the bucket.
const (
	HashLayoutNext = elemNext
	HashLayoutHash = elemHash
	HashLayoutEnd  = endMark
)

// LayoutOfHash is the layout of a hash or LRU hash.
func LayoutOfHash(m Map) (HashLayout, bool) {
	var t *table
	switch m := m.(type) {
	case hashMap:
		t = m.table
	case lruHash:
		t = m.table
	default:
		return HashLayout{}, false
	}
	l := HashLayout{
		Secret0: t.hash.s0, Secret1: t.hash.s1, Heads: addressOf(t.headAt), Mask: t.mask,
		Elems: addressOf(t.elems.base), Stride: t.elems.stride, Key: t.keyAt, Value: t.valAt,
	}
	if t.spec.Type == abi.MapLRUHash {
		l.Used = lruUsed
	}
	return l, true
}
