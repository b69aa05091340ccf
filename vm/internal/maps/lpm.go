package maps

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// lpmTrie is BPF_MAP_TYPE_LPM_TRIE: a binary trie of prefixes. A key is a
// 32-bit prefix length, host byte order, and the address, most significant
// byte first (struct bpf_lpm_trie_key).
//
// Nodes are small and apart from the values: a node holds the number of its
// value, or 0 if it is there only because two prefixes part below it. Such a
// node always has both children. Lookups take no lock: they walk, and walk
// again if the trie was changed meanwhile.
type lpmTrie struct {
	common
	dataSize  uintptr
	maxPrefix uint32

	seq  atomic.Uint64 // odd while the trie is being changed
	root atomic.Uint32 // node + 1

	mu      sync.Mutex
	nodes   *pool
	values  *pool
	entries uint32
	where   region
}

var _ Map = (*lpmTrie)(nil)

// A node: free-list link, children (node + 1), prefix length, value + 1, data.
const (
	nodeChild  = 4 // and 8
	nodePrefix = 12
	nodeValue  = 16
	nodeData   = 24
)

// A value slot: free-list link, then the value.
const slotValue = 8

const (
	lpmMaxData  = 256
	lpmMaxValue = kmallocMax - lpmMaxData - 40
)

func newLPM(s *Spec, env *Env) (Map, error) {
	if err := checkLPM(s); err != nil {
		return nil, err
	}
	m := &lpmTrie{common: newCommon(s, env), dataSize: uintptr(s.KeySize) - 4}
	m.maxPrefix = uint32(m.dataSize) * 8
	n := int(s.MaxEntries)
	var err error
	if m.nodes, err = newPool(s, env, nodeData+roundUp8(int(m.dataSize)), 2*n); err != nil {
		return nil, err
	}
	stride := slotValue + roundUp8(int(s.ValueSize))
	if m.values, err = newPool(s, env, stride, n); err != nil {
		m.nodes.close()
		return nil, err
	}
	size := uintptr(len(m.values.mem))
	m.where = region{
		base: start(m.values.mem), size: size, plane: size, stride: uintptr(stride),
		offset: slotValue, value: uintptr(s.ValueSize), count: uintptr(m.values.max),
	}
	return m, nil
}

func checkLPM(s *Spec) error {
	if err := s.checkFlags(abi.FlagNoPrealloc | abi.FlagNumaNode | accessFlags); err != nil {
		return err
	}
	switch {
	case s.MaxEntries == 0:
		return s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.Flags&abi.FlagNoPrealloc == 0:
		return s.refuse(syscall.EINVAL, "tries need BPF_F_NO_PREALLOC")
	case s.KeySize < 5 || s.KeySize > 4+lpmMaxData:
		return s.refuse(syscall.EINVAL, "the key has 4 bytes of prefix length and 1 to %d of address, not %d altogether", lpmMaxData, s.KeySize)
	case s.ValueSize == 0 || s.ValueSize > lpmMaxValue:
		return s.refuse(syscall.EINVAL, "a value has 1 to %d bytes, not %d", lpmMaxValue, s.ValueSize)
	}
	return nil
}

// prefix is a key, its address also as words where two hold it.
type prefix struct {
	data   Pointer
	len    uint32
	hi, lo uint64
}

func (m *lpmTrie) prefixOf(key Pointer) prefix {
	p := prefix{data: add(key, 4), len: read32(key)}
	switch {
	case m.dataSize < 8:
		p.hi = bigEndianTail(p.data, m.dataSize)
	case m.dataSize <= 16:
		p.hi = bigEndian64(p.data)
		switch {
		case m.dataSize == 16:
			p.lo = bigEndian64(add(p.data, 8))
		case m.dataSize > 8: // never an address past the end of the key, not even unread
			p.lo = bigEndianTail(add(p.data, 8), m.dataSize-8)
		}
	}
	return p
}

// walk finds the longest match: a value's number + 1, or 0. done is false if
// what was walked was no trie, because it was being changed.
func (m *lpmTrie) walk(p *prefix) (found uint32, done bool) {
	last := int64(-1)
	for ref := m.root.Load(); ref != 0; {
		n := m.nodes.at(ref - 1)
		length := load32(add(n, nodePrefix))
		if int64(length) <= last {
			return 0, false
		}
		last = int64(length)
		match := m.match(n, p, min(length, p.len))
		if match < length {
			break
		}
		if v := load32(add(n, nodeValue)); v != 0 {
			found = v
		}
		if length >= m.maxPrefix {
			break
		}
		ref = load32(child(n, m.bit(p, length)))
	}
	return found, true
}

func child(n Pointer, bit uint32) Pointer { return add(n, nodeChild+uintptr(bit)*4) }

func (m *lpmTrie) find(key Pointer) (value uint32) {
	p := m.prefixOf(key)
	if p.len > m.maxPrefix {
		return 0
	}
	for range 16 {
		before := m.seq.Load()
		if before&1 == 0 {
			v, done := m.walk(&p)
			if done && m.seq.Load() == before {
				return v
			}
		}
		runtime.Gosched()
	}
	// Writers leave no gap: queue up with them.
	m.mu.Lock()
	defer m.mu.Unlock()
	v, _ := m.walk(&p)
	return v
}

func (m *lpmTrie) Lookup(key Pointer, _ int) uintptr {
	v := m.find(key)
	if v == 0 {
		return 0
	}
	return addressOf(add(m.values.at(v-1), slotValue))
}

func (m *lpmTrie) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.get(key, value, flags)
}

func (m *lpmTrie) get(key, value []byte, _ uint64) syscall.Errno {
	p := m.prefixOf(pointerTo(key))
	if p.len > m.maxPrefix {
		return syscall.ENOENT
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, _ := m.walk(&p)
	if v == 0 {
		return syscall.ENOENT
	}
	copy(value, bytesAt(add(m.values.at(v-1), slotValue), uintptr(m.spec.ValueSize)))
	return 0
}

func (m *lpmTrie) Update(key, value Pointer, flags uint64, _ int) syscall.Errno {
	if !m.progWritable() {
		return syscall.EPERM
	}
	return m.put(key, value, flags)
}

func (m *lpmTrie) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return m.put(pointerTo(key), pointerTo(value), flags)
}

func (m *lpmTrie) Delete(key Pointer) syscall.Errno {
	if !m.progWritable() {
		return syscall.EPERM
	}
	return m.remove(key)
}

func (m *lpmTrie) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.remove(pointerTo(key))
}

func (m *lpmTrie) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno) {
	if del {
		return m.common.LookupBatch(pos, keys, values, del, flags)
	}
	return m.lookupBatch(pos, keys, values, flags, m.NextKey, m.get)
}

func (m *lpmTrie) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	return m.updateBatch(keys, values, flags, func(key, value []byte, flags uint64) syscall.Errno {
		return m.put(pointerTo(key), pointerTo(value), flags)
	})
}

func (m *lpmTrie) DeleteBatch(keys []byte) (int, syscall.Errno) {
	return m.deleteBatch(keys, func(key []byte) syscall.Errno { return m.remove(pointerTo(key)) })
}

func (m *lpmTrie) Base() (uintptr, uintptr) { return m.where.base, m.where.base + m.where.size }

func (m *lpmTrie) Check(addr uintptr, size int, write bool) (bool, string) {
	if ok, why := m.access(write); !ok {
		return false, why
	}
	_, ok, why := m.where.check(addr, size)
	return ok, why
}

func (m *lpmTrie) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.nodes.close()
		m.values.close()
	}
}
