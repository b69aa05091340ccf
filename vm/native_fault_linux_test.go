package vm

import (
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// falseFacts is a program whose verifier was wrong: it reads, or writes, at an
// address that is nobody's.
func falseFacts(t *testing.T, access string) *ProgramSpec {
	t.Helper()
	spec := &ProgramSpec{Name: "wrong", Type: abi.ProgXDP, Instructions: assemble(t, "r6 = r1\nr2 = 0xdead0000000 ll\nr0 = 7\nr0 += 1\n"+access+"\nr0 = 2\nexit")}
	spec.Facts = make([]Fact, len(spec.Instructions))
	for i, ins := range spec.Instructions {
		if c := ins.Class(); c == isa.ClassLDX || c == isa.ClassST || c == isa.ClassSTX {
			spec.Facts[i] = Fact{Class: ClassMemory, Proved: true}
		}
	}
	spec.Lines = []LineInfo{{Offset: 0, File: "wrong.c", Line: 1, Text: "start"}, {Offset: 5, File: "wrong.c", Line: 5, Text: "x = *p;"}}
	return spec
}

// TestNativeFault: an access that was proved and faults all the same ends the run
// with an error that names the place; the process, and other runs, go on.
func TestNativeFault(t *testing.T) {
	m, err := New(Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for access, at := range map[string]uint64{"r0 = *(u32 *)(r2 +8)": 8, "*(u64 *)(r2 +16) = r0": 16} {
		p, err := m.Load(falseFacts(t, access))
		if err != nil {
			t.Fatal(err)
		}
		if !p.Native() {
			t.Skip("needs native code, which there is none of for this processor")
		}
		for range 100 {
			_, err := p.TestRun(&TestInput{Data: frame()})
			var f *Fault
			if !errors.As(err, &f) {
				t.Fatalf("%s: got %v, want a fault", access, err)
			}
			if f.Instruction != 5 || f.Address != 0xdead0000000+at || f.Write != (at == 16) || !strings.Contains(err.Error(), "wrong.c") {
				t.Fatalf("%s: %+v: %v", access, f, err)
			}
		}
		p.Close()
	}
}

// TestNativeFaultAmongOthers: faults in some goroutines do not disturb what Go
// itself does in others: collections, growing stacks, panics of its own.
func TestNativeFaultAmongOthers(t *testing.T) {
	m, err := New(Config{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	p, err := m.Load(falseFacts(t, "r0 = *(u8 *)(r2 +0)"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !p.Native() {
		t.Skip("needs native code, which there is none of for this processor")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				var f *Fault
				if _, err := p.TestRun(&TestInput{Data: frame()}); !errors.As(err, &f) {
					t.Errorf("got %v, want a fault", err)
					return
				}
			}
		})
		wg.Go(func() {
			for range 200 {
				if !panics() {
					t.Error("a null pointer of Go's own is no panic any more")
				}
				runtime.GC()
				deep(100)
			}
		})
	}
	wg.Wait()
}

// panics says whether Go's use of a null pointer is a panic.
func panics() (yes bool) {
	defer func() { yes = recover() != nil }()
	var p *[8]int
	return p[len(frame())&7] == 1
}

func deep(n int) byte {
	var room [512]byte
	if n > 0 {
		room[n&511] = deep(n - 1)
	}
	return room[7]
}
