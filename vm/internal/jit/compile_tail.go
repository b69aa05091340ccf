package jit

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// tailCall goes on in the native code of the program that the array holds. Go
// does what is out of the ordinary: calls from subprograms, arrays that are not
// known, empty entries, one call too many.
func (c *compiler) tailCall(i int) {
	array, ctx := c.flow.notes[i].base, c.flow.notes[i].arg
	m, ok := c.flow.mapOf(array)
	if !ok || ctx.kind != context || ctx.n != 0 {
		c.leave(i)
		return
	}
	at, n := c.p.Maps[m].Targets()
	if n == 0 || c.p.Number == 0 {
		c.leave(i)
		return
	}
	c.ArithFrom(asm.Cmp, c.R[isa.R10], c.Thread, c.layout.FirstFrame)
	c.leaveIf(asm.NotEqual, i)
	tails := c.R[0] // which gets the error, or goes with its program
	c.Load(8, tails, c.Thread, c.layout.Tails)
	c.ArithImm(asm.Cmp, asm.W64, tails, abi.MaxTailCalls)
	c.leaveIf(asm.AboveEqual, i)
	if k := c.flow.notes[i].third; k.kind == constant && uint64(uint32(k.n)) < uint64(n) {
		c.MovImm(c.B, uint64(at)+uint64(uint32(k.n))*interp.TargetSize)
	} else {
		c.Mov(asm.W32, c.B, c.R[3])
		c.ArithImm(asm.Cmp, asm.W32, c.B, int32(n))
		c.leaveIf(asm.AboveEqual, i)
		c.scale(c.B, interp.TargetSize)
		c.MovImm(c.C, uint64(at))
		c.Arith(asm.Add, asm.W64, c.B, c.C)
	}
	c.Load(8, c.C, c.B, 0)
	c.Test(asm.W64, c.C, c.C)
	c.leaveIf(asm.Equal, i)
	c.Load(8, c.A, c.B, 8)
	if c.hasFuel {
		c.Mov(asm.W64, c.B, c.fuel)
	} else {
		c.Load(8, c.B, c.Thread, c.layout.Fuel)
	}
	c.Arith(asm.Sub, asm.W64, c.B, c.A)
	c.leaveIf(asm.Sign, i)
	c.ArithImm(asm.Add, asm.W64, tails, 1)
	c.Store(8, c.Thread, c.layout.Tails, tails)
	c.JmpReg(c.C)
}
