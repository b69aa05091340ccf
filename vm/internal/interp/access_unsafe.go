package interp

// loadSigned loads size bytes at a and extends their sign.
func (t *Thread) loadSigned(a, size uint64, dst uint8) bool {
	var v uint64
	switch q := t.read(a, size); {
	case q == nil:
		if !t.loadContext(a, size, dst) {
			return false
		}
		v = t.R[dst]
	case size == 1:
		v = uint64(*(*uint8)(q))
	case size == 2:
		v = uint64(*(*uint16)(q))
	default:
		v = uint64(*(*uint32)(q))
	}
	shift := 64 - 8*size
	t.R[dst] = uint64(int64(v<<shift) >> shift)
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
	t.extra = append(t.extra, region{span{addr, uint64(n)}, nil, "key of a callback"})
	return bytesAt(addr, n), addr, true
}

// GiveBack ends what Borrow began; the latest goes first.
func (t *Thread) GiveBack(mem []byte) {
	a := addressOf(mem)
	t.TakeRegion(a)
	t.borrowed = int(a - t.ctxBase - ctxSize)
}
