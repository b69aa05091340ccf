package jit

import (
	"math"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
	"github.com/skepdev/skep/vm/internal/maps"
)

// Ring buffers. Records whose size is known are reserved and completed here, as
// maps' ring does it, if the run holds no other; the rest is Go's, and to wake a
// reader that sleeps.

const (
	noWakeup    = 1 << 0 // BPF_RB_NO_WAKEUP
	forceWakeup = 1 << 1 // BPF_RB_FORCE_WAKEUP
	// maxOutput bounds what is copied without a loop.
	maxOutput = 128
)

// ring does a helper of ring buffers; false, and nothing, if it does not.
func (c *compiler) ring(i int, id abi.HelperID) bool {
	n := &c.flow.notes[i]
	if id == abi.FnRingbufSubmit || id == abi.FnRingbufDiscard {
		m, ok := c.onlyRing()
		return ok && n.arg.kind == constant && c.complete(i, m, id == abi.FnRingbufDiscard, n.arg.n)
	}
	m, ok := c.flow.mapOf(n.base)
	if !ok {
		return false
	}
	l, ok := maps.LayoutOfRing(c.p.Maps[m].Map)
	if !ok || l.Mask > math.MaxInt32 || !near(l) {
		return false
	}
	if id == abi.FnRingbufOutput {
		return c.output(i, m, l)
	}
	if n.arg.kind != constant || n.third != (held{kind: constant}) || !fits(l, n.arg.n) {
		return false
	}
	c.reserve(i, m, l, n.arg.n)
	return true
}

// onlyRing is the program's ring buffer, if it has one and no more: who completes
// a record does not say which it is of.
func (c *compiler) onlyRing() (at int, ok bool) {
	for i, m := range c.p.Maps {
		if m.Ring != nil {
			if ok {
				return 0, false
			}
			at, ok = i, true
		}
	}
	return at, ok
}

// near says that the parts of a ring can be told by their distance to its lock.
func near(l maps.RingLayout) bool {
	for _, at := range []uintptr{l.Producer, l.Consumer, l.Sleeper} {
		if d := int64(at - l.Lock); d != int64(int32(d)) {
			return false
		}
	}
	return true
}

func fits(l maps.RingLayout, size int64) bool {
	return size >= 0 && size < math.MaxInt32-16 && maps.RingRecord(uint64(size)) <= l.Mask+1
}

// reserve is bpf_ringbuf_reserve.
func (c *compiler) reserve(i, m int, l maps.RingLayout, size int64) {
	c.ArithMemImm(asm.Cmp, c.Thread, c.layout.ExtraLen, 0)
	c.leaveIf(asm.NotEqual, i)
	full := c.claim(i, l, size, func() { c.MovImm(c.R[0], 0) })
	c.Load(8, c.A, c.Thread, c.layout.Extra)
	c.ArithImm(asm.Add, asm.W64, c.R[0], maps.RingLayoutHeader)
	c.Store(8, c.A, interp.RegionAt, c.R[0])
	c.StoreImm(8, c.A, interp.RegionSize, int32(size))
	c.MovImm(c.C, uint64(c.p.Maps[m].Address()))
	c.Store(8, c.A, interp.RegionOwner, c.C)
	c.StoreImm(8, c.A, interp.RegionWhat, int32(interp.RegionRecord))
	c.StoreImm(8, c.Thread, c.layout.ExtraLen, 1)
	full()
}

// claim takes the room of a record: r0 is where its header is, which says that it
// is not complete. If there is none, what isFull writes is done, and the code goes on
// where the function that claim returns is called. A to C are changed, and B has
// the address of the lock.
func (c *compiler) claim(i int, l maps.RingLayout, size int64, isFull func()) (done func()) {
	r0, at := c.R[0], func(p uintptr) int32 { return int32(p - l.Lock) }
	c.MovImm(c.B, uint64(l.Lock))
	for _, place := range c.TryLock(c.B) {
		c.exits = append(c.exits, fixup{place, i})
	}
	c.Load(8, r0, c.B, at(l.Producer))
	c.Lea(c.A, r0, int32(maps.RingRecord(uint64(size))))
	c.Mov(asm.W64, c.C, c.A)
	c.ArithFrom(asm.Sub, c.C, c.B, at(l.Consumer))
	c.ArithImm(asm.Cmp, asm.W64, c.C, int32(l.Mask))
	full := c.Jcc(asm.Above)
	c.ArithImm(asm.And, asm.W64, r0, int32(l.Mask))
	c.MovImm(c.C, uint64(l.Data))
	c.Arith(asm.Add, asm.W64, r0, c.C)
	busy := uint32(size) | maps.RingLayoutBusy
	c.StoreImm(4, r0, 0, int32(busy))
	c.StoreImm(4, r0, 4, 0)
	c.StoreRelease(8, c.B, at(l.Producer), c.A)
	c.MovImm(c.C, 0)
	c.StoreRelease(4, c.B, 0, c.C)
	return func() {
		c.orElse([]int{full}, func() {
			c.MovImm(c.C, 0)
			c.StoreRelease(4, c.B, 0, c.C)
			isFull()
		})
	}
}

// complete is bpf_ringbuf_submit and bpf_ringbuf_discard of the one record that
// the run holds.
func (c *compiler) complete(i, m int, discard bool, flags int64) bool {
	l, ok := maps.LayoutOfRing(c.p.Maps[m].Map)
	if !ok {
		return false
	}
	r1 := c.R[1]
	c.ArithMemImm(asm.Cmp, c.Thread, c.layout.ExtraLen, 1)
	c.leaveIf(asm.NotEqual, i)
	c.Load(8, c.A, c.Thread, c.layout.Extra)
	c.Load(8, c.C, c.A, interp.RegionAt)
	c.Arith(asm.Cmp, asm.W64, c.C, r1)
	c.leaveIf(asm.NotEqual, i)
	c.Load(8, c.C, c.A, interp.RegionOwner)
	c.MovImm(c.B, uint64(c.p.Maps[m].Address()))
	c.Arith(asm.Cmp, asm.W64, c.C, c.B)
	c.leaveIf(asm.NotEqual, i)
	c.Load(4, c.C, r1, -maps.RingLayoutHeader)
	c.ArithImm(asm.And, asm.W32, c.C, math.MaxInt32)
	if discard {
		c.ArithImm(asm.Or, asm.W32, c.C, maps.RingLayoutDiscard)
	}
	c.StoreImm(8, c.Thread, c.layout.ExtraLen, 0)
	c.finishRecord(i, m, l, r1, -maps.RingLayoutHeader, flags)
	c.MovImm(c.R[0], 0)
	return true
}

// finishRecord stores the header in C, which the readers wait for, and leaves for
// Go to wake them if they sleep. B and C are changed.
func (c *compiler) finishRecord(i, m int, l maps.RingLayout, base asm.Reg, off int32, flags int64) {
	if flags&forceWakeup == 0 && flags&noWakeup != 0 {
		c.StoreRelease(4, base, off, c.C)
		return
	}
	c.StoreFenced(base, off, c.C)
	c.MovImm(c.B, uint64(l.Sleeper))
	c.Load(4, c.C, c.B, 0)
	c.Test(asm.W32, c.C, c.C)
	c.orElse([]int{c.Jcc(asm.NotEqual)}, func() {
		c.MovImm(c.R[0], 0) // what the helper returns
		c.StoreImm(8, c.Thread, c.layout.Wake, int32(m)+1)
		c.leave(i)
	})
}

// output is bpf_ringbuf_output of so many bytes of the stack frame.
func (c *compiler) output(i, m int, l maps.RingLayout) bool {
	n := &c.flow.notes[i]
	data, size, flags := n.arg, n.third, n.fourth
	if data.kind != frame || size.kind != constant || flags.kind != constant || flags.n&^(noWakeup|forceWakeup) != 0 ||
		size.n <= 0 || size.n > maxOutput || data.n < -interp.FrameSize || data.n+size.n > 0 || !fits(l, size.n) {
		return false
	}
	const again = 11 // EAGAIN
	full := c.claim(i, l, size.n, func() { c.MovImm(c.R[0], math.MaxUint64-again+1) })
	for at := int64(0); at < size.n; {
		piece := 8
		for int64(piece) > size.n-at {
			piece /= 2
		}
		c.Load(piece, c.A, c.R[isa.R10], int32(data.n+at))
		c.Store(piece, c.R[0], int32(maps.RingLayoutHeader+at), c.A)
		at += int64(piece)
	}
	c.MovImm(c.C, uint64(size.n))
	c.finishRecord(i, m, l, c.R[0], 0, flags.n)
	c.MovImm(c.R[0], 0)
	full()
	return true
}

// random is bpf_get_prandom_u32, xorshift64* as helpers has it.
func (c *compiler) random() {
	x := c.R[0]
	c.Load(8, x, c.Thread, c.layout.Rand)
	for _, s := range []struct {
		op asm.Shift
		by uint8
	}{{asm.Shr, 12}, {asm.Shl, 25}, {asm.Shr, 27}} {
		c.Mov(asm.W64, c.A, x)
		c.ShiftImm(s.op, asm.W64, c.A, s.by)
		c.Arith(asm.Xor, asm.W64, x, c.A)
	}
	c.Store(8, c.Thread, c.layout.Rand, x)
	c.MovImm(c.A, 0x2545f4914f6cdd1d)
	c.Mul(asm.W64, x, c.A)
	c.ShiftImm(asm.Shr, asm.W64, x, 32)
}
