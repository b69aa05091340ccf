package maps

import (
	"encoding/binary"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// localStorage is BPF_MAP_TYPE_{TASK,CGRP,INODE,SK}_STORAGE: one value for each
// object of a kind. Linux hangs the values on the objects; here a hash table
// has them by the objects' numbers, and a value stays until it is deleted or
// the map ends.
type localStorage struct {
	common
	values Map // by 64-bit number
	of     func(fd uint32) (uint64, syscall.Errno)
}

// Storage is a map of the *_storage_get helpers. Objects are told apart by
// their numbers: what the kernel calls a task is a process here, by its ID, a
// cgroup its inode, a socket its cookie.
type Storage interface {
	Map
	// At is the address of the value of an object, 0 if it has none.
	At(object uint64) uintptr
	// Make is At, and makes a value if there is none: a copy of init, which
	// points to ValueSize bytes, or with nil zeroes. 0 if there is no memory.
	Make(object uint64, init Pointer) uintptr
	// Forget removes an object's value: ENOENT if it has none.
	Forget(object uint64) syscall.Errno
}

var _ Storage = (*localStorage)(nil)

const (
	// maxStorageValue is BPF_LOCAL_STORAGE_MAX_VALUE_SIZE of Linux 6.18: what
	// 16 bits count, less its header.
	maxStorageValue = 1<<16 - 1 - storageElemHeader
	// storageElemHeader is sizeof(struct bpf_local_storage_elem).
	storageElemHeader = 128
	// maxStorageObjects bounds the objects that have a value in one map.
	maxStorageObjects = 1 << 20
)

func newLocalStorage(s *Spec, env *Env) (Map, error) {
	switch {
	case s.Flags&^(abi.FlagNoPrealloc|abi.FlagClone) != 0:
		return nil, s.refuse(syscall.EINVAL, "flags %#x are not for this type", s.Flags&^(abi.FlagNoPrealloc|abi.FlagClone))
	case s.Flags&abi.FlagNoPrealloc == 0:
		return nil, s.refuse(syscall.EINVAL, "this type needs BPF_F_NO_PREALLOC")
	case s.MaxEntries != 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is %d: this type takes none", s.MaxEntries)
	case s.KeySize != 4:
		return nil, s.refuse(syscall.EINVAL, "the key has 4 bytes, not %d", s.KeySize)
	case s.ValueSize == 0:
		return nil, s.refuse(syscall.EINVAL, "the value size is 0")
	case s.ValueSize > maxStorageValue:
		return nil, s.refuse(syscall.E2BIG, "a value of %d bytes is above the limit of %d", s.ValueSize, maxStorageValue)
	}
	inner := *s
	inner.Type, inner.KeySize, inner.MaxEntries, inner.Flags = abi.MapHash, 8, maxStorageObjects, abi.FlagNoPrealloc
	// Addresses are reserved for all at once; memory is taken as they come.
	inner.MaxEntries = min(maxStorageObjects, max(1<<10, 1<<30/s.ValueSize))
	values, err := newHash(&inner, env)
	if err != nil {
		return nil, err
	}
	m := &localStorage{common: newCommon(s, env), values: values}
	switch s.Type {
	case abi.MapTaskStorage:
		m.of = taskOf
	case abi.MapCgrpStorage:
		m.of = cgroupOf
	case abi.MapInodeStorage:
		m.of = inodeOf
	default:
		m.of = socketOf
	}
	return m, nil
}

func (m *localStorage) At(object uint64) uintptr {
	var key [8]byte
	binary.NativeEndian.PutUint64(key[:], object)
	return m.values.Lookup(pointerTo(key[:]), 0)
}

func (m *localStorage) Make(object uint64, init Pointer) uintptr {
	if at := m.At(object); at != 0 {
		return at
	}
	var key [8]byte
	binary.NativeEndian.PutUint64(key[:], object)
	if init == nil {
		zero := make([]byte, m.spec.ValueSize) // once for an object
		init = pointerTo(zero)
	}
	if e := m.values.Update(pointerTo(key[:]), init, abi.UpdateNoExist, 0); e != 0 && e != syscall.EEXIST {
		return 0
	}
	return m.At(object)
}

func (m *localStorage) Forget(object uint64) syscall.Errno {
	var key [8]byte
	binary.NativeEndian.PutUint64(key[:], object)
	return m.values.Delete(pointerTo(key[:]))
}

func (m *localStorage) Base() (uintptr, uintptr) { return m.values.Base() }

func (m *localStorage) Check(addr uintptr, size int, write bool) (bool, string) {
	return m.values.Check(addr, size, write)
}

// object is the number of what the user side's key, a descriptor, is open on.
func (m *localStorage) object(key []byte) (k [8]byte, _ syscall.Errno) {
	id, e := m.of(read32(pointerTo(key)))
	binary.NativeEndian.PutUint64(k[:], id)
	return k, e
}

func (m *localStorage) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	k, e := m.object(key)
	if e != 0 {
		return e
	}
	return m.values.UserLookup(k[:], value, flags)
}

func (m *localStorage) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	k, e := m.object(key)
	if e != 0 {
		return e
	}
	return m.values.UserUpdate(k[:], value, flags)
}

func (m *localStorage) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	k, e := m.object(key)
	if e != 0 {
		return e
	}
	return m.values.UserDelete(k[:])
}

func (m *localStorage) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.values.Close()
	}
}
