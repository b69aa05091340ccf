package vm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// MapSpec describes a map as BPF_MAP_CREATE does. Sizes are in bytes.
type MapSpec struct {
	Name       string
	Type       abi.MapType
	KeySize    uint32
	ValueSize  uint32
	MaxEntries uint32
	Flags      uint32
	// Extra is map_extra: the number of hashes of a bloom filter.
	Extra uint64
	// Inner is the template of a map of maps.
	Inner *MapSpec
	// SpinLock says that values hold a struct bpf_spin_lock at SpinLockOffset.
	SpinLock       bool
	SpinLockOffset uint32
	// Timer says that values hold a struct bpf_timer at TimerOffset.
	Timer       bool
	TimerOffset uint32
	// Fields are the members of values that own objects.
	Fields []ObjectField
}

func (s *MapSpec) internal() vmmaps.Spec {
	out := vmmaps.Spec{
		Name: s.Name, Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize, MaxEntries: s.MaxEntries,
		Flags: s.Flags, Extra: s.Extra, SpinLock: s.SpinLock, SpinLockOffset: s.SpinLockOffset,
		Timer: s.Timer, TimerOffset: s.TimerOffset, Fields: s.Fields,
	}
	if s.Inner != nil {
		inner := s.Inner.internal()
		out.Inner = &inner
	}
	return out
}

// Map is a live map. Its methods are safe for concurrent use, also while
// programs run. Errors that Linux has a number for are that syscall.Errno.
type Map struct {
	m      *Machine
	i      *interp.Map
	spec   MapSpec
	refs   atomic.Int64 // all holds
	users  atomic.Int64 // those from outside the machine
	closed atomic.Bool
	// owner is guarded by the machine's mu.
	owner *callOwner
}

// callOwner is what the programs of a program array have in common.
type callOwner struct {
	typ    abi.ProgramType
	attach abi.AttachType
	hook   *Hook
}

// String names the kind of programs.
func (o *callOwner) String() string {
	if o.hook != nil {
		return "hook " + o.hook.Decl.Name
	}
	return o.typ.String()
}

// NewMap makes a map. The caller closes it; programs and maps of maps that use
// it keep it alive beyond that.
func (m *Machine) NewMap(spec MapSpec) (*Map, error) {
	im, err := vmmaps.New(spec.internal(), &m.mapEnv)
	if unsupported := (*vmmaps.UnsupportedError)(nil); errors.As(err, &unsupported) {
		return nil, &NotSupportedError{Feature: "map type " + spec.Type.String(), Reason: "not available in the embedded engine"}
	} else if err != nil {
		return nil, err
	}
	made := im.Spec()
	spec.KeySize, spec.ValueSize, spec.MaxEntries, spec.Flags = made.KeySize, made.ValueSize, made.MaxEntries, made.Flags
	spec.Extra = made.Extra
	mp := &Map{m: m, i: interp.NewMap(im, m.nextID.Add(1)), spec: spec}
	mp.i.Owner = mp
	mp.refs.Store(1)
	mp.users.Store(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		im.Close()
		return nil, fmt.Errorf("make map %s: machine %w", spec.Name, ErrClosed)
	}
	m.live[mp] = struct{}{}
	m.setHandle(mp.i, true)
	return mp, nil
}

// setHandle makes a map known to, or unknown for, lookups of inner maps. The
// caller holds m.mu.
func (m *Machine) setHandle(im *interp.Map, known bool) {
	next := maps.Clone(*m.byHandle.Load())
	if known {
		next[uint64(im.Handle())] = im
	} else {
		delete(next, uint64(im.Handle()))
	}
	m.byHandle.Store(&next)
}

// ID is the map's number, unique in its machine.
func (mp *Map) ID() uint32 { return mp.i.ID() }

// Spec is what the map was made from, as Linux would report it: sizes may have
// been rounded.
func (mp *Map) Spec() MapSpec { return mp.spec }

// ValueBytes is the length of a value on the user side: per-CPU maps have the
// values of all virtual CPUs in turn, each rounded up to 8.
func (mp *Map) ValueBytes() int { return vmmaps.ValueBytes(mp.i.Spec(), mp.m.cfg.CPUs) }

// Close gives up the maker's hold on the map: its memory goes when nobody else
// (a program, a map of maps, a reader, [Map.Acquire]) holds it and no run can
// refer to it. It is safe on nil and twice.
func (mp *Map) Close() error {
	if mp == nil || !mp.closed.CompareAndSwap(false, true) {
		return nil
	}
	mp.Release()
	return nil
}

// Acquire keeps the map's memory beyond Close, until Release; false if it is
// gone already.
func (mp *Map) Acquire() bool {
	if !mp.acquire() {
		return false
	}
	mp.users.Add(1)
	return true
}

// Release gives back what Acquire took. As in Linux a program array that
// nobody outside holds any more is emptied, and timers in a map that nobody
// outside holds end: their programs may refer to it.
func (mp *Map) Release() {
	if mp.users.Add(-1) == 0 {
		if mp.i.Progs != nil {
			var key [4]byte
			for i := range mp.spec.MaxEntries {
				binary.NativeEndian.PutUint32(key[:], i)
				_ = mp.i.Progs.UserDelete(key[:])
			}
		}
		if mp.spec.Timer {
			mp.m.timers.endOf(mp.i)
		}
	}
	mp.release()
}

func (mp *Map) acquire() bool {
	for {
		n := mp.refs.Load()
		if n <= 0 {
			return false
		}
		if mp.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (mp *Map) release() {
	if mp.refs.Add(-1) != 0 {
		return
	}
	m := mp.m
	m.mu.Lock()
	_, live := m.live[mp]
	delete(m.live, mp)
	if live {
		m.setHandle(mp.i, false)
	}
	m.mu.Unlock()
	if live {
		m.afterRuns(mp.i.Close)
	}
}

// free closes the map whoever holds it; the machine does when it ends.
func (mp *Map) free() {
	m := mp.m
	m.mu.Lock()
	_, live := m.live[mp]
	delete(m.live, mp)
	m.mu.Unlock()
	if live {
		mp.closed.Store(true)
		mp.refs.Store(-1 << 40)
		m.afterRuns(mp.i.Close)
	}
}

// with runs f while holding the map.
func (mp *Map) with(f func(vmmaps.Map) syscall.Errno) error {
	if !mp.acquire() {
		return fmt.Errorf("map %s: %w", mp.spec.Name, ErrClosed)
	}
	defer mp.release()
	return errno(f(mp.i.Map))
}

// Lookup copies the value at key (KeySize bytes) into value (ValueBytes).
func (mp *Map) Lookup(key, value []byte, flags uint64) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.UserLookup(key, value, flags) })
}

// LookupAndDelete does both in one step; queues and stacks pop, without a key.
func (mp *Map) LookupAndDelete(key, value []byte, flags uint64) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.UserLookupAndDelete(key, value, flags) })
}

// Update sets the value at key; queues, stacks and bloom filters push, without
// a key.
func (mp *Map) Update(key, value []byte, flags uint64) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.UserUpdate(key, value, flags) })
}

// Delete removes key.
func (mp *Map) Delete(key []byte) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.UserDelete(key) })
}

// NextKey copies the key after key into next; nil asks for the first. ENOENT
// after the last.
func (mp *Map) NextKey(key, next []byte) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.NextKey(key, next) })
}

// BatchPos remembers where a batch lookup stands; the zero value is the
// beginning.
type BatchPos struct{ pos vmmaps.BatchPos }

// LookupBatch copies up to len(keys)/KeySize entries from pos on, removes them
// if del, and returns how many; ENOENT comes with the last ones.
func (mp *Map) LookupBatch(pos *BatchPos, keys, values []byte, del bool, flags uint64) (n int, err error) {
	err = mp.with(func(m vmmaps.Map) (e syscall.Errno) {
		n, e = m.LookupBatch(&pos.pos, keys, values, del, flags)
		return e
	})
	return n, err
}

// UpdateBatch sets entries in order until one fails, and returns how many it
// set.
func (mp *Map) UpdateBatch(keys, values []byte, flags uint64) (n int, err error) {
	err = mp.with(func(m vmmaps.Map) (e syscall.Errno) {
		n, e = m.UpdateBatch(keys, values, flags)
		return e
	})
	return n, err
}

// DeleteBatch removes keys in order until one fails, and returns how many it
// removed.
func (mp *Map) DeleteBatch(keys []byte) (n int, err error) {
	err = mp.with(func(m vmmaps.Map) (e syscall.Errno) {
		n, e = m.DeleteBatch(keys)
		return e
	})
	return n, err
}

// Produce adds a sample to a user ring buffer, which programs drain: ENOSPC if
// there is no room for it now, E2BIG if there never is. For other maps it is a
// [*NotSupportedError].
func (mp *Map) Produce(data []byte) error {
	if mp.i.User == nil {
		return &NotSupportedError{Feature: "write samples", Reason: "map " + mp.spec.Name + " is a " + mp.spec.Type.String()}
	}
	return mp.with(func(vmmaps.Map) syscall.Errno { return mp.i.User.Produce(data) })
}

// Freeze makes the map read-only for the user side.
func (mp *Map) Freeze() error {
	return mp.with(func(m vmmaps.Map) syscall.Errno { return m.Freeze() })
}

// Frozen says whether Freeze succeeded before.
func (mp *Map) Frozen() (frozen bool) {
	_ = mp.with(func(m vmmaps.Map) syscall.Errno { frozen = m.Frozen(); return 0 })
	return frozen
}

// FillArena puts data at a byte of an arena, whose pages are there afterwards.
func (mp *Map) FillArena(off int, data []byte) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno {
		if a, ok := m.(*vmmaps.Arena); ok {
			return a.Fill(off, data)
		}
		return syscall.EINVAL
	})
}

// Memory is the value memory of an array made with BPF_F_MMAPABLE,
// or an arena from the address Spec().Extra on, shared with
// running programs and valid until the map is closed; nil for other maps.
func (mp *Map) Memory() (mem []byte) {
	_ = mp.with(func(m vmmaps.Map) syscall.Errno { mem = m.Memory(); return 0 })
	return mem
}
