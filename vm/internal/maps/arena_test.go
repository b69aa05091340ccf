package maps

import (
	"errors"
	"sync"
	"syscall"
	"testing"

	"github.com/skepdev/skep/abi"
)

func TestArenaCreate(t *testing.T) {
	env := testEnv(t)
	for _, c := range []struct {
		spec Spec
		want syscall.Errno
	}{
		{Spec{MaxEntries: 1}, syscall.EINVAL},
		{Spec{Flags: abi.FlagMmapable}, syscall.EINVAL},
		{Spec{Flags: abi.FlagMmapable, MaxEntries: 1, KeySize: 4}, syscall.EINVAL},
		{Spec{Flags: abi.FlagMmapable | abi.FlagNumaNode, MaxEntries: 1}, syscall.EINVAL},
		{Spec{Flags: abi.FlagMmapable, MaxEntries: 1, Extra: 1}, syscall.EINVAL},
		{Spec{Flags: abi.FlagMmapable, MaxEntries: 1<<20 + 1}, syscall.E2BIG},
		{Spec{Flags: abi.FlagMmapable, MaxEntries: 2, Extra: 2<<32 - ArenaPage}, syscall.ERANGE},
	} {
		c.spec.Type = abi.MapArena
		if _, err := New(c.spec, env); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.spec, err, c.want)
		}
	}
}

func TestArenaPages(t *testing.T) {
	env := testEnv(t)
	before := env.Memory.Used()
	m, err := New(Spec{Type: abi.MapArena, Flags: abi.FlagMmapable, MaxEntries: 200, Extra: 5<<32 - 300*ArenaPage}, env)
	if err != nil {
		t.Fatal(err)
	}
	a := m.(*Arena)
	first := a.User()
	if got := a.Alloc(0, 100); got != first {
		t.Errorf("the first pages are at %#x, want %#x", got, first)
	}
	if got := a.Alloc(0, 50); got != first+100*ArenaPage {
		t.Errorf("the next are at %#x", got)
	}
	a.Free(first+10*ArenaPage, 20)
	if got := a.Alloc(0, 30); got != first+150*ArenaPage {
		t.Errorf("30 pages into a hole of 20: %#x", got)
	}
	if got := a.Alloc(0, 20); got != first+10*ArenaPage {
		t.Errorf("20 pages into a hole of 20: %#x", got)
	}
	low := uint32(first)
	if a.At(low+149*ArenaPage, ArenaPage) == 0 || a.At(low+179*ArenaPage+ArenaPage-4, 8) != 0 || a.At(low-1, 1) != 0 || a.At(low+199*ArenaPage, 1) != 0 {
		t.Error("what is there and what is not")
	}
	if e := a.Fill(180*ArenaPage-2, []byte{1, 2, 3, 4}); e != 0 || a.Memory()[180*ArenaPage+1] != 4 || a.At(low+180*ArenaPage, 8) == 0 {
		t.Errorf("fill: %v", e)
	}
	if e := a.Reserve(first+199*ArenaPage, 1); e != 0 || a.Fill(199*ArenaPage, []byte{1}) != syscall.EFAULT || a.Fill(1<<30, []byte{1}) != syscall.EFAULT {
		t.Errorf("reserve: %v", e)
	}
	a.Free(first, 1<<40)
	if a.At(low, 1) != 0 || env.Memory.Used() != before {
		t.Errorf("%d bytes are in use after everything was freed", env.Memory.Used()-before)
	}
	a.Alloc(0, 3)
	a.Close()
	a.Close()
	if env.Memory.Used() != before {
		t.Errorf("%d bytes are in use after close", env.Memory.Used()-before)
	}
}

// TestArenaTogether is for the race detector.
func TestArenaTogether(t *testing.T) {
	m, err := New(Spec{Type: abi.MapArena, Flags: abi.FlagMmapable, MaxEntries: 64}, testEnv(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a := m.(*Arena)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				at := a.Alloc(0, 3)
				if at == 0 || a.At(uint32(at), 3*ArenaPage) == 0 {
					t.Error("no pages")
				}
				a.Free(at, 3)
			}
		})
	}
	wg.Wait()
	if at := a.Alloc(0, 64); at != a.User() {
		t.Error("not everything is free again")
	}
}
