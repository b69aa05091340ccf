package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// The user side of hash maps. Reads take the stripe's lock: what comes out is
// one entry, never a mixture of two. They do not mark LRU elements as used.

func (t *table) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := t.lookupOK(key, value, flags); e != 0 {
		return e
	}
	k := pointerTo(key)
	hash := t.hash.sum(k)
	s := t.stripeOf(hash & t.mask)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := t.findLocked(k, hash)
	if i == noElem {
		return syscall.ENOENT
	}
	return t.getAll(i, value, flags&abi.FlagLock != 0)
}

func (t *table) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	if e := t.lookupDeleteOK(key, value, flags); e != 0 {
		return e
	}
	return t.remove(pointerTo(key), func(i uint32) syscall.Errno { return t.getAll(i, value, flags&abi.FlagLock != 0) })
}

func (t *table) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := t.updateOK(key, value, flags); e != 0 {
		return e
	}
	return t.put(pointerTo(key), pointerTo(value), flags, 0, true)
}

func (t *table) UserDelete(key []byte) syscall.Errno {
	if e := t.deleteOK(key); e != 0 {
		return e
	}
	return t.remove(pointerTo(key), nil)
}

// NextKey starts over when key is not in the map.
func (t *table) NextKey(key, next []byte) syscall.Errno {
	if e := t.nextKeyOK(key, next); e != 0 {
		return e
	}
	b := uint32(0)
	if key != nil {
		k := pointerTo(key)
		hash := t.hash.sum(k)
		s := t.stripeOf(hash & t.mask)
		s.mu.Lock()
		i, _ := t.findLocked(k, hash)
		if i != noElem {
			ref := load32(add(t.elems.at(i), elemNext))
			if ref < endMark {
				copy(next, bytesAt(t.key(t.elems.at(ref-1)), t.keySize))
				s.mu.Unlock()
				return 0
			}
			b = hash&t.mask + 1
		}
		s.mu.Unlock()
	}
	for ; b <= t.mask; b++ {
		if !t.occupied(b) {
			continue
		}
		s := t.stripeOf(b)
		s.mu.Lock()
		ref := load32(t.head(b))
		if ref != 0 && ref < endMark {
			copy(next, bytesAt(t.key(t.elems.at(ref-1)), t.keySize))
			s.mu.Unlock()
			return 0
		}
		s.mu.Unlock()
	}
	return syscall.ENOENT
}

// occupied looks at a bucket without its lock.
func (t *table) occupied(b uint32) bool {
	ref := load32(t.head(b))
	return ref != 0 && ref < endMark
}

// LookupBatch goes bucket by bucket: a bucket comes whole or not at all.
func (t *table) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno) {
	if !t.readable() || del && !t.writable() {
		return 0, syscall.EPERM
	}
	room, e := t.batchOK(keys, values, flags)
	if e != 0 || room == 0 {
		return 0, e
	}
	n := 0
	for ; pos.bucket <= t.mask; pos.bucket++ {
		if !t.occupied(pos.bucket) {
			continue
		}
		got, e := t.copyBucket(pos.bucket, keys[n*int(t.keySize):], values[n*t.valueBytes:], del, flags)
		if e == syscall.ENOSPC && n > 0 {
			return n, 0
		}
		if e != 0 {
			return n, e
		}
		n += got
	}
	return n, syscall.ENOENT
}

// copyBucket copies the entries of a bucket, or none and ENOSPC, and removes
// them if del.
func (t *table) copyBucket(b uint32, keys, values []byte, del bool, flags uint64) (n int, _ syscall.Errno) {
	s := t.stripeOf(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	first := load32(t.head(b))
	for ref := first; ref != 0 && ref < endMark; ref = load32(add(t.elems.at(ref-1), elemNext)) {
		n++
	}
	if n*int(t.keySize) > len(keys) {
		return 0, syscall.ENOSPC
	}
	k := 0
	for ref := first; ref != 0 && ref < endMark; k++ {
		i := ref - 1
		e := t.elems.at(i)
		copy(keys[k*int(t.keySize):], bytesAt(t.key(e), t.keySize))
		if e := t.batchValue(s, i, values[k*t.valueBytes:(k+1)*t.valueBytes], flags); e != 0 {
			return k, e
		}
		ref = load32(add(e, elemNext))
		if del {
			o := t.removeLocked(s, i, t.head(b))
			t.elems.put(b, i)
			if o != nil {
				o.Release()
			}
		}
	}
	return n, 0
}

func (t *table) batchValue(s *stripe, i uint32, value []byte, flags uint64) syscall.Errno {
	if t.spec.Type == abi.MapHashOfMaps {
		write32(pointerTo(value), s.objects[i].ID())
		return 0
	}
	return t.getAll(i, value, flags&abi.FlagLock != 0)
}

func (t *table) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	return t.updateBatch(keys, values, flags, func(key, value []byte, flags uint64) syscall.Errno {
		return t.put(pointerTo(key), pointerTo(value), flags, 0, true)
	})
}

func (t *table) DeleteBatch(keys []byte) (int, syscall.Errno) {
	return t.deleteBatch(keys, func(key []byte) syscall.Errno { return t.remove(pointerTo(key), nil) })
}
