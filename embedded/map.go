package embedded

import (
	"fmt"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// mapCore is a live map, shared by its handles and pins.
type mapCore struct {
	e    *Engine
	vm   *vm.Map
	info engine.MapInfo // but for Frozen
}

// bytes is how many bytes of memory variables may lie in.
func (m *mapCore) bytes() uint64 {
	const page = 4096
	if m.info.Type == ebpf.Arena {
		return uint64(m.info.MaxEntries) * page
	}
	return uint64(m.info.ValueSize)
}

// Map is a handle on a map of the embedded engine. Operations do not allocate.
type Map struct {
	core *mapCore

	// mu keeps the map's memory while a call uses it.
	mu     sync.RWMutex
	closed bool
	pin    string
}

var _ engine.Map = (*Map)(nil)

// newMap is the handle of whoever made the map: it takes over the core's holds.
func newMap(core *mapCore) *Map { return &Map{core: core} }

// another makes a second handle.
func (c *mapCore) another() (*Map, error) {
	if err := c.acquire(); err != nil {
		return nil, err
	}
	return newMap(c), nil
}

// acquire takes the holds of one more handle or pin.
func (c *mapCore) acquire() error {
	if err := c.e.acquire("map " + c.info.Name); err != nil {
		return err
	}
	if !c.vm.Acquire() {
		_ = c.e.release() // not the last: the engine is open
		return fmt.Errorf("map %s: %w", c.info.Name, engine.ErrClosed)
	}
	return nil
}

func (c *mapCore) release() error {
	c.vm.Release()
	return c.e.release()
}

// Info describes the map.
func (m *Map) Info() engine.MapInfo {
	info := m.core.info
	m.mu.RLock()
	defer m.mu.RUnlock()
	info.Frozen = !m.closed && m.core.vm.Frozen()
	return info
}

func (m *Map) closedError(op string) error {
	return fmt.Errorf("%s map %s: %w", op, m.core.info.Name, engine.ErrClosed)
}

// check refuses keys and values of another size than the map's.
func (m *Map) check(op string, key, value []byte) error {
	info := &m.core.info
	if len(key) != info.KeySize {
		return fmt.Errorf("%s map %s: key has %d bytes, the map's has %d: %w", op, info.Name, len(key), info.KeySize, syscall.EINVAL)
	}
	if len(value) != info.ValueBytes {
		return fmt.Errorf("%s map %s: value has %d bytes, the map's has %d: %w", op, info.Name, len(value), info.ValueBytes, syscall.EINVAL)
	}
	return nil
}

// open locks the map for one operation; the caller unlocks if it got nil.
func (m *Map) open(op string) error {
	m.mu.RLock()
	if m.closed {
		m.mu.RUnlock()
		return m.closedError(op)
	}
	return nil
}

// Lookup copies the value at key into value.
func (m *Map) Lookup(key, value []byte, flags ebpf.MapLookupFlags) error {
	if err := m.check("lookup", key, value); err != nil {
		return err
	}
	if err := m.open("lookup"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.mapError("lookup", m.core.vm.Lookup(key, value, uint64(flags)))
}

// LookupAndDelete copies the value at key into value and removes it; queues and
// stacks pop.
func (m *Map) LookupAndDelete(key, value []byte, flags ebpf.MapLookupFlags) error {
	if err := m.check("lookup and delete", key, value); err != nil {
		return err
	}
	if err := m.open("lookup and delete"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.mapError("lookup and delete", m.core.vm.LookupAndDelete(key, value, uint64(flags)))
}

// Update sets the value at key.
func (m *Map) Update(key, value []byte, flags ebpf.MapUpdateFlags) error {
	if err := m.check("update", key, value); err != nil {
		return err
	}
	if err := m.open("update"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.mapError("update", m.core.vm.Update(key, value, uint64(flags)))
}

// Delete removes key.
func (m *Map) Delete(key []byte) error {
	if len(key) != m.core.info.KeySize {
		return fmt.Errorf("delete from map %s: key has %d bytes, the map's has %d: %w", m.core.info.Name, len(key), m.core.info.KeySize, syscall.EINVAL)
	}
	if err := m.open("delete from"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.mapError("delete from", m.core.vm.Delete(key))
}

// NextKey copies the key after key into next; a nil key asks for the first.
func (m *Map) NextKey(key, next []byte) error {
	info := &m.core.info
	if len(next) != info.KeySize || key != nil && len(key) != info.KeySize {
		return fmt.Errorf("next key of map %s: keys have %d and %d bytes, the map's %d: %w", info.Name, len(key), len(next), info.KeySize, syscall.EINVAL)
	}
	if err := m.open("next key of"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.mapError("next key of", m.core.vm.NextKey(key, next))
}

// Freeze makes the map read-only for user space.
func (m *Map) Freeze() error {
	if err := m.open("freeze"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	if err := m.core.vm.Freeze(); err != nil {
		return fmt.Errorf("freeze map %s: %w", m.core.info.Name, err)
	}
	return nil
}

// Memory returns the values of an array made with BPF_F_MMAPABLE that is not
// frozen.
func (m *Map) Memory() ([]byte, error) {
	if err := m.open("memory of"); err != nil {
		return nil, err
	}
	defer m.mu.RUnlock()
	mem := m.core.vm.Memory()
	if mem == nil {
		return nil, notSupported("memory of map "+m.core.info.Name, "only arenas, and arrays made with BPF_F_MMAPABLE and not frozen, can be mapped", "")
	}
	return mem, nil
}

// Close gives the map up: it lives on while programs, readers, maps or pins use
// it.
func (m *Map) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	return m.core.release()
}

// asMap is m if it is this engine's.
func (e *Engine) asMap(m engine.Map) (*Map, error) {
	if m == nil {
		return nil, fmt.Errorf("map is nil: %w", syscall.EINVAL)
	}
	own, ok := m.(*Map)
	switch {
	case ok && own == nil:
		return nil, fmt.Errorf("map is nil: %w", syscall.EINVAL)
	case !ok || own.core.e != e:
		return nil, fmt.Errorf("map %s: %w", m.Info().Name, engine.ErrWrongEngine)
	}
	return own, nil
}
