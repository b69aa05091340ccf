// Package asm says what the compiler asks of an assembler: instructions of two
// operands, memory at a base with a displacement, flags between a comparison
// and the jump behind it. Packages beside it encode them for one processor
// each.
package asm

// Reg is a general register by its number in the processor's encoding.
type Reg uint8

// Width is the size of an operation: 32-bit operations clear the upper half of
// their destination.
type Width bool

// The widths.
const (
	W32 Width = false
	W64 Width = true
)

// ALU is an operation of two operands. The numbers are x86's.
type ALU uint8

// The operations. Add, Sub and Cmp set the flags.
const (
	Add ALU = 0
	Or  ALU = 1
	And ALU = 4
	Sub ALU = 5
	Xor ALU = 6
	Cmp ALU = 7
)

// Shift is a shift. The numbers are x86's.
type Shift uint8

// The shifts.
const (
	Shl Shift = 4
	Shr Shift = 5
	Sar Shift = 7
)

// Cond is the condition of a jump. The numbers are x86's.
type Cond uint8

// The conditions: unsigned (Below, Above), signed (Less, Greater), Sign for a
// negative result, and Carry for an Add whose result does not fit.
const (
	Below        Cond = 0x2
	AboveEqual   Cond = 0x3
	Equal        Cond = 0x4
	NotEqual     Cond = 0x5
	BelowEqual   Cond = 0x6
	Above        Cond = 0x7
	Sign         Cond = 0x8
	Less         Cond = 0xc
	GreaterEqual Cond = 0xd
	LessEqual    Cond = 0xe
	Greater      Cond = 0xf
	Carry        Cond = 0x12
)

// Not is the opposite condition. Carry has none.
func (x Cond) Not() Cond { return x ^ 1 }

// Machine is how the compiler uses a processor's registers.
type Machine struct {
	// R are the homes of r0 to r10.
	R [11]Reg
	// Thread holds the thread, A to C what an operation needs for itself.
	Thread, A, B, C Reg
	// Spare are registers that nothing else uses.
	Spare []Reg
	// LoadsInOrder says that loads are done in the order of the program, of all
	// sizes.
	LoadsInOrder bool
}

// Assembler writes code. Positions are offsets in it, and places those of
// jumps whose target is still unknown.
type Assembler interface {
	Machine() Machine
	Pos() int
	Code() []byte
	// Err says whether something could not be encoded.
	Err() error

	// Arith is dst = dst op src, or for Cmp only the flags. ArithImm has a
	// sign-extended immediate, ArithFrom a 64-bit source in memory.
	Arith(op ALU, w Width, dst, src Reg)
	ArithImm(op ALU, w Width, dst Reg, imm int32)
	ArithFrom(op ALU, dst, base Reg, disp int32)
	// ArithMemImm is Arith on the 64-bit word at [base+disp].
	ArithMemImm(op ALU, base Reg, disp, imm int32)
	// Test sets the flags of dst & src, for Equal and NotEqual.
	Test(w Width, dst, src Reg)
	TestImm(w Width, dst Reg, imm int32)

	Mov(w Width, dst, src Reg)
	MovImm(dst Reg, v uint64)
	MovSext(w Width, bits int, dst, src Reg)
	Zext16(dst Reg)
	Swap16(dst Reg)
	Swap(w Width, dst Reg)
	Mul(w Width, dst, src Reg)
	MulImm(w Width, dst Reg, imm int32)
	Neg(w Width, dst Reg)
	// MulFold multiplies A with src, and xors the upper half of the product to
	// the lower, in A. It changes C.
	MulFold(src Reg)
	ShiftImm(op Shift, w Width, dst Reg, n uint8)
	// ShiftBy shifts by src modulo the width. It changes B.
	ShiftBy(op Shift, w Width, dst, src Reg)
	// Divide is dst = dst / src, or the rest, where src is neither zero nor, for
	// signed numbers, -1. It changes A and C.
	Divide(w Width, dst, src Reg, signed, rest bool)

	Load(size int, dst, base Reg, disp int32)
	LoadSext(size int, dst, base Reg, disp int32)
	// LoadAcquire is Load of 4 bytes before everything that comes later.
	LoadAcquire(dst, base Reg, disp int32)
	Store(size int, base Reg, disp int32, src Reg)
	StoreImm(size int, base Reg, disp, imm int32)
	// LoadIndexed, LoadSextIndexed and StoreIndexed have memory at
	// [base+index+disp].
	LoadIndexed(size int, dst, base, index Reg, disp int32)
	LoadSextIndexed(size int, dst, base, index Reg, disp int32)
	StoreIndexed(size int, base, index Reg, disp int32, src Reg)
	// Lea is dst = base+disp, without flags.
	Lea(dst, base Reg, disp int32)
	// AtomicAdd adds src to the word of 4 or 8 bytes at [base+disp], which is a
	// multiple of its size. It may change B and C.
	AtomicAdd(size int, base Reg, disp int32, src Reg)

	// TryLock makes the 4-byte word at [base] 1 if it is 0, before everything
	// that comes later; the jumps are taken if it is not. It changes A and C;
	// base is neither.
	TryLock(base Reg) (taken []int)
	// StoreRelease is Store of 4 or 8 bytes behind everything that came earlier;
	// StoreFenced of 4 also before everything that comes later, and may change
	// src.
	StoreRelease(size int, base Reg, disp int32, src Reg)
	StoreFenced(base Reg, disp int32, src Reg)

	// Jcc jumps if the condition holds, Jmp always. They return the place for
	// Patch.
	Jcc(x Cond) int
	Jmp() int
	Patch(place, target int)
	// Address is dst = the address of the code at a position that
	// PatchAddress gives.
	Address(dst Reg) int
	PatchAddress(place, target int)
	JmpReg(r Reg)
	// JmpMem jumps to the address at [base+disp]. It may change C.
	JmpMem(base Reg, disp int32)
	Ret()
	// Align goes on at a multiple of 64 bytes, with instructions that do nothing,
	// if a processor of this kind is quicker at loops that begin there.
	Align()
}
