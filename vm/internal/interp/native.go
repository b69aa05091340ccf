package interp

// Native is the machine code of a program.
type Native interface {
	// Enter runs t's program from slot pc on. It comes back in front of the
	// first operation that is to be done in Go, with t.pc at its slot.
	Enter(t *Thread, pc int)
}

// fuelSupply bounds how long native code runs before it looks whether Go's
// scheduler and garbage collector want their turn, in instructions of loops:
// some tenths of a millisecond.
const fuelSupply = 1 << 20

// Ops are the operations that the interpreter executes, by slot, and one more
// that is none. Not to be modified.
func (p *Program) Ops() []Op { return p.ops }

// How interpret ends.
type ending uint8

const (
	stopped  ending = iota // t.stop tells why
	finished               // the function returned
	resumed                // native code can go on behind t.pc
)

// exec runs from slot pc on until the function that it entered returns, and
// says whether it did; otherwise t.stop tells why not.
func (t *Thread) exec(pc int) bool {
	depth := t.depth
	for {
		if n := t.prog.Native; n != nil {
			pc = t.native(n, pc)
		}
		switch t.interpret(pc, depth) {
		case finished:
			return true
		case stopped:
			return false
		}
		pc = t.pc + 1
	}
}

// native lends native code some of the budget.
func (t *Thread) native(n Native, pc int) int {
	t.fuel = min(t.budget, fuelSupply)
	t.budget -= t.fuel
	n.Enter(t, pc)
	t.budget += t.fuel
	return t.pc
}
