package maps

import (
	"math/bits"
	"sync"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// stackTrace is BPF_MAP_TYPE_STACK_TRACE: stacks by the hash of their
// addresses, which is the stack's number. A number is taken by one stack at a
// time.
type stackTrace struct {
	common
	mask    uint32 // of numbers
	buckets []uint32
	mem     []byte
	elems   elems
	locks   [stackLocks]stackLock
}

type stackLock struct {
	sync.Mutex
	_ [56]byte
}

// StackMap is the map of bpf_get_stackid.
type StackMap interface {
	Map
	// Depth is how many addresses a stack has at most.
	Depth() int
	// Add stores a stack and gives its number, or minus an errno. flags are
	// those of bpf_get_stackid.
	Add(stack []uint64, flags uint64) int64
}

var _ StackMap = (*stackTrace)(nil)

const (
	stackLocks = 64
	// maxStackDepth is kernel.perf_event_max_stack.
	maxStackDepth = 127
	// buildIDSize is sizeof(struct bpf_stack_build_id).
	buildIDSize = 32

	// An element is its number of addresses, their hash, and the addresses.
	stackNr    = 0
	stackHash  = 4
	stackAddrs = 8
)

func newStackTrace(s *Spec, env *Env) (Map, error) {
	const allowed = abi.FlagNumaNode | abi.FlagRdonly | abi.FlagWronly | abi.FlagStackBuildID
	word := uint32(8)
	if s.Flags&abi.FlagStackBuildID != 0 {
		word = buildIDSize
	}
	switch {
	case s.Flags&^allowed != 0:
		return nil, s.refuse(syscall.EINVAL, "flags %#x are not for this type", s.Flags&^allowed)
	case s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize != 4:
		return nil, s.refuse(syscall.EINVAL, "the key has 4 bytes, not %d", s.KeySize)
	case s.ValueSize < 8 || s.ValueSize%word != 0 || s.ValueSize/word > maxStackDepth:
		return nil, s.refuse(syscall.EINVAL, "a value has 1 to %d entries of %d bytes; %d bytes are not that", maxStackDepth, word, s.ValueSize)
	case s.MaxEntries > 1<<31:
		return nil, s.refuse(syscall.E2BIG, "%d entries are above the limit of %d", s.MaxEntries, 1<<31)
	}
	m := &stackTrace{common: newCommon(s, env)}
	n := uint32(1) << bits.Len32(s.MaxEntries-1)
	m.mask = n - 1
	if err := env.Memory.Take(int64(n) * 4); err != nil {
		return nil, s.noMemory(err)
	}
	stride := stackAddrs + int(s.ValueSize)
	var err error
	if m.mem, err = env.mapArena(s, mul(stride, int(s.MaxEntries))); err != nil {
		env.Memory.Give(int64(n) * 4)
		return nil, err
	}
	m.buckets = make([]uint32, n)
	m.elems = elems{
		base: pointerTo(m.mem), stride: uintptr(stride), linkAt: stackHash, max: s.MaxEntries,
		shards: make([]shard, 1),
	}
	return m, nil
}

// Depth is 0 with BPF_F_STACK_BUILD_ID: the code that runs here has none.
func (m *stackTrace) Depth() int {
	if m.spec.Flags&abi.FlagStackBuildID != 0 {
		return 0
	}
	return int(m.spec.ValueSize / 8)
}

func (m *stackTrace) lock(id uint32) *stackLock { return &m.locks[id%stackLocks] }

func (m *stackTrace) Add(stack []uint64, flags uint64) int64 {
	stack = stack[:min(len(stack), m.Depth())]
	n := uintptr(len(stack)) * 8
	hash := stackSum(stack)
	id := hash & m.mask
	l := m.lock(id)
	l.Lock()
	defer l.Unlock()
	old := m.buckets[id]
	if old != 0 {
		e := m.elems.at(old - 1)
		same := read32(add(e, stackHash)) == hash && int(read32(e)) == len(stack)
		if read32(add(e, stackHash)) == hash && flags&abi.FlagFastStackCmp != 0 {
			return int64(id)
		}
		if same && flags&abi.FlagFastStackCmp == 0 && sameWords(add(e, stackAddrs), stack) {
			return int64(id)
		}
		if flags&abi.FlagReuseStackID == 0 {
			return -int64(syscall.EEXIST)
		}
	}
	i, errno := m.elems.get(0)
	if errno != 0 {
		return -int64(syscall.ENOMEM)
	}
	e := m.elems.at(i)
	write32(e, uint32(len(stack)))
	write32(add(e, stackHash), hash)
	for k, a := range stack {
		store64(add(e, stackAddrs+uintptr(k)*8), a)
	}
	zeroMem(add(e, stackAddrs+n), uintptr(m.spec.ValueSize)-n)
	m.buckets[id] = i + 1
	if old != 0 {
		m.elems.put(0, old-1)
	}
	return int64(id)
}

// stackSum is the hash of a stack.
func stackSum(stack []uint64) uint32 {
	h := uint64(len(stack))
	for _, a := range stack {
		h = mix(h^a, 0x9e3779b97f4a7c15)
	}
	return fold(mix(h, 0xd1b54a32d192ed03))
}

func sameWords(p Pointer, words []uint64) bool {
	for i, w := range words {
		if read64(add(p, uintptr(i)*8)) != w {
			return false
		}
	}
	return true
}

func (m *stackTrace) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.get(read32(pointerTo(key)), value, false)
}

func (m *stackTrace) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupDeleteOK(key, value, flags); e != 0 {
		return e
	}
	return m.get(read32(pointerTo(key)), value, true)
}

func (m *stackTrace) get(id uint32, value []byte, del bool) syscall.Errno {
	if id > m.mask {
		return syscall.ENOENT
	}
	l := m.lock(id)
	l.Lock()
	defer l.Unlock()
	i := m.buckets[id]
	if i == 0 {
		return syscall.ENOENT
	}
	copy(value, bytesAt(add(m.elems.at(i-1), stackAddrs), uintptr(m.spec.ValueSize)))
	if del {
		m.buckets[id] = 0
		m.elems.put(0, i-1)
	}
	return 0
}

// UserUpdate is EINVAL: only programs store stacks.
func (m *stackTrace) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return syscall.EINVAL
}

func (m *stackTrace) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return syscall.EINVAL }

func (m *stackTrace) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.Delete(pointerTo(key))
}

func (m *stackTrace) Delete(key Pointer) syscall.Errno {
	id := read32(key)
	if id > m.mask {
		return syscall.E2BIG
	}
	l := m.lock(id)
	l.Lock()
	defer l.Unlock()
	i := m.buckets[id]
	if i == 0 {
		return syscall.ENOENT
	}
	m.buckets[id] = 0
	m.elems.put(0, i-1)
	return 0
}

func (m *stackTrace) has(id uint32) bool {
	l := m.lock(id)
	l.Lock()
	defer l.Unlock()
	return m.buckets[id] != 0
}

func (m *stackTrace) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	id := uint32(0)
	if key != nil {
		if k := read32(pointerTo(key)); k <= m.mask && m.has(k) {
			id = k + 1
		}
	}
	for ; id <= m.mask; id++ {
		if m.has(id) {
			write32(pointerTo(next), id)
			return 0
		}
	}
	return syscall.ENOENT
}

func (m *stackTrace) Close() {
	if !m.closed.CompareAndSwap(false, true) {
		return
	}
	m.env.unmap(m.mem)
	m.env.Memory.Give(int64(m.mask+1) * 4)
}
