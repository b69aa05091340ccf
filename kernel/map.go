//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// Map is a map in the kernel. Its operations are single system calls on the
// caller's bytes and do not allocate.
type Map struct {
	info engine.MapInfo // but for Frozen

	// mu keeps the descriptor open while a call uses it.
	mu     sync.RWMutex
	m      *ebpf.Map
	fd     int
	closed bool
	frozen bool
	memory []byte
}

var _ engine.Map = (*Map)(nil)

// wrapMap takes m over, also on error. spec is nil for pinned maps.
func (e *Engine) wrapMap(m *ebpf.Map, spec *ebpf.MapSpec) (*Map, error) {
	var b [mapInfoSize]byte
	n, err := objectInfo(m.FD(), b[:])
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("map info: %w", err)
	}
	ne := binary.NativeEndian
	info := engine.MapInfo{
		Name:       unix.ByteSliceToString(b[mapInfoName : mapInfoName+objNameLen]),
		Type:       m.Type(),
		ID:         ne.Uint32(b[4:]),
		KeySize:    int(m.KeySize()),
		ValueSize:  int(m.ValueSize()),
		MaxEntries: int(m.MaxEntries()),
		Flags:      m.Flags(),
	}
	if n >= mapInfoExtra+8 {
		info.Extra = ne.Uint64(b[mapInfoExtra:])
	}
	info.ValueBytes = engine.ValueBytes(info.Type, info.ValueSize, e.cpus)
	if spec != nil {
		info.Name, info.Key, info.Value = spec.Name, spec.Key, spec.Value
	}
	own := &Map{info: info, m: m, fd: m.FD()}
	if i, err := m.Info(); err == nil {
		own.frozen = i.Frozen()
	}
	return own, nil
}

// Offsets of struct bpf_map_info (include/uapi/linux/bpf.h).
const (
	mapInfoName  = 24
	mapInfoExtra = 80
	mapInfoSize  = 88
)

// Info describes the map.
func (m *Map) Info() engine.MapInfo {
	m.mu.RLock()
	defer m.mu.RUnlock()
	info := m.info
	info.Frozen = m.frozen
	return info
}

func (m *Map) closedError(op string) error {
	return fmt.Errorf("%s map %s: %w", op, m.info.Name, engine.ErrClosed)
}

// check refuses keys and values that the kernel would read or write past.
func (m *Map) check(op string, key, value []byte) error {
	if len(key) != m.info.KeySize {
		return fmt.Errorf("%s map %s: key has %d bytes, the map's has %d: %w", op, m.info.Name, len(key), m.info.KeySize, unix.EINVAL)
	}
	if len(value) != m.info.ValueBytes {
		return fmt.Errorf("%s map %s: value has %d bytes, the map's has %d: %w", op, m.info.Name, len(value), m.info.ValueBytes, unix.EINVAL)
	}
	return nil
}

// elem runs one command under the lock that keeps the descriptor open.
func (m *Map) elem(op string, cmd int, key, value []byte, flags uint64) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return m.closedError(op)
	}
	if e := elem(cmd, m.fd, key, value, flags); e != 0 {
		return m.mapError(op, e)
	}
	return nil
}

// Lookup copies the value at key into value.
func (m *Map) Lookup(key, value []byte, flags ebpf.MapLookupFlags) error {
	if err := m.check("lookup", key, value); err != nil {
		return err
	}
	return m.elem("lookup", cmdMapLookup, key, value, uint64(flags))
}

// LookupAndDelete copies the value at key into value and removes it; queues and
// stacks pop.
func (m *Map) LookupAndDelete(key, value []byte, flags ebpf.MapLookupFlags) error {
	if err := m.check("lookup and delete", key, value); err != nil {
		return err
	}
	return m.elem("lookup and delete", cmdMapLookupDelete, key, value, uint64(flags))
}

// Update sets the value at key.
func (m *Map) Update(key, value []byte, flags ebpf.MapUpdateFlags) error {
	if err := m.check("update", key, value); err != nil {
		return err
	}
	return m.elem("update", cmdMapUpdate, key, value, uint64(flags))
}

// Delete removes key.
func (m *Map) Delete(key []byte) error {
	if len(key) != m.info.KeySize {
		return fmt.Errorf("delete from map %s: key has %d bytes, the map's has %d: %w", m.info.Name, len(key), m.info.KeySize, unix.EINVAL)
	}
	return m.elem("delete from", cmdMapDelete, key, nil, 0)
}

// NextKey copies the key after key into next; a nil key asks for the first.
func (m *Map) NextKey(key, next []byte) error {
	if len(next) != m.info.KeySize || key != nil && len(key) != m.info.KeySize {
		return fmt.Errorf("next key of map %s: the map's keys have %d bytes: %w", m.info.Name, m.info.KeySize, unix.EINVAL)
	}
	return m.elem("next key of", cmdMapNextKey, key, next, 0)
}

// Freeze makes the map read-only for user space.
func (m *Map) Freeze() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.closedError("freeze")
	}
	if _, err := bpfCall(cmdMapFreeze, &fdAttr{fd: uint32(m.fd)}); err != nil {
		return fmt.Errorf("freeze map %s: %w", m.info.Name, err)
	}
	m.frozen = true
	return nil
}

// Memory maps the values of an array made with BPF_F_MMAPABLE into this
// process, read-only if the map is frozen or read-only for programs.
func (m *Map) Memory() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, m.closedError("memory of")
	}
	if m.memory != nil {
		return m.memory, nil
	}
	page := os.Getpagesize()
	var size int
	switch {
	case m.info.Type == ebpf.Arena:
		size = m.info.MaxEntries * page
	case m.info.Type == ebpf.Array && m.info.Flags&flagMmapable != 0:
		size = (m.info.ValueSize+7)&^7*m.info.MaxEntries + page - 1
		size -= size % page
	default:
		return nil, notSupported("memory of map "+m.info.Name, "only arrays made with BPF_F_MMAPABLE can be mapped", "", nil)
	}
	mem, err := unix.Mmap(m.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if isPermission(err) {
		mem, err = unix.Mmap(m.fd, 0, size, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, fmt.Errorf("memory of map %s: %w", m.info.Name, err)
	}
	m.memory = mem
	return mem, nil
}

// Pin keeps the map alive at path, a file to be made in a bpffs.
func (m *Map) Pin(path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.closedError("pin")
	}
	return pinError("map "+m.info.Name, path, m.m.Pin(path))
}

// Unpin removes the pin; without one it does nothing.
func (m *Map) Unpin() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return m.closedError("unpin")
	}
	return m.m.Unpin()
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
	if m.memory != nil {
		_ = unix.Munmap(m.memory) // mapped by us at this very address
		m.memory = nil
	}
	return m.m.Close()
}

// withFD calls f with the open descriptor.
func (m *Map) withFD(op string, f func(fd int) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return m.closedError(op)
	}
	return f(m.fd)
}

// asMap is m if it is this engine's.
func asMap(m engine.Map) (*Map, error) {
	if m == nil {
		return nil, fmt.Errorf("map is nil: %w", unix.EINVAL)
	}
	own, ok := m.(*Map)
	if !ok {
		return nil, fmt.Errorf("map %s: %w", m.Info().Name, engine.ErrWrongEngine)
	}
	return own, nil
}
