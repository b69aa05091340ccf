package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

// CgroupStorage is BPF_MAP_TYPE_CGROUP_STORAGE or its per-CPU sister: one value
// for each cgroup that a program is attached to, which bpf_get_local_storage
// gives. Nothing is attached to cgroups here: there is one value, that of whoever
// runs the program, and the user side finds none.
type CgroupStorage interface {
	Map
	// Local is the address of the value.
	Local(cpu int) uintptr
	// Reset makes the value zero, on all CPUs.
	Reset()
}

type cgroupStorage struct {
	common
	mem   []byte
	plane uintptr // 0 unless per CPU
	where region
}

var _ CgroupStorage = (*cgroupStorage)(nil)

// cgroupStorageKey is sizeof(struct bpf_cgroup_storage_key).
const cgroupStorageKey = 16

func newCgroupStorage(s *Spec, env *Env) (Map, error) {
	limit := uint32(maxStorageValue)
	each := s.Type == abi.MapPerCPUCgroupStorage
	if each {
		limit = percpuMax
	}
	switch {
	case s.KeySize != cgroupStorageKey && s.KeySize != 8:
		return nil, s.refuse(syscall.EINVAL, "the key has %d or 8 bytes, not %d", cgroupStorageKey, s.KeySize)
	case s.ValueSize == 0:
		return nil, s.refuse(syscall.EINVAL, "the value size is 0")
	case s.ValueSize > limit:
		return nil, s.refuse(syscall.E2BIG, "a value of %d bytes is above the limit of %d", s.ValueSize, limit)
	}
	if err := s.checkFlags(abi.FlagNumaNode | accessFlags); err != nil {
		return nil, err
	}
	if s.MaxEntries != 0 {
		return nil, s.refuse(syscall.EINVAL, "max_entries is %d: this type takes none", s.MaxEntries)
	}
	m := &cgroupStorage{common: newCommon(s, env)}
	size := roundUp8(int(s.ValueSize))
	m.where = region{stride: uintptr(size), value: uintptr(s.ValueSize), count: 1, plane: uintptr(size)}
	if each {
		size = host.RoundUpPage(size)
		m.plane = uintptr(size)
		m.where.plane = m.plane
		size *= env.CPUs
	}
	var err error
	if m.mem, err = env.mapArena(s, size); err != nil {
		return nil, err
	}
	m.where.base, m.where.size = start(m.mem), uintptr(size)
	return m, nil
}

func (m *cgroupStorage) Local(cpu int) uintptr { return m.where.base + uintptr(cpu)*m.plane }

func (m *cgroupStorage) Reset() { clear(m.mem) }

func (m *cgroupStorage) Base() (uintptr, uintptr) { return m.where.base, m.where.base + m.where.size }

func (m *cgroupStorage) Check(addr uintptr, size int, write bool) (bool, string) {
	if ok, why := m.access(write); !ok {
		return false, why
	}
	_, ok, why := m.where.check(addr, size)
	return ok, why
}

func (m *cgroupStorage) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return syscall.ENOENT
}

func (m *cgroupStorage) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	if flags&^uint64(abi.FlagLock|abi.UpdateExist) != 0 || m.plane != 0 && flags&abi.FlagLock != 0 {
		return syscall.EINVAL
	}
	return syscall.ENOENT
}

func (m *cgroupStorage) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return syscall.EINVAL
}

func (m *cgroupStorage) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return syscall.ENOENT
}

func (m *cgroupStorage) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.env.unmap(m.mem)
	}
}
