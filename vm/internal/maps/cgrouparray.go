package maps

import (
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// CgroupArray is BPF_MAP_TYPE_CGROUP_ARRAY: cgroups, of which a program asks
// whether a task or socket is in one. The user side stores descriptors of their
// directories; what is kept is the cgroup's number.
type CgroupArray interface {
	Map
	// Cgroup is the number of the cgroup at index, 0 if there is none. EAGAIN,
	// as Linux answers for an empty place, is for the caller to give.
	Cgroup(index uint32) (id uint64, ok bool)
}

type cgroupArray struct {
	common
	ids    []atomic.Uint64
	charge int64
}

var _ CgroupArray = (*cgroupArray)(nil)

func newCgroupArray(s *Spec, env *Env) (Map, error) {
	if err := checkObjects(s); err != nil {
		return nil, err
	}
	if err := checkArray(s); err != nil {
		return nil, err
	}
	m := &cgroupArray{common: newCommon(s, env), charge: int64(s.MaxEntries) * 8}
	if err := env.Memory.Take(m.charge); err != nil {
		return nil, s.noMemory(err)
	}
	m.ids = make([]atomic.Uint64, s.MaxEntries)
	return m, nil
}

func (m *cgroupArray) Cgroup(index uint32) (uint64, bool) {
	if index >= m.spec.MaxEntries {
		return 0, false
	}
	return m.ids[index].Load(), true
}

func (m *cgroupArray) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	i := read32(pointerTo(key))
	switch {
	case flags != abi.UpdateAny:
		return syscall.EINVAL
	case i >= m.spec.MaxEntries:
		return syscall.E2BIG
	}
	id, e := cgroupOf(read32(pointerTo(value)))
	if e != 0 {
		return e
	}
	m.ids[i].Store(id)
	return 0
}

func (m *cgroupArray) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.Delete(pointerTo(key))
}

func (m *cgroupArray) Delete(key Pointer) syscall.Errno {
	i := read32(key)
	switch {
	case i >= m.spec.MaxEntries:
		return syscall.E2BIG
	case m.ids[i].Swap(0) == 0:
		return syscall.ENOENT
	}
	return 0
}

func (m *cgroupArray) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *cgroupArray) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.env.Memory.Give(m.charge)
	}
}
