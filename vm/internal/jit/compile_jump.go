package jit

import (
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// conditions by what is left of a code when its shape is taken away.
var conditions = [...]asm.Cond{
	interp.OpJEqK - interp.OpJA: asm.Equal, interp.OpJGtK - interp.OpJA: asm.Above, interp.OpJGeK - interp.OpJA: asm.AboveEqual,
	interp.OpJSetK - interp.OpJA: asm.NotEqual, interp.OpJNeK - interp.OpJA: asm.NotEqual,
	interp.OpJSGtK - interp.OpJA: asm.Greater, interp.OpJSGeK - interp.OpJA: asm.GreaterEqual,
	interp.OpJLtK - interp.OpJA: asm.Below, interp.OpJLeK - interp.OpJA: asm.BelowEqual,
	interp.OpJSLtK - interp.OpJA: asm.Less, interp.OpJSLeK - interp.OpJA: asm.LessEqual,
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
	cond := conditions[base-interp.OpJA]
	if to > i {
		c.jumps = append(c.jumps, fixup{c.Jcc(cond), to})
		return
	}
	over := c.Jcc(cond.Not())
	c.goTo(i, to)
	c.Patch(over, c.Pos())
}

// loops says which slots are jumped back to.
func (c *compiler) loops() []bool {
	out := make([]bool, len(c.ops))
	for i := range c.ops {
		if op := &c.ops[i]; op.Code >= interp.OpJA && op.Code <= interp.OpJSLeX32 && int(op.Off) <= i && c.flow.reached[i] {
			out[op.Off] = true
		}
	}
	return out
}

// goTo jumps from slot i to another; a jump back takes its length in fuel, as
// the interpreter takes it from the budget.
func (c *compiler) goTo(i, to int) {
	if to <= i {
		c.takeFuelTo(i, to)
		return
	}
	c.jumps = append(c.jumps, fixup{c.Jmp(), to})
}
