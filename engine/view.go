package engine

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/cilium/ebpf"
)

// View is typed access to a map whose key and value are fixed-size Go types
// with the C layout (integers, arrays and structs of them without padding
// surprises; no pointers). It copies nothing but the bytes themselves.
// A View is as safe for concurrent use as the map below it.
type View[K, V any] struct{ m Map }

// NewView checks the sizes of K and V against the map. For a per-CPU map V is
// an array of every possible CPU's value, each padded to 8 bytes.
func NewView[K, V any](m Map) (View[K, V], error) {
	info := m.Info()
	var k K
	var v V
	if int(unsafe.Sizeof(k)) != info.KeySize {
		return View[K, V]{}, fmt.Errorf("map %s: key %T has %d bytes, the map's has %d", info.Name, k, unsafe.Sizeof(k), info.KeySize)
	}
	if int(unsafe.Sizeof(v)) != info.ValueBytes {
		return View[K, V]{}, fmt.Errorf("map %s: value %T has %d bytes, the map's has %d", info.Name, v, unsafe.Sizeof(v), info.ValueBytes)
	}
	return View[K, V]{m}, nil
}

func bytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}

// Get returns the value at key.
func (v View[K, V]) Get(key K) (V, error) {
	var val V
	err := v.m.Lookup(bytesOf(&key), bytesOf(&val), 0)
	return val, err
}

// Put sets the value at key.
func (v View[K, V]) Put(key K, val V) error {
	return v.m.Update(bytesOf(&key), bytesOf(&val), ebpf.UpdateAny)
}

// Delete removes key.
func (v View[K, V]) Delete(key K) error { return v.m.Delete(bytesOf(&key)) }

// All iterates over the entries there are. Entries that come or go meanwhile
// may or may not be seen; an error ends the iteration and stands in *err.
func (v View[K, V]) All(err *error) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, val := range Entries(v.m, err) {
			var key K
			var value V
			copy(bytesOf(&key), k)
			copy(bytesOf(&value), val)
			if !yield(key, value) {
				return
			}
		}
	}
}

// Entries iterates over a map's keys and values. The slices are reused by the
// next step. Entries deleted meanwhile are skipped; the iteration ends after
// at most MaxEntries keys even if deletes make it start over. An error ends
// the iteration and stands in *err.
func Entries(m Map, err *error) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		info := m.Info()
		key, next := make([]byte, info.KeySize), make([]byte, info.KeySize)
		val := make([]byte, info.ValueBytes)
		var from []byte
		for range info.MaxEntries {
			if e := m.NextKey(from, next); e != nil {
				if !errors.Is(e, ErrKeyNotExist) {
					*err = e
				}
				return
			}
			e := m.Lookup(next, val, 0)
			if e == nil {
				if !yield(next, val) {
					return
				}
			} else if !errors.Is(e, ErrKeyNotExist) {
				*err = e
				return
			}
			key, next = next, key
			from = key
		}
	}
}
