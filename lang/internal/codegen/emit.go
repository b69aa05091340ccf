package codegen

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang/internal/ir"
)

// MaxFrame is what a function and those it calls may use of the stack, in bytes.
const MaxFrame = 512

// StackError says that a function needs more stack than there is.
type StackError struct {
	Func string
	Need int
}

func (e *StackError) Error() string {
	return fmt.Sprintf("%s needs %d bytes of stack, and programs have %d", e.Func, e.Need, MaxFrame)
}

// emitter writes one function.
type emitter struct {
	f     *ir.Func
	alloc *allocation
	slots []int16 // offset of each slot from r10
	spill int16   // offset of the spill area's first place
	out   asm.Instructions
	label func(b *ir.Block) string
	next  *ir.Block
	frame int
}

// Emit turns a function into instructions. The first carries its name.
func Emit(f *ir.Func, fn *btf.Func) (asm.Instructions, error) {
	f.Clean()
	e := &emitter{f: f, alloc: allocate(f)}
	off := 0
	for _, s := range f.Slots {
		off += s.Size
		e.slots = append(e.slots, int16(-min(off, math.MaxInt16)))
	}
	e.frame = off + 8*e.alloc.spills
	if e.frame > MaxFrame {
		return nil, &StackError{f.Name, e.frame}
	}
	e.spill = int16(-off - 8)
	e.label = func(b *ir.Block) string { return fmt.Sprintf("%s.b%d", f.Name, b.ID) }
	e.params()
	targets := jumpTargets(f)
	for i, b := range f.Blocks {
		e.next = nil
		if i+1 < len(f.Blocks) {
			e.next = f.Blocks[i+1]
		}
		start := len(e.out)
		for k := range b.Ins {
			e.ins(&b.Ins[k])
		}
		if targets[b] {
			if start == len(e.out) { // a jump to what follows
				e.add(asm.Mov.Reg(tmpA, asm.R10))
			}
			e.out[start] = e.out[start].WithSymbol(e.label(b))
		}
	}
	if e.out[0].Symbol() != "" { // a loop back to the very beginning
		e.out = append(asm.Instructions{asm.Mov.Imm(tmpA, 0)}, e.out...)
	}
	e.out[0] = btf.WithFuncMetadata(e.out[0].WithSymbol(f.Name), fn)
	return e.out, nil
}

func jumpTargets(f *ir.Func) map[*ir.Block]bool {
	t := map[*ir.Block]bool{}
	for _, b := range f.Blocks {
		last := &b.Ins[len(b.Ins)-1]
		if last.Then != nil {
			t[last.Then] = true
		}
		if last.Else != nil {
			t[last.Else] = true
		}
	}
	return t
}

func (e *emitter) add(i ...asm.Instruction) { e.out = append(e.out, i...) }

// params moves r1 … to where the parameters live.
func (e *emitter) params() {
	var moves []move
	for i, p := range e.f.Params {
		at := e.alloc.at[p]
		from := asm.R1 + asm.Register(i)
		switch {
		case !at.used || !at.spill && at.reg == from:
		case at.spill:
			e.add(asm.StoreMem(asm.R10, e.spillOff(at), from, asm.DWord))
		default:
			moves = append(moves, move{dst: at.reg, src: from, fromReg: true})
		}
	}
	e.parallel(moves)
}

func (e *emitter) spillOff(p place) int16 { return e.spill - int16(8*p.slot) }

// read is the register that holds a; constants and spilled values come into tmp.
func (e *emitter) read(a ir.Arg, tmp asm.Register) asm.Register {
	if a.Kind == ir.ArgReg {
		at := e.alloc.at[a.Reg]
		if !at.spill {
			return at.reg
		}
	}
	e.load(tmp, a)
	return tmp
}

// load puts a into r.
func (e *emitter) load(r asm.Register, a ir.Arg) {
	switch a.Kind {
	case ir.ArgReg:
		at := e.alloc.at[a.Reg]
		if at.spill {
			e.add(asm.LoadMem(r, asm.R10, e.spillOff(at), asm.DWord))
		} else if at.reg != r {
			e.add(asm.Mov.Reg(r, at.reg))
		}
	case ir.ArgImm:
		if a.Imm >= math.MinInt32 && a.Imm <= math.MaxInt32 {
			e.add(asm.Mov.Imm(r, int32(a.Imm)))
		} else {
			e.add(asm.LoadImm(r, a.Imm, asm.DWord))
		}
	case ir.ArgSlot:
		e.add(asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, int32(e.slots[a.Slot])+int32(a.Imm)))
	case ir.ArgMap:
		e.add(asm.LoadMapPtr(r, 0).WithReference(a.Sym))
	case ir.ArgMapValue:
		e.add(asm.LoadMapValue(r, 0, uint32(a.Imm)).WithReference(a.Sym))
	case ir.ArgFunc:
		e.add(asm.Instruction{
			OpCode: asm.LoadImmOp(asm.DWord), Dst: r, Src: asm.PseudoFunc, Constant: -1,
		}.WithReference(a.Sym))
	}
}

// base is the register and offset for an access to memory.
func (e *emitter) base(a ir.Arg, off int, tmp asm.Register) (asm.Register, int16) {
	if a.Kind == ir.ArgSlot {
		return asm.R10, e.slots[a.Slot] + int16(a.Imm) + int16(off)
	}
	return e.read(a, tmp), int16(off)
}

// target is the register to compute a result in, and what to do with it then.
func (e *emitter) target(r ir.Reg) (asm.Register, func()) {
	at := e.alloc.at[r]
	switch {
	case !at.used:
		return tmpA, func() {}
	case at.spill:
		return tmpA, func() { e.add(asm.StoreMem(asm.R10, e.spillOff(at), tmpA, asm.DWord)) }
	}
	return at.reg, func() {}
}

func (e *emitter) ins(i *ir.Ins) {
	switch i.Op {
	case ir.Mov:
		dst, done := e.target(i.Dst)
		e.load(dst, i.A)
		done()
	case ir.Bin:
		e.bin(i)
	case ir.Swap:
		dst, done := e.target(i.Dst)
		e.load(dst, i.A)
		if i.Size > 1 {
			e.add(asm.HostTo(asm.BE, dst, asmSize(i.Size)))
		}
		done()
	case ir.Load:
		dst, done := e.target(i.Dst)
		r, off := e.base(i.A, i.Off, dst)
		e.add(asm.LoadMem(dst, r, off, asmSize(i.Size)))
		done()
	case ir.Store:
		e.store(i)
	case ir.AtomicAdd:
		r, off := e.base(i.A, i.Off, tmpA)
		v := e.read(i.B, tmpB)
		e.add(asm.AddAtomic.Mem(r, v, asmSize(i.Size), off))
	case ir.Call, ir.CallFunc, ir.CallKfunc:
		e.call(i)
	case ir.Jump:
		if i.Then != e.next {
			e.add(asm.Ja.Label(e.label(i.Then)))
		}
	case ir.Branch:
		e.branch(i)
	case ir.Return:
		e.load(asm.R0, i.A)
		e.add(asm.Return())
	}
}

func asmSize(n int) asm.Size {
	switch n {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	case 4:
		return asm.Word
	}
	return asm.DWord
}

func small(a ir.Arg) bool {
	return a.Kind == ir.ArgImm && a.Imm >= math.MinInt32 && a.Imm <= math.MaxInt32
}

var commutes = map[asm.ALUOp]bool{asm.Add: true, asm.Mul: true, asm.And: true, asm.Or: true, asm.Xor: true}

func (e *emitter) bin(i *ir.Ins) {
	dst, done := e.target(i.Dst)
	a, b := i.A, i.B
	if small(b) {
		e.load(dst, a)
		e.add(i.Alu.Imm(dst, int32(b.Imm)))
		done()
		return
	}
	rb := e.read(b, tmpB)
	if rb == dst && !(a.Kind == ir.ArgReg && !e.alloc.at[a.Reg].spill && e.alloc.at[a.Reg].reg == dst) {
		if commutes[i.Alu] {
			if small(a) {
				e.add(i.Alu.Imm(dst, int32(a.Imm)))
			} else {
				e.add(i.Alu.Reg(dst, e.read(a, tmpA)))
			}
			done()
			return
		}
		e.load(tmpA, a)
		e.add(i.Alu.Reg(tmpA, rb), asm.Mov.Reg(dst, tmpA))
		done()
		return
	}
	e.load(dst, a)
	e.add(i.Alu.Reg(dst, rb))
	done()
}

func (e *emitter) store(i *ir.Ins) {
	r, off := e.base(i.A, i.Off, tmpA)
	if small(i.B) && i.Size < 8 {
		e.add(asm.StoreImm(r, off, int64(int32(i.B.Imm)), asmSize(i.Size)))
		return
	}
	e.add(asm.StoreMem(r, off, e.read(i.B, tmpB), asmSize(i.Size)))
}

func (e *emitter) branch(i *ir.Ins) {
	then, els, cond := i.Then, i.Else, i.Cond
	if then == e.next {
		if inv, ok := inverse[cond]; ok {
			then, els, cond = els, then, inv
		}
	}
	a := e.read(i.A, tmpA)
	if small(i.B) {
		e.add(cond.Imm(a, int32(i.B.Imm), e.label(then)))
	} else {
		e.add(cond.Reg(a, e.read(i.B, tmpB), e.label(then)))
	}
	if els != e.next {
		e.add(asm.Ja.Label(e.label(els)))
	}
}

var inverse = map[asm.JumpOp]asm.JumpOp{
	asm.JEq: asm.JNE, asm.JNE: asm.JEq, asm.JGT: asm.JLE, asm.JLE: asm.JGT, asm.JGE: asm.JLT, asm.JLT: asm.JGE,
	asm.JSGT: asm.JSLE, asm.JSLE: asm.JSGT, asm.JSGE: asm.JSLT, asm.JSLT: asm.JSGE,
}

// move is one of several that happen at once.
type move struct {
	dst, src asm.Register
	fromReg  bool
	arg      ir.Arg
}

// call puts arguments into r1 … r5, all at once, and takes the result from r0.
func (e *emitter) call(i *ir.Ins) {
	var regs, rest []move
	for n, a := range i.Args {
		dst := asm.R1 + asm.Register(n)
		if a.Kind == ir.ArgReg && !e.alloc.at[a.Reg].spill {
			regs = append(regs, move{dst: dst, src: e.alloc.at[a.Reg].reg, fromReg: true})
			continue
		}
		rest = append(rest, move{dst: dst, arg: a})
	}
	e.parallel(regs)
	for _, m := range rest {
		e.load(m.dst, m.arg)
	}
	switch i.Op {
	case ir.Call:
		e.add(i.Helper.Call())
	case ir.CallFunc:
		e.add(asm.Call.Label(i.Sym))
	case ir.CallKfunc:
		e.add(kfuncCall(i.Sym))
	}
	at := e.alloc.at[i.Dst]
	switch {
	case !at.used:
	case at.spill:
		e.add(asm.StoreMem(asm.R10, e.spillOff(at), asm.R0, asm.DWord))
	default:
		e.add(asm.Mov.Reg(at.reg, asm.R0))
	}
}

// parallel does register moves in an order in which none is overwritten before
// it is read; r0 breaks cycles.
func (e *emitter) parallel(moves []move) {
	pending := moves[:0:0]
	for _, m := range moves {
		if m.dst != m.src {
			pending = append(pending, m)
		}
	}
	for len(pending) > 0 {
		done := -1
		for k, m := range pending {
			blocked := false
			for j, o := range pending {
				blocked = blocked || j != k && o.src == m.dst
			}
			if !blocked {
				done = k
				break
			}
		}
		if done < 0 { // a cycle: free one source
			m := &pending[0]
			old := m.src
			e.add(asm.Mov.Reg(tmpA, old))
			for k := range pending {
				if pending[k].src == old {
					pending[k].src = tmpA
				}
			}
			continue
		}
		m := pending[done]
		e.add(asm.Mov.Reg(m.dst, m.src))
		pending = append(pending[:done], pending[done+1:]...)
	}
}

// Frame is how many bytes of stack a function would use.
func Frame(f *ir.Func) int {
	f.Clean()
	n := 0
	for _, s := range f.Slots {
		n += s.Size
	}
	return n + 8*allocate(f).spills
}
