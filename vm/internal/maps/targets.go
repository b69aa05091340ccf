package maps

import (
	"sync"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// targets is BPF_MAP_TYPE_DEVMAP and BPF_MAP_TYPE_CPUMAP: an array with
// entries that are there or not. The first half of an entry says which: the
// device, or the length of the CPU's queue; 0 is none.
type targets struct {
	common
	mem   []byte
	where region

	mu    sync.Mutex // of writers and of progs
	progs map[uint32]Object
}

var _ TargetMap = (*targets)(nil)

const (
	targetStride = 8
	// maxCPUMap is NR_CPUS of large configurations.
	maxCPUMap = 8192
	// maxQueue is the longest queue of a cpumap entry, in packets.
	maxQueue = 16384
)

func checkTargets(s *Spec) error {
	allowed := uint32(abi.FlagNumaNode)
	if s.Type != abi.MapCPUMap {
		allowed |= abi.FlagRdonly | abi.FlagWronly
	}
	switch {
	case s.MaxEntries == 0:
		return s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize != 4:
		return s.refuse(syscall.EINVAL, "the key has 4 bytes, not %d", s.KeySize)
	case s.ValueSize != 4 && s.ValueSize != 8:
		return s.refuse(syscall.EINVAL, "the value has 4 or 8 bytes, not %d", s.ValueSize)
	case s.Type == abi.MapCPUMap && s.MaxEntries > maxCPUMap:
		return s.refuse(syscall.E2BIG, "%d entries are above the limit of %d CPUs", s.MaxEntries, maxCPUMap)
	}
	return s.checkFlags(allowed)
}

func newTargets(s *Spec, env *Env) (Map, error) {
	if err := checkTargets(s); err != nil {
		return nil, err
	}
	m := &targets{common: newCommon(s, env), progs: map[uint32]Object{}}
	if s.Type == abi.MapDevMap {
		// What a lookup returns may not be written by programs.
		m.spec.Flags |= abi.FlagRdonlyProg
	}
	size := mul(targetStride, int(s.MaxEntries))
	var err error
	if m.mem, err = env.mapArena(s, size); err != nil {
		return nil, err
	}
	m.where = region{
		base: start(m.mem), size: uintptr(size), plane: uintptr(size), stride: targetStride,
		value: uintptr(s.ValueSize), count: uintptr(s.MaxEntries),
	}
	return m, nil
}

func (m *targets) at(i uint32) Pointer { return add(pointerTo(m.mem), uintptr(i)*targetStride) }

func (m *targets) Lookup(key Pointer, _ int) uintptr {
	i := read32(key)
	if i >= m.spec.MaxEntries || load32(m.at(i)) == 0 {
		return 0
	}
	return addressOf(m.at(i))
}

func (m *targets) Program(key Pointer) Object {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.progs[read32(key)]
}

func (m *targets) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	i := read32(pointerTo(key))
	if i >= m.spec.MaxEntries {
		return syscall.ENOENT
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if load32(m.at(i)) == 0 {
		return syscall.ENOENT
	}
	copy(value, bytesAt(m.at(i), uintptr(m.spec.ValueSize)))
	return 0
}

func (m *targets) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	return m.SetTarget(key, value, nil, flags)
}

func (m *targets) SetTarget(key, value []byte, prog Object, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	i := read32(pointerTo(key))
	switch {
	case flags > abi.UpdateExist:
		return syscall.EINVAL
	case i >= m.spec.MaxEntries:
		return syscall.E2BIG
	case flags == abi.UpdateNoExist:
		return syscall.EEXIST
	}
	entry, e := m.entry(i, value, prog)
	if e != 0 {
		return e
	}
	m.mu.Lock()
	old := m.progs[i]
	delete(m.progs, i)
	if prog != nil {
		prog.Acquire()
		m.progs[i] = prog
	}
	store64(m.at(i), entry)
	m.mu.Unlock()
	if old != nil {
		old.Release()
	}
	return 0
}

// entry checks a value and makes it what the map holds: the program's ID in
// the place of its descriptor.
func (m *targets) entry(i uint32, value []byte, prog Object) (uint64, syscall.Errno) {
	target := read32(pointerTo(value))
	fd := int32(-1)
	if len(value) == 8 {
		fd = int32(read32(pointerTo(value[4:])))
	}
	switch {
	case prog != nil && len(value) != 8, prog == nil && fd > 0:
		return 0, syscall.EINVAL
	case m.spec.Type == abi.MapCPUMap && target > maxQueue:
		return 0, eOverflow
	case m.spec.Type == abi.MapCPUMap && i >= uint32(m.env.CPUs):
		return 0, syscall.ENODEV
	case m.spec.Type == abi.MapDevMap && target != 0:
		if e := m.env.device(target); e != 0 {
			return 0, e
		}
	}
	if target == 0 && prog != nil {
		return 0, syscall.EINVAL
	}
	return packTarget(target, prog), 0
}

// device says whether a device can be put into a map.
func (e *Env) device(ifindex uint32) syscall.Errno {
	if e.Device == nil {
		return 0
	}
	return e.Device(ifindex)
}

func (m *targets) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	i := read32(pointerTo(key))
	if i >= m.spec.MaxEntries {
		return syscall.EINVAL
	}
	m.mu.Lock()
	old := m.progs[i]
	delete(m.progs, i)
	store64(m.at(i), 0)
	m.mu.Unlock()
	if old != nil {
		old.Release()
	}
	return 0
}

func (m *targets) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *targets) Base() (uintptr, uintptr) { return m.where.base, m.where.base + m.where.size }

func (m *targets) Check(addr uintptr, size int, write bool) (bool, string) {
	if ok, why := m.access(write); !ok {
		return false, why
	}
	_, ok, why := m.where.check(addr, size)
	return ok, why
}

func (m *targets) Close() {
	if !m.closed.CompareAndSwap(false, true) {
		return
	}
	for _, p := range m.progs {
		p.Release()
	}
	m.env.unmap(m.mem)
}
