package maps

import (
	"syscall"

	"github.com/skepdev/skep/abi"
)

// deviceHash is BPF_MAP_TYPE_DEVMAP_HASH: a hash of devices under any 32-bit
// key.
type deviceHash struct{ hashMap }

var _ TargetMap = deviceHash{}

func newDeviceHash(s *Spec, env *Env) (Map, error) {
	if err := checkTargets(s); err != nil {
		return nil, err
	}
	if s.MaxEntries > endMark {
		return nil, s.refuse(syscall.EINVAL, "%d entries are above the limit of %d", s.MaxEntries, uint32(endMark))
	}
	t, err := newTable(s, env)
	if err != nil {
		return nil, err
	}
	t.spec.Flags |= abi.FlagRdonlyProg
	for i := range t.stripes {
		t.stripes[i].objects = map[uint32]Object{}
	}
	return deviceHash{hashMap{t}}, nil
}

func (m deviceHash) Program(key Pointer) Object {
	hash := m.hash.sum(key)
	s := m.stripeOf(hash & m.mask)
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := m.findLocked(key, hash)
	return s.objects[i]
}

func (m deviceHash) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	return m.SetTarget(key, value, nil, flags)
}

// SetTarget knows no BPF_EXIST: as in Linux it inserts.
func (m deviceHash) SetTarget(key, value []byte, prog Object, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	ifindex := read32(pointerTo(value))
	switch {
	case flags > abi.UpdateExist, ifindex == 0, prog != nil && len(value) != 8:
		return syscall.EINVAL
	case flags == abi.UpdateExist:
		flags = abi.UpdateAny
	}
	var entry [8]byte
	putEntry(&entry, packTarget(ifindex, prog))
	k := pointerTo(key)
	hash := m.hash.sum(k)
	s := m.stripeOf(hash & m.mask)
	s.mu.Lock()
	old, _ := m.findLocked(k, hash)
	e := existFlags(old != noElem, flags)
	if e == 0 {
		e = m.env.device(ifindex)
	}
	if e == 0 && prog == nil && len(value) == 8 && int32(read32(pointerTo(value[4:]))) > 0 {
		e = syscall.EINVAL // a descriptor: programs come as objects
	}
	if e == 0 {
		e, _ = m.putLocked(s, k, pointerTo(entry[:]), hash, flags, 0, false)
	}
	var before Object
	if e == 0 {
		before = s.objects[old]
		delete(s.objects, old)
		if prog != nil {
			prog.Acquire()
			i, _ := m.findLocked(k, hash)
			s.objects[i] = prog
		}
	}
	s.mu.Unlock()
	if before != nil {
		before.Release()
	}
	return e
}

func (m deviceHash) UserLookupAndDelete(key, value []byte, flags uint64) syscall.Errno {
	return m.common.UserLookupAndDelete(key, value, flags)
}

func (m deviceHash) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (int, syscall.Errno) {
	return m.common.LookupBatch(pos, keys, values, del, flags)
}

func (m deviceHash) UpdateBatch(keys, values []byte, flags uint64) (int, syscall.Errno) {
	return m.common.UpdateBatch(keys, values, flags)
}

func (m deviceHash) DeleteBatch(keys []byte) (int, syscall.Errno) { return m.common.DeleteBatch(keys) }

func (m deviceHash) Update(_, _ Pointer, _ uint64, _ int) syscall.Errno { return notSupp }
func (m deviceHash) Delete(Pointer) syscall.Errno                       { return notSupp }
