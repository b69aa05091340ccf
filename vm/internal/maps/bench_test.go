package maps

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/skepdev/skep/abi"
)

// benchmarks are maps with n entries each, and their keys.
func benchmarks(b *testing.B, f func(b *testing.B, m Map, keys [][]byte)) {
	const n = 10000
	env := testEnv(b)
	for _, s := range []Spec{
		{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: n},
		{Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: n},
		{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: n},
		{Type: abi.MapHash, KeySize: 16, ValueSize: 64, MaxEntries: n},
		{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: n},
		{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 2 * n},
		{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: n, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapLPMTrie, KeySize: 20, ValueSize: 8, MaxEntries: n, Flags: abi.FlagNoPrealloc},
	} {
		m := makeMap(b, env, s)
		rng := rand.New(rand.NewPCG(1, 2))
		keys := make([][]byte, n)
		for i := range keys {
			k := make([]byte, s.KeySize)
			copy(k, u32(uint32(i)))
			if s.Type == abi.MapLPMTrie {
				copy(k, u32((s.KeySize-4)*8-uint32(i%9)))
				copy(k[4:], u32(rng.Uint32()))
			}
			keys[i] = k
			if e := m.Update(pointerTo(k), pointerTo(make([]byte, s.ValueSize)), 0, 0); e != 0 {
				b.Fatal(e)
			}
		}
		b.Run(fmt.Sprintf("%s/key%d", s.Type, s.KeySize), func(b *testing.B) {
			b.ReportAllocs()
			f(b, m, keys)
		})
	}
}

func BenchmarkLookup(b *testing.B) {
	benchmarks(b, func(b *testing.B, m Map, keys [][]byte) {
		for i := range b.N {
			if m.Lookup(pointerTo(keys[i%len(keys)]), 0) == 0 {
				b.Fatal("not found")
			}
		}
	})
}

func BenchmarkUpdate(b *testing.B) {
	value := make([]byte, 64)
	benchmarks(b, func(b *testing.B, m Map, keys [][]byte) {
		for i := range b.N {
			if e := m.Update(pointerTo(keys[i%len(keys)]), pointerTo(value), 0, 0); e != 0 {
				b.Fatal(e)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	benchmarks(b, func(b *testing.B, m Map, keys [][]byte) {
		addr := m.Lookup(pointerTo(keys[77]), 0)
		for range b.N {
			if ok, why := m.Check(addr, 8, true); !ok {
				b.Fatal(why)
			}
		}
	})
}

// BenchmarkUpdateParallel shows whether updates get in each other's way.
func BenchmarkUpdateParallel(b *testing.B) {
	value := make([]byte, 64)
	benchmarks(b, func(b *testing.B, m Map, keys [][]byte) {
		var worker atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for i := int(worker.Add(1)) * 1237; pb.Next(); i++ {
				m.Update(pointerTo(keys[i%len(keys)]), pointerTo(value), 0, 0)
			}
		})
	})
}

func BenchmarkInsertDelete(b *testing.B) {
	m := makeMap(b, testEnv(b), Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1000})
	key, value := u32(1), u64(1)
	for range b.N {
		m.Update(pointerTo(key), pointerTo(value), 0, 0)
		m.Delete(pointerTo(key))
	}
}

func BenchmarkLRUEvict(b *testing.B) {
	m := makeMap(b, testEnv(b), Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 10000})
	key, value := u32(0), u64(1)
	for i := range b.N {
		write32(pointerTo(key), uint32(i))
		m.Update(pointerTo(key), pointerTo(value), 0, 0)
	}
}

func BenchmarkRingOutput(b *testing.B) {
	m := makeRing(b, 1<<16)
	data := make([]byte, 64)
	for i := range b.N {
		m.Output(data, 0)
		if i%512 == 0 {
			m.Consume(func([]byte) bool { return true })
		}
	}
}

// TestLookupsAndUpdatesDoNotAllocate holds for both sides.
func TestLookupsAndUpdatesDoNotAllocate(t *testing.T) {
	env := testEnv(t)
	for _, s := range specsForAll() {
		switch s.Type {
		case abi.MapHash, abi.MapArray, abi.MapLRUHash, abi.MapLPMTrie, abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUPerCPUHash:
		default:
			continue
		}
		m := makeMap(t, env, s)
		key, value := make([]byte, s.KeySize), make([]byte, ValueBytes(&s, env.CPUs))
		n := testing.AllocsPerRun(100, func() {
			m.Update(pointerTo(key), pointerTo(value), 0, 0)
			m.Lookup(pointerTo(key), 0)
			m.UserUpdate(key, value, 0)
			m.UserLookup(key, value, 0)
			m.Delete(pointerTo(key))
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", s.Type, n)
		}
	}
}
