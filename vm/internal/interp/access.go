package interp

// loadContext loads what is no memory: a field of the context, or a word of an
// arena. Anything else
// is a fault.
func (t *Thread) loadContext(a, size uint64, dst uint8) bool {
	if t.inArena(a) {
		t.loadArena(a, size, dst)
		return true
	}
	if off := a - t.ctxBase; off < ctxSize && t.ctx != nil {
		if v, ok := t.ctx.Load(off, size); ok {
			t.R[dst] = v
			return true
		}
	}
	t.fault(a, size, false, t.explain(a, size, false))
	return false
}

func (t *Thread) storeContext(a, size, v uint64) bool {
	if t.inArena(a) {
		t.storeArena(a, size, v)
		return true
	}
	if off := a - t.ctxBase; off < ctxSize && t.ctx != nil {
		if t.ctx.Store(off, size, v) {
			return true
		}
	}
	t.fault(a, size, true, t.explain(a, size, true))
	return false
}

// Map resolves a register value that refers to a map. Anything else ends the
// run, and gives nil.
func (t *Thread) Map(v uint64) *Map {
	for _, m := range t.prog.Maps {
		if v == uint64(m.Handle()) {
			return m
		}
	}
	for _, m := range t.inner {
		if v == uint64(m.Handle()) {
			return m
		}
	}
	if v == 0 {
		t.Fail("a null pointer instead of a map: the result of a lookup in a map of maps was not checked")
	} else {
		t.Fail("%#x is not a map of this program", v)
	}
	return nil
}

// Inner makes an inner map known to the run and returns its register value,
// or 0 if it is gone.
func (t *Thread) Inner(handle uintptr) uint64 {
	if handle == 0 {
		return 0
	}
	for _, m := range t.inner {
		if m.Handle() == handle {
			return uint64(handle)
		}
	}
	m := t.Env.Map(uint64(handle))
	if m == nil {
		return 0
	}
	t.inner = append(t.inner, m)
	return uint64(handle)
}

// Value remembers the value of m at addr as the latest one, and returns addr.
func (t *Thread) Value(m *Map, addr uintptr) uint64 {
	t.val, t.wval, t.missed = span{}, span{}, 0
	if addr == 0 {
		t.missed = uint64(m.Handle())
	} else {
		s := span{uint64(addr), uint64(m.ValueSize)}
		if m.readable {
			t.val = s
		}
		if m.writable {
			t.wval = s
		}
	}
	return uint64(addr)
}

// Read returns size bytes of memory at a that the run may read; nil and the
// end of the run if it may not. With size 0 it is an empty slice.
func (t *Thread) Read(a, size uint64) []byte { return t.memory(a, size, false) }

// Write is Read for writing.
func (t *Thread) Write(a, size uint64) []byte { return t.memory(a, size, true) }

func (t *Thread) memory(a, size uint64, write bool) []byte {
	if b, ok := t.Probe(a, size, write); ok {
		return b
	}
	t.fault(a, size, write, t.explain(a, size, write))
	return nil
}

// maxAccess bounds what one helper call may touch.
const maxAccess = 1 << 29

// Probe is Read or Write that leaves a no to the caller.
func (t *Thread) Probe(a, size uint64, write bool) ([]byte, bool) {
	if size == 0 {
		return []byte{}, true
	}
	if size > maxAccess {
		return nil, false
	}
	// What helpers do with memory takes time too; the next jump back notices.
	t.budget -= int64(size / 8)
	if write && !t.write(a, size) || !write && !t.read(a, size) {
		return nil, false
	}
	return bytesAt(a, int(size)), true
}

// maxRegions bounds what a run may hold at once: it is looked through at
// accesses.
const maxRegions = 256

// AddRegion lets the run access memory that a helper handed out: n bytes at a,
// of a kind, of map owner. Too many end
// the run, which gives them all back.
func (t *Thread) AddRegion(a, n uint64, kind RegionKind, owner *Map) {
	if len(t.extra) == maxRegions {
		t.Fail("more than %d ring buffer records at once", maxRegions)
	}
	t.extra = append(t.extra, region{span{a, n}, owner, kind})
}

// TakeRegion takes a region that starts at a back and returns its map; nil if
// there is none.
func (t *Thread) TakeRegion(a uint64) (owner *Map, size uint64) {
	for i := range t.extra {
		if r := t.extra[i]; r.at == a {
			t.extra = append(t.extra[:i], t.extra[i+1:]...)
			return r.owner, r.n
		}
	}
	return nil, 0
}

// Charge takes n instructions from the budget; false if it is used up.
func (t *Thread) Charge(n int64) bool {
	t.budget -= n
	if t.budget < 0 && !t.refill() {
		return false
	}
	return true
}

// How a legacy load ends.
const (
	legacyStopped = iota
	legacyLoaded
	legacyShort
)

// loadLegacy is LD_ABS and LD_IND: a load from the packet in network byte
// order, for which a packet that is too short ends the function.
func (t *Thread) loadLegacy(op *Op) int {
	if t.R[6] != t.ctxBase || t.SKB == nil {
		t.Fail("legacy packet access: r6 is not the context")
		return legacyStopped
	}
	off := int32(op.Imm)
	if op.Code == OpLoadInd {
		off += int32(uint32(t.R[op.Src&15]))
	}
	v, err := t.SKB.LoadLegacy(off, int(op.Dst))
	t.R[0] = uint64(v)
	if err != 0 {
		return legacyShort
	}
	return legacyLoaded
}
