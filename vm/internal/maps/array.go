package maps

import (
	"math"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

const arrayFlags = abi.FlagNumaNode | abi.FlagMmapable | accessFlags | abi.FlagPreserveElems | abi.FlagInnerMap

// checkArray is array_map_alloc_check.
func checkArray(s *Spec) error {
	perCPU := s.Type == abi.MapPerCPUArray
	switch {
	case s.MaxEntries == 0:
		return s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize != 4:
		return s.refuse(syscall.EINVAL, "the key of an array has 4 bytes, not %d", s.KeySize)
	case s.ValueSize == 0:
		return s.refuse(syscall.EINVAL, "the value size is 0")
	}
	if err := s.checkFlags(arrayFlags); err != nil {
		return err
	}
	switch {
	case perCPU && s.Flags&abi.FlagNumaNode != 0:
		return s.refuse(syscall.EINVAL, "per-CPU maps take no NUMA node")
	case s.Type != abi.MapArray && s.Flags&(abi.FlagMmapable|abi.FlagInnerMap) != 0:
		return s.refuse(syscall.EINVAL, "BPF_F_MMAPABLE and BPF_F_INNER_MAP are for plain arrays")
	case s.Type != abi.MapPerfEventArray && s.Flags&abi.FlagPreserveElems != 0:
		return s.refuse(syscall.EINVAL, "BPF_F_PRESERVE_ELEMS is for perf event arrays")
	case s.ValueSize > math.MaxInt32:
		return s.refuse(syscall.E2BIG, "a value of %d bytes is too large", s.ValueSize)
	case perCPU && roundUp8(int(s.ValueSize)) > percpuMax:
		return s.refuse(syscall.E2BIG, "a per-CPU value of %d bytes is above the limit of %d", s.ValueSize, percpuMax)
	}
	return nil
}

// arrayMap is BPF_MAP_TYPE_ARRAY and, with a plane of values per CPU,
// BPF_MAP_TYPE_PERCPU_ARRAY.
type arrayMap struct {
	common
	mem    []byte
	base   Pointer
	stride uintptr
	plane  uintptr // 0 unless per CPU
	where  region
}

var _ Map = (*arrayMap)(nil)

func newArray(s *Spec, env *Env) (Map, error) {
	if err := checkArray(s); err != nil {
		return nil, err
	}
	m := &arrayMap{common: newCommon(s, env), stride: uintptr(roundUp8(int(s.ValueSize)))}
	size := mul(int(m.stride), int(s.MaxEntries))
	m.where = region{stride: m.stride, value: uintptr(s.ValueSize), count: uintptr(s.MaxEntries)}
	if size > 0 && (s.Flags&abi.FlagMmapable != 0 || perCPU(s.Type)) {
		// Whole pages: for mapping, and so that CPUs do not share cache lines.
		size = host.RoundUpPage(size)
	}
	m.where.plane = uintptr(max(size, 0))
	if perCPU(s.Type) {
		m.plane = uintptr(max(size, 0))
		size = mul(size, env.CPUs)
	}
	mem, err := env.mapArena(s, size)
	if err != nil {
		return nil, err
	}
	m.mem, m.base = mem, pointerTo(mem)
	m.where.base, m.where.size = start(mem), uintptr(size)
	return m, nil
}

func (m *arrayMap) at(index uint32, cpu int) Pointer {
	return add(m.base, uintptr(cpu)*m.plane+uintptr(index)*m.stride)
}

func (m *arrayMap) Lookup(key Pointer, cpu int) uintptr {
	i := read32(key)
	if i >= m.spec.MaxEntries {
		return 0
	}
	return addressOf(m.at(i, cpu))
}

func (m *arrayMap) LookupPerCPU(key Pointer, cpu int) uintptr {
	if m.plane == 0 || uint(cpu) >= uint(m.env.CPUs) {
		return 0
	}
	return m.Lookup(key, cpu)
}

// updateFlags is what an update checks of its flags and index.
func (m *arrayMap) updateFlags(index uint32, flags uint64) syscall.Errno {
	switch {
	case flags&^abi.FlagLock > abi.UpdateExist, m.plane != 0 && flags > abi.UpdateExist:
		return syscall.EINVAL
	case index >= m.spec.MaxEntries:
		return syscall.E2BIG
	case flags&abi.UpdateNoExist != 0:
		return syscall.EEXIST
	case flags&abi.FlagLock != 0 && !m.spec.SpinLock:
		return syscall.EINVAL
	}
	return 0
}

func (m *arrayMap) Update(key, value Pointer, flags uint64, cpu int) syscall.Errno {
	if !m.progWritable() {
		return syscall.EPERM
	}
	i := read32(key)
	if e := m.updateFlags(i, flags); e != 0 {
		return e
	}
	if flags&abi.FlagLock != 0 {
		defer m.endFields(m.at(i, cpu))
		return m.setValueLocked(m.at(i, cpu), value)
	}
	m.setValue(m.at(i, cpu), value)
	m.endFields(m.at(i, cpu))
	return 0
}

func (m *arrayMap) Delete(Pointer) syscall.Errno { return syscall.EINVAL }

func (m *arrayMap) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.get(key, value, flags)
}

func (m *arrayMap) get(key, value []byte, flags uint64) syscall.Errno {
	i := read32(pointerTo(key))
	if i >= m.spec.MaxEntries {
		return syscall.ENOENT
	}
	if m.plane == 0 {
		return m.getValue(pointerTo(value), m.at(i, 0), flags&abi.FlagLock != 0)
	}
	for cpu := range m.env.CPUs {
		copy(value[cpu*int(m.stride):], bytesAt(m.at(i, cpu), m.stride))
	}
	return 0
}

func (m *arrayMap) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return m.set(key, value, flags)
}

func (m *arrayMap) set(key, value []byte, flags uint64) syscall.Errno {
	i := read32(pointerTo(key))
	if e := m.updateFlags(i, flags); e != 0 {
		return e
	}
	switch {
	case m.plane != 0:
		for cpu := range m.env.CPUs {
			copy(bytesAt(m.at(i, cpu), m.stride), value[cpu*int(m.stride):])
		}
	case flags&abi.FlagLock != 0:
		defer m.endFields(m.at(i, 0))
		return m.setValueLocked(m.at(i, 0), pointerTo(value))
	default:
		m.setValue(m.at(i, 0), pointerTo(value))
		m.endFields(m.at(i, 0))
	}
	return 0
}

func (m *arrayMap) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return syscall.EINVAL
}

func (m *arrayMap) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

// nextIndex is the order of everything that is an array: a key that is none
// starts over.
func nextIndex(key, next []byte, count uint32) syscall.Errno {
	i := uint32(0)
	if key != nil {
		if k := read32(pointerTo(key)); k < count {
			i = k + 1
		}
	}
	if i == count {
		return syscall.ENOENT
	}
	write32(pointerTo(next), i)
	return 0
}

func (m *arrayMap) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno) {
	if del {
		return m.common.LookupBatch(pos, keys, values, del, flags)
	}
	return m.lookupBatch(pos, keys, values, flags, m.NextKey, m.get)
}

func (m *arrayMap) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	return m.updateBatch(keys, values, flags, m.set)
}

func (m *arrayMap) Base() (uintptr, uintptr) { return m.where.base, m.where.base + m.where.size }

func (m *arrayMap) Check(addr uintptr, size int, write bool) (bool, string) {
	if ok, why := m.access(write); !ok {
		return false, why
	}
	_, ok, why := m.where.check(addr, size)
	return ok, why
}

// Memory is nil once the map is frozen: the slice could be written.
func (m *arrayMap) Memory() []byte {
	if m.spec.Flags&abi.FlagMmapable == 0 || m.frozen.Load() {
		return nil
	}
	m.shared.Store(true)
	return m.mem
}

func (m *arrayMap) Close() {
	if m.closed.CompareAndSwap(false, true) {
		for i := uint32(0); len(m.spec.Fields) > 0 && i < m.spec.MaxEntries; i++ {
			m.dropFields(m.at(i, 0))
		}
		m.env.unmap(m.mem)
	}
}

// KeyOf is Keyed's.
func (m *arrayMap) KeyOf(addr uintptr, key []byte) uintptr {
	off := addr - m.where.base
	if m.plane != 0 || off >= m.where.size {
		return 0
	}
	i := uint32(off / m.stride)
	write32(pointerTo(key), i)
	return addressOf(m.at(i, 0))
}
