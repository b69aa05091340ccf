package vm

import (
	"slices"
	"testing"

	"github.com/skepdev/skep/abi"
)

// TestProfile counts a loop, what is never reached, and both sides of a call.
func TestProfile(t *testing.T) {
	bothWays(t, Config{CPUs: 1}) // or skip
	m := newMachine(t, Config{CPUs: 1, Profile: true})
	p := load(t, m, abi.ProgXDP, assemble(t, "r6 = 0\nloop:\ncall f\nr6 += 1\nif r6 < 10 goto loop\nif r6 == 3 goto never\nr1 = 7 ll\nexit\nnever:\nr0 = 1\nexit\nf:\nr0 = 2\nexit"))
	for range 3 {
		if _, err := p.TestRun(&TestInput{Data: frame(), Repeat: 2}); err != nil {
			t.Fatal(err)
		}
	}
	want := []uint64{6, 60, 60, 60, 6, 6, 6, 6, 0, 0, 60, 60}
	if got := p.Hits(); !slices.Equal(got, want) {
		t.Errorf("hits %v, want %v", got, want)
	}
	if plain := load(t, newMachine(t, Config{CPUs: 1}), abi.ProgXDP, assemble(t, "r0 = 2\nexit")); plain.Hits() != nil {
		t.Error("a machine that does not count has counts")
	}
}

// TestNativeCode takes code for both processors apart: pieces lie one behind
// the other, and each reached instruction has one.
func TestNativeCode(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	code := assemble(t, checksum)
	p := load(t, m, abi.ProgXDP, code)
	for _, arch := range []string{"amd64", "arm64"} {
		pieces, err := p.NativeCode(arch)
		if err != nil {
			t.Fatal(err)
		}
		at, seen := 0, map[int]bool{}
		for _, pc := range pieces {
			if pc.Offset != at || len(pc.Bytes) == 0 {
				t.Fatalf("%s: a piece of %d bytes at %d, want one at %d", arch, len(pc.Bytes), pc.Offset, at)
			}
			at += len(pc.Bytes)
			seen[pc.Slot] = true
		}
		for i := range code {
			if !seen[i] {
				t.Errorf("%s: no code for slot %d", arch, i)
			}
		}
	}
	if _, err := p.NativeCode("mips"); err == nil {
		t.Error("there is code for mips")
	}
}
