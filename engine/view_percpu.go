package engine

import (
	"fmt"
	"iter"
	"sync"
	"unsafe"

	"github.com/cilium/ebpf"
)

// PerCPUView is a [View] of a map that has a value for every possible CPU.
type PerCPUView[K, V any] struct {
	m    Map
	cpus int
	room *sync.Pool
}

// perCPUEntry is room for a key and its values as the map gives them.
type perCPUEntry[K any] struct {
	key    K
	values []byte
}

// NewPerCPU checks the types K and V, the latter that of one CPU's value, as
// [NewView] does.
func NewPerCPU[K, V any](m Map) (PerCPUView[K, V], error) {
	info := m.Info()
	if !PerCPU(info.Type) {
		return PerCPUView[K, V]{}, fmt.Errorf("map %s is a %s, which has one value for all CPUs: use NewView", info.Name, info.Type)
	}
	if err := fits[K]("key", info.Name, info.KeySize, info.Key); err != nil {
		return PerCPUView[K, V]{}, err
	}
	if err := fits[V]("value", info.Name, info.ValueSize, info.Value); err != nil {
		return PerCPUView[K, V]{}, err
	}
	n := info.ValueBytes
	return PerCPUView[K, V]{m, n / stride[V](), &sync.Pool{New: func() any { return &perCPUEntry[K]{values: make([]byte, n)} }}}, nil
}

// stride is how far apart the values of two CPUs lie.
func stride[V any]() int {
	var v V
	return (int(unsafe.Sizeof(v)) + 7) &^ 7
}

// Map is the map below.
func (v PerCPUView[K, V]) Map() Map { return v.m }

// CPUs is how many values there are for a key.
func (v PerCPUView[K, V]) CPUs() int { return v.cpus }

// Get appends every CPU's value at key to dst, which may be nil; with room in dst
// it does not allocate.
func (v PerCPUView[K, V]) Get(key K, dst []V) ([]V, error) {
	e := v.room.Get().(*perCPUEntry[K])
	defer v.room.Put(e)
	e.key = key
	if err := v.m.Lookup(bytesOf(&e.key), e.values, 0); err != nil {
		return dst, err
	}
	return v.unpack(dst, e.values), nil
}

func (v PerCPUView[K, V]) unpack(dst []V, values []byte) []V {
	for cpu := range v.cpus {
		var val V
		copy(bytesOf(&val), values[cpu*stride[V]():])
		dst = append(dst, val)
	}
	return dst
}

// Put sets every CPU's value at key: vals has [PerCPUView.CPUs] of them.
func (v PerCPUView[K, V]) Put(key K, vals []V) error {
	if len(vals) != v.cpus {
		return fmt.Errorf("update map %s: %d values for %d CPUs", v.m.Info().Name, len(vals), v.cpus)
	}
	e := v.room.Get().(*perCPUEntry[K])
	defer v.room.Put(e)
	e.key = key
	for cpu := range vals {
		at := e.values[cpu*stride[V]():][:stride[V]()]
		clear(at[copy(at, bytesOf(&vals[cpu])):])
	}
	return v.m.Update(bytesOf(&e.key), e.values, ebpf.UpdateAny)
}

// Delete removes key.
func (v PerCPUView[K, V]) Delete(key K) error {
	e := v.room.Get().(*perCPUEntry[K])
	defer v.room.Put(e)
	e.key = key
	return v.m.Delete(bytesOf(&e.key))
}

// All is [View.All]; the slice, one value for each CPU, is reused by the next
// step.
func (v PerCPUView[K, V]) All(err *error) iter.Seq2[K, []V] {
	return func(yield func(K, []V) bool) {
		vals := make([]V, 0, v.cpus)
		for k, val := range Entries(v.m, err) {
			var key K
			copy(bytesOf(&key), k)
			if !yield(key, v.unpack(vals[:0], val)) {
				return
			}
		}
	}
}
