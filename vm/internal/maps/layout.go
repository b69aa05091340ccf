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

// RingLayout is what native code needs to reserve and complete records: where
// the producers' lock is, the positions, and the word that is not 0 if a reader
// may sleep; and the data, of Mask+1 bytes.
type RingLayout struct {
	Lock, Producer, Consumer, Sleeper uintptr
	Data                              uintptr
	Mask                              uint64
}

// What a record's header says besides its length (see ring).
const (
	RingLayoutHeader  = ringHeader
	RingLayoutBusy    = ringBusy
	RingLayoutDiscard = ringDiscard
)

// RingRecord is the room that a record of size bytes takes.
func RingRecord(size uint64) uint64 { return recordLen(size) }

// LayoutOfRing is the layout of a ring buffer.
func LayoutOfRing(m Map) (RingLayout, bool) {
	r, ok := m.(*ring)
	if !ok {
		return RingLayout{}, false
	}
	return RingLayout{
		Lock: addressOf(Pointer(&r.mu.word)), Producer: addressOf(Pointer(&r.producer)), Consumer: addressOf(Pointer(&r.consumer)),
		Sleeper: addressOf(Pointer(&r.sleeper)), Data: addressOf(r.base), Mask: r.mask,
	}, true
}

// LPMLayout is what native code needs to walk a trie as find does: where the
// count of changes and the root's reference are, the nodes, the values, and how
// long prefixes get. A reference is a number + 1.
type LPMLayout struct {
	Seq, Root           uintptr
	Nodes, NodeStride   uintptr
	Values, ValueStride uintptr
	MaxPrefix           uint32
}

// Places in a node.
const (
	LPMLayoutChild  = nodeChild
	LPMLayoutPrefix = nodePrefix
	LPMLayoutValue  = nodeValue
	LPMLayoutData   = nodeData
)

// LayoutOfLPM is the layout of a trie of prefixes.
func LayoutOfLPM(m Map) (LPMLayout, bool) {
	t, ok := m.(*lpmTrie)
	if !ok {
		return LPMLayout{}, false
	}
	return LPMLayout{
		Seq: addressOf(Pointer(&t.seq)), Root: addressOf(Pointer(&t.root)),
		Nodes: addressOf(t.nodes.base), NodeStride: t.nodes.stride,
		Values: addressOf(t.values.base) + slotValue, ValueStride: t.values.stride, MaxPrefix: t.maxPrefix,
	}, true
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
