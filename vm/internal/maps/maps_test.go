package maps

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

func TestUnsupportedTypes(t *testing.T) {
	env := testEnv(t)
	for _, typ := range []abi.MapType{abi.MapUnspec, abi.MapStructOps, 999} {
		_, err := New(Spec{Type: typ, KeySize: 4, ValueSize: 4, MaxEntries: 1}, env)
		var ue *UnsupportedError
		if !errors.As(err, &ue) || ue.Type != typ || !strings.Contains(err.Error(), typ.String()+" is not supported by the embedded engine") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestCreateErrors(t *testing.T) {
	env := testEnv(t)
	_, err := New(Spec{Name: "flows", Type: abi.MapHash, ValueSize: 4, MaxEntries: 1}, env)
	if !errors.Is(err, syscall.EINVAL) || err.Error() != `create map "flows" of type hash: the key size is 0` {
		t.Error(err)
	}
	_, err = New(Spec{Name: "big", Type: abi.MapArray, KeySize: 4, ValueSize: 1 << 20, MaxEntries: 1 << 20}, env)
	if !errors.Is(err, syscall.ENOMEM) || !errors.Is(err, host.ErrMemory) || !strings.Contains(err.Error(), "raise the memory limit") {
		t.Error(err)
	}
	if _, err := New(Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil); err == nil {
		t.Error("a map without a machine")
	}
	for _, s := range []Spec{
		{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, SpinLock: true, SpinLockOffset: 5},
		{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, SpinLock: true, SpinLockOffset: 8},
		{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, SpinLock: true, SpinLockOffset: ^uint32(3)},
	} {
		if _, err := New(s, env); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("lock at %d: %v", s.SpinLockOffset, err)
		}
	}
}

// TestCloseGivesBack: testEnv fails if a map of any type keeps memory, also
// one that was not preallocated and was used.
func TestCloseGivesBack(t *testing.T) {
	for _, s := range specsForAll() {
		env := testEnv(t)
		m, err := New(s, env)
		if err != nil {
			t.Fatal(err)
		}
		if s.Type != abi.MapPerfEventArray && env.Memory.Used() == 0 && s.Flags&abi.FlagNoPrealloc == 0 {
			t.Errorf("%s takes no memory", s.Type)
		}
		key, value := make([]byte, s.KeySize), make([]byte, ValueBytes(&s, env.CPUs))
		for i := range 100 {
			if len(key) > 0 {
				key[len(key)-1] = byte(i)
			}
			m.UserUpdate(key, value, 0)
		}
		m.Close()
		m.Close()
	}
}

// specsForAll has a map of each type.
func specsForAll() []Spec {
	inner := &Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	return []Spec{
		{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapHash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 20, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 20, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapPerCPUHash, KeySize: 4, ValueSize: 2048, MaxEntries: 1 << 10, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapLRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapLRUPerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: 64, Flags: abi.FlagNoPrealloc},
		{Type: abi.MapQueue, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapStack, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapBloomFilter, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 64},
		{Type: abi.MapPerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 64},
		{Type: abi.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 64, Inner: inner},
		{Type: abi.MapHashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 64, Inner: inner},
		{Type: abi.MapDevMap, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapDevMapHash, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapCPUMap, KeySize: 4, ValueSize: 8, MaxEntries: 64},
		{Type: abi.MapRingBuf, MaxEntries: 65536},
	}
}

// TestWrongLengths: slices of the wrong length are refused by every operation
// of every type, and nothing is touched.
func TestWrongLengths(t *testing.T) {
	env := testEnv(t)
	for _, s := range specsForAll() {
		m := makeMap(t, env, s)
		vb := ValueBytes(&s, env.CPUs)
		for _, d := range []int{-1, 1} {
			key, value := make([]byte, s.KeySize), make([]byte, vb)
			if n := int(s.KeySize) + d; n >= 0 {
				bad := make([]byte, n)
				want(t, "lookup key", m.UserLookup(bad, value, 0), syscall.EINVAL)
				want(t, "update key", m.UserUpdate(bad, value, 0), syscall.EINVAL)
				want(t, "delete key", m.UserDelete(bad), syscall.EINVAL)
				want(t, "lookup and delete key", m.UserLookupAndDelete(bad, value, 0), syscall.EINVAL)
				want(t, "next key", m.NextKey(bad, key), syscall.EINVAL)
				want(t, "next next", m.NextKey(key, bad), syscall.EINVAL)
			}
			if n := vb + d; n >= 0 {
				bad := make([]byte, n)
				want(t, "lookup value", m.UserLookup(key, bad, 0), syscall.EINVAL)
				want(t, "update value", m.UserUpdate(key, bad, 0), syscall.EINVAL)
				want(t, "lookup and delete value", m.UserLookupAndDelete(key, bad, 0), syscall.EINVAL)
			}
			if s.KeySize == 0 {
				continue
			}
			var pos BatchPos
			keys, values := make([]byte, 2*int(s.KeySize)+d), make([]byte, 2*vb)
			if _, e := m.LookupBatch(&pos, keys, values, false, 0); e == 0 {
				t.Errorf("%s: batch of odd keys", s.Type)
			}
			if _, e := m.UpdateBatch(keys, values, 0); e == 0 {
				t.Errorf("%s: update of odd keys", s.Type)
			}
			if _, e := m.DeleteBatch(keys); e == 0 {
				t.Errorf("%s: delete of odd keys", s.Type)
			}
		}
	}
}

// TestProgramSide reads and writes values through addresses.
func TestProgramSide(t *testing.T) {
	env := testEnv(t)
	for _, s := range specsForAll() {
		switch s.Type {
		case abi.MapHash, abi.MapArray, abi.MapLRUHash, abi.MapLPMTrie, abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUPerCPUHash:
		default:
			continue
		}
		if s.ValueSize != 8 {
			continue
		}
		m := makeMap(t, env, s)
		key := make([]byte, s.KeySize)
		key[0] = 3
		want(t, "update", progSet(m, key, 42, 0), 0)
		addr := m.Lookup(pointerTo(key), 0)
		if addr == 0 || peek64(addr) != 42 {
			t.Fatalf("%s: %#x", s.Type, addr)
		}
		if lo, hi := m.Base(); addr < lo || addr+8 > hi {
			t.Errorf("%s: value at %#x is outside [%#x,%#x)", s.Type, addr, lo, hi)
		}
		for _, tc := range []struct {
			off, size int
			ok        bool
		}{{0, 8, true}, {4, 4, true}, {7, 1, true}, {0, 9, false}, {-1, 1, false}, {8, 1, false}, {1, 8, false}, {1 << 30, 1, false}, {0, -1, false}} {
			ok, why := m.Check(addr+uintptr(tc.off), tc.size, true)
			// Elements of an array lie side by side.
			if next := tc.off == 8 || tc.off == -1; next && (s.Type == abi.MapArray || perCPU(s.Type)) {
				continue
			}
			if ok != tc.ok || ok != (why == "") {
				t.Errorf("%s: %d bytes at %d: %v %q", s.Type, tc.size, tc.off, ok, why)
			}
		}
		poke64(addr, 7)
		value := make([]byte, ValueBytes(&s, env.CPUs))
		want(t, "lookup", m.UserLookup(key, value, 0), 0)
		if !bytes.HasPrefix(value, u64(7)) || len(bytes.Trim(value[8:], "\x00")) != 0 {
			t.Errorf("%s: user side sees %x", s.Type, value)
		}
		// A replaced value leaves the address valid and the old value there.
		if !perCPU(s.Type) && s.Type != abi.MapArray {
			want(t, "replace", progSet(m, key, 8, 0), 0)
			if v, _ := progGet(m, key, 0); v != 8 || peek64(addr) != 7 {
				t.Errorf("%s: new value %d, old %d", s.Type, v, peek64(addr))
			}
			if ok, why := m.Check(addr, 8, true); !ok {
				t.Errorf("%s: replaced value: %s", s.Type, why)
			}
		}
		if s.Type != abi.MapArray && s.Type != abi.MapPerCPUArray {
			want(t, "delete", m.Delete(pointerTo(key)), 0)
			want(t, "delete again", m.Delete(pointerTo(key)), syscall.ENOENT)
			if m.Lookup(pointerTo(key), 0) != 0 {
				t.Errorf("%s: deleted key was found", s.Type)
			}
			if ok, why := m.Check(addr, 8, true); !ok {
				t.Errorf("%s: deleted value: %s", s.Type, why)
			}
		}
	}
}

func TestPerCPU(t *testing.T) {
	env := testEnv(t)
	env.CPUs = 3
	for _, typ := range []abi.MapType{abi.MapPerCPUHash, abi.MapPerCPUArray, abi.MapLRUPerCPUHash} {
		m := makeMap(t, env, Spec{Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 3})
		key := u32(1)
		// A program that creates an entry sets its own value; others are zero,
		// also when the element held something before.
		all := append(append(u64(11), u64(22)...), u64(33)...)
		want(t, "user update", m.UserUpdate(key, all, 0), 0)
		if typ != abi.MapPerCPUArray {
			want(t, "delete", m.UserDelete(key), 0)
			want(t, "update", progSet(m, key, 5, 1), 0)
			for cpu, v := range []uint64{0, 5, 0} {
				if got, _ := progGet(m, key, cpu); got != v {
					t.Errorf("%s: cpu %d has %d, want %d", typ, cpu, got, v)
				}
			}
		}
		want(t, "user update", m.UserUpdate(key, all, 0), 0)
		want(t, "update", progSet(m, key, 99, 2), 0)
		got := make([]byte, 24)
		want(t, "lookup", m.UserLookup(key, got, 0), 0)
		if !bytes.Equal(got, append(append(u64(11), u64(22)...), u64(99)...)) {
			t.Errorf("%s: %x", typ, got)
		}
		if a := m.LookupPerCPU(pointerTo(key), 1); a == 0 || peek64(a) != 22 {
			t.Errorf("%s: other CPU's value at %#x", typ, a)
		}
		for _, cpu := range []int{-1, 3, math.MaxInt} {
			if a := m.LookupPerCPU(pointerTo(key), cpu); a != 0 {
				t.Errorf("%s: CPU %d has %#x", typ, cpu, a)
			}
		}
	}
}

func TestProgramRights(t *testing.T) {
	env := testEnv(t)
	for _, s := range specsForAll()[:10] {
		if s.ValueSize != 8 {
			continue
		}
		s.Flags |= abi.FlagRdonlyProg
		m := makeMap(t, env, s)
		key := make([]byte, s.KeySize)
		want(t, "user update", m.UserUpdate(key, make([]byte, ValueBytes(&s, env.CPUs)), 0), 0)
		want(t, "update", progSet(m, key, 1, 0), syscall.EPERM)
		addr := m.Lookup(pointerTo(key), 0)
		if ok, why := m.Check(addr, 8, true); ok || !strings.Contains(why, "read-only") {
			t.Errorf("%s: write: %v %s", s.Type, ok, why)
		}
		if ok, why := m.Check(addr, 8, false); !ok {
			t.Errorf("%s: read: %s", s.Type, why)
		}
		if e := m.Delete(pointerTo(key)); e == 0 {
			t.Errorf("%s: deleted", s.Type)
		}
		s.Flags ^= abi.FlagRdonlyProg | abi.FlagWronlyProg
		m = makeMap(t, env, s)
		want(t, "update", progSet(m, key, 1, 0), 0)
		addr = m.Lookup(pointerTo(key), 0)
		if ok, why := m.Check(addr, 8, false); ok || !strings.Contains(why, "write-only") {
			t.Errorf("%s: read: %v %s", s.Type, ok, why)
		}
	}
}

func TestFreezeAndMemory(t *testing.T) {
	env := testEnv(t)
	s := Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 3, Flags: abi.FlagMmapable}
	m := makeMap(t, env, s)
	mem := m.Memory()
	if len(mem) != host.PageSize() {
		t.Fatalf("%d bytes of memory", len(mem))
	}
	copy(mem[8:], u64(77))
	if v, ok := progGet(m, u32(1), 0); !ok || v != 77 {
		t.Errorf("program sees %d", v)
	}
	want(t, "freeze a mapped map", m.Freeze(), syscall.EBUSY)

	m = makeMap(t, env, s)
	want(t, "freeze", m.Freeze(), 0)
	want(t, "freeze again", m.Freeze(), syscall.EPERM)
	want(t, "update", m.UserUpdate(u32(0), u64(1), 0), syscall.EPERM)
	want(t, "program update", progSet(m, u32(0), 1, 0), 0)
	if m.Memory() != nil || !m.Frozen() {
		t.Error("frozen memory can be written")
	}
	s.Flags = 0
	if makeMap(t, env, s).Memory() != nil {
		t.Error("memory of a map that was not made for it")
	}
}

// TestSpinLock: a value's lock is left alone by copies, and hidden from users.
func TestSpinLock(t *testing.T) {
	env := testEnv(t)
	for _, typ := range []abi.MapType{abi.MapArray, abi.MapHash} {
		s := Spec{Type: typ, KeySize: 4, ValueSize: 16, MaxEntries: 3, SpinLock: true, SpinLockOffset: 4}
		m := makeMap(t, env, s)
		ones := bytes.Repeat([]byte{0xff}, 16)
		want(t, "update", m.UserUpdate(u32(1), ones, 0), 0)
		wantValue := append(append([]byte{0xff, 0xff, 0xff, 0xff}, 0, 0, 0, 0), ones[:8]...)
		got := make([]byte, 16)
		want(t, "lookup", m.UserLookup(u32(1), got, abi.FlagLock), 0)
		if !bytes.Equal(got, wantValue) {
			t.Errorf("%s: %x", typ, got)
		}
		addr := m.Lookup(pointerTo(u32(1)), 0)
		if lock := bytesOf(addr, 16)[4:8]; !bytes.Equal(lock, make([]byte, 4)) {
			t.Errorf("%s: lock became %x", typ, lock)
		}
		// While a program holds the lock, a locked update waits.
		bytesOf(addr, 16)[4] = 1
		done := make(chan syscall.Errno)
		go func() { done <- m.UserUpdate(u32(1), make([]byte, 16), abi.FlagLock) }()
		select {
		case e := <-done:
			t.Errorf("%s: went past the lock: %v", typ, e)
		default:
		}
		// Not for ever: a program may never let go.
		want(t, "lookup of a locked value", m.UserLookup(u32(1), got, abi.FlagLock), syscall.EBUSY)
		want(t, "update of a locked value", <-done, syscall.EBUSY)
		go func() { done <- m.UserUpdate(u32(1), make([]byte, 16), abi.FlagLock) }()
		store32(pointerTo(bytesOf(addr, 16)[4:]), 0)
		want(t, "locked update", <-done, 0)
		if !bytes.Equal(bytesOf(addr, 16), make([]byte, 16)) {
			t.Errorf("%s: %x after the update", typ, bytesOf(addr, 16))
		}
		want(t, "freeze", m.Freeze(), notSupp)
	}
	m := makeMap(t, env, Spec{Type: abi.MapArray, KeySize: 4, ValueSize: 16, MaxEntries: 3})
	want(t, "lock without a lock", m.UserUpdate(u32(1), make([]byte, 16), abi.FlagLock), syscall.EINVAL)
}

func TestReturn(t *testing.T) {
	for e, n := range map[syscall.Errno]int64{0: 0, syscall.ENOENT: -2, syscall.E2BIG: -7, syscall.EAGAIN: -11, syscall.EEXIST: -17, notSupp: -524, eOverflow: -75} {
		if got := int64(Return(e)); got != n {
			t.Errorf("%v: %d, want %d", e, got, n)
		}
	}
}

// TestNoPreallocChargesAsItGrows: a large map without preallocation costs
// little, and an element that may not be charged is ENOMEM, not a crash.
func TestNoPreallocChargesAsItGrows(t *testing.T) {
	env := testEnv(t)
	env.Memory = host.NewBudget(8 << 20)
	m := makeMap(t, env, Spec{Type: abi.MapHash, KeySize: 4, ValueSize: 4096, MaxEntries: 1 << 20, Flags: abi.FlagNoPrealloc})
	n := uint32(0)
	for ; ; n++ {
		if e := m.UserUpdate(u32(n), make([]byte, 4096), 0); e != 0 {
			want(t, "beyond the budget", e, syscall.ENOMEM)
			break
		}
	}
	if n < 500 || n > 1100 {
		t.Errorf("%d elements of 4 KiB in the 4 MiB that the buckets left", n)
	}
	want(t, "delete", m.UserDelete(u32(0)), 0)
	want(t, "in the place of the deleted", m.UserUpdate(u32(n), make([]byte, 4096), 0), 0)
}

// TestHugeTrie: a trie costs what is in it, however much could be.
func TestHugeTrie(t *testing.T) {
	env := testEnv(t)
	env.Memory = host.NewBudget(1 << 20)
	m, err := New(Spec{Type: abi.MapLPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: ^uint32(0), Flags: abi.FlagNoPrealloc}, env)
	if errors.Is(err, syscall.ENOMEM) {
		t.Skip("this system does not reserve addresses for 2^32 elements: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	want(t, "update", progSet(m, append(u32(8), 10, 0, 0, 0), 1, 0), 0)
	if v, ok := progGet(m, append(u32(32), 10, 1, 2, 3), 0); !ok || v != 1 {
		t.Errorf("%d, %v", v, ok)
	}
	n := 0
	for e := syscall.Errno(0); e == 0; n++ {
		e = progSet(m, append(u32(32), 11, byte(n>>16), byte(n>>8), byte(n)), 1, 0)
		if e != 0 {
			want(t, "beyond the budget", e, syscall.ENOMEM)
		}
	}
	if n < 5000 {
		t.Errorf("%d entries in a MiB", n)
	}
}
