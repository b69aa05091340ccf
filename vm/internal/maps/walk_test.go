package maps

import (
	"testing"

	"github.com/skepdev/skep/abi"
)

func TestWalk(t *testing.T) {
	for _, s := range specsForAll() {
		env := testEnv(t)
		m, ok := makeMap(t, env, s).(Walker)
		if wanted := perCPU(s.Type) || s.Type == abi.MapHash || s.Type == abi.MapLRUHash || s.Type == abi.MapArray; ok != wanted {
			if s.Type != abi.MapHashOfMaps && s.Type != abi.MapDevMapHash {
				t.Errorf("%s can be walked: %v", s.Type, ok)
			}
		}
		if !ok || s.Type == abi.MapHashOfMaps || s.Type == abi.MapDevMapHash || s.ValueSize != 8 {
			continue
		}
		isArray := s.Type == abi.MapArray || s.Type == abi.MapPerCPUArray
		cpu := env.CPUs - 1
		for i := range uint32(40) {
			want(t, "update", progSet(m, u32(i), uint64(i)+100, cpu), 0)
		}
		seen := map[uint32]bool{}
		n := m.Walk(cpu, func(key Pointer, value uintptr) bool {
			k := read32(key)
			if seen[k] {
				t.Errorf("%s: key %d twice", s.Type, k)
			}
			seen[k] = true
			if k < 40 && peek64(value) != uint64(k)+100 {
				t.Errorf("%s: key %d has %d", s.Type, k, peek64(value))
			}
			if !isArray {
				// Deleting this and another, and adding, is allowed.
				m.Delete(key)
				m.Delete(pointerTo(u32(k ^ 1)))
				progSet(m, u32(1000+k), 1, cpu)
				m.Delete(pointerTo(u32(1000 + k)))
			}
			return true
		})
		wanted := 20
		if isArray {
			wanted = int(s.MaxEntries)
		}
		left := len(seen)
		for k := range seen {
			if k >= 1000 && !isArray {
				left--
			}
		}
		if left != wanted || n != len(seen) {
			t.Errorf("%s: %d calls, %d keys of %d", s.Type, n, left, wanted)
		}
		progSet(m, u32(1), 1, cpu)
		progSet(m, u32(2), 1, cpu)
		if n := m.Walk(cpu, func(Pointer, uintptr) bool { return false }); n != 1 {
			t.Errorf("%s: %d calls after a stop", s.Type, n)
		}
	}
}
