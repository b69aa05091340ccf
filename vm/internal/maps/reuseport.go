package maps

import (
	"encoding/binary"
	"math"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// reuseportArray is BPF_MAP_TYPE_REUSEPORT_SOCKARRAY. As with sockMap the sockets
// are the kernel's: none can be stored, and nothing is found.
type reuseportArray struct{ common }

var _ Map = (*reuseportArray)(nil)

func newReuseportArray(s *Spec, env *Env) (Map, error) {
	if s.ValueSize != 4 && s.ValueSize != 8 {
		return nil, s.refuse(syscall.EINVAL, "the value has 4 or 8 bytes, not %d", s.ValueSize)
	}
	if err := checkArray(s); err != nil {
		return nil, err
	}
	return &reuseportArray{newCommon(s, env)}, nil
}

// UserLookup: only values of 8 bytes have room for a socket's cookie.
func (m *reuseportArray) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	if m.spec.ValueSize != 8 {
		return syscall.ENOSPC
	}
	return syscall.ENOENT
}

// UserUpdate answers what Linux answers to a socket that maps cannot hold.
func (m *reuseportArray) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	fd := uint64(read32(pointerTo(value)))
	if len(value) == 8 {
		fd = binary.NativeEndian.Uint64(value)
	}
	switch {
	case flags > abi.UpdateExist:
		return syscall.EINVAL
	case read32(pointerTo(key)) >= m.spec.MaxEntries:
		return syscall.E2BIG
	case len(value) == 8 && fd > math.MaxInt32:
		return syscall.EINVAL
	}
	if _, e := socketOf(uint32(fd)); e != 0 {
		return e
	}
	if flags == abi.UpdateExist {
		return syscall.ENOENT
	}
	return notSupp
}

func (m *reuseportArray) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.Delete(pointerTo(key))
}

// Delete finds nothing to delete.
func (m *reuseportArray) Delete(key Pointer) syscall.Errno {
	if read32(key) >= m.spec.MaxEntries {
		return syscall.E2BIG
	}
	return syscall.ENOENT
}

func (m *reuseportArray) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *reuseportArray) Close() { m.closed.Store(true) }
