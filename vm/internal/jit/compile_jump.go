package jit

import (
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/amd64"
)

var conditions = map[interp.Code]amd64.Cond{
	interp.OpJEqK: amd64.Equal, interp.OpJGtK: amd64.Above, interp.OpJGeK: amd64.AboveEqual,
	interp.OpJSetK: amd64.NotEqual, interp.OpJNeK: amd64.NotEqual,
	interp.OpJSGtK: amd64.Greater, interp.OpJSGeK: amd64.GreaterEqual,
	interp.OpJLtK: amd64.Below, interp.OpJLeK: amd64.BelowEqual,
	interp.OpJSLtK: amd64.Less, interp.OpJSLeK: amd64.LessEqual,
}

func (c *compiler) jump(i int, op *interp.Op) {
	to := int(op.Off)
	if op.Code == interp.OpJA {
		c.goTo(i, to)
		return
	}
	base, w, isX := shape(op.Code, interp.OpJEqK, interp.OpJEqK32, interp.OpJEqK32)
	d := c.source(op.Dst, amd64.RCX)
	set := base == interp.OpJSetK
	switch {
	case isX && set:
		c.Test(w, d, c.source(op.Src, amd64.RDX))
	case isX:
		c.Arith(amd64.Cmp, w, d, c.source(op.Src, amd64.RDX))
	case set:
		c.TestImm(w, d, int32(op.Imm))
	default:
		c.ArithImm(amd64.Cmp, w, d, int32(op.Imm))
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
		cost := int32(i + 1 - to)
		c.ArithMemImm(amd64.Sub, thread, c.layout.Fuel, cost)
		c.refuels = append(c.refuels, refuel{fixup{c.Jcc(amd64.Sign), i}, cost})
	}
	c.jumps = append(c.jumps, fixup{c.Jmp(), to})
}
