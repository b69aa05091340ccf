package lang

import (
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/lang/internal/ir"
)

// unlessZero divides, and says so where the divisor is 0: the result is 1 then,
// as in bpftrace.
func (g *gen) unlessZero(a, b *ir.Arg, div func() ir.Arg) ir.Arg {
	r := g.f.NewReg()
	*a, *b = g.steady(*a), g.f.InReg(*b)
	zero, some, end := g.f.NewBlock(), g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JEq, *b, ir.Imm(0), zero, some)
	g.f.Start(zero)
	g.warn("Divide or modulo by 0 detected. This can lead to unexpected results. 1 is being used as the result.")
	g.f.Set(r, ir.Imm(1))
	g.f.Jump(end)
	g.f.Start(some)
	g.f.Set(r, div())
	g.f.Jump(end)
	g.f.Start(end)
	return ir.R(r)
}

// inBounds says so where an index lies beyond an array's end.
func (g *gen) inBounds(i ir.Arg, n int) {
	if i.Kind == ir.ArgImm || n <= 0 {
		return
	}
	bad, ok := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JGE, i, ir.Imm(int64(n)), bad, ok)
	g.f.Start(bad)
	g.warn("Array access out of bounds. This can lead to unexpected results.")
	g.f.Jump(ok)
	g.f.Start(ok)
}
