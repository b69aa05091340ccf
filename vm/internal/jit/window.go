package jit

import (
	"math"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// A window is a stretch of a basic block in which nothing leaves for Go but
// for comparisons of memory accesses. Accesses that start from one address are
// compared together, at the first of them; behind that, loads of single bytes
// that are put together again become one load, and what nobody reads is left
// out. If a comparison fails, and where Go comes back, a second copy of the
// window goes on that does everything one by one.
type window struct {
	first, last int
	slots       []plan
}

// plan is what becomes of one slot of a window.
type plan struct {
	// check comes first, if its size is not 0: bytes from R[base]+off on.
	check struct {
		base  uint8
		off   int32
		size  int32
		write bool
	}
	second bool // slot of a 64-bit load
	skip   bool
	place  bool // an access whose place was compared
	// load, if not 0, replaces the operation: so many bytes at R[base]+off.
	load    int
	base    uint8
	off     int32
	swapped bool
}

// address is where a register points: delta bytes behind a root, which is a
// value that a register had.
type address struct {
	root  int
	delta int64
}

// loaded is a value of which is known, byte by byte, where it came from:
// offsets from a root, or nothing for zero.
type loaded struct {
	root int // 0 for other values
	from [8]int64
}

const zeroByte = math.MinInt64

type windower struct {
	c     *compiler
	live  []set
	w     *window
	roots int
	at    [isa.Registers]address
	is    [isa.Registers]loaded
	// groups by root and class.
	groups map[groupKey]*group
}

type groupKey struct {
	root  int
	class interp.Class
}

type group struct {
	slot     int // of the first access, and its register
	base     uint8
	delta    int64
	min, max int64
	write    bool
	n        int
}

// maxSpread bounds the bytes that are compared together.
const maxSpread = 1 << 12

// windowAt finds the window that begins at slot i; nil if none pays.
func (c *compiler) windowAt(i int, live []set) *window {
	if i < c.noWindow || !c.flow.reached[i] || !c.staysNative(i) {
		return nil
	}
	last, accesses := c.stretch(i)
	if accesses < 2 {
		c.noWindow = last + 1
		return nil
	}
	x := &windower{c: c, live: live, w: &window{first: i, last: last, slots: make([]plan, last-i+1)}, groups: map[groupKey]*group{}}
	for r := range x.at {
		x.fresh(uint8(r))
	}
	for k := i; k <= last; k++ {
		x.step(k, &c.ops[k])
		if c.ops[k].Code == interp.OpLoadImm {
			k++
			x.w.plan(k).second = true
		}
	}
	pays := false
	for _, g := range x.groups {
		p := x.w.plan(g.slot)
		p.check.base, p.check.off, p.check.size, p.check.write = g.base, int32(g.min-g.delta), int32(g.max-g.min), g.write
		pays = pays || g.n > 1
	}
	if !pays && !x.merged() {
		c.noWindow = last + 1 // none that begins later would pay either
		return nil
	}
	x.dropUnread()
	return x.w
}

// maxWindow bounds the slots of a window.
const maxWindow = 512

// stretch is how far a window from slot i on may go, and how many accesses it
// has.
func (c *compiler) stretch(i int) (last, accesses int) {
	last = i
	for k := i; k < len(c.ops) && k < i+maxWindow && c.flow.reached[k] && (k == i || c.flow.leader[k] == 0) && c.staysNative(k); k++ {
		if isMemory(&c.ops[k]) {
			accesses++
		}
		if c.ops[k].Code == interp.OpLoadImm {
			k++
		}
		last = k
	}
	return last, accesses
}

// plan is that of slot k.
func (w *window) plan(k int) *plan { return &w.slots[k-w.first] }

func (x *windower) merged() bool {
	for i := range x.w.slots {
		if p := &x.w.slots[i]; p.load != 0 {
			return true
		}
	}
	return false
}

// staysNative says that slot k never leaves but for a comparison.
func (c *compiler) staysNative(k int) bool {
	op := &c.ops[k]
	switch code := op.Code; {
	case code >= interp.OpAddK && code <= interp.OpSwap64:
		return op.Dst < isa.R10
	case code == interp.OpLoadImm:
		return true
	case code >= interp.OpLoad8 && code <= interp.OpStoreStackK64:
		h := c.flow.notes[k].base
		if h.kind == context {
			a, signed := accessOf(op)
			off := h.n + int64(a.off)
			return !signed && !a.write && a.size == 4 && (c.flow.isPacketField(off) || c.flow.isXDP && (off == 12 || off == 16))
		}
		return true
	}
	return false
}

// fresh gives register r a root of its own.
func (x *windower) fresh(r uint8) {
	x.roots++
	x.at[r] = address{root: x.roots}
	x.is[r] = loaded{}
}

// step takes one operation into the window.
func (x *windower) step(k int, op *interp.Op) {
	d := op.Dst
	switch code := op.Code; {
	case code >= interp.OpLoad8 && code <= interp.OpStoreStackK64:
		x.access(k, op)
	case code == interp.OpMovX:
		x.at[d], x.is[d] = x.at[op.Src], x.is[op.Src]
	case code == interp.OpAddK:
		at := x.at[d]
		x.fresh(d)
		x.at[d] = address{at.root, at.delta + op.Imm}
	case code == interp.OpLshK || code == interp.OpLshK32:
		is := x.is[d].shifted(op.Imm, code == interp.OpLshK32)
		x.fresh(d)
		x.is[d] = is
	case code == interp.OpMovX32:
		is := x.is[op.Src].low()
		x.fresh(d)
		x.is[d] = is
	case code == interp.OpOrX || code == interp.OpOrX32:
		is := x.is[d].or(x.is[op.Src])
		if code == interp.OpOrX32 {
			is = is.low()
		}
		x.merge(k, is)
		x.fresh(d)
		x.is[d] = is
	default:
		x.fresh(d)
	}
}

// access takes a load or store into its group, to be compared together.
func (x *windower) access(k int, op *interp.Op) {
	a, signed := accessOf(op)
	h := x.c.flow.notes[k].base
	at := x.at[a.base]
	switch {
	case h.kind == context:
	case x.c.proved(k, h, a):
		x.w.plan(k).place = true
	default:
		x.group(k, a, x.c.classOf(k, h))
	}
	if a.write {
		for r := range x.is { // the store may have changed what they came from
			x.is[r] = loaded{}
		}
		return
	}
	x.fresh(op.Dst)
	if h.kind != context && !signed && x.w.plan(k).place {
		is := loaded{root: at.root}
		for b := range is.from {
			is.from[b] = zeroByte
			if b < a.size {
				is.from[b] = at.delta + int64(a.off) + int64(b)
			}
		}
		x.is[op.Dst] = is
	}
}

func (x *windower) group(k int, a access, class interp.Class) {
	at := x.at[a.base]
	lo := at.delta + int64(a.off)
	hi := lo + int64(a.size)
	key := groupKey{at.root, class}
	g := x.groups[key]
	if g == nil {
		if at.delta != int64(int32(at.delta)) || lo != int64(int32(lo)) {
			return
		}
		g = &group{slot: k, base: a.base, delta: at.delta, min: lo, max: hi}
		x.groups[key] = g
	}
	if min(g.min, lo) < g.min-maxSpread || max(g.max, hi)-min(g.min, lo) > maxSpread {
		return // this one alone
	}
	g.min, g.max, g.write, g.n = min(g.min, lo), max(g.max, hi), g.write || a.write, g.n+1
	x.w.plan(k).place = true
}

func (v loaded) shifted(n int64, is32 bool) loaded {
	if v.root == 0 || n&7 != 0 || n < 0 || n > 56 || is32 && n > 24 {
		return loaded{}
	}
	out := loaded{root: v.root}
	for b := range out.from {
		out.from[b] = zeroByte
		if src := b - int(n/8); src >= 0 {
			out.from[b] = v.from[src]
		}
	}
	if is32 {
		return out.low()
	}
	return out
}

func (v loaded) low() loaded {
	for b := 4; b < 8; b++ {
		v.from[b] = zeroByte
	}
	return v
}

func (v loaded) or(w loaded) loaded {
	if v.root == 0 || v.root != w.root {
		return loaded{}
	}
	for b := range v.from {
		switch {
		case v.from[b] == zeroByte:
			v.from[b] = w.from[b]
		case w.from[b] != zeroByte:
			return loaded{}
		}
	}
	return v
}

// merge makes slot k one load if its result is what lies in memory.
func (x *windower) merge(k int, v loaded) {
	if v.root == 0 {
		return
	}
	n := 0
	for n < 8 && v.from[n] != zeroByte {
		n++
	}
	if n != 2 && n != 4 && n != 8 {
		return
	}
	up, down := true, true
	for b := range v.from {
		switch {
		case b >= n:
			up, down = up && v.from[b] == zeroByte, down && v.from[b] == zeroByte
		default:
			up = up && v.from[b] == v.from[0]+int64(b)
			down = down && v.from[b] == v.from[0]-int64(b)
		}
	}
	start := v.from[0]
	if down {
		start = v.from[n-1]
	}
	if !up && !down {
		return
	}
	for r := range x.at {
		off := start - x.at[r].delta
		if x.at[r].root == v.root && off == int64(int32(off)) {
			p := x.w.plan(k)
			p.load, p.base, p.off, p.swapped = n, uint8(r), int32(off), down
			return
		}
	}
}

// dropUnread leaves out what nobody reads any more.
func (x *windower) dropUnread() {
	last := x.w.last
	if x.w.plan(last).second {
		last--
	}
	live := x.live[last]
	for k := last; k >= x.w.first; k-- {
		p := x.w.plan(k)
		if p.second {
			continue
		}
		op := &x.c.ops[k]
		reads, writes := usesOf(op)
		isStore := op.Code >= interp.OpStore8 && op.Code <= interp.OpStoreStackK64
		if !isStore && live&writes == 0 && (p.place || op.Code < interp.OpLoad8 || op.Code == interp.OpLoadImm) {
			p.skip = true
		} else {
			if p.load != 0 {
				reads = bit(p.base)
			}
			live = live&^writes | reads
		}
		if p.check.size != 0 || isMemory(op) && !p.place {
			// The second copy, or Go, may have to go on from here: it wants
			// everything that the operations as they stand read.
			reads, writes := usesOf(op)
			live |= x.live[k]&^writes | reads
		}
	}
}

func isMemory(op *interp.Op) bool {
	return op.Code >= interp.OpLoad8 && op.Code <= interp.OpStoreStackK64
}

// window writes a window, and for later its second copy.
func (c *compiler) window(w *window) {
	type failure struct{ place, slot int }
	var failed []failure
	for k := w.first; k <= w.last; k++ {
		p := w.plan(k)
		if p.second {
			continue
		}
		op := &c.ops[k]
		if k != w.first {
			c.at(k, false)
		}
		if s := p.check; s.size != 0 {
			for _, place := range c.compareGroup(k, s.base, s.off, s.size, s.write) {
				failed = append(failed, failure{place, k})
			}
		}
		switch {
		case p.skip:
		case p.load != 0:
			d := c.R[op.Dst]
			c.Load(p.load, d, c.R[p.base], p.off)
			switch {
			case p.swapped && p.load == 2:
				c.Swap16(d)
			case p.swapped:
				c.Swap(asm.Width(p.load == 8), d)
			}
		case p.place:
			c.transfer(op, c.R[baseOf(op)], op.Off)
		default:
			c.op(k)
		}
	}
	back := c.Pos()
	c.later(func() {
		for k := w.first; k <= w.last; k++ {
			if w.plan(k).second {
				continue
			}
			if k != w.first {
				c.slots[k] = uint32(c.Pos())
			}
			c.at(k, true)
			for _, f := range failed {
				if f.slot == k {
					c.Patch(f.place, c.Pos())
				}
			}
			c.op(k)
		}
		c.Patch(c.Jmp(), back)
	})
}

func baseOf(op *interp.Op) uint8 {
	a, _ := accessOf(op)
	return a.base
}

// compareGroup compares a group's bytes with the object that they likely lie
// in; the jumps are taken if they do not.
func (c *compiler) compareGroup(k int, base uint8, off, size int32, write bool) []int {
	class := c.classOf(k, c.flow.notes[k].base)
	c.Lea(c.A, c.R[base], off)
	switch {
	case class == interp.ClassFrame:
		return c.inFrame(size)
	case class == interp.ClassValue && write:
		return c.inSpan(c.layout.WritableValue, size)
	case class == interp.ClassValue:
		return c.inSpan(c.layout.Value, size)
	case write:
		return c.inSpan(c.layout.WritablePacket, size)
	}
	return c.inSpan(c.layout.Packet, size)
}
