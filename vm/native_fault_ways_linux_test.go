package vm

import (
	"errors"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
)

// lying is a program whose access at a slot is said to be proved, and is not.
func lying(t testing.TB, m *Machine, slot int, code string, maps ...*Map) *Program {
	t.Helper()
	ins := assemble(t, code)
	facts := make([]Fact, len(ins))
	facts[slot] = Fact{Class: ClassMemory, Proved: true}
	p, err := m.Load(&ProgramSpec{
		Name: "lying", Type: abi.ProgXDP, License: "GPL", Instructions: ins, Facts: facts, Maps: maps,
		Lines: []LineInfo{{Offset: 0, File: "lying.c", Line: 1}, {Offset: slot, File: "lying.c", Line: 42}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// notMapped is an address that is mapped in no process: the last page below the
// kernel's half is left free.
const notMapped = 0x7ffffffff000

// TestNativeFaults has the processor refuse accesses in native code.
func TestNativeFaults(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 1})
	progs := newMap(t, native, MapSpec{Name: "progs", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	const away = "r1 = 0x7ffffffff000 ll\n"
	for _, c := range []struct {
		name, code string
		slot       int
		addr       uint64
		size       int
		write      bool
	}{
		{"load", away + "r0 = *(u32 *)(r1 +8)\nexit", 2, notMapped + 8, 4, false},
		{"sign-extending load", away + "r0 = *(s16 *)(r1 +8)\nexit", 2, notMapped + 8, 2, false},
		{"store", away + "*(u64 *)(r1 -8) = r1\nr0 = 1\nexit", 2, notMapped - 8, 8, true},
		{"store of a constant", away + "*(u8 *)(r1 +0) = 7\nr0 = 1\nexit", 2, notMapped, 1, true},
		{"null", "r1 = 0\nr0 = *(u8 *)(r1 +3)\nexit", 1, 3, 1, false},
		{"every register", "r2 = 1\nr3 = 1\nr4 = 1\nr5 = 1\nr6 = 1\nr7 = 1\nr8 = 1\nr9 = 1\n" + away + "r0 = *(u8 *)(r1 +0)\nexit", 10, notMapped, 1, false},
		{"subprogram", "call f\nexit\nf:\n" + away + "r0 = *(u8 *)(r1 +0)\nexit", 4, notMapped, 1, false},
		{"callback", "r1 = 3\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall helper#181\nr0 = 1\nexit\nf:\n" + away + "r0 = *(u8 *)(r1 +0)\nr0 = 0\nexit", 10, notMapped, 1, false},
		{"after a helper", "call helper#8\n" + away + "r0 = *(u8 *)(r1 +0)\nexit", 3, notMapped, 1, false},
	} {
		p := lying(t, native, c.slot, c.code)
		via := load(t, native, abi.ProgXDP, assemble(t, callFirst+"r0 = 1\nexit"), progs)
		if err := progs.SetProgram([]byte{0, 0, 0, 0}, p, 0); err != nil {
			t.Fatal(err)
		}
		for way, q := range map[string]*Program{"itself": p, "tail call": via} {
			for range 2 {
				_, err := q.TestRun(&TestInput{Data: frame()})
				var f *Fault
				if !errors.As(err, &f) {
					t.Fatalf("%s, %s: %v, not a fault", c.name, way, err)
				}
				if f.Program != "lying" || f.Instruction != c.slot || f.Address != c.addr || f.Size != c.size || f.Write != c.write || f.Line.Line != 42 {
					t.Errorf("%s, %s: %+v", c.name, way, f)
				}
				if !strings.Contains(err.Error(), "the processor refused the access") {
					t.Errorf("%s, %s: %v", c.name, way, err)
				}
			}
		}
	}
	// The machine is as good as before.
	if got := outcome(t, native, assemble(t, "r0 = 2\nexit")); got != "2" {
		t.Errorf("a program behind the faults: %s", got)
	}
}

// TestNativeFaultNoAddress accesses an address that the processor does not even
// look up, and does not tell.
func TestNativeFaultNoAddress(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 1})
	p := lying(t, native, 2, "r1 = 0x8000000000000000 ll\nr0 = *(u8 *)(r1 +0)\nexit")
	_, err := p.TestRun(&TestInput{Data: frame()})
	if f := new(Fault); !errors.As(err, &f) || f.Instruction != 2 {
		t.Errorf("%v, want a fault at 2", err)
	}
}

// TestNativeFaultsUnderStress has native code fault while other goroutines
// fault, stacks grow and shrink, garbage is collected and a profiler looks.
func TestNativeFaultsUnderStress(t *testing.T) {
	native, _ := bothWays(t, Config{CPUs: 2})
	bad := lying(t, native, 4, "r0 = 0\nloop:\nr0 += 1\nif r0 < 2000 goto loop\nr1 = 0\nr0 = *(u64 *)(r1 +0)\nexit")
	good := load(t, native, abi.ProgXDP, assemble(t, "r0 = 0\nloop:\nr0 += 1\nif r0 < 2000 goto loop\nr0 = 2\nexit"))
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Logf("not profiled: %v", err)
	} else {
		defer pprof.StopCPUProfile()
	}
	end := time.Now().Add(300 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range 4 {
		pk, err := native.NewPacket(make([]byte, 64))
		if err != nil {
			t.Fatal(err)
		}
		defer pk.Release()
		wg.Go(func() {
			for n := 0; time.Now().Before(end); n++ {
				p := bad
				if (n+i)%2 == 0 {
					p = good
				}
				deep(n % 64)
				_, err := p.RunXDP(pk, nil)
				if f := new(Fault); (p == bad) != errors.As(err, &f) || p == bad && f.Instruction != 4 {
					t.Errorf("program %v: %v", p == bad, err)
					return
				}
			}
		})
	}
	for time.Now().Before(end) {
		runtime.GC()
	}
	wg.Wait()
}
