package jit

import (
	"math"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
	"github.com/skepdev/skep/vm/internal/maps"
)

// maxWalkedKey bounds the keys that are walked natively: the address is in one
// register, and a shift by all its bits is not needed.
const maxWalkedKey = 4 + 7

// lookupPrefix walks a trie as its own find does, once: Go does it again if the
// trie was changed meanwhile. The key is at r10+key. r1 and r2, which are known,
// are used and made again.
func (c *compiler) lookupPrefix(i int, m *interp.Map, l maps.LPMLayout, key int32) bool {
	if !c.LoadsInOrder || m.KeySize > maxWalkedKey || l.NodeStride > math.MaxInt32 || l.ValueStride > math.MaxInt32 {
		return false
	}
	fp, node, addr, found, length := c.R[isa.R10], c.R[0], c.R[1], c.R[2], c.A
	seq, limit, last := c.layout.Scratch, c.layout.Scratch+8, c.layout.Scratch+16
	var retry, done []int

	c.Load(4, c.B, fp, key)
	c.Store(8, c.Thread, limit, c.B)
	c.ArithImm(asm.Cmp, asm.W32, c.B, int32(l.MaxPrefix))
	tooLong := c.Jcc(asm.Above)
	c.MovImm(c.C, uint64(l.Seq))
	c.Load(8, c.C, c.C, 0)
	c.Store(8, c.Thread, seq, c.C)
	c.TestImm(asm.W32, c.C, 1)
	c.leaveIf(asm.NotEqual, i)
	c.address(addr, key+4, int(m.KeySize)-4)
	c.MovImm(found, 0)
	c.StoreImm(8, c.Thread, last, -1)
	c.MovImm(c.A, uint64(l.Root))
	c.Load(4, c.B, c.A, 0)

	c.Align()
	walk := c.Pos()
	c.Test(asm.W32, c.B, c.B)
	done = append(done, c.Jcc(asm.Equal))
	c.scale(c.B, l.NodeStride)
	c.MovImm(node, uint64(l.Nodes-l.NodeStride))
	c.Arith(asm.Add, asm.W64, node, c.B)
	c.Load(4, length, node, maps.LPMLayoutPrefix)
	c.ArithFrom(asm.Cmp, length, c.Thread, last)
	retry = append(retry, c.Jcc(asm.LessEqual))
	c.Store(8, c.Thread, last, length)
	c.ArithFrom(asm.Cmp, length, c.Thread, limit)
	done = append(done, c.Jcc(asm.Above))
	// The first length bits must be the same.
	c.Load(8, c.C, node, maps.LPMLayoutData)
	c.Swap(asm.W64, c.C)
	c.Arith(asm.Xor, asm.W64, c.C, addr)
	c.ShiftImm(asm.Shr, asm.W64, c.C, 1)
	c.MovImm(c.B, 63)
	c.Arith(asm.Sub, asm.W32, c.B, length)
	c.ShiftBy(asm.Shr, asm.W64, c.C, c.B)
	c.Test(asm.W64, c.C, c.C)
	done = append(done, c.Jcc(asm.NotEqual))
	c.Load(4, c.C, node, maps.LPMLayoutValue)
	c.Test(asm.W32, c.C, c.C)
	none := c.Jcc(asm.Equal)
	c.Mov(asm.W32, found, c.C)
	c.Patch(none, c.Pos())
	c.ArithImm(asm.Cmp, asm.W32, length, int32(l.MaxPrefix))
	done = append(done, c.Jcc(asm.AboveEqual))
	// The next bit says which child.
	c.Mov(asm.W64, c.C, addr)
	c.ShiftBy(asm.Shr, asm.W64, c.C, c.B)
	c.ArithImm(asm.And, asm.W32, c.C, 1)
	c.ShiftImm(asm.Shl, asm.W32, c.C, 2)
	c.Arith(asm.Add, asm.W64, node, c.C)
	c.Load(4, c.B, node, maps.LPMLayoutChild)
	c.Patch(c.Jmp(), walk)

	c.patchAll(done)
	c.MovImm(c.A, uint64(l.Seq))
	c.Load(8, c.A, c.A, 0)
	c.ArithFrom(asm.Cmp, c.A, c.Thread, seq)
	retry = append(retry, c.Jcc(asm.NotEqual))
	c.Test(asm.W32, found, found)
	missed := c.Jcc(asm.Equal)
	c.scale(found, l.ValueStride)
	c.MovImm(node, uint64(l.Values-l.ValueStride))
	c.Arith(asm.Add, asm.W64, node, found)
	again := func() {
		c.MovImm(c.R[1], uint64(m.Handle()))
		c.Lea(c.R[2], fp, key)
	}
	again()
	c.found(m)
	c.orElse([]int{missed, tooLong}, func() {
		again()
		c.missed(m)
	})
	c.later(func() {
		c.patchAll(retry)
		again()
		c.leave(i)
	})
	return true
}

// address loads the size < 8 bytes at r10+at, the first byte on top.
func (c *compiler) address(d asm.Reg, at int32, size int) {
	fp := c.R[isa.R10]
	c.MovImm(d, 0)
	for left := size; left > 0; {
		n := 4
		for n > left {
			n /= 2
		}
		c.Load(n, c.A, fp, at)
		switch n {
		case 4:
			c.Swap(asm.W32, c.A)
		case 2:
			c.Swap16(c.A)
		}
		c.ShiftImm(asm.Shl, asm.W64, d, uint8(8*n))
		c.Arith(asm.Or, asm.W64, d, c.A)
		at, left = at+int32(n), left-n
	}
	c.ShiftImm(asm.Shl, asm.W64, d, uint8(64-8*size))
}
