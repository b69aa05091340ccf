//go:build linux

package kernel

import (
	"fmt"
	"runtime"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// position is where a batch lookup of one map stands.
type position struct {
	m       *Map
	in, out []byte // the kernel's cursor before and after; nil in at the start
	started bool
	done    bool
}

// LookupBatch copies up to len(keys)/KeySize entries.
func (m *Map) LookupBatch(cursor *engine.Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error) {
	return m.lookupBatch("batch lookup", cmdMapLookupBatch, cursor, keys, values, uint64(flags))
}

// LookupAndDeleteBatch copies and removes up to len(keys)/KeySize entries.
func (m *Map) LookupAndDeleteBatch(cursor *engine.Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error) {
	return m.lookupBatch("batch lookup and delete", cmdMapLookupDelBatch, cursor, keys, values, uint64(flags))
}

func (m *Map) lookupBatch(op string, cmd int, cursor *engine.Cursor, keys, values []byte, flags uint64) (int, error) {
	n, err := m.batchSize(op, keys, values)
	if err != nil {
		return 0, err
	}
	pos, err := m.position(op, cursor)
	if err != nil {
		return 0, err
	}
	if pos.done {
		return 0, errKeyNotExist
	}
	attr := mapBatchAttr{
		out: bytesPtr(pos.out), keys: bytesPtr(keys), values: bytesPtr(values),
		count: uint32(n), elemFlags: flags,
	}
	if pos.started {
		attr.in = bytesPtr(pos.in)
	}
	done, err := m.batch(op, cmd, &attr)
	runtime.KeepAlive(keys)
	runtime.KeepAlive(values)
	pos.in, pos.out = pos.out, pos.in
	pos.started = true
	pos.done = err == errKeyNotExist
	return done, err
}

// position is cursor's place in m, made on first use. Hash tables keep a bucket
// number in it, the others a key.
func (m *Map) position(op string, cursor *engine.Cursor) (*position, error) {
	if cursor == nil {
		return nil, fmt.Errorf("%s map %s: cursor is nil: %w", op, m.info.Name, unix.EINVAL)
	}
	if cursor.Opaque == nil {
		size := max(m.info.KeySize, 4)
		cursor.Opaque = &position{m: m, in: make([]byte, size), out: make([]byte, size)}
	}
	pos, ok := cursor.Opaque.(*position)
	if !ok || pos.m != m {
		return nil, fmt.Errorf("%s map %s: the cursor belongs to another map: %w", op, m.info.Name, unix.EINVAL)
	}
	return pos, nil
}

// UpdateBatch sets len(keys)/KeySize entries.
func (m *Map) UpdateBatch(keys, values []byte, flags ebpf.MapUpdateFlags) (int, error) {
	n, err := m.batchSize("batch update", keys, values)
	if err != nil {
		return 0, err
	}
	attr := mapBatchAttr{keys: bytesPtr(keys), values: bytesPtr(values), count: uint32(n), elemFlags: uint64(flags)}
	done, err := m.batch("batch update", cmdMapUpdateBatch, &attr)
	runtime.KeepAlive(keys)
	runtime.KeepAlive(values)
	return done, err
}

// DeleteBatch removes len(keys)/KeySize keys.
func (m *Map) DeleteBatch(keys []byte) (int, error) {
	n, err := m.batchSize("batch delete", keys, nil)
	if err != nil {
		return 0, err
	}
	attr := mapBatchAttr{keys: bytesPtr(keys), count: uint32(n)}
	done, err := m.batch("batch delete", cmdMapDeleteBatch, &attr)
	runtime.KeepAlive(keys)
	return done, err
}

// batch runs the command and returns how many entries it handled. The kernel
// counts in the attribute, also when it stops early.
func (m *Map) batch(op string, cmd int, attr *mapBatchAttr) (int, error) {
	if attr.count == 0 {
		return 0, nil
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return 0, m.closedError(op)
	}
	attr.mapFD = uint32(m.fd)
	want := attr.count
	e := batchCall(cmd, attr)
	switch e {
	case 0:
		return int(attr.count), nil
	case unix.ENOSPC:
		return 0, fmt.Errorf("%s map %s: one bucket of the table holds more than the %d entries there is room for: %w", op, m.info.Name, want, e)
	case unix.EINVAL, unix.EFAULT:
		// Refused before anything was counted: the attribute still holds what
		// was asked for.
		if !kernelVersion().atLeast(5, 6) {
			return 0, notSupported(op, "this kernel has no batch operations", "Linux 5.6 brought them", e)
		}
		if attr.count == want {
			return 0, m.mapError(op, e)
		}
	case errnoNotSupp, unix.EOPNOTSUPP:
		return 0, m.mapError(op, e)
	}
	return int(min(attr.count, want)), m.mapError(op, e)
}

func (m *Map) batchSize(op string, keys, values []byte) (int, error) {
	ks, vs := m.info.KeySize, m.info.ValueBytes
	if ks == 0 {
		return 0, notSupported(op+" of map type "+m.info.Type.String(), "it has no keys", "", nil)
	}
	n := len(keys) / ks
	if len(keys)%ks != 0 || values != nil && len(values) != n*vs {
		return 0, fmt.Errorf("%s map %s: %d bytes of keys and %d of values do not make whole entries of %d and %d: %w",
			op, m.info.Name, len(keys), len(values), ks, vs, unix.EINVAL)
	}
	return n, nil
}
