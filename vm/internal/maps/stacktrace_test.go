package maps

import (
	"encoding/binary"
	"sync"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

func TestStackTrace(t *testing.T) {
	env := testEnv(t)
	m := makeMap(t, env, Spec{Type: abi.MapStackTrace, KeySize: 4, ValueSize: 24, MaxEntries: 1}).(*stackTrace)
	// One number: every stack has it.
	if id := m.Add([]uint64{1, 2, 3, 4}, 0); id != 0 {
		t.Fatalf("number %d", id)
	}
	value := make([]byte, 24)
	want(t, "lookup", m.UserLookup(u32(0), value, 0), 0)
	for i := range 3 {
		if got := binary.NativeEndian.Uint64(value[8*i:]); got != uint64(i+1) {
			t.Errorf("address %d: %d", i, got)
		}
	}
	if id := m.Add([]uint64{1, 2, 3}, 0); id != 0 {
		t.Errorf("the same stack, cut to the depth: %d", id)
	}
	if e := m.Add([]uint64{7}, 0); e != -int64(syscall.EEXIST) {
		t.Errorf("another stack: %d", e)
	}
	if e := m.Add([]uint64{7}, abi.FlagFastStackCmp); e != -int64(syscall.EEXIST) {
		t.Errorf("another stack, compared by its hash: %d", e)
	}
	// Replacing takes an element more than there are numbers.
	if e := m.Add([]uint64{7}, abi.FlagReuseStackID); e != -int64(syscall.ENOMEM) {
		t.Errorf("replaced: %d", e)
	}
	want(t, "delete", m.Delete(pointerTo(u32(0))), 0)
	want(t, "delete", m.Delete(pointerTo(u32(0))), syscall.ENOENT)
	if id := m.Add([]uint64{7}, 0); id != 0 {
		t.Errorf("after deleting: %d", id)
	}
	want(t, "lookup and delete", m.UserLookupAndDelete(u32(0), value, 0), 0)
	if value[0] != 7 || value[8] != 0 || value[16] != 0 {
		t.Errorf("value %x", value)
	}
	want(t, "next key", m.NextKey(nil, u32(0)), syscall.ENOENT)
	if n := testing.AllocsPerRun(100, func() {
		m.Add([]uint64{9, 8}, 0)
		m.Delete(pointerTo(u32(0)))
	}); n > 1 { // the key above
		t.Errorf("%v allocations", n)
	}
}

// TestStackTraceConcurrently: what is found under a number is always one stack.
func TestStackTraceConcurrently(t *testing.T) {
	m := makeMap(t, testEnv(t), Spec{Type: abi.MapStackTrace, KeySize: 4, ValueSize: 80, MaxEntries: 8}).(*stackTrace)
	var done sync.WaitGroup
	for w := range uint64(3) {
		done.Go(func() {
			stack := make([]uint64, 10)
			for i := range uint64(2000) {
				for k := range stack {
					stack[k] = w<<32 | i
				}
				m.Add(stack, abi.FlagReuseStackID*(i&1))
				if i%7 == 0 {
					m.Delete(pointerTo(u32(uint32(i) % 8)))
				}
			}
		})
	}
	done.Go(func() {
		value := make([]byte, 80)
		for i := range uint32(4000) {
			if m.UserLookup(u32(i%8), value, 0) != 0 {
				continue
			}
			first := binary.NativeEndian.Uint64(value)
			for k := 8; k < 80; k += 8 {
				if binary.NativeEndian.Uint64(value[k:]) != first {
					t.Errorf("a mixture of stacks: %x", value)
					return
				}
			}
		}
	})
	done.Wait()
}
