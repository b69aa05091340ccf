package vm

import (
	"slices"
	"testing"

	"github.com/skepdev/skep/abi"
)

// TestTrace: whoever traces sees every instruction of a run with its registers,
// and the run's result is the same.
func TestTrace(t *testing.T) {
	m, err := New(Config{CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var slots []int
	var r1 []uint64
	p, err := m.Load(&ProgramSpec{
		Name: "traced", Type: abi.ProgXDP, Instructions: assemble(t, "r1 = 3\nr0 = 0\nr0 += r1\nr1 += -1\nif r1 != 0 goto pc-3\ncall pc+1\nexit\nr0 += 1\nexit"),
		Trace: func(slot int, regs *[16]uint64) {
			slots = append(slots, slot)
			r1 = append(r1, regs[1])
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	res, err := p.TestRun(&TestInput{Data: frame()})
	if err != nil || res.Return != 7 {
		t.Fatalf("%d, %v; want 7", res.Return, err)
	}
	want := []int{0, 1, 2, 3, 4, 2, 3, 4, 2, 3, 4, 5, 7, 8, 6}
	if !slices.Equal(slots, want) {
		t.Errorf("saw %v, want %v", slots, want)
	}
	if len(r1) > 5 && (r1[2] != 3 || r1[5] != 2) {
		t.Errorf("r1 was %v", r1)
	}
}
