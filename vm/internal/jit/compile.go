package jit

import (
	"math"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/jit/amd64"
)

// regs are the homes of r0 to r9. R15 is the thread; RAX, RCX and RDX are for
// whoever needs them; RSP and RBP stay Go's. r10 does not change within a
// function and is read from the thread.
var regs = [...]amd64.Reg{
	amd64.RBX, amd64.RDI, amd64.RSI, amd64.R8, amd64.R9,
	amd64.R10, amd64.R11, amd64.R12, amd64.R13, amd64.R14,
}

const thread = amd64.R15

// compiler translates one program, slot by slot.
type compiler struct {
	amd64.Code
	ops    []interp.Op
	xdp    bool
	layout interp.Layout
	// readable and writable are a program's global data: maps of one value.
	readable, writable []value
	// entries are where the slots begin.
	entries []uint32
	// epilogue gives the registers back and returns.
	epilogue int
	// jumps wait for their slots' entries, exits for a stub that leaves there.
	jumps, exits []fixup
	// refuels are stubs behind jumps back that ran out of fuel.
	refuels []refuel
}

// value is memory at a fixed address.
type value struct {
	at   uint64
	size int32
}

// fixup is a jump, by the place of its distance, that concerns a slot.
type fixup struct{ place, slot int }

type refuel struct {
	fixup
	cost int32
}

// compile translates p. The first byte of the code takes over the registers and
// jumps to RAX, which is to be where a slot begins.
func compile(p *interp.Program) *compiler {
	ops := p.Ops()
	c := &compiler{ops: ops, xdp: p.Type == abi.ProgXDP, layout: interp.ThreadLayout(), entries: make([]uint32, len(ops))}
	c.readable, c.writable = values(p.Maps, false), values(p.Maps, true)
	c.enterAndLeave()
	for i := range ops {
		c.entries[i] = uint32(c.Pos())
		if i > 0 && ops[i-1].Code == interp.OpLoadImm {
			continue // a second slot, where nothing ever goes
		}
		c.op(i)
	}
	c.stubs()
	for _, j := range c.jumps {
		c.Patch(j.place, int(c.entries[j.slot]))
	}
	return c
}

// maxValues bounds how many maps each access is compared with.
const maxValues = 4

func values(maps []*interp.Map, write bool) (out []value) {
	for _, m := range maps {
		if at, n, ok := m.Flat(write); ok && n <= math.MaxInt32 && len(out) < maxValues {
			out = append(out, value{at, int32(n)})
		}
	}
	return out
}

func (c *compiler) enterAndLeave() {
	for i, r := range regs {
		c.Load(8, r, thread, c.register(uint8(i)))
	}
	c.JmpReg(amd64.RAX)
	c.epilogue = c.Pos()
	for i, r := range regs {
		c.Store(8, thread, c.register(uint8(i)), r)
	}
	c.Ret()
}

// register is where the thread keeps register i.
func (c *compiler) register(i uint8) int32 { return c.layout.R + 8*int32(i) }

// stubs are what is seldom reached, away from the rest.
func (c *compiler) stubs() {
	for _, r := range c.refuels {
		c.Patch(r.place, c.Pos())
		c.ArithMemImm(amd64.Add, thread, c.layout.Fuel, r.cost)
		c.leave(r.slot)
	}
	for _, e := range c.exits {
		c.Patch(e.place, c.Pos())
		c.leave(e.slot)
	}
}

// leave ends native code in front of slot i.
func (c *compiler) leave(i int) {
	c.StoreImm(8, thread, c.layout.PC, int32(i))
	c.Patch(c.Jmp(), c.epilogue)
}

func (c *compiler) op(i int) {
	op := &c.ops[i]
	switch code := op.Code; {
	case code >= interp.OpAddK && code <= interp.OpSwap64 && op.Dst < isa.R10:
		c.arithmetic(op)
	case code >= interp.OpLoad8 && code <= interp.OpStoreStackK64:
		c.memory(i, op)
	case code == interp.OpLoadImm:
		c.MovImm(regs[op.Dst], uint64(op.Imm))
	case code >= interp.OpJA && code <= interp.OpJSLeX32:
		c.jump(i, op)
	default:
		c.leave(i)
	}
}

// source is the register that holds r; r10 comes to scratch.
func (c *compiler) source(r uint8, scratch amd64.Reg) amd64.Reg {
	if r < isa.R10 {
		return regs[r]
	}
	c.Load(8, scratch, thread, c.register(isa.R10))
	return scratch
}
