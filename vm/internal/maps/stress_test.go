package maps

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

// together runs f in several goroutines, each with a generator of its own.
func together(n int, f func(worker int, rng *rand.Rand)) {
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() { f(w, rand.New(rand.NewPCG(uint64(w), 7))) })
	}
	wg.Wait()
}

// TestHashStress: while workers change keys of their own, each always finds
// its keys with the values it wrote; a value is never half of two.
func TestHashStress(t *testing.T) {
	const workers, own, rounds = 8, 40, 3000
	for _, s := range []Spec{
		{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: workers * own},
		{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: workers * own, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 16},
	} {
		m := makeMap(t, testEnv(t), s)
		together(workers, func(w int, rng *rand.Rand) {
			have := map[uint32]uint64{}
			for range rounds {
				k := uint32(w*own + rng.IntN(own))
				v := uint64(k)<<32 | uint64(rng.Uint32())
				switch rng.IntN(4) {
				case 0:
					if e := m.Delete(pointerTo(u32(k))); (e == 0) != (have[k] != 0) {
						t.Errorf("delete: %v, have %d", e, have[k])
					}
					delete(have, k)
				case 1:
					value := make([]byte, 8)
					e := m.UserLookup(u32(k), value, 0)
					if (e == 0) != (have[k] != 0) || e == 0 && read64(pointerTo(value)) != have[k] {
						t.Errorf("user lookup of %d: %v, %x, have %x", k, e, value, have[k])
					}
				default:
					if e := progSet(m, u32(k), v, 0); e != 0 {
						t.Errorf("update: %v", e)
					}
					have[k] = v
				}
				if got, ok := progGet(m, u32(k), 0); ok != (have[k] != 0) || got != have[k] {
					t.Errorf("lookup of %d: %x, %v; have %x", k, got, ok, have[k])
				}
				// Others' keys: a value belongs to its key.
				other := uint32(rng.IntN(workers * own))
				value := make([]byte, 8)
				if m.UserLookup(u32(other), value, 0) == 0 && uint32(read64(pointerTo(value))>>32) != other {
					t.Errorf("key %d has a value of key %d", other, read64(pointerTo(value))>>32)
				}
			}
			for k := range have {
				if e := m.UserDelete(u32(k)); e != 0 {
					t.Errorf("delete at the end: %v", e)
				}
			}
		})
		if n := countKeys(t, m); n != 0 {
			t.Errorf("%s: %d keys left", s.Type, n)
		}
	}
}

// TestHashFullStress: with more workers than room updates fail with E2BIG, and
// never is an element lost.
func TestHashFullStress(t *testing.T) {
	const size = 16
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: size})
	together(8, func(_ int, rng *rand.Rand) {
		for range 5000 {
			k := u32(uint32(rng.IntN(3 * size)))
			if rng.IntN(2) == 0 {
				m.Delete(pointerTo(k))
			} else if e := progSet(m, k, 1, rng.IntN(2)); e != 0 && e != syscall.E2BIG {
				t.Errorf("update: %v", e)
			}
		}
	})
	n := countKeys(t, m)
	for i := uint32(1000); n < size; i++ {
		want(t, "fill up", progSet(m, u32(i), 1, 0), 0)
		n++
	}
	want(t, "beyond", progSet(m, u32(999), 1, 0), syscall.E2BIG)
}

// TestLRUStress: updates never fail however many goroutines want room.
func TestLRUStress(t *testing.T) {
	for _, size := range []uint32{1, 7, 64, 1000} {
		m := makeMap(t, testEnv(t), Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: size})
		together(8, func(_ int, rng *rand.Rand) {
			for range 3000 {
				k := u32(rng.Uint32N(4 * size))
				switch rng.IntN(8) {
				case 0:
					m.Delete(pointerTo(k))
				case 1:
					m.NextKey(k, make([]byte, 4))
				case 2:
					progGet(m, k, 0)
				default:
					if e := progSet(m, k, 1, 0); e != 0 {
						t.Errorf("update: %v", e)
					}
				}
			}
		})
		for i := range 4 * size {
			want(t, "update", progSet(m, u32(i), 1, 0), 0)
		}
		if n := countKeys(t, m); n != int(size) {
			t.Errorf("%d entries in a full map of %d", n, size)
		}
	}
}

// TestPerCPUStress: counters that programs add to on their CPU lose nothing.
func TestPerCPUStress(t *testing.T) {
	const workers, each = 4, 5000
	for _, typ := range []abi.MapType{abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUPerCPUHash} {
		env := testEnv(t)
		env.CPUs = workers
		m := makeMap(t, env, Spec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 16})
		together(workers, func(cpu int, _ *rand.Rand) {
			for i := range each {
				k := u32(uint32(i % 4))
				a := m.Lookup(pointerTo(k), cpu)
				if a == 0 {
					m.Update(pointerTo(k), pointerTo(u64(0)), abi.UpdateNoExist, cpu)
					a = m.Lookup(pointerTo(k), cpu)
				}
				poke64(a, peek64(a)+1)
			}
		})
		sum, value := uint64(0), make([]byte, 8*workers)
		for k := range uint32(4) {
			want(t, "lookup", m.UserLookup(u32(k), value, 0), 0)
			for cpu := range workers {
				sum += read64(pointerTo(value[8*cpu:]))
			}
		}
		if sum != workers*each {
			t.Errorf("%s: counted to %d, not %d", typ, sum, workers*each)
		}
	}
}

// TestWalkWhileDeleting: a walk that deletes what it sees ends, and sees all.
func TestWalkWhileDeleting(t *testing.T) {
	for _, s := range specsForAll()[:7] {
		env := testEnv(t)
		m := makeMap(t, env, s)
		value := make([]byte, ValueBytes(&s, env.CPUs))
		for i := range uint32(50) {
			want(t, "update", m.UserUpdate(u32(i), value, 0), 0)
		}
		var key []byte
		next, seen := make([]byte, 4), 0
		for m.NextKey(key, next) == 0 {
			want(t, "delete", m.UserDelete(next), 0)
			key, seen = append(key[:0], next...), seen+1
		}
		if seen != 50 {
			t.Errorf("%s: saw %d of 50", s.Type, seen)
		}
	}
}

// TestBatchWhileChanging: entries that stay are seen exactly once, whatever
// happens to others.
func TestBatchWhileChanging(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 4000})
	for i := range uint32(1000) {
		want(t, "update", progSet(m, u32(i), 1, 0), 0)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := uint32(0); ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			progSet(m, u32(100000+i%2000), 1, 0)
			m.Delete(pointerTo(u32(100000 + (i+1000)%2000)))
			progSet(m, u32(i%1000), 2, 0)
		}
	})
	for range 20 {
		seen := map[uint32]int{}
		var pos BatchPos
		keys, values := make([]byte, 4*64), make([]byte, 8*64)
		for {
			n, e := m.LookupBatch(&pos, keys, values, false, 0)
			for i := range n {
				seen[read32(pointerTo(keys[4*i:]))]++
			}
			if e == syscall.ENOENT {
				break
			}
			want(t, "batch", e, 0)
		}
		for i := range uint32(1000) {
			if seen[i] != 1 {
				t.Errorf("key %d was seen %d times", i, seen[i])
			}
		}
	}
	close(stop)
	wg.Wait()
}

// TestLPMStress: readers always find the prefix that stays while others come
// and go above and below it.
func TestLPMStress(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: 500, Flags: abi.FlagNoPrealloc})
	key := func(bits uint32, a, b, c, d byte) []byte { return append(u32(bits), a, b, c, d) }
	want(t, "update", progSet(m, key(8, 10, 0, 0, 0), 8, 0), 0)
	want(t, "update", progSet(m, key(32, 10, 1, 2, 3), 32, 0), 0)
	together(4, func(w int, rng *rand.Rand) {
		for range 5000 {
			k := key(uint32(9+rng.IntN(20)), 10, byte(rng.IntN(4)), byte(rng.IntN(4)), 0)
			switch {
			case w < 2 && rng.IntN(2) == 0:
				if e := progSet(m, k, 9, 0); e != 0 {
					t.Errorf("update: %v", e)
				}
			case w < 2:
				m.Delete(pointerTo(k))
			default:
				if v, ok := progGet(m, key(32, 10, 1, 2, 3), 0); !ok || v != 32 {
					t.Errorf("exact match: %d, %v", v, ok)
				}
				if v, ok := progGet(m, key(32, 10, 200, 0, 1), 0); !ok || v != 8 && v != 9 {
					t.Errorf("cover: %d, %v", v, ok)
				}
				if v, ok := progGet(m, key(32, 11, 0, 0, 1), 0); ok {
					t.Errorf("no match: %d", v)
				}
			}
		}
	})
}

func TestStreamStress(t *testing.T) {
	for _, typ := range []abi.MapType{abi.MapQueue, abi.MapStack} {
		m := makeMap(t, testEnv(t), Spec{Type: typ, ValueSize: 8, MaxEntries: 64}).(Stream)
		var mu sync.Mutex
		seen := map[uint64]int{}
		together(4, func(w int, _ *rand.Rand) {
			for i := range 2000 {
				v := u64(uint64(w)<<32 | uint64(i))
				for m.Push(pointerTo(v), 0) != 0 {
					out := make([]byte, 8)
					if m.Pop(pointerTo(out)) == 0 {
						mu.Lock()
						seen[read64(pointerTo(out))]++
						mu.Unlock()
					}
				}
			}
		})
		out := make([]byte, 8)
		for m.Pop(pointerTo(out)) == 0 {
			seen[read64(pointerTo(out))]++
		}
		if len(seen) != 8000 {
			t.Errorf("%s: %d values of 8000", typ, len(seen))
		}
		if read64(pointerTo(out)) != 0 {
			t.Errorf("%s: an empty pop left %x", typ, out)
		}
	}
}
