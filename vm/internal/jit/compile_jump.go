package jit

import (
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

var conditions = map[interp.Code]asm.Cond{
	interp.OpJEqK: asm.Equal, interp.OpJGtK: asm.Above, interp.OpJGeK: asm.AboveEqual,
	interp.OpJSetK: asm.NotEqual, interp.OpJNeK: asm.NotEqual,
	interp.OpJSGtK: asm.Greater, interp.OpJSGeK: asm.GreaterEqual,
	interp.OpJLtK: asm.Below, interp.OpJLeK: asm.BelowEqual,
	interp.OpJSLtK: asm.Less, interp.OpJSLeK: asm.LessEqual,
}

func (c *compiler) jump(i int, op *interp.Op) {
	to := int(op.Off)
	if op.Code == interp.OpJA {
		c.goTo(i, to)
		return
	}
	base, w, isX := shape(op.Code, interp.OpJEqK, interp.OpJEqK32, interp.OpJEqK32)
	d := c.R[op.Dst]
	set := base == interp.OpJSetK
	switch {
	case isX && set:
		c.Test(w, d, c.R[op.Src])
	case isX:
		c.Arith(asm.Cmp, w, d, c.R[op.Src])
	case set:
		c.TestImm(w, d, int32(op.Imm))
	default:
		c.ArithImm(asm.Cmp, w, d, int32(op.Imm))
	}
	cond := conditions[base]
	if to > i {
		c.jumps = append(c.jumps, fixup{c.Jcc(cond), to})
		return
	}
	over := c.Jcc(cond.Not())
	c.goTo(i, to)
	c.Patch(over, c.Pos())
}

// goTo jumps from slot i to another; a jump back takes its length in fuel, as
// the interpreter takes it from the budget.
func (c *compiler) goTo(i, to int) {
	if to <= i {
		c.takeFuel(i, int32(i+1-to))
	}
	c.jumps = append(c.jumps, fixup{c.Jmp(), to})
}
