//go:build !race

package engine

import "testing"

// Under the race detector pools forget what they hold.
func TestViewDoesNotAllocate(t *testing.T) {
	m := newMemMap()
	m.info.MaxEntries = 1 << 20
	v, err := NewView[uint32, uint64](m)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Put(3, 4); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(1000, func() {
		if got, err := v.Get(3); got != 4 || err != nil {
			t.Fatal(got, err)
		}
	}); n >= 1 {
		t.Errorf("Get allocates %v times", n)
	}
}
