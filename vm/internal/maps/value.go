package maps

import (
	"cmp"
	"slices"
	"syscall"
)

// Copying of values. A bpf_spin_lock or bpf_timer inside a value, or what owns objects, belongs to the
// element: copies go around it, and what user space reads has zeroes there.

const (
	spinLockSize = 4
	timerSize    = 16
)

// span is a part of a value, in bytes.
type span struct{ at, size uintptr }

// specials are the parts of a value that belong to the element, in order.
func specials(s *Spec) (out []span) {
	if s.SpinLock {
		out = append(out, span{uintptr(s.SpinLockOffset), spinLockSize})
	}
	if s.Timer {
		out = append(out, span{uintptr(s.TimerOffset), timerSize})
	}
	for _, f := range s.Fields {
		out = append(out, span{uintptr(f.Offset), uintptr(f.Kind.Size())})
	}
	slices.SortFunc(out, func(a, b span) int { return cmp.Compare(a.at, b.at) })
	return out
}

// setValue copies a whole value into an element.
func (c *common) setValue(elem, src Pointer) {
	at := uintptr(0)
	for _, s := range c.specials {
		copyPart(elem, src, at, s.at)
		at = s.at + s.size
	}
	copyPart(elem, src, at, uintptr(c.spec.ValueSize))
}

// copyPart copies the bytes from one offset to another. Of none, there is no
// pointer to be made: it might be one behind the end of Go's memory.
func copyPart(dst, src Pointer, from, to uintptr) {
	if to > from {
		copyMem(add(dst, from), add(src, from), to-from)
	}
}

// clearSpecials makes a new element's own parts those of nobody.
func (c *common) clearSpecials(elem Pointer) {
	for _, s := range c.specials {
		zeroMem(add(elem, s.at), s.size)
	}
}

// getValue copies an element's value out. With lock it is EBUSY if a program
// does not let go of the value.
func (c *common) getValue(dst, elem Pointer, lock bool) syscall.Errno {
	if lock {
		if !c.lockValue(elem) {
			return syscall.EBUSY
		}
		defer c.unlockValue(elem)
	}
	copyMem(dst, elem, uintptr(c.spec.ValueSize))
	c.clearSpecials(dst)
	return 0
}

// endFields ends the timer of an element that is deleted or overwritten, and what
// its fields own.
func (c *common) endFields(elem Pointer) {
	c.dropFields(elem)
	if !c.spec.Timer || c.env.EndTimer == nil {
		return
	}
	at := add(elem, uintptr(c.spec.TimerOffset))
	if load64(at) != 0 {
		store64(at, 0)
		c.env.EndTimer(addressOf(at))
	}
}

// dropFields ends what the fields of an element own.
func (c *common) dropFields(elem Pointer) {
	for _, f := range c.spec.Fields {
		c.env.Heap.DropField(uint64(addressOf(elem))+uint64(f.Offset), f.Kind)
	}
}

// setValueLocked is setValue under the element's own lock; EBUSY if a program
// does not let go of it.
func (c *common) setValueLocked(elem, src Pointer) syscall.Errno {
	if !c.lockValue(elem) {
		return syscall.EBUSY
	}
	c.setValue(elem, src)
	c.unlockValue(elem)
	return 0
}

func (c *common) lockValue(elem Pointer) bool {
	return Lock((*uint32)(add(elem, uintptr(c.spec.SpinLockOffset))), MaxLockNaps)
}

func (c *common) unlockValue(elem Pointer) {
	store32(add(elem, uintptr(c.spec.SpinLockOffset)), 0)
}
