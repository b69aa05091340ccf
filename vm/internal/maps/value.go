package maps

import "syscall"

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
	if c.spec.SpinLock {
		zeroMem(add(dst, uintptr(c.spec.SpinLockOffset)), spinLockSize)
	}
	return 0
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
