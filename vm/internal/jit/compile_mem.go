package jit

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// access is a memory access by register and offset.
type access struct {
	base  uint8
	off   int32
	size  int
	write bool
}

func accessOf(op *interp.Op) (a access, signed bool) {
	code := op.Code
	size := func(first interp.Code) int { return 1 << (code - first) }
	a.base, a.off = op.Src, op.Off
	switch {
	case code < interp.OpLoadS8:
		a.size = size(interp.OpLoad8)
	case code < interp.OpLoadStack8:
		a.size, signed = size(interp.OpLoadS8), true
	case code < interp.OpStore8:
		a.size = size(interp.OpLoadStack8)
	case code < interp.OpStoreK8:
		a.size = size(interp.OpStore8)
	case code < interp.OpStoreStack8:
		a.size = size(interp.OpStoreK8)
	case code < interp.OpStoreStackK8:
		a.size = size(interp.OpStoreStack8)
	default:
		a.size = size(interp.OpStoreStackK8)
	}
	if code >= interp.OpStore8 {
		a.base, a.write = op.Dst, true
	}
	return a, signed
}

func isStoreK(c interp.Code) bool {
	return c >= interp.OpStoreK8 && c <= interp.OpStoreK64 || c >= interp.OpStoreStackK8
}

// memory loads or stores.
func (c *compiler) memory(i int, op *interp.Op) {
	a, signed := accessOf(op)
	if !signed && c.flow.notes[i].base.kind == context && !a.write {
		c.loadContext(i, op, a, c.flow.notes[i].base.n+int64(a.off))
		return
	}
	if base, disp, ok := c.place(i, a); ok {
		c.transfer(op, base, disp)
	}
}

// transfer does op's load or store at base+disp.
func (c *compiler) transfer(op *interp.Op, base asm.Reg, disp int32) {
	a, signed := accessOf(op)
	switch {
	case isStoreK(op.Code):
		c.StoreImm(a.size, base, disp, int32(op.Imm))
	case a.write:
		c.Store(a.size, base, disp, c.R[op.Src])
	case signed:
		c.LoadSext(a.size, c.R[op.Dst], base, disp)
	default:
		c.Load(a.size, c.R[op.Dst], base, disp)
	}
}

// loadContext loads the field at off of the context: what Linux's rewriting
// does for the most used ones.
func (c *compiler) loadContext(i int, op *interp.Op, a access, off int64) {
	d := c.R[op.Dst]
	var from int32
	switch {
	case a.size == 4 && c.flow.isXDP && (off == 0 || off == 4):
		from = c.layout.Data + 8*int32(off/4)
	case a.size == 4 && c.flow.isTC && (off == 76 || off == 80):
		from = c.layout.Data + 8*int32((off-76)/4)
	case a.size == 4 && c.flow.isXDP && (off == 12 || off == 16):
		c.Load(8, c.A, c.Thread, c.layout.XDP)
		c.Load(4, d, c.A, c.layout.IfIndex+int32(off-12))
		return
	case plainContext(c.p.Type) && off >= 0 && off+int64(a.size) <= 1<<16:
		c.Load(8, c.A, c.Thread, c.layout.ContextLen)
		c.ArithImm(asm.Cmp, asm.W64, c.A, int32(off)+int32(a.size))
		c.leaveIf(asm.Below, i)
		c.Load(a.size, d, c.R[a.base], a.off)
		return
	default:
		c.leave(i)
		return
	}
	c.Load(8, d, c.Thread, from)
}

// plainContext says that the contexts of a program type are memory. For others
// the thread's ContextLen is 0 anyway.
func plainContext(t abi.ProgramType) bool {
	switch t {
	case abi.ProgRawTracepoint, abi.ProgRawTracepointWritable, abi.ProgSyscall, abi.ProgKprobe, abi.ProgTracepoint, abi.ProgPerfEvent:
		return true
	}
	return false
}

// place finds where an access goes, and leaves in front of slot i if it may not.
// It is false if it always leaves. The address is base+disp; A to C may be
// changed.
func (c *compiler) place(i int, a access) (base asm.Reg, disp int32, ok bool) {
	h := c.flow.notes[i].base
	if c.proved(i, h, a) {
		return c.R[a.base], a.off, true
	}
	if h.kind == context {
		c.leave(i)
		return 0, 0, false
	}
	c.Lea(c.A, c.R[a.base], a.off)
	c.compare(i, c.classOf(i, h), a)
	return c.A, 0, true
}

// classOf is where the access at slot i likely goes.
func (c *compiler) classOf(i int, h held) interp.Class {
	switch h.kind {
	case packetHint:
		return interp.ClassPacket
	case valueHint, mapValue, valueOrNull:
		return interp.ClassValue
	case frameHint, frame:
		return interp.ClassFrame
	}
	if f := c.p.Facts(); i < len(f) {
		return f[i].Class
	}
	return interp.ClassUnknown
}

// proved says that an access needs no comparison: because somebody proved it,
// or because what its base register holds is known.
func (c *compiler) proved(i int, h held, a access) bool {
	if f := c.p.Facts(); i < len(f) && f[i].Proved && f[i].Class != interp.ClassContext {
		return true
	}
	at, n := h.n+int64(a.off), int64(a.size)
	switch h.kind {
	case frame:
		return at >= -interp.FrameSize && at+n <= 0
	case mapValue:
		m := c.p.Maps[h.m]
		return at >= 0 && at+n <= int64(m.ValueSize) && (m.Writable() || !a.write) && (m.Readable() || a.write)
	case constant:
		for _, g := range c.globals {
			if o := uint64(at) - g.at; o < uint64(g.size) && o+uint64(n) <= uint64(g.size) && (g.writable || !a.write) && (g.readable || a.write) {
				return true
			}
		}
	}
	return false
}

// compare compares the address in A with what the run owns, the likely first,
// and leaves in front of slot i if it lies nowhere. B and C are changed.
func (c *compiler) compare(i int, class interp.Class, a access) {
	packet, value := c.layout.Packet, c.layout.Value
	if a.write {
		packet, value = c.layout.WritablePacket, c.layout.WritableValue
	}
	size := int32(a.size)
	switch class {
	case interp.ClassPacket:
		c.orElse(c.inSpan(packet, size), func() { c.leave(i) })
	case interp.ClassValue:
		c.orElse(c.inSpan(value, size), func() { c.leave(i) })
	case interp.ClassFrame:
		c.orElse(c.inFrame(size), func() { c.leave(i) })
	default:
		// The chain of comparisons stands away from the first.
		c.orElse(c.inSpan(packet, size), func() {
			var found []int
			test := func(outside []int) {
				found = append(found, c.Jmp())
				c.patchAll(outside)
			}
			test(c.inSpan(value, size))
			test(c.inFrame(size))
			tried := 0
			for _, g := range c.globals {
				if g.size >= size && (g.writable || !a.write) && (g.readable || a.write) && tried < maxGlobals {
					tried++
					c.MovImm(c.B, g.at)
					c.subFromA()
					c.ArithImm(asm.Cmp, asm.W64, c.B, g.size-size)
					test([]int{c.Jcc(asm.Above)})
				}
			}
			c.leave(i)
			c.patchAll(found)
		})
	}
}

// subFromA is B = A - B.
func (c *compiler) subFromA() {
	c.Neg(asm.W64, c.B)
	c.Arith(asm.Add, asm.W64, c.B, c.A)
}

// orElse sends the jumps to code that is written later, away from here, and
// that comes back behind them if it does not leave.
func (c *compiler) orElse(outside []int, f func()) {
	back := c.Pos()
	c.later(func() {
		c.patchAll(outside)
		f()
		c.Patch(c.Jmp(), back)
	})
}

func (c *compiler) patchAll(places []int) {
	for _, p := range places {
		c.Patch(p, c.Pos())
	}
}

// inSpan compares: size bytes at A with the span at offset span of the thread.
// It returns the jumps that are taken if they do not lie in it.
func (c *compiler) inSpan(span, size int32) (outside []int) {
	c.Mov(asm.W64, c.B, c.A)
	c.ArithFrom(asm.Sub, c.B, c.Thread, span)
	c.ArithImm(asm.Add, asm.W64, c.B, size)
	outside = append(outside, c.Jcc(asm.Carry))
	c.ArithFrom(asm.Cmp, c.B, c.Thread, span+8)
	return append(outside, c.Jcc(asm.Above))
}

// inFrame is inSpan for the function's own stack frame.
func (c *compiler) inFrame(size int32) []int {
	c.Lea(c.B, c.A, interp.FrameSize)
	c.Arith(asm.Sub, asm.W64, c.B, c.R[isa.R10])
	c.ArithImm(asm.Cmp, asm.W64, c.B, interp.FrameSize-size)
	return []int{c.Jcc(asm.Above)}
}

// atomic adds without fetching, where the place is proved; Go does the rest.
func (c *compiler) atomic(i int, op *interp.Op) {
	size := 8
	if op.Code == interp.OpAtomic32 {
		size = 4
	}
	h := c.flow.notes[i].base
	a := access{op.Dst, op.Off, size, true}
	if op.Imm != isa.AtomicAdd || (h.kind != frame && h.kind != mapValue) || (h.n+int64(op.Off))%int64(size) != 0 || !c.proved(i, h, a) {
		c.leave(i)
		return
	}
	c.AtomicAdd(size, c.R[op.Dst], op.Off, c.R[op.Src])
}
