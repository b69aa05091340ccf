package jit

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/interp"
)

// set is a set of registers, by bit.
type set uint16

const allRegs = 1<<isa.Registers - 1

func (s set) has(r uint8) bool { return s>>r&1 != 0 }

func bit(r uint8) set { return 1 << (r & 15) }

// usesOf are the registers that an operation reads and writes. What calls and
// helpers read is everything: functions may look at what their callers left.
func usesOf(op *interp.Op) (reads, writes set) {
	d, s := bit(op.Dst), bit(op.Src)
	switch c := op.Code; {
	case c >= interp.OpAddK && c <= interp.OpMovS1632:
		base, _, isX := shape(c, interp.OpAddK, interp.OpAddK32, interp.OpNeg)
		moves := base == interp.OpMovK || base >= interp.OpMovS8
		if isX || base >= interp.OpMovS8 {
			reads |= s
		}
		if !moves {
			reads |= d
		}
		return reads, d
	case c >= interp.OpZext16 && c <= interp.OpSwap64:
		return d, d
	case c == interp.OpLoadImm:
		return 0, d
	case c >= interp.OpLoad8 && c <= interp.OpLoadStack64:
		return s, d
	case c >= interp.OpStore8 && c <= interp.OpStoreStackK64:
		if isStoreK(c) {
			return d, 0
		}
		return d | s, 0
	case c == interp.OpJA:
		return 0, 0
	case c > interp.OpJA && c <= interp.OpJSLeX32:
		if _, _, isX := shape(c, interp.OpJEqK, interp.OpJEqK32, interp.OpJEqK32); isX {
			return d | s, 0
		}
		return d, 0
	case c == interp.OpExit:
		return bit(isa.R0), 0
	}
	return allRegs, 0
}

// maxSweeps bounds how often liveness goes over a program: what jumps from loop
// to loop more often than people's programs do is not worth the time.
const maxSweeps = 16

// liveness finds the registers whose values may still be read behind each
// slot.
func liveness(f *flow) []set {
	ops := f.ops
	after, before := make([]set, len(ops)), make([]set, len(ops))
	for sweep, changed := 0, true; changed; sweep++ {
		if sweep == maxSweeps {
			for i := range after {
				after[i] = allRegs
			}
			break
		}
		changed = false
		for i := len(ops) - 1; i >= 0; i-- {
			if !f.reached[i] {
				continue
			}
			op := &ops[i]
			var out set
			c := op.Code
			next := i + 1
			if c == interp.OpLoadImm {
				next++
			}
			if c != interp.OpExit && c != interp.OpJA && next < len(ops) {
				out = before[next]
			}
			if c >= interp.OpJA && c <= interp.OpMayGoto {
				out |= before[op.Off]
			}
			reads, writes := usesOf(op)
			in := out&^writes | reads
			if in != before[i] || out != after[i] {
				before[i], after[i], changed = in, out, true
			}
		}
	}
	return after
}

// liveAtStart are the registers that a program may read before it writes them.
func liveAtStart(ops []interp.Op, after []set) set {
	reads, writes := usesOf(&ops[0])
	return after[0]&^writes | reads
}

// mentioned are the registers that an operation has to do with at all.
func mentioned(op *interp.Op) set {
	args := set(1<<(isa.R5+1) - 1)
	switch op.Code {
	case 0, interp.OpNop, interp.OpMayGoto, interp.OpExit:
		return 0
	case interp.OpHelper, interp.OpCall, interp.OpTailCall:
		return args
	case interp.OpAtomic32, interp.OpAtomic64:
		return bit(op.Dst) | bit(op.Src) | bit(isa.R0)
	case interp.OpLoadAbs, interp.OpLoadInd:
		return bit(op.Src) | bit(isa.R6) | bit(isa.R0)
	}
	reads, writes := usesOf(op)
	return reads | writes
}
