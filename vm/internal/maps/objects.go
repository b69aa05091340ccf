package maps

import (
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// objectArray is BPF_MAP_TYPE_PROG_ARRAY and BPF_MAP_TYPE_ARRAY_OF_MAPS. Slots
// are read without a lock; an object is released after it was replaced.
type objectArray struct {
	common
	slots  []atomic.Pointer[held]
	charge int64
	mu     sync.Mutex // of writers
	// onChange is told of changes; may be nil.
	onChange func(index uint32, obj Object)
}

// held is an object in a slot.
type held struct{ Object }

var (
	_ ProgArray = (*objectArray)(nil)
	_ ObjectMap = (*objectArray)(nil)
)

// checkObjects is fd_array_map_alloc_check.
func checkObjects(s *Spec) error {
	if s.ValueSize != 4 {
		return s.refuse(syscall.EINVAL, "the value size must be 4, not %d", s.ValueSize)
	}
	if s.Flags&(abi.FlagRdonlyProg|abi.FlagWronlyProg) != 0 {
		return s.refuse(syscall.EINVAL, "BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG are not for this type")
	}
	return nil
}

// checkInner looks at the template of a map of maps.
func checkInner(s *Spec) error {
	switch {
	case s.Inner == nil:
		return s.refuse(syscall.EBADF, "a map of maps needs an inner map")
	case s.Inner.Type == abi.MapArrayOfMaps || s.Inner.Type == abi.MapHashOfMaps:
		return s.refuse(syscall.EINVAL, "an inner map cannot be a map of maps")
	case s.Inner.Type == abi.MapProgArray || s.Inner.Type == abi.MapCgroupStorage || s.Inner.Type == abi.MapPerCPUCgroupStorage:
		return s.refuse(notSupp, "an inner map cannot be of type %s", s.Inner.Type)
	}
	return nil
}

func newObjectArray(s *Spec, env *Env) (Map, error) {
	if err := checkObjects(s); err != nil {
		return nil, err
	}
	if err := checkArray(s); err != nil {
		return nil, err
	}
	if s.Type == abi.MapArrayOfMaps {
		if err := checkInner(s); err != nil {
			return nil, err
		}
	}
	m := &objectArray{common: newCommon(s, env), charge: int64(s.MaxEntries) * 8}
	// The slots hold Go pointers and lie in Go's heap; they are bounded too.
	if s.MaxEntries > 1<<26 {
		return nil, s.refuse(syscall.ENOMEM, "%d slots are above the limit of %d", s.MaxEntries, 1<<26)
	}
	if err := env.Memory.Take(m.charge); err != nil {
		return nil, s.noMemory(err)
	}
	m.slots = make([]atomic.Pointer[held], s.MaxEntries)
	return m, nil
}

// OnChange calls f with what each change makes of a slot, before the slot's
// former object is released. It is to be called before the map is used.
func (m *objectArray) OnChange(f func(index uint32, obj Object)) { m.onChange = f }

func (m *objectArray) changed(i uint32, obj Object) {
	if m.onChange != nil {
		m.onChange(i, obj)
	}
}

// At is the object at index, or nil.
func (m *objectArray) At(index uint32) Object {
	if index >= uint32(len(m.slots)) {
		return nil
	}
	if h := m.slots[index].Load(); h != nil {
		return h.Object
	}
	return nil
}

func (m *objectArray) Object(key []byte) Object {
	k, e := keyPointer(key, 4)
	if e != 0 {
		return nil
	}
	return m.At(read32(k))
}

// Lookup is the handle of an inner map; prog arrays cannot be looked up.
func (m *objectArray) Lookup(key Pointer, _ int) uintptr {
	if m.spec.Type == abi.MapProgArray {
		return 0
	}
	if o := m.At(read32(key)); o != nil {
		return o.Handle()
	}
	return 0
}

func (m *objectArray) SetObject(key []byte, obj Object, flags uint64) syscall.Errno {
	if !m.writable() {
		return syscall.EPERM
	}
	k, e := keyPointer(key, 4)
	if e != 0 {
		return e
	}
	i := read32(k)
	switch {
	case flags != abi.UpdateAny:
		return syscall.EINVAL
	case i >= m.spec.MaxEntries:
		return syscall.E2BIG
	case obj == nil:
		return syscall.EBADF
	}
	if m.spec.Type == abi.MapArrayOfMaps && !fitsTemplate(m.spec.Inner, obj) {
		return syscall.EINVAL
	}
	obj.Acquire()
	m.mu.Lock()
	old := m.slots[i].Swap(&held{obj})
	m.changed(i, obj)
	m.mu.Unlock()
	if old != nil {
		old.Release()
	}
	return 0
}

// fitsTemplate is bpf_map_meta_equal and array_map_meta_equal.
func fitsTemplate(inner *Spec, obj Object) bool {
	im, ok := obj.(InnerMap)
	if !ok {
		return false
	}
	s := im.Map().Spec()
	const perFD = abi.FlagRdonly | abi.FlagWronly
	switch {
	case s.Type != inner.Type, s.KeySize != inner.KeySize, s.ValueSize != inner.ValueSize,
		s.Flags&^perFD != inner.Flags&^perFD, s.SpinLock != inner.SpinLock,
		s.SpinLock && s.SpinLockOffset != inner.SpinLockOffset:
		return false
	case s.Type == abi.MapArray && s.Flags&abi.FlagInnerMap != 0:
		return true
	case s.Type == abi.MapArray, s.Type == abi.MapPerCPUArray, s.Type == abi.MapDevMap, s.Type == abi.MapCPUMap, s.Type == abi.MapXSKMap:
		return s.MaxEntries == inner.MaxEntries
	}
	return true
}

func (m *objectArray) Delete(key Pointer) syscall.Errno { return m.remove(key) }

func (m *objectArray) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.remove(pointerTo(key))
}

func (m *objectArray) remove(key Pointer) syscall.Errno {
	i := read32(key)
	if i >= m.spec.MaxEntries {
		return syscall.E2BIG
	}
	m.mu.Lock()
	old := m.slots[i].Swap(nil)
	m.changed(i, nil)
	m.mu.Unlock()
	if old == nil {
		return syscall.ENOENT
	}
	old.Release()
	return 0
}

// UserUpdate is EBADF: an object is not a file descriptor here; SetObject
// stores one.
func (m *objectArray) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	switch {
	case flags != abi.UpdateAny:
		return syscall.EINVAL
	case read32(pointerTo(key)) >= m.spec.MaxEntries:
		return syscall.E2BIG
	}
	return syscall.EBADF
}

// UserLookup gives the ID of the object.
func (m *objectArray) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.get(key, value, flags)
}

func (m *objectArray) get(key, value []byte, _ uint64) syscall.Errno {
	o := m.At(read32(pointerTo(key)))
	if o == nil {
		return syscall.ENOENT
	}
	write32(pointerTo(value), o.ID())
	return 0
}

func (m *objectArray) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *objectArray) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno) {
	if del || m.spec.Type == abi.MapProgArray {
		return m.common.LookupBatch(pos, keys, values, del, flags)
	}
	return m.lookupBatch(pos, keys, values, flags, m.NextKey, m.get)
}

func (m *objectArray) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	if m.spec.Type == abi.MapProgArray {
		return m.common.UpdateBatch(keys, values, flags)
	}
	return m.updateBatch(keys, values, flags, m.UserUpdate)
}

func (m *objectArray) Close() {
	if !m.closed.CompareAndSwap(false, true) {
		return
	}
	for i := range m.slots {
		if h := m.slots[i].Swap(nil); h != nil {
			h.Release()
		}
	}
	m.env.Memory.Give(m.charge)
}
