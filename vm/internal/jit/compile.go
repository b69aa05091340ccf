package jit

import (
	"math"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/asm"
)

// compiler translates one program, slot by slot.
type compiler struct {
	asm.Assembler
	asm.Machine
	p      *interp.Program
	ops    []interp.Op
	flow   *flow
	layout interp.Layout
	// globals are a program's global data: maps of one value.
	globals []global
	// slots are where the slots begin.
	slots []uint32
	// used are the registers that the program has to do with; fuel is the one
	// that holds the fuel, if there was one to spare.
	used    set
	fuel    asm.Reg
	hasFuel bool
	// epilogue gives the registers back and returns.
	epilogue, begin, exit, leaveAtExit, tail int
	// jumps wait for their slots' entries, exits for a stub that leaves there.
	jumps, exits []fixup
	marks        []mark
	// slot is what code is being written for, -1 for none.
	slot int
	// noWindow is the slot before which no window begins; kept caches clobbered.
	noWindow int
	kept     map[int32]uint8
	// profile counts runs, or is nil.
	profile *Profile
	// stubs are code that is seldom reached.
	stubs []func()
}

// global is memory at a fixed address.
type global struct {
	at                 uint64
	size               int32
	readable, writable bool
}

// fixup is a jump, by its place, that concerns a slot.
type fixup struct{ place, slot int }

// compile translates p. The first byte of the code takes over the registers and
// jumps to A, which is to be where a slot begins.
// With profile it counts what runs there.
func compile(p *interp.Program, a asm.Assembler, profile *Profile) *compiler {
	ops := p.Ops()
	c := &compiler{
		Assembler: a, Machine: a.Machine(), p: p, ops: ops, flow: follow(p),
		layout: interp.ThreadLayout(), slots: make([]uint32, len(ops)), kept: map[int32]uint8{},
	}
	if profile != nil {
		*profile = *newProfile(c.flow)
		c.profile = profile
	}
	c.findGlobals()
	c.findSpare()
	c.at(-1, false)
	live := liveness(c.flow)
	c.enterAndLeave(liveAtStart(ops, live))
	loops := c.loops()
	for i := 0; i < len(ops); i++ {
		if loops[i] {
			c.Align()
		}
		c.slots[i] = uint32(c.Pos())
		c.at(i, false)
		if c.flow.reached[i] {
			c.count(i)
		}
		if w := c.windowAt(i, live); w != nil {
			c.window(w)
			i = w.last
			continue
		}
		if i > 0 && ops[i-1].Code == interp.OpLoadImm {
			continue // a second slot, where nothing ever goes
		}
		if !c.flow.reached[i] {
			continue // nor here; what follows is as good as anything
		}
		if s, ok := c.sumAt(i, live); ok {
			c.addressing(i, s)
			i = s.last
			continue
		}
		c.op(i)
	}
	c.leave(len(ops) - 1)               // never reached
	for n := 0; n < len(c.stubs); n++ { // they may add some
		c.stubs[n]()
	}
	for _, e := range c.exits {
		c.at(e.slot, true)
		c.Patch(e.place, c.Pos())
		c.leave(e.slot)
	}
	for _, j := range c.jumps {
		c.Patch(j.place, int(c.slots[j.slot]))
	}
	return c
}

// maxGlobals bounds how many maps each access is compared with.
const maxGlobals = 4

func (c *compiler) findGlobals() {
	for _, m := range c.p.Maps {
		at, n, r := m.Flat(false)
		_, _, w := m.Flat(true)
		if n != 0 && n <= math.MaxInt32 {
			c.globals = append(c.globals, global{at, int32(n), r, w})
		}
	}
}

// enterAndLeave is the code around the program's own. Of registers that are read
// before they are written, and so are in start, programs see zeroes.
func (c *compiler) enterAndLeave(start set) {
	for i, r := range c.R {
		if c.used.has(uint8(i)) {
			c.Load(8, r, c.Thread, c.register(uint8(i)))
		}
	}
	c.loadFuel()
	c.JmpReg(c.A)

	// From another program, which left its fuel in B: by way of memory, a chain
	// of calls would wait for that.
	c.tail = c.Pos()
	c.clear(start)
	if c.hasFuel {
		c.Mov(asm.W64, c.fuel, c.B)
	} else {
		c.Store(8, c.Thread, c.layout.Fuel, c.B)
	}
	c.StoreImm(4, c.Thread, c.layout.Number, int32(c.p.Number))
	ownExit := c.Address(c.A)
	c.Store(8, c.R[10], interp.SavedNative-interp.FrameStride, c.A)
	tailStart := c.Jmp()

	// The function that exits stands in front of its exit again.
	c.exit = c.Pos()
	c.PatchAddress(ownExit, c.exit)
	c.ArithImm(asm.Add, asm.W64, c.R[10], interp.FrameStride)
	c.Store(8, c.Thread, c.register(0), c.R[0])
	c.Store(8, c.Thread, c.register(10), c.R[10])
	c.StoreImm(8, c.Thread, c.layout.PC, interp.AtExit)
	c.storeFuel()
	c.Ret()

	c.leaveAtExit = c.Pos()
	c.ArithImm(asm.Add, asm.W64, c.R[10], interp.FrameStride)
	c.StoreImm(8, c.Thread, c.layout.PC, interp.AtExit)
	c.epilogue = c.Pos()
	for i, r := range c.R {
		if c.used.has(uint8(i)) {
			c.Store(8, c.Thread, c.register(uint8(i)), r)
		}
	}
	c.storeFuel()
	c.Ret()
	// The most frequent way in falls through to the program.
	c.begin = c.Pos()
	c.Load(8, c.R[1], c.Thread, c.register(1))
	c.Load(8, c.R[10], c.Thread, c.register(10))
	c.clear(start)
	c.loadFuel()
	c.Patch(tailStart, c.Pos())
}

// clear makes registers zero, but for those that every run begins with.
func (c *compiler) clear(which set) {
	for i, r := range c.R {
		if i != isa.R1 && i != isa.R10 && (which & c.used).has(uint8(i)) {
			c.MovImm(r, 0)
		}
	}
}

// register is where the thread keeps register i.
func (c *compiler) register(i uint8) int32 { return c.layout.R + 8*int32(i) }

// leave ends native code in front of slot i.
func (c *compiler) leave(i int) {
	c.StoreImm(8, c.Thread, c.layout.PC, int32(i))
	c.Patch(c.Jmp(), c.epilogue)
}

// leaveIf leaves in front of slot i if the condition holds.
func (c *compiler) leaveIf(x asm.Cond, i int) {
	c.exits = append(c.exits, fixup{c.Jcc(x), i})
}

func (c *compiler) op(i int) {
	op := &c.ops[i]
	switch code := op.Code; {
	case code >= interp.OpAddK && code <= interp.OpSwap64 && op.Dst < isa.R10:
		c.arithmetic(op)
	case code >= interp.OpLoad8 && code <= interp.OpStoreStackK64:
		c.memory(i, op)
	case code == interp.OpLoadImm:
		c.MovImm(c.R[op.Dst], uint64(op.Imm))
	case code >= interp.OpJA && code <= interp.OpJSLeX32:
		c.jump(i, op)
	case code == interp.OpCall:
		c.call(i, op)
	case code == interp.OpExit:
		if c.p.CallsHelpers() {
			// Who still holds something is told where.
			c.StoreImm(8, c.Thread, c.layout.ExitPC, int32(i))
		}
		// Where to go on was left by the caller, be it native code or Go.
		c.ArithImm(asm.Sub, asm.W64, c.R[10], interp.FrameStride)
		c.JmpMem(c.R[10], interp.SavedNative)
	case code == interp.OpHelper:
		c.helper(i, op)
	case code == interp.OpTailCall:
		c.tailCall(i)
	case code == interp.OpAtomic32 || code == interp.OpAtomic64:
		c.atomic(i, op)
	default:
		c.leave(i)
	}
}

// call calls a function of the program: what the caller needs again lies above
// its frame.
func (c *compiler) call(i int, op *interp.Op) {
	kept, known := c.kept[op.Off]
	if !known {
		kept = c.clobbered(op.Off)
		c.kept[op.Off] = kept
	}
	fp := c.R[10]
	c.ArithFrom(asm.Cmp, fp, c.Thread, c.layout.LastFrame)
	c.leaveIf(asm.AboveEqual, i)
	c.takeFuel(i, int32(c.p.CallCost(op.Off)))
	back := c.Address(c.A)
	c.Store(8, fp, interp.SavedNative, c.A)
	c.StoreImm(8, fp, interp.SavedCall, int32(i)|int32(kept)<<interp.SavedShift)
	for r := range 4 {
		if kept>>r&1 != 0 {
			c.Store(8, fp, int32(interp.SavedRegs+8*r), c.R[6+r])
		}
	}
	c.ArithImm(asm.Add, asm.W64, fp, interp.FrameStride)
	c.jumps = append(c.jumps, fixup{c.Jmp(), int(op.Off)})
	c.PatchAddress(back, c.Pos())
	for r := range 4 {
		if kept>>r&1 != 0 {
			c.Load(8, c.R[6+r], fp, int32(interp.SavedRegs+8*r))
		}
	}
}

// clobbered are the registers from r6 on that the function at a slot may
// change, before its caller gets them back.
func (c *compiler) clobbered(to int32) (mask uint8) {
	for i := to; i < c.p.FunctionEnd(to); i++ {
		op := &c.ops[i]
		switch op.Code {
		case interp.OpTailCall:
			return 0xf // the other program's function is not known
		case interp.OpAtomic32, interp.OpAtomic64:
			mask |= above6(op.Src)
		}
		mask |= above6(op.Dst)
	}
	return mask & 0xf
}

func above6(r uint8) uint8 {
	if r < isa.R6 || r > isa.R9 {
		return 0
	}
	return 1 << (r - isa.R6)
}

// takeFuel takes from the fuel in front of slot i, or leaves there if it is
// used up.
func (c *compiler) takeFuel(i int, cost int32) {
	c.changeFuel(asm.Sub, cost)
	c.outOfFuel(i, c.Jcc(asm.Sign), cost)
}

// takeFuelTo takes the length of a jump back to a slot, and jumps there if there
// was enough: the comparison of the fuel is the loop's own jump.
func (c *compiler) takeFuelTo(i, to int) {
	cost := int32(i + 1 - to)
	c.changeFuel(asm.Sub, cost)
	c.jumps = append(c.jumps, fixup{c.Jcc(asm.GreaterEqual), to})
	c.outOfFuel(i, c.Jmp(), cost)
}

func (c *compiler) changeFuel(op asm.ALU, cost int32) {
	if c.hasFuel {
		c.ArithImm(op, asm.W64, c.fuel, cost)
	} else {
		c.ArithMemImm(op, c.Thread, c.layout.Fuel, cost)
	}
}

// outOfFuel gives the fuel back and leaves in front of slot i, where the jump at
// a place goes.
func (c *compiler) outOfFuel(i, place int, cost int32) {
	c.later(func() {
		c.Patch(place, c.Pos())
		c.changeFuel(asm.Add, cost)
		c.leave(i)
	})
}

// findSpare finds a register for the fuel: in memory, it would be what a short
// loop waits for.
func (c *compiler) findSpare() {
	c.used = bit(isa.R0) | bit(isa.R1) | bit(isa.R10)
	for i := range c.ops {
		c.used |= mentioned(&c.ops[i])
	}
	if len(c.Spare) > 0 {
		c.fuel, c.hasFuel = c.Spare[0], true
		return
	}
	for r := uint8(isa.R9); r > isa.R0 && !c.hasFuel; r-- {
		if !c.used.has(r) {
			c.fuel, c.hasFuel = c.R[r], true
		}
	}
}

func (c *compiler) loadFuel() {
	if c.hasFuel {
		c.Load(8, c.fuel, c.Thread, c.layout.Fuel)
	}
}

func (c *compiler) storeFuel() {
	if c.hasFuel {
		c.Store(8, c.Thread, c.layout.Fuel, c.fuel)
	}
}

// helper calls a helper: a few are done here, for the others Go is called.
func (c *compiler) helper(i int, op *interp.Op) {
	switch c.p.HelperID(op) {
	case abi.FnMapLookupElem:
		if m, ok := c.flow.mapOf(c.flow.notes[i].base); ok && c.lookup(i, c.p.Maps[m]) {
			return
		}
	case abi.FnGetSmpProcessorId:
		c.Load(8, c.R[0], c.Thread, c.layout.CPU)
		return
	case abi.FnGetPrandomU32:
		c.random()
		return
	case abi.FnRingbufReserve, abi.FnRingbufSubmit, abi.FnRingbufDiscard, abi.FnRingbufOutput:
		if c.ring(i, c.p.HelperID(op)) {
			return
		}
	}
	c.leave(i)
}
