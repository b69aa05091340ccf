package maps

import "syscall"

// The batch operations of map types that have nothing faster: entry by entry.

// lookupBatch walks keys with next and copies with lookup. Entries that go
// away in between are skipped.
func (c *common) lookupBatch(pos *BatchPos, keys, values []byte, flags uint64,
	next func(key, next []byte) syscall.Errno, lookup func(key, value []byte, flags uint64) syscall.Errno,
) (int, syscall.Errno) {
	if !c.readable() {
		return 0, syscall.EPERM
	}
	room, e := c.batchOK(keys, values, flags)
	if e != 0 || room == 0 {
		return 0, e
	}
	ks, vs := int(c.spec.KeySize), c.valueBytes
	var from []byte
	if pos.started {
		from = pos.key
	} else {
		pos.key = make([]byte, ks)
	}
	step := make([]byte, ks)
	for n := 0; n < room; {
		if e := next(from, step); e != 0 {
			return n, e
		}
		pos.started = true
		copy(pos.key, step)
		from = pos.key
		switch e := lookup(step, values[n*vs:(n+1)*vs], flags); e {
		case 0:
			copy(keys[n*ks:], step)
			n++
		case syscall.ENOENT:
		default:
			return n, e
		}
	}
	return room, 0
}

func (c *common) updateBatch(keys, values []byte, flags uint64, update func(key, value []byte, flags uint64) syscall.Errno) (int, syscall.Errno) {
	if !c.writable() {
		return 0, syscall.EPERM
	}
	room, e := c.batchOK(keys, values, flags)
	if e != 0 {
		return 0, e
	}
	ks, vs := int(c.spec.KeySize), c.valueBytes
	for n := range room {
		if e := update(keys[n*ks:(n+1)*ks], values[n*vs:(n+1)*vs], flags); e != 0 {
			return n, e
		}
	}
	return room, 0
}

func (c *common) deleteBatch(keys []byte, remove func(key []byte) syscall.Errno) (int, syscall.Errno) {
	if !c.writable() {
		return 0, syscall.EPERM
	}
	ks := int(c.spec.KeySize)
	if len(keys)%ks != 0 {
		return 0, syscall.EINVAL
	}
	for n := range len(keys) / ks {
		if e := remove(keys[n*ks : (n+1)*ks]); e != 0 {
			return n, e
		}
	}
	return len(keys) / ks, 0
}
