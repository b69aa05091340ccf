package embedded

import (
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// position is where a batch lookup of one map stands.
type position struct {
	core *mapCore
	pos  vm.BatchPos
	done bool
}

// LookupBatch copies up to len(keys)/KeySize entries.
func (m *Map) LookupBatch(cursor *engine.Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error) {
	return m.lookupBatch("batch lookup", cursor, keys, values, false, flags)
}

// LookupAndDeleteBatch copies and removes up to len(keys)/KeySize entries.
func (m *Map) LookupAndDeleteBatch(cursor *engine.Cursor, keys, values []byte, flags ebpf.MapLookupFlags) (int, error) {
	return m.lookupBatch("batch lookup and delete", cursor, keys, values, true, flags)
}

func (m *Map) lookupBatch(op string, cursor *engine.Cursor, keys, values []byte, del bool, flags ebpf.MapLookupFlags) (int, error) {
	n, err := m.batchSize(op, keys, values, true)
	if err != nil || n == 0 {
		return 0, err
	}
	pos, err := m.position(op, cursor)
	if err != nil {
		return 0, err
	}
	if pos.done {
		return 0, errKeyNotExist
	}
	if err := m.open(op); err != nil {
		return 0, err
	}
	defer m.mu.RUnlock()
	got, err := m.core.vm.LookupBatch(&pos.pos, keys, values, del, uint64(flags))
	if err == syscall.ENOSPC {
		return got, fmt.Errorf("%s map %s: one bucket of the table holds more than the %d entries there is room for: %w", op, m.core.info.Name, n, err)
	}
	err = m.mapError(op, err)
	pos.done = err == errKeyNotExist
	return got, err
}

// position is cursor's place in m, made on first use.
func (m *Map) position(op string, cursor *engine.Cursor) (*position, error) {
	if cursor == nil {
		return nil, fmt.Errorf("%s map %s: cursor is nil: %w", op, m.core.info.Name, syscall.EINVAL)
	}
	if cursor.Opaque == nil {
		cursor.Opaque = &position{core: m.core}
	}
	pos, ok := cursor.Opaque.(*position)
	if !ok || pos.core != m.core {
		return nil, fmt.Errorf("%s map %s: the cursor belongs to another map: %w", op, m.core.info.Name, syscall.EINVAL)
	}
	return pos, nil
}

// UpdateBatch sets len(keys)/KeySize entries.
func (m *Map) UpdateBatch(keys, values []byte, flags ebpf.MapUpdateFlags) (int, error) {
	const op = "batch update"
	if n, err := m.batchSize(op, keys, values, true); err != nil || n == 0 {
		return 0, err
	}
	if err := m.open(op); err != nil {
		return 0, err
	}
	defer m.mu.RUnlock()
	n, err := m.core.vm.UpdateBatch(keys, values, uint64(flags))
	return n, m.mapError(op, err)
}

// DeleteBatch removes len(keys)/KeySize keys.
func (m *Map) DeleteBatch(keys []byte) (int, error) {
	const op = "batch delete"
	if n, err := m.batchSize(op, keys, nil, false); err != nil || n == 0 {
		return 0, err
	}
	if err := m.open(op); err != nil {
		return 0, err
	}
	defer m.mu.RUnlock()
	n, err := m.core.vm.DeleteBatch(keys)
	return n, m.mapError(op, err)
}

func (m *Map) batchSize(op string, keys, values []byte, withValues bool) (int, error) {
	info := &m.core.info
	if info.KeySize == 0 {
		return 0, notSupported(op+" of map type "+info.Type.String(), "it has no keys", "")
	}
	n := len(keys) / info.KeySize
	if len(keys)%info.KeySize != 0 || withValues && len(values) != n*info.ValueBytes {
		return 0, fmt.Errorf("%s map %s: %d bytes of keys and %d of values do not make whole entries of %d and %d: %w",
			op, info.Name, len(keys), len(values), info.KeySize, info.ValueBytes, syscall.EINVAL)
	}
	return n, nil
}
