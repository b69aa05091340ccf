package vm

import (
	"fmt"
	"syscall"

	"github.com/skepdev/skep/abi"
	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// innerMap is a map as an element of a map of maps.
type innerMap struct{ mp *Map }

var _ vmmaps.InnerMap = innerMap{}

func (o innerMap) ID() uint32      { return o.mp.ID() }
func (o innerMap) Handle() uintptr { return o.mp.i.Handle() }
func (o innerMap) Acquire()        { o.mp.refs.Add(1) }
func (o innerMap) Release()        { o.mp.release() }
func (o innerMap) Map() vmmaps.Map { return o.mp.i.Map }

// SetMap stores inner at key of a map of maps. Inner may be closed afterwards.
func (mp *Map) SetMap(key []byte, inner *Map, flags uint64) error {
	if inner == nil || inner.m != mp.m {
		return fmt.Errorf("map %s: set inner map: it belongs to another machine: %w", mp.spec.Name, syscall.EINVAL)
	}
	if !inner.acquire() {
		return fmt.Errorf("map %s: set inner map %s: %w", mp.spec.Name, inner.spec.Name, ErrClosed)
	}
	defer inner.release()
	return mp.setObject(key, innerMap{inner}, flags, "maps")
}

// SetProgram stores p at key of a program array. p may be closed afterwards.
// Programs of one array must be of one type.
func (mp *Map) SetProgram(key []byte, p *Program, flags uint64) error {
	if p == nil || p.m != mp.m {
		return fmt.Errorf("map %s: set program: it belongs to another machine: %w", mp.spec.Name, syscall.EINVAL)
	}
	if !p.Acquire() {
		return fmt.Errorf("map %s: set program %s: %w", mp.spec.Name, p.Name(), ErrClosed)
	}
	defer p.Release()
	if err := mp.admit(p); err != nil {
		return err
	}
	return mp.setObject(key, progObject{p}, flags, "programs")
}

func (mp *Map) setObject(key []byte, o vmmaps.Object, flags uint64, what string) error {
	return mp.with(func(m vmmaps.Map) syscall.Errno {
		om, ok := m.(vmmaps.ObjectMap)
		isProg := mp.spec.Type == abi.MapProgArray
		if !ok || isProg != (what == "programs") {
			return syscall.EINVAL
		}
		return om.SetObject(key, o, flags)
	})
}

// admit checks that p may be called from the programs that use this array:
// the first program that is stored or uses it decides on the type.
func (mp *Map) admit(p *Program) error {
	mp.m.mu.Lock()
	defer mp.m.mu.Unlock()
	if mp.owner == nil {
		mp.owner = &callOwner{typ: p.spec.Type, attach: p.spec.AttachType, hook: p.spec.Hook}
		return nil
	}
	if mp.owner.typ != p.spec.Type || mp.owner.hook != p.spec.Hook {
		return fmt.Errorf("map %s: set program %s: the array is for %s programs and it is %s: %w",
			mp.spec.Name, p.Name(), mp.owner, p.owner(), syscall.EINVAL)
	}
	return nil
}

// InnerMap is the map at key of a map of maps, held by the map of maps, or nil.
func (mp *Map) InnerMap(key []byte) *Map {
	o, _ := mp.object(key).(innerMap)
	return o.mp
}

// Program is the program at key of a program array, held by the array, or nil.
func (mp *Map) Program(key []byte) *Program {
	o, _ := mp.object(key).(progObject)
	return o.p
}

func (mp *Map) object(key []byte) (o vmmaps.Object) {
	_ = mp.with(func(m vmmaps.Map) syscall.Errno {
		if om, ok := m.(vmmaps.ObjectMap); ok && len(key) == int(mp.spec.KeySize) {
			o = om.Object(key)
		}
		return 0
	})
	return o
}
