package lb

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// Pinned tables outlive the version that made them. Layouts change by one rule,
// that a value only grows at its end, so that an older version's entries are
// read as they are and get zeros behind. Programs of the older version go on
// with the old table until their links are updated; those that share all other
// tables with the new one lose nothing.

// transient tables hold what lasts for the time of a packet's fragments: they
// start anew.
func transient(name string) bool { return name == bpf.LBFragmentMap }

// adjust makes the map spec fit the table that is pinned at path, or the table
// fit the spec. Tables that are there keep their size: it is what connections
// were remembered under.
func adjust(eng engine.Engine, m *ebpf.MapSpec, path string) error {
	old, err := eng.OpenMap(path)
	if errors.Is(err, engine.ErrNotExist) {
		old, err = rescue(eng, path)
		if old == nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("open pinned table %s: %w", m.Name, err)
	}
	info := old.Info()
	m.MaxEntries = uint32(info.MaxEntries)
	if info.KeySize != int(m.KeySize) || info.ValueSize != int(m.ValueSize) {
		err = migrate(eng, m, old, path)
	}
	return errors.Join(err, old.Close())
}

// rescue finishes the last step of a migration that was interrupted there; nil
// if there was none.
func rescue(eng engine.Engine, path string) (engine.Map, error) {
	m, err := eng.OpenMap(path + "_new")
	if errors.Is(err, engine.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := m.Pin(path); err != nil {
		return nil, errors.Join(fmt.Errorf("finish the migration of %s: %w", path, err), m.Close())
	}
	return m, nil
}

// migrate puts a table of the new layout with the old entries in the place of the
// old one. At no time is there none.
func migrate(eng engine.Engine, m *ebpf.MapSpec, old engine.Map, path string) error {
	info := old.Info()
	if transient(m.Name) {
		return old.Unpin()
	}
	if info.KeySize != int(m.KeySize) || info.ValueSize > int(m.ValueSize) || info.Type != m.Type {
		return fmt.Errorf("pinned table %s has another layout (keys of %d and values of %d bytes, not %d and %d): it was made by a newer version; run that, or skep down, which ends connections", path, info.KeySize, info.ValueSize, m.KeySize, m.ValueSize)
	}
	if m.Type == ebpf.PerCPUArray || m.Type == ebpf.PerCPUHash {
		return old.Unpin() // counts begin anew
	}
	if half, err := eng.OpenMap(path + "_new"); err == nil { // an earlier attempt
		if err := errors.Join(half.Unpin(), half.Close()); err != nil {
			return err
		}
	}
	spec := m.Copy()
	spec.Pinning = ebpf.PinNone
	next, err := eng.NewMap(spec)
	if err != nil {
		return fmt.Errorf("migrate table %s: %w", m.Name, err)
	}
	err = copyEntries(old, next)
	if err == nil {
		err = next.Pin(path + "_new")
	}
	if err == nil {
		err = old.Unpin()
	}
	if err == nil {
		err = next.Pin(path)
	}
	if err = errors.Join(err, next.Close()); err != nil {
		return fmt.Errorf("migrate table %s: %w", m.Name, err)
	}
	return nil
}

func copyEntries(from, to engine.Map) error {
	key, next, value := []byte(nil), make([]byte, from.Info().KeySize), make([]byte, to.Info().ValueSize)
	for {
		err := from.NextKey(key, next)
		if errors.Is(err, engine.ErrKeyNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		err = from.Lookup(next, value[:from.Info().ValueSize], 0)
		if err == nil {
			err = to.Update(next, value, ebpf.UpdateAny)
		} else if errors.Is(err, engine.ErrKeyNotExist) {
			err = nil // gone in between
		}
		if err != nil {
			return err
		}
		key = append(key[:0], next...)
	}
}
