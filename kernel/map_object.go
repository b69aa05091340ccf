//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// UpdateProgram stores p at key: in a prog array, or as the program of an
// existing entry of a devmap or cpumap whose values have room for one.
func (m *Map) UpdateProgram(key []byte, p engine.Program, flags ebpf.MapUpdateFlags) error {
	own, err := asProgram(p)
	if err != nil {
		return fmt.Errorf("update map %s: %w", m.info.Name, err)
	}
	value := make([]byte, m.info.ValueBytes)
	at := 0
	switch m.info.Type {
	case ebpf.ProgramArray:
	case ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap:
		if m.info.ValueSize < 8 {
			return notSupported("program in map "+m.info.Name, "its values have no room for one", "make it with a value size of 8", nil)
		}
		// The first half, the device or the queue size, stays.
		if err := m.Lookup(key, value, 0); err != nil {
			return fmt.Errorf("update map %s: %w", m.info.Name, err)
		}
		at = 4
	default:
		return notSupported("program in map type "+m.info.Type.String(), "it does not hold programs", "", nil)
	}
	return own.withFD(func(fd int) error {
		binary.NativeEndian.PutUint32(value[at:], uint32(fd))
		return m.objectError(p.Info().Name, m.Update(key, value, flags))
	})
}

// UpdateMap stores inner at key of a map of maps.
func (m *Map) UpdateMap(key []byte, inner engine.Map, flags ebpf.MapUpdateFlags) error {
	own, err := asMap(inner)
	if err != nil {
		return fmt.Errorf("update map %s: %w", m.info.Name, err)
	}
	if m.info.Type != ebpf.ArrayOfMaps && m.info.Type != ebpf.HashOfMaps {
		return notSupported("map in map type "+m.info.Type.String(), "it does not hold maps", "", nil)
	}
	if own == m {
		return fmt.Errorf("update map %s: a map cannot hold itself: %w", m.info.Name, errors.ErrUnsupported)
	}
	return own.withFD("update", func(fd int) error {
		value := binary.NativeEndian.AppendUint32(nil, uint32(fd))
		return m.objectError(own.info.Name, m.Update(key, value, flags))
	})
}

// objectError says that EINVAL and E2BIG of such an update are about the object
// or the index.
func (m *Map) objectError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("put %s into map %s: %w", name, m.info.Name, err)
}
