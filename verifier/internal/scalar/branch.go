package scalar

import "github.com/skepdev/skep/isa"

// Outcomes of Taken.
const (
	Never  = 0
	Always = 1
	Maybe  = -1
)

// Taken says whether a jump on "a op b" is taken: Always, Never or Maybe. op is
// one of isa.OpJEQ to isa.OpJSLE that compare; with is32 the low halves are
// compared. It is is_scalar_branch_taken. Of a register compared
// with itself it knows no more than of any two.
func Taken(op uint8, is32 bool, a, b Range) int { return Outcome(op, is32, &a, &b) }

// Outcome is Taken without copies.
func Outcome(op uint8, is32 bool, a, b *Range) int {
	switch op {
	case isa.OpJEQ:
		return equal(is32, a, b)
	case isa.OpJNE:
		return not(equal(is32, a, b))
	case isa.OpJSET:
		return shareBit(is32, a, b)
	case isa.OpJGT:
		return above(is32, a, b)
	case isa.OpJLT:
		return above(is32, b, a)
	case isa.OpJGE:
		return atLeast(is32, a, b)
	case isa.OpJLE:
		return atLeast(is32, b, a)
	case isa.OpJSGT:
		return greater(is32, a, b)
	case isa.OpJSLT:
		return greater(is32, b, a)
	case isa.OpJSGE:
		return notLess(is32, a, b)
	case isa.OpJSLE:
		return notLess(is32, b, a)
	}
	return Maybe
}

func not(outcome int) int {
	if outcome == Maybe {
		return Maybe
	}
	return 1 - outcome
}

func when(always, never bool) int {
	switch {
	case always:
		return Always
	case never:
		return Never
	}
	return Maybe
}

// above is a > b, unsigned.
func above(is32 bool, a, b *Range) int {
	if is32 {
		return when(a.U32Min > b.U32Max, a.U32Max <= b.U32Min)
	}
	return when(a.UMin > b.UMax, a.UMax <= b.UMin)
}

// atLeast is a >= b, unsigned. Of a contradictory range both may hold; Linux asks
// first whether the jump is always taken.
func atLeast(is32 bool, a, b *Range) int {
	if is32 {
		return when(a.U32Min >= b.U32Max, a.U32Max < b.U32Min)
	}
	return when(a.UMin >= b.UMax, a.UMax < b.UMin)
}

// greater is a > b, signed.
func greater(is32 bool, a, b *Range) int {
	if is32 {
		return when(a.S32Min > b.S32Max, a.S32Max <= b.S32Min)
	}
	return when(a.SMin > b.SMax, a.SMax <= b.SMin)
}

// notLess is a >= b, signed.
func notLess(is32 bool, a, b *Range) int {
	if is32 {
		return when(a.S32Min >= b.S32Max, a.S32Max < b.S32Min)
	}
	return when(a.SMin >= b.SMax, a.SMax < b.SMin)
}

// equal is a == b. A 64-bit comparison fails also where the low halves differ.
func equal(is32 bool, a, b *Range) int {
	x, y := a.Bits, b.Bits
	if is32 {
		x, y = x.Subreg(), y.Subreg()
	}
	switch {
	case x.IsConst() && y.IsConst():
		return when(x.Value == y.Value, x.Value != y.Value)
	case !x.Overlaps(y),
		a.U32Min > b.U32Max, a.U32Max < b.U32Min, a.S32Min > b.S32Max, a.S32Max < b.S32Min:
		return Never
	case !is32 && (a.UMin > b.UMax || a.UMax < b.UMin || a.SMin > b.SMax || a.SMax < b.SMin):
		return Never
	}
	return Maybe
}

// shareBit is a & b != 0. Linux decides it only against a constant.
func shareBit(is32 bool, a, b *Range) int {
	x, y := a.Bits, b.Bits
	if is32 {
		x, y = x.Subreg(), y.Subreg()
	}
	if !y.IsConst() {
		x, y = y, x
	}
	if !y.IsConst() {
		return Maybe
	}
	return when(x.Value&y.Value != 0, x.Max()&y.Value == 0)
}
