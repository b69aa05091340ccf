package embedded

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// UpdateProgram stores p at key of a prog array.
func (m *Map) UpdateProgram(key []byte, p engine.Program, flags ebpf.MapUpdateFlags) error {
	own, err := m.core.e.asProgram(p)
	if err != nil {
		return fmt.Errorf("update map %s: %w", m.core.info.Name, err)
	}
	switch m.core.info.Type {
	case ebpf.ProgramArray:
	case ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap:
		return notSupported("program in map type "+m.core.info.Type.String(), "redirected packets run no second program here", askKernel)
	default:
		return notSupported("program in map type "+m.core.info.Type.String(), "it does not hold programs", "")
	}
	if err := m.open("update"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.objectError(own.core.info.Name, m.core.vm.SetProgram(key, own.core.vm, uint64(flags)))
}

// UpdateMap stores inner at key of a map of maps.
func (m *Map) UpdateMap(key []byte, inner engine.Map, flags ebpf.MapUpdateFlags) error {
	own, err := m.core.e.asMap(inner)
	if err != nil {
		return fmt.Errorf("update map %s: %w", m.core.info.Name, err)
	}
	if m.core.info.Type != ebpf.ArrayOfMaps && m.core.info.Type != ebpf.HashOfMaps {
		return notSupported("map in map type "+m.core.info.Type.String(), "it does not hold maps", "")
	}
	if own.core == m.core {
		return fmt.Errorf("update map %s: a map cannot hold itself: %w", m.core.info.Name, errors.ErrUnsupported)
	}
	if err := m.open("update"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	return m.objectError(own.core.info.Name, m.core.vm.SetMap(key, own.core.vm, uint64(flags)))
}

func (m *Map) objectError(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("put %s into map %s: %w", name, m.core.info.Name, m.mapError("update", err))
}
