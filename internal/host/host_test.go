package host

import (
	"errors"
	"math"
	"sync"
	"testing"
	"time"
)

func TestMap(t *testing.T) {
	b, err := Map(5000)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 5000 || cap(b)%PageSize() != 0 {
		t.Errorf("length %d, capacity %d", len(b), cap(b))
	}
	for i := range b {
		if b[i] != 0 {
			t.Fatalf("byte %d is %d", i, b[i])
		}
		b[i] = 1
	}
	if err := Unmap(b); err != nil {
		t.Error(err)
	}
	if err := Unmap(nil); err != nil {
		t.Error(err)
	}
	for _, size := range []int{0, -1, math.MaxInt} {
		if _, err := Map(size); !errors.Is(err, ErrMemory) {
			t.Errorf("size %d: %v", size, err)
		}
	}
}

func TestRing(t *testing.T) {
	for range 100 { // a leak would run out of mappings or descriptors
		r, err := MapRing(2 * PageSize())
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Data) != 2*r.Size {
			t.Fatalf("%d bytes for a ring of %d", len(r.Data), r.Size)
		}
		r.Data[3] = 7
		if r.Mirrored && r.Data[r.Size+3] != 7 {
			t.Error("the mirror shows something else")
		}
		if err := r.Unmap(); err != nil {
			t.Fatal(err)
		}
		if err := r.Unmap(); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{0, -4096, PageSize() + 1} {
		if _, err := MapRing(size); err == nil {
			t.Errorf("size %d was mapped", size)
		}
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	if err := b.Take(60); err != nil {
		t.Fatal(err)
	}
	err := b.Take(41)
	var be *BudgetError
	if !errors.As(err, &be) || be.Want != 41 || be.Used != 60 || be.Limit != 100 || !errors.Is(err, ErrMemory) {
		t.Errorf("beyond the limit: %v", err)
	}
	if err := b.Take(40); err != nil {
		t.Error(err)
	}
	if err := b.Take(math.MaxInt64); err == nil {
		t.Error("overflow was taken")
	}
	if err := b.Take(-1); err == nil {
		t.Error("a negative number was taken")
	}
	b.Give(100)
	if b.Used() != 0 {
		t.Errorf("%d bytes left", b.Used())
	}
	defer func() {
		if recover() == nil {
			t.Error("more was given back than taken")
		}
	}()
	b.Give(1)
}

func TestBudgetTogether(t *testing.T) {
	b := NewBudget(10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if b.Take(3) == nil {
					if u := b.Used(); u > 10 {
						t.Errorf("%d bytes of 10", u)
					}
					b.Give(3)
				}
			}
		})
	}
	wg.Wait()
	if b.Used() != 0 {
		t.Errorf("%d bytes left", b.Used())
	}
}

func TestBudgetMap(t *testing.T) {
	b := NewBudget(int64(PageSize()))
	m, err := b.Map(10)
	if err != nil {
		t.Fatal(err)
	}
	if b.Used() != int64(PageSize()) {
		t.Errorf("%d bytes taken for a page", b.Used())
	}
	if _, err := b.Map(1); !errors.Is(err, ErrMemory) {
		t.Errorf("second page: %v", err)
	}
	if err := b.Unmap(m); err != nil || b.Used() != 0 {
		t.Errorf("%v, %d bytes left", err, b.Used())
	}
	var none *Budget
	if err := none.Take(math.MaxInt64); err != nil {
		t.Error(err)
	}
	none.Give(1)
}

func TestParseCPUList(t *testing.T) {
	for s, want := range map[string]int{"0": 1, "0-3\n": 4, "0-1,4-7": 8, "2": 3, "0,65535": 65536} {
		if n, err := parseCPUList(s); err != nil || n != want {
			t.Errorf("%q: %d, %v; want %d", s, n, err, want)
		}
	}
	for _, s := range []string{"", "\n", "x", "3-1", "0-", "-1", "0-65536", "0,,1", "99999999999999999999"} {
		if n, err := parseCPUList(s); err == nil {
			t.Errorf("%q: %d", s, n)
		}
	}
	if n, err := NumPossibleCPUs(); err != nil || n < 1 {
		t.Errorf("this machine: %d, %v", n, err)
	}
}

func FuzzParseCPUList(f *testing.F) {
	for _, s := range []string{"0", "0-3\n", "0-1,4-7", "x-", ",,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseCPUList(s)
		if (err == nil) != (n >= 1 && n <= maxCPUs) {
			t.Errorf("%q: %d, %v", s, n, err)
		}
	})
}

func TestClock(t *testing.T) {
	c := NewClock()
	a := c.Nanotime()
	time.Sleep(2 * time.Millisecond)
	if d := c.Nanotime() - a; d < 2e6 || d > 10e9 {
		t.Errorf("%d ns passed in 2 ms", d)
	}
	if a == 0 {
		t.Error("the clock says 0")
	}
	if b := c.Boottime(); b+1e6 < a {
		t.Errorf("since boot %d, without sleep %d", b, a)
	}
	if d := int64(c.TAI()) - time.Now().UnixNano(); d < -1e9 || d > 60e9 {
		t.Errorf("TAI is %d ns off UTC", d)
	}
	if n := testing.AllocsPerRun(100, func() { c.Nanotime(); c.Boottime(); c.TAI() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkNanotime(b *testing.B) {
	c := NewClock()
	for range b.N {
		c.Nanotime()
	}
}
