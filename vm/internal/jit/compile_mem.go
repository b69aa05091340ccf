package jit

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/amd64"
)

func (c *compiler) memory(i int, op *interp.Op) {
	code := op.Code
	size := func(first interp.Code) int { return 1 << (code - first) }
	switch {
	case code < interp.OpLoadS8:
		n := size(interp.OpLoad8)
		done := c.packetEnds(op)
		if c.place(i, op.Src, op.Off, n, false) {
			c.Load(n, regs[op.Dst], amd64.RAX, 0)
		}
		if done >= 0 {
			c.Patch(done, c.Pos())
		}
	case code < interp.OpLoadStack8:
		n := size(interp.OpLoadS8)
		if c.place(i, op.Src, op.Off, n, false) {
			c.LoadSext(n, regs[op.Dst], amd64.RAX, 0)
		}
	case code < interp.OpStore8:
		c.Load(8, amd64.RAX, thread, c.register(isa.R10))
		c.Load(size(interp.OpLoadStack8), regs[op.Dst], amd64.RAX, op.Off)
	case code < interp.OpStoreK8:
		n := size(interp.OpStore8)
		if c.place(i, op.Dst, op.Off, n, true) {
			c.Store(n, amd64.RAX, 0, c.source(op.Src, amd64.RCX))
		}
	case code < interp.OpStoreStack8:
		n := size(interp.OpStoreK8)
		if c.place(i, op.Dst, op.Off, n, true) {
			c.StoreImm(n, amd64.RAX, 0, int32(op.Imm))
		}
	case code < interp.OpStoreStackK8:
		c.Load(8, amd64.RAX, thread, c.register(isa.R10))
		c.Store(size(interp.OpStoreStack8), amd64.RAX, op.Off, c.source(op.Src, amd64.RCX))
	default:
		c.Load(8, amd64.RAX, thread, c.register(isa.R10))
		c.StoreImm(size(interp.OpStoreStackK8), amd64.RAX, op.Off, int32(op.Imm))
	}
}

// packetEnds answers loads of data and data_end in struct xdp_md, which nearly
// every XDP program begins with. It returns the jump over what does other
// loads, or -1 if the load cannot be one of the two.
func (c *compiler) packetEnds(op *interp.Op) int {
	if !c.xdp || op.Code != interp.OpLoad32 || op.Src >= isa.R10 || op.Off != 0 && op.Off != 4 {
		return -1
	}
	c.ArithFrom(amd64.Cmp, regs[op.Src], thread, c.layout.Context)
	other := c.Jcc(amd64.NotEqual)
	from := c.layout.Data
	if op.Off == 4 {
		from = c.layout.DataEnd
	}
	c.Load(8, regs[op.Dst], thread, from)
	done := c.Jmp()
	c.Patch(other, c.Pos())
	return done
}

// place brings the address of an access to RAX if it lies in the packet, the
// latest map value or global data, and else leaves in front of slot i. It is
// false where it always leaves: accesses by way of r10 that the decoder could
// not place in the frame.
func (c *compiler) place(i int, base uint8, off int32, size int, write bool) bool {
	if base >= isa.R10 {
		c.leave(i)
		return false
	}
	c.Lea(amd64.RAX, regs[base], off)
	spans, globals := [2]int32{c.layout.Packet, c.layout.Value}, c.readable
	if write {
		spans, globals = [2]int32{c.layout.WritablePacket, c.layout.WritableValue}, c.writable
	}
	var found []int
	for _, span := range spans {
		small := c.within(span, size)
		found = append(found, c.Jcc(amd64.BelowEqual))
		c.Patch(small, c.Pos())
	}
	for _, g := range globals {
		if int(g.size) >= size {
			c.MovImm(amd64.RCX, -g.at)
			c.Arith(amd64.Add, amd64.W64, amd64.RCX, amd64.RAX)
			c.ArithImm(amd64.Cmp, amd64.W64, amd64.RCX, g.size-int32(size))
			found = append(found, c.Jcc(amd64.BelowEqual))
		}
	}
	c.exits = append(c.exits, fixup{c.Jmp(), i})
	for _, place := range found {
		c.Patch(place, c.Pos())
	}
	return true
}

// within compares the address in RAX with the span at offset span of the
// thread: afterwards BelowEqual means that size bytes lie in it. The jump that
// it returns is taken if the span is smaller than that.
func (c *compiler) within(span int32, size int) (small int) {
	c.Load(8, amd64.RDX, thread, span+8)
	c.ArithImm(amd64.Sub, amd64.W64, amd64.RDX, int32(size))
	small = c.Jcc(amd64.Below)
	c.Mov(amd64.W64, amd64.RCX, amd64.RAX)
	c.ArithFrom(amd64.Sub, amd64.RCX, thread, span)
	c.Arith(amd64.Cmp, amd64.W64, amd64.RCX, amd64.RDX)
	return small
}
