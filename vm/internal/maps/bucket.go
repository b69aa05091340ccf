package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// Walking and changing buckets. Readers take no lock; everything that changes
// a bucket holds its stripe.

func (t *table) head(b uint32) Pointer { return add(t.headAt, uintptr(b)*4) }

func (t *table) stripeOf(b uint32) *stripe { return &t.stripes[b&t.stripeMask] }

func (t *table) key(e Pointer) Pointer { return add(e, t.keyAt) }

// value is the address of an element's value for a CPU.
func (t *table) value(i uint32, cpu int) Pointer {
	if t.plane == 0 {
		return add(t.elems.at(i), t.valAt)
	}
	return add(t.valBase, uintptr(cpu)*t.plane+uintptr(i)*t.vstride)
}

// find looks a key up without a lock.
func (t *table) find(key Pointer, hash uint32) uint32 {
	b := hash & t.mask
	for {
		ref := load32(t.head(b))
		if ref == 0 {
			return noElem
		}
		for ref < endMark {
			e := t.elems.at(ref - 1)
			if load32(add(e, elemHash)) == hash && equal(t.key(e), key, t.keySize) {
				return ref - 1
			}
			ref = load32(add(e, elemNext))
			if ref == 0 {
				// Never linked yet: the element was taken away and is being
				// filled for the first time elsewhere.
				break
			}
		}
		if ref == endMark|b {
			return noElem
		}
	}
}

// findLocked also tells the place that refers to the element.
func (t *table) findLocked(key Pointer, hash uint32) (i uint32, from Pointer) {
	from = t.head(hash & t.mask)
	for ref := load32(from); ref != 0 && ref < endMark; ref = load32(from) {
		e := t.elems.at(ref - 1)
		if load32(add(e, elemHash)) == hash && equal(t.key(e), key, t.keySize) {
			return ref - 1, from
		}
		from = add(e, elemNext)
	}
	return noElem, nil
}

// link puts a filled element at the head of its bucket.
func (t *table) link(i, hash uint32) {
	b := hash & t.mask
	next := load32(t.head(b))
	if next == 0 {
		next = endMark | b
	}
	store32(add(t.elems.at(i), elemNext), next)
	store32(t.head(b), i+1)
}

// unlink takes the element that from refers to out of its bucket. The element
// keeps its next, for readers that stand on it.
func (t *table) unlink(i uint32, from Pointer) {
	store32(from, load32(add(t.elems.at(i), elemNext)))
}

// replace puts the filled element i in the place of old.
func (t *table) replace(i, old uint32, from Pointer) {
	store32(add(t.elems.at(i), elemNext), load32(add(t.elems.at(old), elemNext)))
	store32(from, i+1)
}

// fill writes an element. The hash comes last: who still stands on the element
// from its former life does not take it for what it is about to be.
func (t *table) fill(i uint32, key, value Pointer, hash uint32, cpu int, all bool) {
	e := t.elems.at(i)
	copyMem(t.key(e), key, t.keySize)
	t.initValue(i, value, cpu, all)
	store32(add(e, elemHash), hash)
}

// place finds an element by its number.
func (t *table) place(i uint32) (from Pointer) {
	hash := load32(add(t.elems.at(i), elemHash))
	from = t.head(hash & t.mask)
	for ref := load32(from); ref != 0 && ref < endMark; ref = load32(from) {
		if ref-1 == i {
			return from
		}
		from = add(t.elems.at(ref-1), elemNext)
	}
	panic("BUG: element is not in its bucket")
}

// existFlags is what BPF_NOEXIST and BPF_EXIST say to an element that is there
// or not.
func existFlags(found bool, flags uint64) syscall.Errno {
	switch flags &^ abi.FlagLock {
	case abi.UpdateNoExist:
		if found {
			return syscall.EEXIST
		}
	case abi.UpdateExist:
		if !found {
			return syscall.ENOENT
		}
	}
	return 0
}
