package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/maps"
)

// Tags of register values that name objects. They are not canonical addresses
// on any machine, so that an access through them always misses.
const (
	mapTag  = 0xb0f1_0000_0000_0000
	funcTag = 0xb0f2_0000_0000_0000
	tagMask = 0xffff_0000_0000_0000
)

// Map is a map as programs see it.
type Map struct {
	maps.Map
	Name      string
	Type      abi.MapType
	KeySize   uint32
	ValueSize uint32
	// start and end bound the values; writable says that programs may write
	// them, readable that they may read.
	start, end         uint64
	readable, writable bool
	id                 uint32
	targets            []Target // of a program array
	flat               span     // the value of an array that has only one
	// Optional sides, nil if the type does not have them.
	Objects maps.ObjectMap
	Progs   maps.ProgArray
	Stream  maps.Stream
	Ring    maps.RingBuffer
	Perf    maps.PerfArray
	Stacks  maps.StackMap
	Cgroups maps.CgroupArray
	Storage maps.Storage
	Walker  maps.Walker
	Keyed   maps.Keyed
	User    maps.UserRing
	Local   maps.CgroupStorage
	Arena   *maps.Arena
	// Owner is the loader's own object for this map.
	Owner any
}

// maxTargets bounds what native code calls directly; Go does the others.
const maxTargets = 4096

// NewMap wraps m. id is unique among the maps of the machine.
func NewMap(m maps.Map, id uint32) *Map {
	s := m.Spec()
	start, end := m.Base()
	w := &Map{
		Map: m, Name: s.Name, Type: s.Type, KeySize: s.KeySize, ValueSize: s.ValueSize,
		start: uint64(start), end: uint64(end), id: id,
		readable: s.Flags&abi.FlagWronlyProg == 0,
		writable: s.Flags&abi.FlagRdonlyProg == 0,
	}
	w.Objects, _ = m.(maps.ObjectMap)
	if w.Type == abi.MapProgArray { // a map of maps looks the same
		w.Progs, _ = m.(maps.ProgArray)
		if told, ok := m.(interface {
			OnChange(f func(index uint32, obj maps.Object))
		}); ok {
			w.targets = make([]Target, min(s.MaxEntries, maxTargets))
			told.OnChange(func(i uint32, obj maps.Object) {
				if c, ok := obj.(Callee); ok {
					w.SetTarget(i, c.Callee())
				} else {
					w.SetTarget(i, nil)
				}
			})
		}
	}
	w.Stream, _ = m.(maps.Stream)
	if w.User, _ = m.(maps.UserRing); w.User == nil {
		w.Ring, _ = m.(maps.RingBuffer)
	}
	w.Perf, _ = m.(maps.PerfArray)
	w.Stacks, _ = m.(maps.StackMap)
	w.Cgroups, _ = m.(maps.CgroupArray)
	w.Storage, _ = m.(maps.Storage)
	w.Walker, _ = m.(maps.Walker)
	w.Keyed, _ = m.(maps.Keyed)
	w.Local, _ = m.(maps.CgroupStorage)
	w.Arena, _ = m.(*maps.Arena)
	if w.Type == abi.MapArray && s.MaxEntries == 1 {
		w.flat = span{firstValue(w), uint64(w.ValueSize)}
	}
	return w
}

// ID is the machine-wide number of the map.
func (m *Map) ID() uint32 { return m.id }

// Handle is the value of a register that refers to the map.
func (m *Map) Handle() uintptr { return uintptr(mapTag | uint64(m.id)) }

// Writable and Readable say what programs may do with values.
func (m *Map) Writable() bool { return m.writable }

// Readable says that programs may read values.
func (m *Map) Readable() bool { return m.readable }

// Flat is the place of a map's only value, for native code: size bytes that
// programs may read, or write. ok is false for maps that have more values, or
// may not be accessed so.
func (m *Map) Flat(write bool) (addr, size uint64, ok bool) {
	allowed := m.readable
	if write {
		allowed = m.writable
	}
	return m.flat.at, m.flat.n, allowed && m.flat.n != 0
}

// HasValues says that a successful lookup gives the address of ValueSize bytes,
// which stay memory as long as the map.
func (m *Map) HasValues() bool {
	switch m.Type {
	case abi.MapArray, abi.MapPerCPUArray, abi.MapHash, abi.MapPerCPUHash, abi.MapLRUHash, abi.MapLRUPerCPUHash, abi.MapLPMTrie:
		return m.Objects == nil
	}
	return false
}

// Counted says that the map counts its elements (bpf_map_sum_elem_count).
func (m *Map) Counted() bool {
	switch m.Type {
	case abi.MapHash, abi.MapPerCPUHash, abi.MapLRUHash, abi.MapLRUPerCPUHash:
		return true
	}
	return false
}

// FirstValue is the address of the value at index 0 of a plain array, for
// direct references (global data).
func (m *Map) FirstValue() (addr uint64, why string) {
	if m.Type != abi.MapArray {
		return 0, "only arrays have values at fixed addresses"
	}
	if addr := firstValue(m); addr != 0 {
		return addr, ""
	}
	return 0, "the array has no values"
}

func (m *Map) contains(addr uint64) bool { return addr-m.start < m.end-m.start }
