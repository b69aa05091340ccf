package engine

import (
	"errors"
	"fmt"
	"iter"
	"sync"
	"syscall"
	"unsafe"

	"github.com/cilium/ebpf"
)

// View is typed access to a map whose key and value are fixed-size Go types
// with the C layout (integers, arrays and structs of them without padding
// surprises; no pointers). Its operations do not allocate.
// A View is as safe for concurrent use as the map below it, and may be copied.
type View[K, V any] struct {
	m Map
	// room is where keys and values lie while the map works on them: behind an
	// interface they would be allocated for each call.
	room *sync.Pool
}

// entry is room for one key and one value.
type entry[K, V any] struct {
	key K
	val V
}

// NewView checks the types K and V against the map: their sizes, that they hold
// no pointers, and that their fields lie where the map's BTF, if it has any, says
// that fields are. For a per-CPU map V is an array of every possible CPU's value,
// each padded to 8 bytes; [NewPerCPU] is easier there.
func NewView[K, V any](m Map) (View[K, V], error) {
	info := m.Info()
	if err := fits[K]("key", info.Name, info.KeySize, info.Key); err != nil {
		return View[K, V]{}, err
	}
	value := info.Value
	if PerCPU(info.Type) {
		value = nil // of one CPU
	}
	if err := fits[V]("value", info.Name, info.ValueBytes, value); err != nil {
		return View[K, V]{}, err
	}
	return View[K, V]{m, &sync.Pool{New: func() any { return new(entry[K, V]) }}}, nil
}

func bytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}

func bytesOfAll[T any](s []T) []byte {
	var t T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(t)))
}

// Map is the map below.
func (v View[K, V]) Map() Map { return v.m }

func (v View[K, V]) take() *entry[K, V] { return v.room.Get().(*entry[K, V]) }

// Get returns the value at key.
func (v View[K, V]) Get(key K) (V, error) {
	e := v.take()
	defer v.room.Put(e)
	e.key = key
	if err := v.m.Lookup(bytesOf(&e.key), bytesOf(&e.val), 0); err != nil {
		var none V
		return none, err
	}
	return e.val, nil
}

// Take returns the value at key and removes it, in one step.
func (v View[K, V]) Take(key K) (V, error) {
	e := v.take()
	defer v.room.Put(e)
	e.key = key
	if err := v.m.LookupAndDelete(bytesOf(&e.key), bytesOf(&e.val), 0); err != nil {
		var none V
		return none, err
	}
	return e.val, nil
}

// Put sets the value at key.
func (v View[K, V]) Put(key K, val V) error { return v.Update(key, val, ebpf.UpdateAny) }

// Update sets the value at key as the flags allow.
func (v View[K, V]) Update(key K, val V, flags ebpf.MapUpdateFlags) error {
	e := v.take()
	defer v.room.Put(e)
	e.key, e.val = key, val
	return v.m.Update(bytesOf(&e.key), bytesOf(&e.val), flags)
}

// Delete removes key.
func (v View[K, V]) Delete(key K) error {
	e := v.take()
	defer v.room.Put(e)
	e.key = key
	return v.m.Delete(bytesOf(&e.key))
}

// GetBatch is [Map.LookupBatch]: it fills keys and vals, which are of the same
// length, from where the cursor stands.
func (v View[K, V]) GetBatch(cursor *Cursor, keys []K, vals []V) (int, error) {
	return v.m.LookupBatch(cursor, bytesOfAll(keys), bytesOfAll(vals), 0)
}

// TakeBatch is GetBatch that removes what it returns.
func (v View[K, V]) TakeBatch(cursor *Cursor, keys []K, vals []V) (int, error) {
	return v.m.LookupAndDeleteBatch(cursor, bytesOfAll(keys), bytesOfAll(vals), 0)
}

// PutBatch sets the values at keys, which are as many, and returns how many it
// did.
func (v View[K, V]) PutBatch(keys []K, vals []V) (int, error) {
	return v.m.UpdateBatch(bytesOfAll(keys), bytesOfAll(vals), ebpf.UpdateAny)
}

// DeleteBatch removes keys and returns how many it did.
func (v View[K, V]) DeleteBatch(keys []K) (int, error) { return v.m.DeleteBatch(bytesOfAll(keys)) }

// Values are the values themselves of an array made with BPF_F_MMAPABLE (as data
// sections are), shared with programs that run: what both may touch at the same
// time wants package sync/atomic. They are valid until the map is closed.
func (v View[K, V]) Values() ([]V, error) {
	info := v.m.Info()
	var val V
	size := int(unsafe.Sizeof(val))
	if stride := (size + 7) &^ 7; info.MaxEntries > 1 && stride != size {
		return nil, fmt.Errorf("values of map %s: %T has %d bytes, and they lie %d apart: pad it", info.Name, val, size, stride)
	}
	mem, err := v.m.Memory()
	if err != nil {
		return nil, err
	}
	n := len(mem) / max(size, 1)
	return unsafe.Slice((*V)(unsafe.Pointer(unsafe.SliceData(mem))), min(n, info.MaxEntries)), nil
}

// All iterates over the entries there are: each once, also if entries are deleted
// meanwhile, by the loop itself too. Entries that come or go meanwhile may or may
// not be seen; an error ends the iteration and stands in *err.
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
// next step. Entries that come or go meanwhile may or may not be seen. Where the
// map can be read in batches, each entry comes once; others are walked from key to
// key, and if a key that the walk stands on is deleted it starts over, and ends
// after MaxEntries keys at the latest. An error ends the iteration and stands in
// *err.
func Entries(m Map, err *error) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		info := m.Info()
		done, e := batches(m, &info, yield)
		if !done && e == nil {
			e = steps(m, &info, yield)
		}
		if e != nil {
			*err = e
		}
	}
}

// batchBytes is about how much is read at a time.
const batchBytes = 64 << 10

// batches reads a map in batches; done is false if it cannot be.
func batches(m Map, info *MapInfo, yield func(k, v []byte) bool) (done bool, err error) {
	if info.KeySize == 0 || info.ValueBytes == 0 {
		return false, nil
	}
	n := min(max(batchBytes/(info.KeySize+info.ValueBytes), 16), max(info.MaxEntries, 1))
	keys, vals := make([]byte, n*info.KeySize), make([]byte, n*info.ValueBytes)
	var cur Cursor
	for first := true; ; first = false {
		got, e := m.LookupBatch(&cur, keys, vals, 0)
		last := errors.Is(e, ErrKeyNotExist)
		switch {
		case e == nil || last:
		case errors.Is(e, syscall.ENOSPC) && n < info.MaxEntries:
			// A bucket of the table has more entries than there is room for.
			n = min(2*n, info.MaxEntries)
			keys, vals = make([]byte, n*info.KeySize), make([]byte, n*info.ValueBytes)
			continue
		case first && (errors.Is(e, ErrNotSupported) || errors.Is(e, syscall.EINVAL)):
			return false, nil
		default:
			return true, e
		}
		for i := range got {
			k, v := i*info.KeySize, i*info.ValueBytes
			if !yield(keys[k:k+info.KeySize:k+info.KeySize], vals[v:v+info.ValueBytes:v+info.ValueBytes]) {
				return true, nil
			}
		}
		if last || got == 0 {
			return true, nil
		}
	}
}

// steps walks a map from key to key.
func steps(m Map, info *MapInfo, yield func(k, v []byte) bool) error {
	key, next := make([]byte, info.KeySize), make([]byte, info.KeySize)
	val := make([]byte, info.ValueBytes)
	var from []byte
	for range info.MaxEntries {
		if e := m.NextKey(from, next); e != nil {
			if !errors.Is(e, ErrKeyNotExist) {
				return e
			}
			return nil
		}
		e := m.Lookup(next, val, 0)
		if e == nil {
			if !yield(next, val) {
				return nil
			}
		} else if !errors.Is(e, ErrKeyNotExist) {
			return e
		}
		key, next = next, key
		from = key
	}
	return nil
}
