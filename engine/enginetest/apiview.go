package enginetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
)

// mapViews is typed access to every kind of map that it is for.
func mapViews(t *testing.T, eng engine.Engine, _ Options) {
	for _, typ := range []ebpf.MapType{ebpf.Hash, ebpf.LRUHash, ebpf.Array} {
		t.Run(typ.String(), func(t *testing.T) {
			type pair struct{ A, B uint32 }
			const n = 64
			entries := uint32(n)
			if typ == ebpf.LRUHash {
				entries *= 32 // Linux evicts before it is full
			}
			v, err := engine.NewView[uint32, pair](newMap(t, eng, ebpf.MapSpec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: entries}))
			must(t, "view", err)
			keys, vals := make([]uint32, n), make([]pair, n)
			for i := range keys {
				keys[i], vals[i] = uint32(i), pair{uint32(i), 7}
			}
			done, err := v.PutBatch(keys, vals)
			must(t, "put batch", err)
			if done != n {
				t.Errorf("%d of %d put", done, n)
			}
			must(t, "put", v.Put(5, pair{5, 8}))
			if got, err := v.Get(5); err != nil || got != (pair{5, 8}) {
				t.Errorf("entry 5 is %v, %v", got, err)
			}
			sum := uint32(0)
			for k, val := range v.All(&err) {
				if k != val.A {
					t.Errorf("entry %d is %v", k, val)
				}
				sum += val.B
			}
			if must(t, "iterate", err); sum != 7*n+1 {
				t.Errorf("the sum is %d", sum)
			}
			if typ == ebpf.Array {
				return
			}
			isErr(t, "update what is there", v.Update(5, pair{}, ebpf.UpdateNoExist), engine.ErrKeyExist)
			if done, err = v.DeleteBatch(keys[:10]); done != 10 {
				t.Errorf("%d of 10 deleted, %v", done, err)
			}
			_, err = v.Get(5)
			isErr(t, "get what is gone", err, engine.ErrKeyNotExist)
			must(t, "delete", v.Delete(11))
			isErr(t, "delete what is gone", v.Delete(11), engine.ErrKeyNotExist)
		})
	}
	t.Run("values", func(t *testing.T) {
		m := newMap(t, eng, ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 3, Flags: abi.FlagMmapable})
		v, err := engine.NewView[uint32, uint64](m)
		must(t, "view", err)
		all, err := v.Values()
		if errors.Is(err, engine.ErrNotSupported) {
			t.Skip(err)
		}
		must(t, "values", err)
		must(t, "put", v.Put(1, 42))
		if len(all) != 3 || atomic.LoadUint64(&all[1]) != 42 {
			t.Errorf("the values are %v", all)
		}
		atomic.StoreUint64(&all[2], 43)
		if got, err := v.Get(2); err != nil || got != 43 {
			t.Errorf("entry 2 is %d, %v", got, err)
		}
	})
	t.Run("per CPU", func(t *testing.T) {
		m := newMap(t, eng, ebpf.MapSpec{Type: ebpf.PerCPUHash, KeySize: 4, ValueSize: 4, MaxEntries: 8})
		v, err := engine.NewPerCPU[uint32, uint32](m)
		must(t, "view", err)
		vals := make([]uint32, v.CPUs())
		for i := range vals {
			vals[i] = uint32(100 + i)
		}
		must(t, "put", v.Put(1, vals))
		got, err := v.Get(1, nil)
		must(t, "get", err)
		if !slices.Equal(got, vals) {
			t.Errorf("the values are %v, want %v", got, vals)
		}
		for k, all := range v.All(&err) {
			if k != 1 || !slices.Equal(all, vals) {
				t.Errorf("entry %d is %v, want %v", k, all, vals)
			}
		}
		must(t, "iterate", err)
		must(t, "delete", v.Delete(1))
	})
}

// mapWalkWhileDeleted: an entry that stays is met once, whatever goes meanwhile.
func mapWalkWhileDeleted(t *testing.T, eng engine.Engine, _ Options) {
	const n, stay = 2000, 7
	v, err := engine.NewView[uint32, uint64](newHash(t, eng, n))
	must(t, "view", err)
	for i := range uint32(n) {
		must(t, "put", v.Put(i, 1))
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint32(n) {
			if i%stay != 0 {
				_ = v.Delete(i)
			}
		}
	})
	for range 20 {
		met := map[uint32]int{}
		for k := range v.All(&err) {
			met[k]++
		}
		must(t, "iterate", err)
		for i := uint32(0); i < n; i += stay {
			if met[i] != 1 {
				t.Errorf("entry %d, which stays, was met %d times", i, met[i])
			}
		}
	}
	wg.Wait()
}

// hookNobodyDeclared: an engine names the hook that it does not have.
func hookNobodyDeclared(t *testing.T, eng engine.Engine, _ Options) {
	p := program(t, load(t, eng, "xdp", "count"), "count")
	l, err := eng.Attach(p, engine.Hook{Name: "http/request"})
	if err == nil {
		_ = l.Close()
		t.Fatal("it was attached")
	}
	if !errors.Is(err, engine.ErrNotSupported) && !errors.Is(err, engine.ErrNotExist) || !strings.Contains(err.Error(), "hook http/request") {
		t.Errorf("the error is %v", err)
	}
}
