package jit

import (
	"math"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
	"github.com/skepdev/skep/vm/internal/maps"
)

// lookup is bpf_map_lookup_elem in a map that is known, with a key in the
// stack frame; false, and nothing, for others.
func (c *compiler) lookup(i int, m *interp.Map) bool {
	key := c.flow.notes[i].arg
	if key.kind != frame || key.n < -interp.FrameSize || key.n+int64(m.KeySize) > 0 || !m.HasValues() {
		return false
	}
	switch m.Type {
	case abi.MapArray, abi.MapPerCPUArray:
		l, ok := maps.LayoutOfArray(m.Map)
		return ok && c.lookupArray(m, l, int32(key.n))
	case abi.MapHash, abi.MapLRUHash:
		l, ok := maps.LayoutOfHash(m.Map)
		return ok && c.lookupHash(i, m, l, int32(key.n))
	case abi.MapLPMTrie:
		l, ok := maps.LayoutOfLPM(m.Map)
		return ok && c.lookupPrefix(i, m, l, int32(key.n))
	}
	return false
}

func (c *compiler) lookupArray(m *interp.Map, l maps.ArrayLayout, key int32) bool {
	if l.Entries > math.MaxInt32 || l.Stride > math.MaxInt32 || l.Plane > math.MaxInt32 {
		return false
	}
	r0 := c.R[0]
	c.Load(4, c.A, c.R[isa.R10], key)
	c.ArithImm(asm.Cmp, asm.W64, c.A, int32(l.Entries))
	missed := c.Jcc(asm.AboveEqual)
	c.scale(c.A, l.Stride)
	if l.Plane != 0 {
		c.Load(8, c.B, c.Thread, c.layout.CPU)
		c.scale(c.B, l.Plane)
		c.Arith(asm.Add, asm.W64, c.A, c.B)
	}
	c.MovImm(r0, uint64(l.Base))
	c.Arith(asm.Add, asm.W64, r0, c.A)
	c.found(m)
	c.orElse([]int{missed}, func() { c.missed(m) })
	return true
}

// scale multiplies a register by a constant that is often a power of two.
func (c *compiler) scale(r asm.Reg, n uintptr) {
	for s := range uint8(31) {
		if n == 1<<s {
			c.ShiftImm(asm.Shl, asm.W64, r, s)
			return
		}
	}
	c.MulImm(asm.W64, r, int32(n))
}

// found makes the value at r0 the latest one.
func (c *compiler) found(m *interp.Map) {
	spans := []struct {
		at  int32
		has bool
	}{{c.layout.Value, m.Readable()}, {c.layout.WritableValue, m.Writable()}}
	for _, s := range spans {
		n := int32(0)
		if s.has {
			n = int32(m.ValueSize)
		}
		c.Store(8, c.Thread, s.at, c.R[0])
		c.StoreImm(8, c.Thread, s.at+8, n)
	}
}

// missed is the answer to a key that is not there.
func (c *compiler) missed(m *interp.Map) {
	c.MovImm(c.R[0], 0)
	c.StoreImm(8, c.Thread, c.layout.Value+8, 0)
	c.StoreImm(8, c.Thread, c.layout.WritableValue+8, 0)
	c.MovImm(c.A, uint64(m.Handle()))
	c.Store(8, c.Thread, c.layout.Missed, c.A)
}

// lookupHash walks the bucket as the table's own find does, and leaves for
// that one if the walk is disturbed. Only A to C and r0 are changed before it is
// certain not to leave.
func (c *compiler) lookupHash(i int, m *interp.Map, l maps.HashLayout, key int32) bool {
	size := int32(m.KeySize)
	if size != 4 && size < 8 || size > 16 || l.Stride > math.MaxInt32 {
		return false
	}
	fp, r0 := c.R[isa.R10], c.R[0]
	c.hash(l, key, size)
	c.Mov(asm.W32, c.B, c.A)
	c.ArithImm(asm.And, asm.W32, c.B, int32(l.Mask))
	c.ShiftImm(asm.Shl, asm.W64, c.B, 2)
	c.MovImm(c.C, uint64(l.Heads))
	c.Arith(asm.Add, asm.W64, c.B, c.C)
	c.LoadAcquire(c.B, c.B, 0)
	c.Test(asm.W32, c.B, c.B)
	empty := c.Jcc(asm.Equal)

	walk := c.Pos()
	c.Test(asm.W32, c.B, c.B)
	end := c.Jcc(asm.Sign)
	c.scale(c.B, l.Stride)
	c.MovImm(r0, uint64(l.Elems-l.Stride)) // references count from 1
	c.Arith(asm.Add, asm.W64, r0, c.B)
	c.LoadAcquire(c.C, r0, maps.HashLayoutHash)
	c.Arith(asm.Cmp, asm.W32, c.C, c.A)
	others := []int{c.Jcc(asm.NotEqual)}
	for _, part := range parts(size) {
		c.Load(part.size, c.B, fp, key+part.at)
		c.Load(part.size, c.C, r0, int32(l.Key)+part.at)
		c.Arith(asm.Cmp, asm.W64, c.B, c.C)
		others = append(others, c.Jcc(asm.NotEqual))
	}
	if l.Used != 0 {
		c.Load(4, c.B, r0, int32(l.Used))
		c.Test(asm.W32, c.B, c.B)
		marked := c.Jcc(asm.NotEqual)
		c.StoreImm(4, r0, int32(l.Used), 1)
		c.Patch(marked, c.Pos())
	}
	c.ArithImm(asm.Add, asm.W64, r0, int32(l.Value))
	c.found(m)
	c.orElse(others, func() {
		c.LoadAcquire(c.B, r0, maps.HashLayoutNext)
		c.Test(asm.W32, c.B, c.B)
		c.Patch(c.Jcc(asm.NotEqual), walk)
		c.leave(i) // the element was reused meanwhile
	})
	c.orElse([]int{end}, func() {
		// The right end names the bucket.
		c.ArithImm(asm.And, asm.W32, c.A, int32(l.Mask))
		c.MovImm(c.C, maps.HashLayoutEnd)
		c.Arith(asm.Or, asm.W32, c.A, c.C)
		c.Arith(asm.Cmp, asm.W32, c.A, c.B)
		c.leaveIf(asm.NotEqual, i)
		c.Patch(empty, c.Pos())
		c.missed(m)
	})
	return true
}

// part is a piece of a key that is compared at once.
type part struct {
	at   int32
	size int
}

func parts(size int32) []part {
	switch {
	case size == 4 || size == 8:
		return []part{{0, int(size)}}
	}
	return []part{{0, 8}, {size - 8, 8}}
}

// hash is the table's hash of the key at r10+key, in A.
func (c *compiler) hash(l maps.HashLayout, key, size int32) {
	fp := c.R[isa.R10]
	if size <= 8 {
		c.Load(int(size), c.A, fp, key)
		if size == 4 {
			c.Mov(asm.W64, c.B, c.A)
			c.ShiftImm(asm.Shl, asm.W64, c.B, 32)
			c.Arith(asm.Or, asm.W64, c.A, c.B)
		}
		c.MovImm(c.B, l.Secret0)
		c.Arith(asm.Xor, asm.W64, c.A, c.B)
	} else {
		c.Load(8, c.A, fp, key)
		c.MovImm(c.B, l.Secret0)
		c.Arith(asm.Xor, asm.W64, c.A, c.B)
		c.Load(8, c.B, fp, key+size-8)
		c.MovImm(c.C, l.Secret1^uint64(size))
		c.Arith(asm.Xor, asm.W64, c.B, c.C)
		c.MulFold(c.B)
	}
	c.MovImm(c.B, l.Secret1)
	c.MulFold(c.B)
	c.Mov(asm.W64, c.B, c.A)
	c.ShiftImm(asm.Shr, asm.W64, c.B, 32)
	c.Arith(asm.Xor, asm.W32, c.A, c.B)
}
