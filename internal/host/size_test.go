package host

import (
	"errors"
	"runtime"
	"testing"
)

func TestMemorySize(t *testing.T) {
	n := MemorySize()
	switch runtime.GOOS {
	case "linux", "windows", "darwin":
		if n < 16<<20 {
			t.Errorf("%d bytes of memory", n)
		}
	}
}

func TestParseSizes(t *testing.T) {
	for in, want := range map[string]int64{"max\n": 0, "": 0, "4096\n": 4096, "-1": 0, "9223372036854771712\n": 0} {
		if got := parseLimit(in); got != want {
			t.Errorf("limit %q: %d, want %d", in, got, want)
		}
	}
	if got := parseMemTotal("MemTotal:       16384 kB\nMemFree: 1 kB\n"); got != 16<<20 {
		t.Errorf("memory of %d bytes", got)
	}
	for _, in := range []string{"", "MemFree: 1 kB\n", "MemTotal: x kB\n", "MemTotal: -3 kB\n"} {
		if got := parseMemTotal(in); got != 0 {
			t.Errorf("%q: %d bytes", in, got)
		}
	}
	const groups = "12:cpu,cpuacct:/a\n3:memory:/b/c\n0::/user.slice/x:y\n"
	for controller, want := range map[string]string{"": "/user.slice/x:y", "memory": "/b/c", "cpuacct": "/a"} {
		if got, ok := cgroupPath(groups, controller); !ok || got != want {
			t.Errorf("group of %q: %q", controller, got)
		}
	}
	if _, ok := cgroupPath("nonsense", "memory"); ok {
		t.Error("a group in nonsense")
	}
	for _, c := range [][3]int64{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {5, 3, 3}, {3, 5, 3}} {
		if got := smaller(c[0], c[1]); got != c[2] {
			t.Errorf("smaller of %d and %d: %d", c[0], c[1], got)
		}
	}
}

// All shares together hold no more than one budget.
func TestShare(t *testing.T) {
	from := NewBudget(100)
	a, b := &Budget{limit: 100, from: from}, &Budget{limit: 100, from: from}
	if err := a.Take(60); err != nil {
		t.Fatal(err)
	}
	if err := b.Take(60); !errors.Is(err, ErrMemory) {
		t.Errorf("60 and 60 of 100: %v", err)
	}
	if a.Used() != 60 || b.Used() != 0 || from.Used() != 60 {
		t.Errorf("%d, %d, %d bytes in use", a.Used(), b.Used(), from.Used())
	}
	a.Give(60)
	if err := b.Take(100); err != nil || a.Used() != 0 || from.Used() != 100 {
		t.Errorf("100 of 100: %v", err)
	}
	b.Give(100)
	if s := NewShare(); s.from != common() || MemorySize() > 0 && s.Limit() != MemorySize()/2 {
		t.Errorf("a share of %d", s.Limit())
	}
}
