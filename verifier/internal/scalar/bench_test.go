package scalar

import (
	"math/rand/v2"
	"testing"

	"github.com/skepdev/skep/isa"
)

// walked are numbers as programs meet them: loads, masks, sums, comparisons.
func walked(n int) []Range {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]Range, n)
	for i := range all {
		r := Unknown()
		if rng.IntN(2) == 0 {
			r.Truncate(1 << rng.IntN(3))
		}
		for range rng.IntN(3) {
			op := []uint8{isa.OpAdd, isa.OpAnd, isa.OpLsh, isa.OpRsh}[rng.IntN(4)]
			r.Apply(op, true, ptr(Const(rng.Uint64N(32))))
		}
		if rng.IntN(2) == 0 {
			Deny(isa.OpJGT, false, &r, ptr(Const(rng.Uint64N(4096))))
		}
		if rng.IntN(5) == 0 {
			r = Const(rng.Uint64N(64))
		}
		all[i] = r
	}
	return all
}

func ptr(r Range) *Range { return &r }

func BenchmarkSync(b *testing.B) {
	all := walked(64)
	for i := 0; b.Loop(); i++ {
		r := all[i&63]
		r.Sync()
	}
}

func BenchmarkAlu(b *testing.B) {
	all := walked(64)
	for _, c := range []struct {
		name string
		op   uint8
		is64 bool
		src  Range
	}{
		{"add", isa.OpAdd, true, Const(8)},
		{"add32", isa.OpAdd, false, Const(8)},
		{"and", isa.OpAnd, true, Const(0xff)},
		{"lsh", isa.OpLsh, true, Const(3)},
		{"mul", isa.OpMul, true, Const(24)},
	} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				r := all[i&63]
				r.Apply(c.op, c.is64, &c.src)
			}
		})
	}
	b.Run("constants", func(b *testing.B) {
		one, three := Const(1), Const(3)
		for b.Loop() {
			r := one
			r.Apply(isa.OpAdd, true, &three)
		}
	})
	b.Run("registers", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			r := all[i&63]
			r.Apply(isa.OpAdd, true, &all[(i>>6)&63])
		}
	})
}

func BenchmarkTaken(b *testing.B) {
	all := walked(64)
	k := Const(64)
	for i := 0; b.Loop(); i++ {
		Outcome(isa.OpJGT, false, &all[i&63], &k)
	}
}

// BenchmarkRefine refines both outcomes, as a jump does.
func BenchmarkRefine(b *testing.B) {
	all := walked(64)
	for _, c := range []struct {
		name string
		op   uint8
	}{{"jgt", isa.OpJGT}, {"jeq", isa.OpJEQ}, {"jset", isa.OpJSET}} {
		b.Run(c.name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				ta, tb := all[i&63], Const(64)
				fa, fb := ta, tb
				Assume(c.op, false, &ta, &tb)
				Deny(c.op, false, &fa, &fb)
			}
		})
	}
}
