package interp

import (
	"sync/atomic"

	"github.com/skepdev/skep/isa"
)

// atomic executes an atomic operation; t.pc is set.
func (t *Thread) atomic(op *Op) bool {
	kind := op.Imm
	size := uint64(4)
	switch {
	case op.Code == OpAtomic64:
		size = 8
	case kind&atomicSmall != 0:
		size = 1
	case kind&(atomicSmall<<1) != 0:
		size = 2
	}
	kind &= atomicSmall - 1
	base, write := op.Dst, true
	if kind == isa.AtomicLoadAcq {
		base, write = op.Src, false
	}
	a := t.R[base&15] + uint64(int64(op.Off))
	var ok bool
	if write {
		ok = t.write(a, size)
	} else {
		ok = t.read(a, size)
	}
	if !ok && t.inArena(a) {
		if a = t.arenaAt(a, size); a == 0 {
			return true // registers keep what they hold
		}
		ok = true
	}
	if !ok {
		t.fault(a, size, write, t.explain(a, size, write))
		return false
	}
	if a&(size-1) != 0 {
		t.fault(a, size, write, "atomic operation on an address that is not a multiple of its size")
		return false
	}
	src, dst := &t.R[op.Src&15], &t.R[op.Dst&15]
	switch {
	case kind == isa.AtomicLoadAcq:
		*dst = atomicLoad(a, size)
	case kind == isa.AtomicStoreRel:
		atomicStore(a, size, *src)
	case size == 8:
		atomic64(kind, (*uint64)(ptr(a)), src, &t.R[0])
	default:
		atomic32(kind, (*uint32)(ptr(a)), src, &t.R[0])
	}
	return true
}

func atomic64(kind int64, p *uint64, src, r0 *uint64) {
	var old uint64
	switch kind &^ isa.AtomicFetch {
	case isa.AtomicAdd:
		old = atomic.AddUint64(p, *src) - *src
	case isa.AtomicOr:
		old = atomic.OrUint64(p, *src)
	case isa.AtomicAnd:
		old = atomic.AndUint64(p, *src)
	case isa.AtomicXor:
		for {
			old = atomic.LoadUint64(p)
			if atomic.CompareAndSwapUint64(p, old, old^*src) {
				break
			}
		}
	case isa.AtomicXchg &^ isa.AtomicFetch:
		old = atomic.SwapUint64(p, *src)
	default:
		*r0 = cmpxchg64(p, *r0, *src)
		return
	}
	if kind&isa.AtomicFetch != 0 {
		*src = old
	}
}

func cmpxchg64(p *uint64, old, val uint64) uint64 {
	for {
		have := atomic.LoadUint64(p)
		if have != old || atomic.CompareAndSwapUint64(p, old, val) {
			return have
		}
	}
}

func atomic32(kind int64, p *uint32, src, r0 *uint64) {
	var old uint32
	val := uint32(*src)
	switch kind &^ isa.AtomicFetch {
	case isa.AtomicAdd:
		old = atomic.AddUint32(p, val) - val
	case isa.AtomicOr:
		old = atomic.OrUint32(p, val)
	case isa.AtomicAnd:
		old = atomic.AndUint32(p, val)
	case isa.AtomicXor:
		for {
			old = atomic.LoadUint32(p)
			if atomic.CompareAndSwapUint32(p, old, old^val) {
				break
			}
		}
	case isa.AtomicXchg &^ isa.AtomicFetch:
		old = atomic.SwapUint32(p, val)
	default:
		*r0 = uint64(cmpxchg32(p, uint32(*r0), val))
		return
	}
	if kind&isa.AtomicFetch != 0 {
		*src = uint64(old)
	}
}

func cmpxchg32(p *uint32, old, val uint32) uint32 {
	for {
		have := atomic.LoadUint32(p)
		if have != old || atomic.CompareAndSwapUint32(p, old, val) {
			return have
		}
	}
}

// Loads and stores of 1 and 2 bytes go through the word around them: Go's
// atomics have no smaller ones, and a plain access would not order.
func atomicLoad(a, size uint64) uint64 {
	if size == 8 {
		return atomic.LoadUint64((*uint64)(ptr(a)))
	}
	word, shift := around(a, size)
	return uint64(atomic.LoadUint32(word)>>shift) & (1<<(8*size) - 1)
}

func atomicStore(a, size, v uint64) {
	if size == 8 {
		atomic.StoreUint64((*uint64)(ptr(a)), v)
		return
	}
	word, shift := around(a, size)
	mask := uint32(1<<(8*size)-1) << shift
	for {
		old := atomic.LoadUint32(word)
		if atomic.CompareAndSwapUint32(word, old, old&^mask|uint32(v)<<shift&mask) {
			return
		}
	}
}

// around returns the aligned word that holds a, and how far up in it.
func around(a, size uint64) (*uint32, uint64) {
	in := a & 3
	if bigEndian {
		in = 4 - size - in
	}
	return (*uint32)(ptr(a &^ 3)), 8 * in
}

// LockWord takes the lock at a (a struct bpf_spin_lock). False ends the run:
// the lock stays taken longer than any program would hold it.
func (t *Thread) LockWord(a uint64) bool {
	if t.lock != 0 {
		t.Fail("bpf_spin_lock while another lock is held")
		return false
	}
	if !t.write(a, 4) {
		t.fault(a, 4, true, t.explain(a, 4, true))
		return false
	}
	if !t.lockable(a) {
		t.fault(a, 4, true, "a lock lies in the value of a map, and this is none")
		return false
	}
	if a&3 != 0 {
		t.fault(a, 4, true, "a lock at an address that is not a multiple of 4")
		return false
	}
	word := (*uint32)(ptr(a))
	if !atomic.CompareAndSwapUint32(word, 0, 1) && !t.awaitLock(word) {
		return false
	}
	t.lock = a
	return true
}

// UnlockWord gives the lock at a back.
func (t *Thread) UnlockWord(a uint64) bool {
	if t.lock == 0 || t.lock != a {
		t.Fail("bpf_spin_unlock of a lock that is not held")
		return false
	}
	t.unlock()
	return true
}

func (t *Thread) unlock() {
	atomic.StoreUint32((*uint32)(ptr(t.lock)), 0)
	t.lock = 0
}
