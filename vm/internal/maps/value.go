package maps

import "runtime"

// Copying of values. A bpf_spin_lock inside a value belongs to the element:
// copies go around it, and what user space reads has zeroes there.

const spinLockSize = 4

// setValue copies a whole value into an element.
func (c *common) setValue(elem, src Pointer) {
	size := uintptr(c.spec.ValueSize)
	if !c.spec.SpinLock {
		copyMem(elem, src, size)
		return
	}
	at := uintptr(c.spec.SpinLockOffset)
	copyMem(elem, src, at)
	at += spinLockSize
	copyMem(add(elem, at), add(src, at), size-at)
}

// getValue copies an element's value out.
func (c *common) getValue(dst, elem Pointer, lock bool) {
	if lock {
		c.lockValue(elem)
		defer c.unlockValue(elem)
	}
	copyMem(dst, elem, uintptr(c.spec.ValueSize))
	if c.spec.SpinLock {
		zeroMem(add(dst, uintptr(c.spec.SpinLockOffset)), spinLockSize)
	}
}

// setValueLocked is setValue under the element's own lock.
func (c *common) setValueLocked(elem, src Pointer) {
	c.lockValue(elem)
	c.setValue(elem, src)
	c.unlockValue(elem)
}

func (c *common) lockValue(elem Pointer) {
	l := add(elem, uintptr(c.spec.SpinLockOffset))
	for !cas32(l, 0, 1) {
		runtime.Gosched()
	}
}

func (c *common) unlockValue(elem Pointer) {
	store32(add(elem, uintptr(c.spec.SpinLockOffset)), 0)
}
