package gen

import (
	"math/rand/v2"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// writer writes one program, function by function.
type writer struct {
	rng  *rand.Rand
	typ  abi.ProgramType
	risk float64
	out  []isa.Instruction

	pending []function
	ids     int
	table   []weighted
	weights int

	// Of the function that is written:
	state
	left    int    // steps that may still be made
	depth   int    // of blocks
	held    uint16 // registers that are not to be written
	looping bool   // inside a loop
	open    int    // spare stack slots in use
	inRCU   bool   // in an RCU read section
	index   int    // of the function among those pending; -1 is the first
}

// function is one that was called and is not written yet.
type function struct {
	calls []int // slots whose Imm shall lead to it
	args  [6]reg
	// callback: returns 0 or 1.
	callback bool
}

// maxFuncs bounds the subprograms of a program.
const maxFuncs = 4

func (w *writer) main(budget int) {
	w.table = steps()
	for _, s := range w.table {
		w.weights += s.weight
	}
	w.begin(-1)
	w.regs[isa.R1] = reg{kind: context}
	w.left = budget
	if w.rng.IntN(2) == 0 { // calls take R1: most programs keep their context
		w.copy(uint8(6+w.rng.IntN(4)), isa.R1)
	}
	w.block(w.left)
	w.finish()
	for i := 0; i < len(w.pending); i++ {
		w.subprogram(i)
	}
}

func (w *writer) begin(index int) {
	w.index, w.held, w.looping, w.open, w.inRCU = index, 0, false, 0, false
	w.state = state{}
	w.regs[isa.FP] = reg{kind: frame}
	w.depth = 0
}

func (w *writer) subprogram(i int) {
	f := w.pending[i]
	start := len(w.out)
	w.begin(i)
	copy(w.regs[1:6], f.args[1:])
	w.left = 1 + w.rng.IntN(8)
	w.block(w.left)
	w.finish()
	for _, at := range w.pending[i].calls {
		w.out[at].Imm = int32(start - at - 1)
	}
}

// finish lets go what is held and returns a number.
func (w *writer) finish() {
	for len(w.refs) > 0 {
		w.letGo(w.refs[len(w.refs)-1])
	}
	w.exit()
}

func (w *writer) exit() {
	if w.ended {
		return
	}
	if r := w.regs[isa.R0]; !w.seldom() && (r.kind != scalar || r.max == 0 || r.max > 1 || w.rng.IntN(2) == 0) {
		w.setImm(isa.R0, int32(w.rng.IntN(2)))
	}
	w.emit(isa.Instruction{Op: isa.Exit})
}

// block makes up to n steps.
func (w *writer) block(n int) {
	w.depth++
	for range n {
		if w.left <= 0 || w.ended {
			break
		}
		w.left--
		w.step()
	}
	w.depth--
}

// step picks one of the steps that have something to work on. Some find nothing
// and do nothing.
func (w *writer) step() {
	n := w.rng.IntN(w.weights)
	for _, s := range w.table {
		if n -= s.weight; n < 0 {
			s.make(w)
			return
		}
	}
}

// careless reports, with the program's risk, that a safety step is left out.
func (w *writer) careless() bool { return w.risk > 0 && w.rng.Float64() < w.risk }

// seldom is careless for mistakes that hide others.
func (w *writer) seldom() bool { return w.rng.IntN(5) == 0 && w.careless() }

func (w *writer) emit(ins ...isa.Instruction) { w.out = append(w.out, ins...) }

func (w *writer) newID() int { w.ids++; return w.ids }

// pick is a register for which want holds, or -1.
func (w *writer) pick(want func(reg) bool) int {
	var fit []int
	for i, r := range w.regs {
		if want(r) {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		return -1
	}
	return fit[w.rng.IntN(len(fit))]
}

func (w *writer) pickKind(k ...kind) int {
	return w.pick(func(r reg) bool {
		for _, k := range k {
			if r.kind == k {
				return true
			}
		}
		return false
	})
}

// any is a register to write, rarely one that holds a pointer.
func (w *writer) any() uint8 {
	r := uint8(w.rng.IntN(10))
	for range 12 {
		if w.held&(1<<r) == 0 && (!w.regs[r].isPointer() || w.rng.IntN(4) == 0) {
			break
		}
		r = uint8(w.rng.IntN(10))
	}
	return r
}

// free is a register that calls keep, preferably without a pointer.
func (w *writer) free() uint8 {
	r := uint8(6 + w.rng.IntN(4))
	for i := range uint8(4) {
		if k := 6 + (r-6+i)%4; !w.regs[k].isPointer() && w.held&(1<<k) == 0 {
			return k
		}
	}
	for range 8 {
		if w.held&(1<<r) == 0 {
			break
		}
		r = uint8(6 + w.rng.IntN(4))
	}
	return r
}

func (w *writer) set(r uint8, v reg) { w.regs[r] = v }

func (w *writer) setImm(r uint8, v int32) {
	w.emit(isa.Instruction{Op: isa.MovK, Dst: r, Imm: v})
	w.set(r, number(int64(v)))
}

func number(v int64) reg { return reg{kind: scalar, max: uint64(max(v, 0))} }

func (w *writer) copy(dst, src uint8) {
	w.emit(isa.Instruction{Op: isa.MovX, Dst: dst, Src: src})
	w.set(dst, w.regs[src])
}

// slotOff is the place of a stack slot below the frame's end.
func slotOff(slot int) int16 { return int16(-slotSize * (slot + 1)) }

// frameAddress puts the address of a stack slot into a register.
func (w *writer) frameAddress(r uint8, off int32) {
	w.emit(isa.Instruction{Op: isa.MovX, Dst: r, Src: isa.FP}, isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Dst: r, Imm: off})
	w.set(r, reg{kind: frame, off: off})
}

// imm is an immediate that is likely to matter.
func (w *writer) imm() int32 {
	switch w.rng.IntN(5) {
	case 0:
		return int32(w.rng.Uint32())
	case 1:
		return []int32{0, 1, -1, 1 << 30, -1 << 31, 1<<31 - 1, 0xff, 0xffff}[w.rng.IntN(8)]
	}
	return int32(w.rng.IntN(70)) - 3
}

// hole emits an instruction whose jump is filled in by [writer.land].
func (w *writer) hole(ins isa.Instruction) int {
	w.emit(ins)
	return len(w.out) - 1
}

func (w *writer) land(at int) { w.out[at].Off = int16(len(w.out) - at - 1) }
