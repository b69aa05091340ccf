package jit

import (
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
)

// shapes are programs of n instructions that are hard on one part of the
// compiler each.
var shapes = map[string]func(n int) []isa.Instruction{
	"arithmetic": func(n int) (code []isa.Instruction) {
		for len(code) < n {
			code = append(code, isa.Instruction{Op: isa.MovK, Imm: 1})
		}
		return append(code, isa.Instruction{Op: isa.Exit})
	},
	"accesses": func(n int) []isa.Instruction {
		code := []isa.Instruction{{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeW, Dst: 6, Src: 1}}
		for len(code) < n {
			code = append(code,
				isa.Instruction{Op: isa.ClassLDX | isa.ModeMEM | isa.SizeB, Dst: 2, Src: 6, Off: int16(len(code) % 1000)},
				isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd | isa.SrcX, Dst: 3, Src: 2})
		}
		return append(code, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
	},
	"jumps back": func(n int) []isa.Instruction { // control goes from high to low
		code := []isa.Instruction{{}, {Op: isa.MovX, Src: 9}, {Op: isa.Exit}}
		for len(code) < n {
			code = append(code, isa.Instruction{Op: isa.MovX, Dst: 2, Src: 3}, isa.Instruction{Op: isa.JA, Off: -4})
		}
		code[0] = isa.Instruction{Op: isa.JA32, Imm: int32(len(code) - 3)}
		return code
	},
	"calls": func(n int) (code []isa.Instruction) {
		for len(code) < n/2 {
			code = append(code, isa.Instruction{Op: isa.Call, Src: isa.PseudoCall, Imm: int32(n/2 - len(code) + 1)})
		}
		code = append(code, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
		for len(code) < n {
			code = append(code, isa.Instruction{Op: isa.MovK, Imm: 1})
		}
		return append(code, isa.Instruction{Op: isa.Exit})
	},
}

func decoded(t testing.TB, code []isa.Instruction, proved bool) *interp.Program {
	t.Helper()
	spec := &interp.Spec{Type: abi.ProgXDP, Instructions: code}
	if proved {
		spec.Facts = make([]interp.Fact, len(code))
		for i := range spec.Facts {
			spec.Facts[i] = interp.Fact{Class: interp.ClassPacket, Proved: true}
		}
	}
	p, err := interp.Compile(spec)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestTimeGrowsWithSize compiles programs and others that are sixteen times as
// long: what anybody may load must not keep the compiler busy for longer than
// it is long.
func TestTimeGrowsWithSize(t *testing.T) {
	for name, shape := range shapes {
		best := [2]time.Duration{time.Hour, time.Hour}
		for i, n := range []int{1 << 13, 1 << 17} {
			p := decoded(t, shape(n), false)
			for range 5 {
				start := time.Now()
				compile(p, assembler("amd64", false), nil)
				best[i] = min(best[i], time.Since(start))
			}
		}
		// Sixteen times is linear, 256 times quadratic; what does not fit the
		// caches takes several times as long on a busy machine.
		if best[1] > 128*best[0] {
			t.Errorf("%s: %v, and %v for sixteen times as many", name, best[0], best[1])
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for name, shape := range shapes {
		b.Run(name, func(b *testing.B) {
			const n = 1 << 12
			p := decoded(b, shape(n), false)
			for b.Loop() {
				compile(p, assembler("amd64", false), nil)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/instruction")
		})
	}
}
