package maps

import (
	"sync"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// stream is BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK: values in a ring, taken
// from the old end or from the new one.
type stream struct {
	common
	lifo bool

	mu   sync.Mutex
	mem  []byte
	head uint64 // values ever pushed, less those taken from a stack
	tail uint64 // values ever taken from the old end
}

var _ Stream = (*stream)(nil)

func newStream(s *Spec, env *Env) (Map, error) {
	switch {
	case s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize != 0:
		return nil, s.refuse(syscall.EINVAL, "the key size must be 0, not %d", s.KeySize)
	case s.ValueSize == 0:
		return nil, s.refuse(syscall.EINVAL, "the value size is 0")
	}
	if err := s.checkFlags(abi.FlagNumaNode | accessFlags); err != nil {
		return nil, err
	}
	if s.ValueSize > kmallocMax {
		return nil, s.refuse(syscall.E2BIG, "a value of %d bytes is above the limit of %d", s.ValueSize, kmallocMax)
	}
	m := &stream{common: newCommon(s, env), lifo: s.Type == abi.MapStack}
	var err error
	m.mem, err = env.mapArena(s, mul(int(s.ValueSize), int(s.MaxEntries)))
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *stream) at(n uint64) []byte {
	size := uint64(m.spec.ValueSize)
	i := n % uint64(m.spec.MaxEntries) * size
	return m.mem[i : i+size]
}

func (m *stream) Push(value Pointer, flags uint64) syscall.Errno {
	if flags&abi.UpdateNoExist != 0 || flags > abi.UpdateExist {
		return syscall.EINVAL
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head-m.tail == uint64(m.spec.MaxEntries) {
		if flags&abi.UpdateExist == 0 {
			return syscall.E2BIG
		}
		m.tail++
	}
	copy(m.at(m.head), bytesAt(value, uintptr(m.spec.ValueSize)))
	m.head++
	return 0
}

func (m *stream) Pop(value Pointer) syscall.Errno  { return m.takeOrZero(value, true) }
func (m *stream) Peek(value Pointer) syscall.Errno { return m.takeOrZero(value, false) }

// takeOrZero leaves programs with zeroes when there is nothing. The user side's
// memory is left as it was.
func (m *stream) takeOrZero(value Pointer, remove bool) syscall.Errno {
	out := bytesAt(value, uintptr(m.spec.ValueSize))
	e := m.take(out, remove)
	if e != 0 {
		clear(out)
	}
	return e
}

func (m *stream) take(out []byte, remove bool) syscall.Errno {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.head == m.tail {
		return syscall.ENOENT
	}
	n := m.tail
	if m.lifo {
		n = m.head - 1
	}
	copy(out, m.at(n))
	switch {
	case remove && m.lifo:
		m.head--
	case remove:
		m.tail++
	}
	return 0
}

func (m *stream) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return m.take(value, false)
}

func (m *stream) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupDeleteOK(key, value, flags); e != 0 {
		return e
	}
	return m.take(value, true)
}

func (m *stream) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	return m.Push(pointerTo(value), flags)
}

func (m *stream) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return syscall.EINVAL
}

func (m *stream) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return syscall.EINVAL
}

func (m *stream) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return syscall.EINVAL }
func (m *stream) Delete(Pointer) syscall.Errno                       { return syscall.EINVAL }

func (m *stream) Close() {
	if m.closed.CompareAndSwap(false, true) {
		m.env.unmap(m.mem)
	}
}
