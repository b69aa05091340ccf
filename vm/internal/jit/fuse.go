package jit

import (
	"math"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
)

// addressSum is a proved access whose address is a sum of two registers that the slots
// in front of it add up for nobody else: the processor adds them as it accesses.
type addressSum struct {
	last        int // slot of the access
	base, index uint8
	off         int32
}

// maxAddends bounds the slots of a sum and its access.
const maxAddends = 5

// sumAt finds the sum that begins at slot i: a move, if there is one, then
// additions of one register and of constants, to a register that nobody reads
// behind the access.
func (c *compiler) sumAt(i int, live []set) (s addressSum, ok bool) {
	d := c.ops[i].Dst
	s.base, s.index = d, isa.Registers
	off := int64(0)
	for k := i; k < min(len(c.ops), i+maxAddends); k++ {
		op := &c.ops[k]
		if !c.flow.reached[k] || k > i && c.flow.leader[k] != 0 {
			return s, false
		}
		switch {
		case isMemory(op):
			a, _ := accessOf(op)
			off += int64(a.off)
			s.last, s.off = k, int32(off)
			over := !a.write && op.Dst == d || !live[k].has(d)
			return s, s.index != isa.Registers && a.base == d && off == int64(s.off) && over && !isStoreK(op.Code) && !(a.write && op.Src == d) && c.proved(k, c.flow.notes[k].base, a)
		case op.Dst != d || d == isa.R10:
			return s, false
		case op.Code == interp.OpMovX && k == i && op.Src != d:
			s.base = op.Src
		case op.Code == interp.OpAddX && op.Src != d && s.index == isa.Registers:
			s.index = op.Src
		case op.Code == interp.OpAddK && off+op.Imm == int64(int32(off+op.Imm)) && off < math.MaxInt32:
			off += op.Imm
		default:
			return s, false
		}
	}
	return s, false
}

// addressing writes the access of a sum. A second copy does the same one by one,
// for who comes to its middle.
func (c *compiler) addressing(i int, s addressSum) {
	c.at(s.last, false)
	op := &c.ops[s.last]
	a, signed := accessOf(op)
	base, index := c.R[s.base], c.R[s.index]
	switch {
	case a.write:
		c.StoreIndexed(a.size, base, index, s.off, c.R[op.Src])
	case signed:
		c.LoadSextIndexed(a.size, c.R[op.Dst], base, index, s.off)
	default:
		c.LoadIndexed(a.size, c.R[op.Dst], base, index, s.off)
	}
	back := c.Pos()
	c.later(func() {
		for k := i + 1; k <= s.last; k++ {
			c.slots[k] = uint32(c.Pos())
			c.at(k, true)
			c.op(k)
		}
		c.Patch(c.Jmp(), back)
	})
}
