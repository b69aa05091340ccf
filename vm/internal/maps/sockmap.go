package maps

import (
	"encoding/binary"
	"math"
	"syscall"

	"github.com/skepdev/skep/abi"
)

// sockMap is BPF_MAP_TYPE_SOCKMAP and BPF_MAP_TYPE_SOCKHASH. As with xskMap the
// sockets are the kernel's: none can be stored, and nothing is found.
type sockMap struct{ common }

var _ Map = (*sockMap)(nil)

const (
	// maxSockHashKey is MAX_BPF_STACK.
	maxSockHashKey = abi.MaxStack
	// maxSockHash bounds the table: 2^27 buckets of 16 bytes.
	maxSockHash = 1 << 27
)

func newSockMap(s *Spec, env *Env) (Map, error) {
	hash := s.Type == abi.MapSockhash
	switch {
	case s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is 0")
	case !hash && s.KeySize != 4:
		return nil, s.refuse(syscall.EINVAL, "the key has 4 bytes, not %d", s.KeySize)
	case s.KeySize == 0:
		return nil, s.refuse(syscall.EINVAL, "the key has no bytes")
	case s.ValueSize != 4 && s.ValueSize != 8:
		return nil, s.refuse(syscall.EINVAL, "the value has 4 or 8 bytes, not %d", s.ValueSize)
	}
	if err := s.checkFlags(abi.FlagNumaNode | abi.FlagRdonly | abi.FlagWronly); err != nil {
		return nil, err
	}
	switch {
	case hash && s.KeySize > maxSockHashKey:
		return nil, s.refuse(syscall.E2BIG, "the key has %d bytes; %d is the limit", s.KeySize, maxSockHashKey)
	case hash && s.MaxEntries > maxSockHash:
		return nil, s.refuse(syscall.EINVAL, "%d entries are above the limit of %d", s.MaxEntries, maxSockHash)
	}
	return &sockMap{newCommon(s, env)}, nil
}

// UserLookup: only values of 8 bytes have room for a socket's cookie.
func (m *sockMap) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	if m.spec.ValueSize != 8 {
		return syscall.ENOSPC
	}
	return syscall.ENOENT
}

// UserUpdate answers what Linux answers to a socket that maps cannot hold.
func (m *sockMap) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	fd := uint64(read32(pointerTo(value)))
	if len(value) == 8 {
		fd = binary.NativeEndian.Uint64(value)
	}
	if fd > math.MaxInt32 {
		return syscall.EINVAL
	}
	return syscall.EOPNOTSUPP
}

// Delete finds nothing to delete.
func (m *sockMap) Delete(Pointer) syscall.Errno {
	if m.spec.Type == abi.MapSockhash {
		return syscall.ENOENT
	}
	return syscall.EINVAL
}

func (m *sockMap) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	return m.Delete(nil)
}

func (m *sockMap) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	if m.spec.Type == abi.MapSockhash {
		return syscall.ENOENT
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *sockMap) Close() { m.closed.Store(true) }
