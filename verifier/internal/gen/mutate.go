package gen

import (
	"math/rand/v2"
	"slices"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Mutate is a copy of a program with one random change. The result is a valid
// encoding; where a change would not be one, or none at all, others are tried.
func Mutate(rng *rand.Rand, p *Program) *Program {
	t, ok := parse(p)
	if !ok {
		return p.Clone()
	}
	for range 16 {
		next := t.clone()
		edits()[rng.IntN(len(edits()))](rng, next)
		if q := next.program(p); q != nil && !slices.Equal(q.Insns, p.Insns) {
			return q
		}
	}
	return p.Clone()
}

// edits are the changes there are. Likely ones come more than once.
func edits() []func(*rand.Rand, *text) {
	return []func(*rand.Rand, *text){
		editDelete, editDelete, editDuplicate, editSwap, editRegister, editRegister, editImmediate, editImmediate,
		editOffset, editOffset, editOperation, editOperation, editSize, editTarget, editHelper, editSource,
	}
}

func anyLine(rng *rand.Rand, t *text) *line { return &t.lines[rng.IntN(len(t.lines))] }

func editDelete(rng *rand.Rand, t *text) {
	if i := rng.IntN(len(t.lines)); len(t.lines) > 1 {
		t.remove(i, 1) // what it cannot do is found out by the caller
	}
}

func editDuplicate(rng *rand.Rand, t *text) {
	t.insert(rng.IntN(len(t.lines)), *anyLine(rng, t))
}

// editSwap changes the order of two neighbours.
func editSwap(rng *rand.Rand, t *text) {
	if n := len(t.lines); n > 1 {
		i := rng.IntN(n - 1)
		t.lines[i], t.lines[i+1] = t.lines[i+1], t.lines[i]
	}
}

func editRegister(rng *rand.Rand, t *text) {
	l, r := anyLine(rng, t), uint8(rng.IntN(isa.Registers))
	switch {
	case rng.IntN(2) == 0 && l.ins.Op != isa.Call:
		l.ins.Dst = r
	case l.ins.Op == isa.Call || l.ins.Op == isa.LdImm64 || l.ins.Src == 0:
	default:
		l.ins.Src = r
	}
}

func editImmediate(rng *rand.Rand, t *text) {
	l := anyLine(rng, t)
	switch {
	case l.ins.Op == isa.Call || l.kind == byImm:
		return
	case l.ins.Op == isa.LdImm64 && l.ins.Src != 0:
		l.ins.Imm = int32(rng.IntN(len(Maps())))
		return
	}
	switch rng.IntN(4) {
	case 0:
		l.ins.Imm += int32(rng.IntN(3)) - 1
	case 1:
		l.ins.Imm ^= 1 << rng.IntN(32)
	case 2:
		l.ins.Imm = []int32{0, 1, -1, 8, 64, 1<<31 - 1, -1 << 31}[rng.IntN(7)]
	default:
		l.high ^= 1 << rng.IntN(32)
	}
}

func editOffset(rng *rand.Rand, t *text) {
	l := anyLine(rng, t)
	if l.kind != noTarget || l.ins.IsCall() {
		return
	}
	l.ins.Off += []int16{-8, -4, -1, 1, 4, 8, 64, -64, 256}[rng.IntN(9)]
}

// editOperation picks another operation of the same class.
func editOperation(rng *rand.Rand, t *text) {
	l := anyLine(rng, t)
	switch l.ins.Class() {
	case isa.ClassALU, isa.ClassALU64:
		l.ins.Op = l.ins.Op&^isa.OpMask | uint8(rng.IntN(13))<<4
		l.ins.Off = 0
	case isa.ClassJMP, isa.ClassJMP32:
		if l.ins.IsConditional() {
			l.ins.Op = l.ins.Op&^isa.OpMask | jumps[rng.IntN(len(jumps))]
		}
	}
}

func editSize(rng *rand.Rand, t *text) {
	l := anyLine(rng, t)
	switch l.ins.Class() {
	case isa.ClassLDX, isa.ClassST, isa.ClassSTX:
		l.ins.Op = l.ins.Op&^isa.SizeMask | sizes[rng.IntN(len(sizes))]
	case isa.ClassALU, isa.ClassALU64:
		l.ins.Op ^= isa.ClassALU ^ isa.ClassALU64
	case isa.ClassJMP, isa.ClassJMP32:
		if l.ins.IsConditional() {
			l.ins.Op ^= isa.ClassJMP ^ isa.ClassJMP32
		}
	}
}

// editTarget lets a jump end a few lines from where it did.
func editTarget(rng *rand.Rand, t *text) {
	for range 8 {
		l := anyLine(rng, t)
		if l.kind != byOff {
			continue
		}
		l.to = min(max(l.to+rng.IntN(9)-4, 0), len(t.lines)-1)
		return
	}
}

func editHelper(rng *rand.Rand, t *text) {
	for range 8 {
		l := anyLine(rng, t)
		if l.ins.IsKfuncCall() {
			l.ins.Imm = int32(rng.IntN(len(Kfuncs())))
			return
		}
		if !l.ins.IsHelperCall() {
			continue
		}
		l.ins.Imm = int32(1 + rng.IntN(int(abi.FnCgrpStorageDelete)))
		return
	}
}

// editSource lets an operation take a register for an immediate, or the reverse.
func editSource(rng *rand.Rand, t *text) {
	l := anyLine(rng, t)
	switch l.ins.Class() {
	case isa.ClassALU, isa.ClassALU64, isa.ClassJMP, isa.ClassJMP32:
		if l.ins.IsCall() || l.ins.Op == isa.Exit {
			return
		}
		l.ins.Op ^= isa.SrcX
		if l.ins.Source() == isa.SrcX {
			l.ins.Src, l.ins.Imm = uint8(rng.IntN(isa.Registers)), 0
		} else {
			l.ins.Src, l.ins.Imm = 0, int32(rng.IntN(64))
		}
	}
}
