package interp

import (
	"slices"

	"github.com/skepdev/skep/abi"
)

// Native is the machine code of a program: addresses of code outside Go's
// heap, valid as long as the program.
type Native struct {
	// Resume loads the registers from the thread and jumps to the target it is
	// entered with.
	Resume uintptr
	// Begin starts a run: it clears registers and goes on at slot 0.
	Begin uintptr
	// Exit and LeaveAtExit leave for Go where the function that Go entered
	// exits; the latter with all registers.
	Exit, LeaveAtExit uintptr
	// Tail takes over from another program's native code, with the context in
	// r1, the first frame's pointer in r10 and the fuel in the compiler's
	// register B.
	Tail uintptr
	// Slots are the addresses at which the slots begin, relative to Resume.
	Slots []uint32
	// Places are the pieces of code in the order in which they lie.
	Places []NativePlace
}

// NativePlace says that native code from At on, relative to Resume, is for a
// slot, or for none (-1).
type NativePlace struct {
	At   uint32
	Slot int32
}

// slotAt is the slot that the code at a place relative to Resume is for, or -1.
func (n *Native) slotAt(at uintptr) int {
	// Of places at one address the last has the code.
	i, _ := slices.BinarySearchFunc(n.Places, at, func(p NativePlace, at uintptr) int {
		if uintptr(p.At) <= at {
			return -1
		}
		return 1
	})
	if i == 0 {
		return -1
	}
	return int(n.Places[i-1].Slot)
}

// atExit is the slot that native code leaves at when the function that Go
// entered exits.
const atExit = -1

// SetNative makes runs of p execute n.
func (p *Program) SetNative(n *Native) {
	catchFaults()
	p.Native, p.exit, p.leaveAtExit = n, uint64(n.Exit), uint64(n.LeaveAtExit)
}

// fuelSupply bounds how long native code runs before it looks whether Go's
// scheduler and garbage collector want their turn, in instructions of loops:
// some tenths of a millisecond.
const fuelSupply = 1 << 20

// Ops are the operations that the interpreter executes, by slot, and one more
// that is none. Not to be modified.
func (p *Program) Ops() []Op { return p.ops }

// Callbacks are the slots of the functions whose address the program takes.
// Nothing else can be called back. Not to be modified.
func (p *Program) Callbacks() map[int32]bool { return p.taken }

// HelperID is the number of the helper that op calls; 0 for anything else.
func (p *Program) HelperID(op *Op) abi.HelperID {
	if op.Code != OpHelper {
		return abi.FnUnspec
	}
	return p.ids[op.Imm]
}

// CallsHelpers says whether the program calls any.
func (p *Program) CallsHelpers() bool { return len(p.helpers) != 0 }

// CallCost is what a call of the function at slot to takes from the budget.
func (p *Program) CallCost(to int32) int64 { return int64(p.funcs[to]) + callCost }

// FunctionEnd is the slot behind the function that starts at slot to.
func (p *Program) FunctionEnd(to int32) int32 { return to + p.funcs[to] }

// Facts tells for each slot what has been proved about it; it may be empty.
func (p *Program) Facts() []Fact { return p.facts }

// How interpret ends.
type ending uint8

const (
	stopped  ending = iota // t.stop tells why
	finished               // the function returned
	resumed                // native code can go on behind t.pc
)

// run runs a function that Go called at slot pc, with the frame pointer base, to
// its end; if it is false, t.stop tells why there was none.
func (t *Thread) run(base uint64, pc int) bool {
	n := t.prog.Native
	if n == nil {
		return t.interpreted(pc, base)
	}
	t.lend(n.Resume, n.Resume+uintptr(n.Slots[pc]))
	return t.goOn(base)
}

// interpreted runs without native code until a program that has some has its
// turn: tail calls mix them.
func (t *Thread) interpreted(pc int, base uint64) bool {
	switch t.interpret(pc, base) {
	case finished:
		return true
	case stopped:
		return false
	}
	return t.run(base, t.pc+1)
}

// goOn does what native code left for Go, again and again, until the function
// whose frame pointer is base returns.
func (t *Thread) goOn(base uint64) bool {
	for {
		if t.stop != nil {
			return false // native code faulted
		}
		pc := t.pc
		switch {
		case pc == atExit:
			if t.R[10] == base {
				return true
			}
			t.leave()
		case t.prog.ops[pc].Code == OpTailCall:
			t.tailCall()
			if t.stop != nil {
				return false
			}
		case t.prog.ops[pc].Code == OpHelper:
			if t.wake != 0 {
				// Native code did it all but for waking the reader.
				t.prog.Maps[t.wake-1].Ring.Wake()
				t.wake = 0
				break
			}
			t.budget -= callCost
			t.R[0] = t.prog.helpers[t.prog.ops[pc].Imm](t)
			if t.stop != nil {
				return false
			}
			t.pc = pc
		default:
			switch t.interpret(pc, base) {
			case finished:
				return true
			case stopped:
				return false
			}
		}
		pc = t.pc + 1
		n := t.prog.Native
		if n == nil {
			return t.interpreted(pc, base)
		}
		t.lend(n.Resume, n.Resume+uintptr(n.Slots[pc]))
	}
}

// lend enters native code with some of the budget.
func (t *Thread) lend(prologue, target uintptr) {
	fuel := min(t.budget, fuelSupply)
	t.budget -= fuel
	t.fuel = fuel
	t.number = t.prog.Number
	enter(prologue, target, t)
	t.budget += t.fuel
	if t.number != t.prog.Number {
		t.prog = t.Env.Program(t.number)
	}
	if t.faultPC != 0 {
		t.nativeFault()
	}
}
