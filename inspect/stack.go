package inspect

import "github.com/skepdev/skep/isa"

// stackUse estimates how many bytes below the frame pointer a function's code
// reaches: the lowest offset at which it accesses the frame, or of which it
// takes the address, as far as constants tell. It reads the code once from top
// to bottom, as compilers lay it out: an address is made right before its use.
func stackUse(insns []isa.Instruction) int {
	lowest := 0
	var frame [isa.Registers + 5]frameOffset
	frame[isa.FP] = frameOffset{known: true}
	for i := 0; i < len(insns); i += insns[i].Width() {
		ins := insns[i]
		switch ins.Class() {
		case isa.ClassLDX:
			lowest = min(lowest, frame[ins.Src].at(ins.Off))
			frame[ins.Dst] = frameOffset{}
		case isa.ClassST, isa.ClassSTX:
			lowest = min(lowest, frame[ins.Dst].at(ins.Off))
		case isa.ClassALU64:
			frame[ins.Dst] = moved(frame, ins)
			if ins.ALUOp() == isa.OpAdd {
				lowest = min(lowest, frame[ins.Dst].at(0))
			}
		case isa.ClassALU, isa.ClassLD:
			frame[ins.Dst] = frameOffset{}
		case isa.ClassJMP:
			if ins.IsCall() {
				clear(frame[isa.R0 : isa.R5+1])
			}
		}
		frame[isa.FP] = frameOffset{known: true}
	}
	const frameMax = 1 << 16
	return (min(-lowest, frameMax) + 7) / 8 * 8
}

// frameOffset is a register that holds the frame pointer plus an offset.
type frameOffset struct {
	known  bool
	offset int
}

func (f frameOffset) at(off int16) int {
	if !f.known {
		return 0
	}
	return f.offset + int(off)
}

// moved is what the target of a 64-bit operation holds afterwards.
func moved(frame [isa.Registers + 5]frameOffset, ins isa.Instruction) frameOffset {
	switch {
	case ins.Op == isa.MovX && ins.Off == 0:
		return frame[ins.Src]
	case ins.Op == isa.ClassALU64|isa.OpAdd|isa.SrcK && frame[ins.Dst].known:
		f := frame[ins.Dst]
		f.offset += int(ins.Imm)
		return f
	}
	return frameOffset{}
}

// deepest is the largest sum of frames along any chain of calls from the first
// function. A function that calls itself, over others too, counts once.
func deepest(funcs []Function) int {
	if len(funcs) == 0 {
		return 0
	}
	index := map[string]int{}
	for i, f := range funcs {
		index[f.Name] = i
	}
	const unknown, open = -1, -2
	sums := make([]int, len(funcs))
	for i := range sums {
		sums[i] = unknown
	}
	// Explicit stack: chains of hostile programs are as long as they are.
	type frame struct{ fn, next, below int }
	stack := []frame{{fn: 0}}
	sums[0] = open
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		f := &funcs[top.fn]
		if top.next < len(f.Calls) {
			callee, ok := index[f.Calls[top.next]]
			switch {
			case !ok || sums[callee] == open:
				top.next++
			case sums[callee] == unknown:
				sums[callee] = open
				stack = append(stack, frame{fn: callee})
			default:
				top.below = max(top.below, sums[callee])
				top.next++
			}
			continue
		}
		sums[top.fn] = f.Stack + top.below
		stack = stack[:len(stack)-1]
	}
	return sums[0]
}
