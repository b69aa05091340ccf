package enginetest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/engine"
)

// mapErrors: sentinels and errnos of the map operations.
func mapErrors(t *testing.T, eng engine.Engine, _ Options) {
	h := newHash(t, eng, 2)
	val := make([]byte, 8)
	isErr(t, "lookup of nothing", h.Lookup(u32(1), val, 0), engine.ErrKeyNotExist, syscall.ENOENT)
	isErr(t, "delete of nothing", h.Delete(u32(1)), engine.ErrKeyNotExist, syscall.ENOENT)
	isErr(t, "first key of nothing", h.NextKey(nil, make([]byte, 4)), engine.ErrKeyNotExist, syscall.ENOENT)
	isErr(t, "pop of nothing", h.LookupAndDelete(u32(1), val, 0), engine.ErrKeyNotExist)
	isErr(t, "update of nothing", h.Update(u32(1), u64(1), ebpf.UpdateExist), engine.ErrKeyNotExist, syscall.ENOENT)
	isErr(t, "update", h.Update(u32(1), u64(10), ebpf.UpdateNoExist), nil)
	isErr(t, "insert again", h.Update(u32(1), u64(11), ebpf.UpdateNoExist), engine.ErrKeyExist, syscall.EEXIST)
	isErr(t, "second", h.Update(u32(2), u64(20), ebpf.UpdateAny), nil)
	isErr(t, "third of two", h.Update(u32(3), u64(30), ebpf.UpdateAny), engine.ErrFull, syscall.E2BIG)
	isErr(t, "unknown flag", h.Update(u32(1), u64(1), 64), errInvalid)
	isErr(t, "lookup", h.Lookup(u32(1), val, 0), nil)
	if !bytes.Equal(val, u64(10)) {
		t.Errorf("value %x", val)
	}
	isErr(t, "pop", h.LookupAndDelete(u32(1), val, 0), nil)
	isErr(t, "popped", h.Lookup(u32(1), val, 0), engine.ErrKeyNotExist)

	// Sizes that are not the map's must be refused before they reach memory.
	for _, n := range []int{0, 3, 5} {
		key := make([]byte, n)
		if h.Lookup(key, val, 0) == nil || h.Update(key, val, 0) == nil || h.Delete(key) == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
		if err := h.NextKey(u32(2), key); err == nil {
			t.Errorf("a next key of %d bytes was taken", n)
		}
	}
	for _, n := range []int{0, 7, 9} {
		if v := make([]byte, n); h.Lookup(u32(2), v, 0) == nil || h.Update(u32(2), v, 0) == nil {
			t.Errorf("a value of %d bytes was taken", n)
		}
	}

	a := newMap(t, eng, ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2})
	isErr(t, "past the array", a.Lookup(u32(2), val, 0), engine.ErrKeyNotExist)
	isErr(t, "update past the array", a.Update(u32(2), val, 0), syscall.E2BIG)
	isErr(t, "insert into the array", a.Update(u32(1), val, ebpf.UpdateNoExist), engine.ErrKeyExist)
	isErr(t, "delete from the array", a.Delete(u32(1)), errInvalid)

	for what, spec := range map[string]ebpf.MapSpec{
		"no entries":         {Type: ebpf.Hash, KeySize: 4, ValueSize: 8},
		"no key":             {Type: ebpf.Hash, ValueSize: 8, MaxEntries: 1},
		"array key of 8":     {Type: ebpf.Array, KeySize: 8, ValueSize: 8, MaxEntries: 1},
		"ring of odd size":   {Type: ebpf.RingBuf, MaxEntries: 5000},
		"ring with keys":     {Type: ebpf.RingBuf, KeySize: 4, MaxEntries: 4096},
		"lpm without flag":   {Type: ebpf.LPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 1},
		"queue with keys":    {Type: ebpf.Queue, KeySize: 4, ValueSize: 4, MaxEntries: 1},
		"flags unknown":      {Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1, Flags: 1 << 30},
		"type that is not":   {Type: 4000, KeySize: 4, ValueSize: 4, MaxEntries: 1},
		"values without end": {Type: ebpf.Array, KeySize: 4, ValueSize: 1 << 30, MaxEntries: 1 << 30},
	} {
		spec.Name = "bad"
		m, err := eng.NewMap(&spec)
		if err == nil {
			t.Errorf("%s: was created", what)
			_ = m.Close()
		}
	}
}

func mapIteration(t *testing.T, eng engine.Engine, _ Options) {
	h := newHash(t, eng, 100)
	for i := range uint32(50) {
		must(t, "update", h.Update(u32(i), u64(uint64(i)*3), 0))
	}
	v, err := engine.NewView[uint32, uint64](h)
	must(t, "view", err)
	seen := map[uint32]uint64{}
	for k, val := range v.All(&err) {
		seen[k] = val
	}
	must(t, "iterate", err)
	if len(seen) != 50 {
		t.Errorf("%d entries seen", len(seen))
	}
	for k, val := range seen {
		if val != uint64(k)*3 {
			t.Errorf("entry %d is %d", k, val)
		}
	}
	// Deleting the entry that is being looked at ends with an empty map.
	n := 0
	for k := range v.All(&err) {
		must(t, "delete", v.Delete(k))
		n++
	}
	must(t, "iterate and delete", err)
	if n != 50 {
		t.Errorf("%d entries met while deleting", n)
	}
	// A key that is not there starts over.
	must(t, "update", h.Update(u32(7), u64(7), 0))
	next := make([]byte, 4)
	isErr(t, "after a foreign key", h.NextKey(u32(999), next), nil)
	if !bytes.Equal(next, u32(7)) {
		t.Errorf("key %x", next)
	}
	isErr(t, "after the last", h.NextKey(u32(7), next), engine.ErrKeyNotExist)
}

func mapBatches(t *testing.T, eng engine.Engine, _ Options) {
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash, ebpf.Array} {
		t.Run(typ.String(), func(t *testing.T) {
			const n = 100
			m := newMap(t, eng, ebpf.MapSpec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: n})
			var keys, values []byte
			want := map[uint32]uint64{}
			for i := range uint32(n) {
				keys, values = append(keys, u32(i)...), append(values, u64(uint64(i)+7)...)
				want[i] = uint64(i) + 7
			}
			done, err := m.UpdateBatch(keys, values, 0)
			must(t, "update batch", err)
			if done != n {
				t.Errorf("%d of %d updated", done, n)
			}
			size := 64 // a hash's buckets must fit into one step
			got := map[uint32]uint64{}
			var cursor engine.Cursor
			for range 20 {
				ks, vs := make([]byte, size*4), make([]byte, size*8)
				done, err = m.LookupBatch(&cursor, ks, vs, 0)
				for i := range done {
					got[binary.NativeEndian.Uint32(ks[i*4:])] = binary.NativeEndian.Uint64(vs[i*8:])
				}
				if err != nil {
					break
				}
			}
			isErr(t, "the last lookup batch", err, engine.ErrKeyNotExist)
			if d := cmp.Diff(want, got); typ != ebpf.LRUHash && d != "" {
				t.Error(d)
			}
			if _, err := m.LookupBatch(new(engine.Cursor), make([]byte, 4), make([]byte, 15), 0); err == nil {
				t.Error("values of the wrong size were taken")
			}
			if typ == ebpf.Array {
				return
			}
			done, err = m.DeleteBatch(keys[:40])
			if typ == ebpf.Hash {
				must(t, "delete batch", err)
				if done != 10 {
					t.Errorf("%d of 10 deleted", done)
				}
				_, err = m.DeleteBatch(keys[:4])
				isErr(t, "delete batch again", err, engine.ErrKeyNotExist)
			}
			var all engine.Cursor
			ks, vs := make([]byte, n*4), make([]byte, n*8)
			if done, err = m.LookupAndDeleteBatch(&all, ks, vs, 0); err != nil {
				isErr(t, "lookup and delete batch", err, engine.ErrKeyNotExist)
			}
			if typ == ebpf.Hash && done != n-10 {
				t.Errorf("%d of %d popped", done, n-10)
			}
			isErr(t, "after all", m.NextKey(nil, make([]byte, 4)), engine.ErrKeyNotExist)
		})
	}
}

func mapFreeze(t *testing.T, eng engine.Engine, _ Options) {
	h := newHash(t, eng, 4)
	must(t, "update", h.Update(u32(1), u64(1), 0))
	must(t, "freeze", h.Freeze())
	isErr(t, "update frozen", h.Update(u32(1), u64(2), 0), engine.ErrReadOnly, syscall.EPERM)
	isErr(t, "delete frozen", h.Delete(u32(1)), engine.ErrReadOnly)
	val := make([]byte, 8)
	isErr(t, "lookup frozen", h.Lookup(u32(1), val, 0), nil)
	if !h.Info().Frozen {
		t.Error("Info says that it is not frozen")
	}
	// Linux up to 6.1 says that it is frozen, later ones that it cannot be
	// written to.
	if err := h.Freeze(); !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EPERM) {
		t.Errorf("freeze again: %v", err)
	}
}

func mapMemory(t *testing.T, eng engine.Engine, _ Options) {
	a := newMap(t, eng, ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 10, Flags: 1 << 10})
	mem, err := a.Memory()
	must(t, "memory", err)
	if len(mem) < 80 {
		t.Fatalf("%d bytes", len(mem))
	}
	binary.NativeEndian.PutUint64(mem[3*8:], 42)
	val := make([]byte, 8)
	must(t, "lookup", a.Lookup(u32(3), val, 0))
	if !bytes.Equal(val, u64(42)) {
		t.Errorf("lookup sees %x", val)
	}
	must(t, "update", a.Update(u32(4), u64(43), 0))
	if got := binary.NativeEndian.Uint64(mem[4*8:]); got != 43 {
		t.Errorf("memory shows %d", got)
	}
	if _, err := newHash(t, eng, 1).Memory(); err == nil {
		t.Error("a hash gave its memory")
	}
}

func mapOfMaps(t *testing.T, eng engine.Engine, _ Options) {
	inner := ebpf.MapSpec{Name: "inner", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}
	outer := newMap(t, eng, ebpf.MapSpec{Type: ebpf.HashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, InnerMap: &inner})
	in := newMap(t, eng, inner)
	must(t, "store", outer.UpdateMap(u32(1), in, 0))
	other := newMap(t, eng, ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	isErr(t, "store another type", outer.UpdateMap(u32(2), other, 0), errInvalid)
	must(t, "delete", outer.Delete(u32(1)))
	isErr(t, "delete again", outer.Delete(u32(1)), engine.ErrKeyNotExist)
	if err := other.UpdateMap(u32(1), in, 0); err == nil {
		t.Error("an array took a map")
	}
}

// mapInCollection: a live map in place of one that the spec describes.
func mapInCollection(t *testing.T, eng engine.Engine, _ Options) {
	spec, err := Object("xdp")
	must(t, "object", err)
	keepOnly(spec, []string{"count"})
	mine, err := eng.NewMap(spec.Maps["by_type"])
	must(t, "new map", err)
	defer mine.Close()
	coll, err := eng.Load(t.Context(), spec, &engine.LoadOptions{Maps: map[string]engine.Map{"by_type": mine}})
	must(t, "load", err)
	_, err = program(t, coll, "count").Run(&engine.RunInput{Data: make([]byte, 64)})
	must(t, "run", err)
	must(t, "close", coll.Close())
	val := make([]byte, 16)
	must(t, "lookup after the collection closed", mine.Lookup(u32(0), val, 0))
	if got := binary.NativeEndian.Uint64(val[8:]); got != 64 {
		t.Errorf("%d bytes counted", got)
	}
	if coll, err := eng.Load(t.Context(), spec, &engine.LoadOptions{Maps: map[string]engine.Map{"no_such": mine}}); err == nil {
		t.Error("a replacement for no map was taken")
		_ = coll.Close()
	}
	wrong := newHash(t, eng, 8)
	if coll, err := eng.Load(t.Context(), spec, &engine.LoadOptions{Maps: map[string]engine.Map{"by_type": wrong}}); err == nil {
		t.Error("a replacement of another size was taken")
		_ = coll.Close()
	}
}

// mapConcurrent: writers, readers and iterators at the same time; what a
// reader finds is what a writer wrote whole.
func mapConcurrent(t *testing.T, eng engine.Engine, _ Options) {
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash} {
		m := newMap(t, eng, ebpf.MapSpec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 64})
		var wg sync.WaitGroup
		errs := make(chan error, 64)
		for w := range uint64(4) {
			wg.Go(func() {
				val, next := make([]byte, 8), make([]byte, 4)
				for i := range uint64(2000) {
					k := u32(uint32(i+w) % 32)
					var err error
					switch i % 4 {
					case 0, 1:
						err = m.Update(k, u64(i<<32|i), 0)
					case 2:
						if err = m.Lookup(k, val, 0); err == nil {
							if v := binary.NativeEndian.Uint64(val); v>>32 != v&0xffffffff {
								err = fmt.Errorf("value %#x is half one and half another", v)
							}
						}
						_ = m.NextKey(k, next)
					case 3:
						err = m.Delete(k)
					}
					if err != nil && !errors.Is(err, engine.ErrKeyNotExist) {
						errs <- fmt.Errorf("%v: %w", typ, err)
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Error(err)
		}
	}
}

func queue(t *testing.T, eng engine.Engine, _ Options) {
	q := newMap(t, eng, ebpf.MapSpec{Type: ebpf.Queue, ValueSize: 4, MaxEntries: 2})
	val := make([]byte, 4)
	isErr(t, "pop of nothing", q.LookupAndDelete(nil, val, 0), engine.ErrKeyNotExist)
	must(t, "push", q.Update(nil, u32(1), 0))
	must(t, "push", q.Update(nil, u32(2), 0))
	isErr(t, "push onto a full one", q.Update(nil, u32(3), 0), syscall.E2BIG)
	must(t, "peek", q.Lookup(nil, val, 0))
	must(t, "pop", q.LookupAndDelete(nil, val, 0))
	if !bytes.Equal(val, u32(1)) {
		t.Errorf("popped %x", val)
	}
}

// closeTwice: closing is safe twice, and closed objects say so.
func closeTwice(t *testing.T, eng engine.Engine, _ Options) {
	m, err := eng.NewMap(&ebpf.MapSpec{Name: "gone", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	must(t, "new map", err)
	must(t, "close", m.Close())
	must(t, "close twice", m.Close())
	if err := m.Update(u32(1), u64(1), 0); err == nil {
		t.Error("a closed map was updated")
	}
	coll := load(t, eng, "xdp", "count")
	p := program(t, coll, "count")
	must(t, "close collection", coll.Close())
	must(t, "close collection twice", coll.Close())
	must(t, "close program twice", p.Close())
	if _, err := p.Run(&engine.RunInput{Data: make([]byte, 64)}); err == nil {
		t.Error("a closed program ran")
	}
}
