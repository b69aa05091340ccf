package maps

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

func testEnv(t testing.TB) *Env {
	t.Helper()
	cpus, err := host.NumPossibleCPUs() // as many as the kernel's maps have
	if err != nil {
		t.Fatal(err)
	}
	budget := host.NewBudget(1 << 30)
	t.Cleanup(func() {
		if n := budget.Used(); n != 0 {
			t.Errorf("%d bytes were not given back", n)
		}
	})
	return &Env{CPUs: cpus, Now: host.NewClock().Nanotime, Memory: budget}
}

// makeMap makes a map, and closes it with the test.
func makeMap(t testing.TB, env *Env, s Spec) Map {
	t.Helper()
	m, err := New(s, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// u32 and u64 are keys and values in host byte order.
func u32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
func u64(v uint64) []byte { return binary.NativeEndian.AppendUint64(nil, v) }

func want(t testing.TB, what string, got, want syscall.Errno) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v (%d), want %v", what, got, got, want)
	}
}

// progGet looks a 64-bit value up as a program does.
func progGet(m Map, key []byte, cpu int) (uint64, bool) {
	addr := m.Lookup(pointerTo(key), cpu)
	if addr == 0 {
		return 0, false
	}
	return peek64(addr), true
}

func progSet(m Map, key []byte, v uint64, cpu int) syscall.Errno {
	return m.Update(pointerTo(key), pointerTo(u64(v)), abi.UpdateAny, cpu)
}
