package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// hashOfMaps is BPF_MAP_TYPE_HASH_OF_MAPS: a hash whose elements hold the
// handles of inner maps; the maps themselves are kept per stripe.
type hashOfMaps struct{ *table }

var _ ObjectMap = hashOfMaps{}

func newHashOfMaps(s *Spec, env *Env) (Map, error) {
	if s.ValueSize != 4 {
		return nil, s.refuse(syscall.EINVAL, "the value size must be 4, not %d", s.ValueSize)
	}
	if err := checkHash(s); err != nil {
		return nil, err
	}
	if err := checkInner(s); err != nil {
		return nil, err
	}
	t, err := newTable(s, env)
	if err != nil {
		return nil, err
	}
	for i := range t.stripes {
		t.stripes[i].objects = map[uint32]Object{}
	}
	return hashOfMaps{t}, nil
}

// Base and Check: what the elements hold is not for programs to touch, as they
// could forge handles of other maps.
func (m hashOfMaps) Base() (uintptr, uintptr) { return m.common.Base() }

func (m hashOfMaps) Check(addr uintptr, size int, write bool) (bool, string) {
	return m.common.Check(addr, size, write)
}

// Lookup is the handle of the inner map.
func (m hashOfMaps) Lookup(key Pointer, _ int) uintptr {
	i := m.find(key, m.hash.sum(key))
	if i == noElem {
		return 0
	}
	return uintptr(load64(m.value(i, 0)))
}

func (m hashOfMaps) SetObject(key []byte, obj Object, flags uint64) syscall.Errno {
	if !m.writable() {
		return syscall.EPERM
	}
	k, e := keyPointer(key, m.spec.KeySize)
	switch {
	case e != 0:
		return e
	case obj == nil:
		return syscall.EBADF
	case !fitsTemplate(m.spec.Inner, obj), flags > abi.UpdateExist:
		return syscall.EINVAL
	}
	var handle [8]byte
	putHandle(&handle, obj.Handle())
	hash := m.hash.sum(k)
	s := m.stripeOf(hash & m.mask)
	obj.Acquire()
	s.mu.Lock()
	old, _ := m.findLocked(k, hash)
	before := s.objects[old]
	e, _ = m.putLocked(s, k, pointerTo(handle[:]), hash, flags, 0, false)
	if e == 0 {
		delete(s.objects, old)
		i, _ := m.findLocked(k, hash)
		s.objects[i] = obj
	}
	s.mu.Unlock()
	if e != 0 {
		before = obj
	}
	if before != nil {
		before.Release()
	}
	return e
}

func (m hashOfMaps) Object(key []byte) Object {
	k, e := keyPointer(key, m.spec.KeySize)
	if e != 0 {
		return nil
	}
	hash := m.hash.sum(k)
	s := m.stripeOf(hash & m.mask)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := m.findLocked(k, hash)
	return s.objects[i]
}

// UserLookup gives the ID of the inner map.
func (m hashOfMaps) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	o := m.Object(key)
	if o == nil {
		return syscall.ENOENT
	}
	write32(pointerTo(value), o.ID())
	return 0
}

// UserUpdate is EBADF: an inner map is not a file descriptor here; SetObject
// stores one.
func (m hashOfMaps) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return syscall.EBADF
}

func (m hashOfMaps) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	return m.common.UserLookupAndDelete(key, value, flags)
}

func (m hashOfMaps) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	return m.updateBatch(keys, values, flags, m.UserUpdate)
}

func (m hashOfMaps) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return notSupp }
