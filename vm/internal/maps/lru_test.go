package maps

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

func countKeys(t testing.TB, m Map) (n int) {
	t.Helper()
	var key []byte
	next := make([]byte, m.Spec().KeySize)
	for {
		if e := m.NextKey(key, next); e != 0 {
			want(t, "next key", e, syscall.ENOENT)
			return n
		}
		n++
		key = append(key[:0], next...)
	}
}

// TestLRUNeverFull: updates never fail, and a full map stays full.
func TestLRUNeverFull(t *testing.T) {
	env := testEnv(t)
	for _, typ := range []abi.MapType{abi.MapLRUHash, abi.MapLRUPerCPUHash} {
		for _, flags := range []uint32{0, abi.FlagNoCommonLRU} {
			for _, size := range []uint32{1, 2, 3, 100, 5000} {
				s := Spec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: size, Flags: flags}
				m := makeMap(t, env, s)
				full := int(m.Spec().MaxEntries)
				for i := range uint32(3*size + 10) {
					want(t, "update", progSet(m, u32(i), uint64(i), 0), 0)
					if v, ok := progGet(m, u32(i), 0); !ok || v != uint64(i) {
						t.Fatalf("%s of %d: key %d is %d, %v just after its update", typ, size, i, v, ok)
					}
				}
				if n := countKeys(t, m); n != full {
					t.Errorf("%s of %d (flags %#x): %d entries", typ, full, flags, n)
				}
			}
		}
	}
}

// TestLRUFillsBeforeEvicting: nothing goes while there is room.
func TestLRUFillsBeforeEvicting(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 3000})
	for i := range uint32(3000) {
		want(t, "update", progSet(m, u32(i), 1, 0), 0)
	}
	for i := range uint32(3000) {
		if _, ok := progGet(m, u32(i), 0); !ok {
			t.Fatalf("key %d was evicted from a map that was not full", i)
		}
	}
}

// TestLRUKeepsWhatIsUsed: entries that are looked up all the time outlive a
// stream of entries that are not.
func TestLRUKeepsWhatIsUsed(t *testing.T) {
	for _, size := range []uint32{64, 1000, 10000} {
		m := makeMap(t, testEnv(t), Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: size})
		hot := size / 4
		for i := range hot {
			want(t, "update", progSet(m, u32(i), 1, 0), 0)
		}
		// A use that misses brings the entry back, as a cache's does. A map
		// that forgot in the order of insertion would miss one use in eight.
		rng := rand.New(rand.NewPCG(1, 2))
		uses, lost := 0, 0
		for i := range 20 * size {
			want(t, "update", progSet(m, u32(1<<20+i), 1, 0), 0)
			for range 2 {
				key := u32(rng.Uint32N(hot))
				uses++
				if _, ok := progGet(m, key, 0); !ok {
					lost++
					want(t, "update", progSet(m, key, 1, 0), 0)
				}
			}
		}
		if lost > uses*5/100 {
			t.Errorf("%d of %d uses of %d entries missed in a map of %d", lost, uses, hot, size)
		}
	}
}

// TestLRUUserLookupsDoNotCount: as in Linux, a look from user space does not
// keep an entry alive.
func TestLRUUserLookupsDoNotCount(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 4})
	value := make([]byte, 8)
	want(t, "update", progSet(m, u32(0), 1, 0), 0)
	for i := range uint32(8) {
		m.UserLookup(u32(0), value, 0)
		want(t, "update", progSet(m, u32(100+i), 1, 0), 0)
	}
	want(t, "the oldest", m.UserLookup(u32(0), value, 0), syscall.ENOENT)
}

func TestNoCommonLRURounds(t *testing.T) {
	env := testEnv(t)
	env.CPUs = 4
	m := makeMap(t, env, Spec{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 10, Flags: abi.FlagNoCommonLRU})
	if n := m.Spec().MaxEntries; n != 12 {
		t.Errorf("10 entries for 4 CPUs became %d", n)
	}
	if n := roundTo(^uint32(0), 4); n != ^uint32(0)-3 {
		t.Errorf("the most entries became %d", n)
	}
}
