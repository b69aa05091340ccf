package interp

// load loads size bytes at a into register dst.
func (t *Thread) load(a, size uint64, dst uint8) bool {
	r := &t.R[dst&15]
	switch {
	case !t.read(a, size):
		return t.loadContext(a, size, dst)
	case size == 1:
		*r = uint64(*(*uint8)(ptr(a)))
	case size == 2:
		*r = uint64(*(*uint16)(ptr(a)))
	case size == 4:
		*r = uint64(*(*uint32)(ptr(a)))
	default:
		*r = *(*uint64)(ptr(a))
	}
	return true
}

// loadSigned is load that extends the sign.
func (t *Thread) loadSigned(a, size uint64, dst uint8) bool {
	if !t.load(a, size, dst) {
		return false
	}
	r, shift := &t.R[dst&15], 64-8*size
	*r = uint64(int64(*r<<shift) >> shift)
	return true
}

// store stores the lower size bytes of v at a.
func (t *Thread) store(a, size, v uint64) bool {
	switch {
	case !t.write(a, size):
		return t.storeContext(a, size, v)
	case size == 1:
		*(*uint8)(ptr(a)) = uint8(v)
	case size == 2:
		*(*uint16)(ptr(a)) = uint16(v)
	case size == 4:
		*(*uint32)(ptr(a)) = uint32(v)
	default:
		*(*uint64)(ptr(a)) = v
	}
	return true
}

// Borrow gives a helper n bytes of memory at an address that the program may
// read and write until GiveBack. ok is false if there is no room.
func (t *Thread) Borrow(n int) (mem []byte, addr uint64, ok bool) {
	n8 := (n + 7) &^ 7
	if n < 0 || t.borrowed+n8 > scratchSize {
		return nil, 0, false
	}
	addr = t.ctxBase + ctxSize + uint64(t.borrowed)
	t.borrowed += n8
	t.extra = append(t.extra, region{span{addr, uint64(n)}, nil, RegionKey})
	return bytesAt(addr, n), addr, true
}

// GiveBack ends what Borrow began. The latest goes first: the room of others is
// lost until the end of the run.
func (t *Thread) GiveBack(mem []byte) {
	a := addressOf(mem)
	t.TakeRegion(a)
	at := int(a - t.ctxBase - ctxSize)
	if at+(len(mem)+7)&^7 == t.borrowed {
		t.borrowed = at
	}
}
