// Package ir is the compiler's intermediate form: functions of basic blocks of
// three-address instructions on virtual registers. Registers hold 64 bits and
// may be written more than once; memory objects are slots of the frame.
package ir

import "github.com/cilium/ebpf/asm"

// Reg is a virtual register; 0 is none.
type Reg int32

// ArgKind tells operands apart.
type ArgKind uint8

// Kinds of operands.
const (
	ArgNone ArgKind = iota
	ArgReg
	ArgImm
	ArgSlot     // address of a slot, plus Imm
	ArgMap      // a map
	ArgMapValue // address of the value of an array map with one entry, plus Imm
	ArgFunc     // a function, as a callback
)

// Arg is an operand. All but registers are constants, made where they are used.
type Arg struct {
	Kind ArgKind
	Reg  Reg
	Imm  int64
	Slot int
	Sym  string
}

// Imm is a constant.
func Imm(v int64) Arg { return Arg{Kind: ArgImm, Imm: v} }

// Map is the map of that name.
func Map(name string) Arg { return Arg{Kind: ArgMap, Sym: name} }

// MapValue is the address off bytes into the value of an array map.
func MapValue(name string, off int) Arg { return Arg{Kind: ArgMapValue, Sym: name, Imm: int64(off)} }

// FuncRef is the function of that name.
func FuncRef(name string) Arg { return Arg{Kind: ArgFunc, Sym: name} }

// IsImm says whether a is the constant v.
func (a Arg) IsImm(v int64) bool { return a.Kind == ArgImm && a.Imm == v }

// Op is what an instruction does.
type Op uint8

// Operations.
const (
	Mov       Op = iota // Dst = A
	Bin                 // Dst = A Alu B
	Swap                // Dst = A with its Size low bytes reversed
	Load                // Dst = *(Size)(A + Off), zero-extended
	Store               // *(Size)(A + Off) = B
	AtomicAdd           // *(Size)(A + Off) += B
	Call                // Dst = Helper(Args)
	CallFunc            // Dst = Sym(Args)
	CallKfunc           // Dst = kernel function Sym(Args)
	Jump                // to Then
	Branch              // to Then if A Cond B, else to Else
	Return              // A
)

// Ins is an instruction.
type Ins struct {
	Op         Op
	Dst        Reg
	A, B       Arg
	Alu        asm.ALUOp
	Cond       asm.JumpOp
	Size, Off  int
	Helper     asm.BuiltinFunc
	Sym        string
	Args       []Arg
	Then, Else *Block
}

// ends says whether nothing follows in the block.
func (i *Ins) ends() bool { return i.Op >= Jump }

// Uses calls f for each operand.
func (i *Ins) Uses(f func(*Arg)) {
	if i.A.Kind != ArgNone {
		f(&i.A)
	}
	if i.B.Kind != ArgNone {
		f(&i.B)
	}
	for k := range i.Args {
		f(&i.Args[k])
	}
}

// Pure instructions do nothing but write Dst.
func (i *Ins) Pure() bool { return i.Op <= Load }

// Block is a run of instructions; the last one ends it.
type Block struct {
	ID  int
	Ins []Ins
}

// Slot is a memory object of the frame, 8-byte aligned.
type Slot struct{ Size int }

// Func is a function.
type Func struct {
	Name   string
	Params []Reg
	Blocks []*Block
	Slots  []Slot
	Regs   int // registers are 1 … Regs
	// Result of a callback is an int; programs' too.
	cur *Block
	// free slots by size, for objects whose scope ended.
	free map[int][]int
}

// NewFunc makes a function with n parameters (at most 5).
func NewFunc(name string, n int) *Func {
	f := &Func{Name: name, free: map[int][]int{}}
	for range n {
		f.Params = append(f.Params, f.NewReg())
	}
	f.cur = f.NewBlock()
	return f
}

// NewReg makes a register.
func (f *Func) NewReg() Reg {
	f.Regs++
	return Reg(f.Regs)
}

// R is the register as an operand.
func R(r Reg) Arg { return Arg{Kind: ArgReg, Reg: r} }

// Param is the n-th parameter.
func (f *Func) Param(n int) Arg { return R(f.Params[n]) }

// NewBlock makes a block at the end.
func (f *Func) NewBlock() *Block {
	b := &Block{ID: len(f.Blocks)}
	f.Blocks = append(f.Blocks, b)
	return b
}

// Start makes b the block that instructions are added to.
func (f *Func) Start(b *Block) { f.cur = b }

// Ended says whether the current block has its last instruction.
func (f *Func) Ended() bool {
	n := len(f.cur.Ins)
	return n > 0 && f.cur.Ins[n-1].ends()
}

// Add appends an instruction; what follows a block's end is never run and
// dropped.
func (f *Func) Add(i Ins) {
	if !f.Ended() {
		f.cur.Ins = append(f.cur.Ins, i)
	}
}

// NewSlot reserves size bytes of the frame.
func (f *Func) NewSlot(size int) int {
	size = (size + 7) &^ 7
	if l := f.free[size]; len(l) > 0 {
		f.free[size] = l[:len(l)-1]
		return l[len(l)-1]
	}
	f.Slots = append(f.Slots, Slot{size})
	return len(f.Slots) - 1
}

// FreeSlot lets another object have the slot.
func (f *Func) FreeSlot(n int) {
	size := f.Slots[n].Size
	f.free[size] = append(f.free[size], n)
}

// SlotAddr is the address off bytes into a slot.
func SlotAddr(slot, off int) Arg { return Arg{Kind: ArgSlot, Slot: slot, Imm: int64(off)} }
