package maps

import (
	"runtime"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// put is an update from either side: value points to one value, or with all
// to those of every CPU.
func (t *table) put(key, value Pointer, flags uint64, cpu int, all bool) syscall.Errno {
	if flags&^abi.FlagLock > abi.UpdateExist || flags&abi.FlagLock != 0 && (!t.spec.SpinLock || t.isLRU || t.plane != 0) {
		return syscall.EINVAL
	}
	hash := t.hash.sum(key)
	s := t.stripeOf(hash & t.mask)
	for {
		s.mu.Lock()
		e, again := t.putLocked(s, key, value, hash, flags, cpu, all)
		s.mu.Unlock()
		if !again {
			return e
		}
		// All elements are used, and by other stripes: take one from them.
		t.evictElsewhere(hash)
	}
}

func (t *table) putLocked(s *stripe, key, value Pointer, hash uint32, flags uint64, cpu int, all bool) (_ syscall.Errno, again bool) {
	old, from := t.findLocked(key, hash)
	if e := existFlags(old != noElem, flags); e != 0 {
		return e, false
	}
	switch {
	case old == noElem:
		i, e := t.take(s, hash)
		if e != 0 {
			return e, e == syscall.E2BIG && t.isLRU
		}
		t.fill(i, key, value, hash, cpu, all)
		if t.isLRU {
			store32(add(t.elems.at(i), lruUsed), 0)
			s.lru.add(&t.elems, i, inactive)
		}
		t.link(i, hash)
	case flags&abi.FlagLock != 0:
		return t.setValueLocked(t.value(old, 0), value), false
	case t.plane != 0:
		if t.isLRU {
			touch(&t.elems, old)
		}
		t.copyValue(old, value, cpu, all)
	default:
		// A program may hold the old value: the new one goes to another
		// element, and the old becomes the stripe's spare.
		i := s.spare
		t.fill(i, key, value, hash, cpu, all)
		if t.isLRU {
			s.lru.remove(&t.elems, old)
			store32(add(t.elems.at(i), lruUsed), 1)
			s.lru.add(&t.elems, i, inactive)
		}
		t.replace(i, old, from)
		t.endFields(t.value(old, 0))
		s.spare = old
	}
	return 0, false
}

// take gets an element for a new entry: a free one, or in an LRU table the one
// that the stripe misses least.
func (t *table) take(s *stripe, hash uint32) (uint32, syscall.Errno) {
	i, e := t.elems.get(hash)
	if e == 0 || !t.isLRU {
		return i, e
	}
	i = s.lru.victim(&t.elems)
	if i == noElem {
		return i, e
	}
	t.evict(s, i)
	return i, 0
}

// evict takes an element out of its bucket and its LRU list.
func (t *table) evict(s *stripe, i uint32) {
	s.lru.remove(&t.elems, i)
	t.unlink(i, t.place(i))
	t.endFields(t.value(i, 0))
}

// evictElsewhere frees an element of another stripe than that of hash.
func (t *table) evictElsewhere(hash uint32) {
	for n := uint32(1); n < uint32(len(t.stripes)); n++ {
		s := &t.stripes[(hash+n)&t.stripeMask]
		s.mu.Lock()
		i := s.lru.victim(&t.elems)
		if i != noElem {
			t.evict(s, i)
		}
		s.mu.Unlock()
		if i != noElem {
			t.elems.put(hash, i)
			return
		}
	}
	// Every element is between two lists, in the hands of another goroutine.
	runtime.Gosched()
}

// initValue writes the value of a new element. A program sets its own CPU's;
// the others become zero.
func (t *table) initValue(i uint32, value Pointer, cpu int, all bool) {
	switch {
	case t.spec.Type == abi.MapHashOfMaps:
		copyMem(t.value(i, 0), value, 8)
	case t.plane == 0:
		// Copying goes around them.
		t.clearSpecials(t.value(i, 0))
		t.setValue(t.value(i, 0), value)
	default:
		if !all {
			for c := range t.env.CPUs {
				zeroMem(t.value(i, c), t.vstride)
			}
		}
		t.copyValue(i, value, cpu, all)
	}
}

// copyValue changes the value of an element in place: per-CPU tables.
func (t *table) copyValue(i uint32, value Pointer, cpu int, all bool) {
	if !all {
		copyMem(t.value(i, cpu), value, uintptr(t.spec.ValueSize))
		return
	}
	for c := range t.env.CPUs {
		copyMem(t.value(i, c), add(value, uintptr(c)*t.vstride), t.vstride)
	}
}

// getAll copies an element out to the user side.
func (t *table) getAll(i uint32, value []byte, lock bool) syscall.Errno {
	if t.plane == 0 {
		return t.getValue(pointerTo(value), t.value(i, 0), lock)
	}
	for c := range t.env.CPUs {
		copy(value[c*int(t.vstride):], bytesAt(t.value(i, c), t.vstride))
	}
	return 0
}

// remove deletes a key, and calls f with its element before; an errno of f
// leaves it.
func (t *table) remove(key Pointer, f func(i uint32) syscall.Errno) syscall.Errno {
	hash := t.hash.sum(key)
	s := t.stripeOf(hash & t.mask)
	s.mu.Lock()
	i, from := t.findLocked(key, hash)
	if i == noElem {
		s.mu.Unlock()
		return syscall.ENOENT
	}
	if f != nil {
		if e := f(i); e != 0 {
			s.mu.Unlock()
			return e
		}
	}
	o := t.removeLocked(s, i, from)
	s.mu.Unlock()
	t.elems.put(hash, i)
	if o != nil {
		o.Release()
	}
	return 0
}

// removeLocked takes an element out; the caller frees it after unlocking, and
// releases the object it held.
func (t *table) removeLocked(s *stripe, i uint32, from Pointer) Object {
	if t.isLRU {
		s.lru.remove(&t.elems, i)
	}
	t.unlink(i, from)
	t.endFields(t.value(i, 0))
	o := s.objects[i]
	delete(s.objects, i)
	return o
}

// Delete removes key from the program side.
func (t *table) Delete(key Pointer) syscall.Errno {
	if !t.progWritable() {
		return syscall.EPERM
	}
	return t.remove(key, nil)
}

// KeyOf is Keyed's.
func (t *table) KeyOf(addr uintptr, key []byte) uintptr {
	off := addr - t.where.base
	if t.plane != 0 || off >= t.where.size {
		return 0
	}
	e := t.elems.at(uint32(off / t.elems.stride))
	copy(key, bytesAt(t.key(e), t.keySize))
	return addressOf(add(e, t.valAt))
}
