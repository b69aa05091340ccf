package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// xskMap is BPF_MAP_TYPE_XSKMAP: slots for AF_XDP sockets. Sockets are the
// kernel's, so that every slot stays empty here: programs find nothing and
// redirect nowhere, as they do in Linux before a socket is stored.
type xskMap struct{ common }

var _ Map = (*xskMap)(nil)

func newXSKMap(s *Spec, env *Env) (Map, error) {
	switch {
	case s.MaxEntries == 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries is 0")
	case s.KeySize != 4:
		return nil, s.refuse(syscall.EINVAL, "the key has 4 bytes, not %d", s.KeySize)
	case s.ValueSize != 4:
		return nil, s.refuse(syscall.EINVAL, "the value has 4 bytes, not %d", s.ValueSize)
	}
	if err := s.checkFlags(abi.FlagNumaNode | abi.FlagRdonly | abi.FlagWronly); err != nil {
		return nil, err
	}
	return &xskMap{newCommon(s, env)}, nil
}

// UserLookup never answers: sockets cannot be read back.
func (m *xskMap) UserLookup(key, value []byte, flags uint64) syscall.Errno {
	if e := m.lookupOK(key, value, flags); e != 0 {
		return e
	}
	return syscall.EOPNOTSUPP
}

// UserUpdate answers what Linux answers to a socket that is not AF_XDP's.
func (m *xskMap) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	switch {
	case flags > abi.UpdateExist:
		return syscall.EINVAL
	case read32(pointerTo(key)) >= m.spec.MaxEntries:
		return syscall.E2BIG
	}
	return syscall.EOPNOTSUPP
}

func (m *xskMap) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	if read32(pointerTo(key)) >= m.spec.MaxEntries {
		return syscall.EINVAL
	}
	return 0
}

func (m *xskMap) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *xskMap) Close() { m.closed.Store(true) }
