package maps

// Walker is a map whose elements a program can walk (bpf_for_each_map_elem):
// arrays and hashes, per CPU or not.
type Walker interface {
	Map
	// Walk calls f with each key and the address of its value, on cpu for
	// per-CPU maps, until f says stop, and returns how many calls there were.
	// f may change the map: elements that are deleted before their turn are
	// left out, added ones may or may not be seen, and none is seen twice.
	// Elements of LRU maps are not marked as used. The key is KeySize bytes,
	// borrowed during the call.
	Walk(cpu int, f func(key Pointer, value uintptr) (more bool)) int
}

var (
	_ Walker = (*arrayMap)(nil)
	_ Walker = hashMap{}
	_ Walker = lruPerCPUHash{}
)

func (m *arrayMap) Walk(cpu int, f func(Pointer, uintptr) bool) int {
	var key [4]byte
	for i := range m.spec.MaxEntries {
		p := pointerTo(key[:])
		write32(p, i)
		if !f(p, addressOf(m.at(i, cpu))) {
			return int(i) + 1
		}
	}
	return int(m.spec.MaxEntries)
}

// Walk notes the elements of a bucket under its lock, and calls without it.
func (t *table) Walk(cpu int, f func(Pointer, uintptr) bool) int {
	calls := 0
	var room [32]uint32
	for b := range t.mask + 1 {
		if !t.occupied(b) {
			continue
		}
		for _, i := range t.bucket(b, room[:0]) {
			e := t.elems.at(i)
			if !t.linked(b, i) {
				continue
			}
			calls++
			if !f(t.key(e), addressOf(t.value(i, cpu))) {
				return calls
			}
		}
	}
	return calls
}

// bucket appends the elements of a bucket.
func (t *table) bucket(b uint32, to []uint32) []uint32 {
	s := t.stripeOf(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref := load32(t.head(b)); ref != 0 && ref < endMark; ref = load32(add(t.elems.at(ref-1), elemNext)) {
		to = append(to, ref-1)
	}
	return to
}

// linked says whether an element is still in its bucket.
func (t *table) linked(b, i uint32) bool {
	s := t.stripeOf(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	for ref := load32(t.head(b)); ref != 0 && ref < endMark; ref = load32(add(t.elems.at(ref-1), elemNext)) {
		if ref-1 == i {
			return true
		}
	}
	return false
}
