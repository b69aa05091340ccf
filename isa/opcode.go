package isa

// Classes: the low three bits of an opcode.
const (
	ClassLD    = 0x00
	ClassLDX   = 0x01
	ClassST    = 0x02
	ClassSTX   = 0x03
	ClassALU   = 0x04 // 32-bit arithmetic
	ClassJMP   = 0x05 // comparisons of 64 bits
	ClassJMP32 = 0x06 // comparisons of 32 bits
	ClassALU64 = 0x07 // 64-bit arithmetic

	ClassMask = 0x07
)

// Source bit of arithmetic and jumps: immediate (K) or register (X).
const (
	SrcK = 0x00
	SrcX = 0x08

	SrcMask = 0x08
)

// Arithmetic operations: the high four bits in ClassALU and ClassALU64.
const (
	OpAdd  = 0x00
	OpSub  = 0x10
	OpMul  = 0x20
	OpDiv  = 0x30 // Off 1: signed
	OpOr   = 0x40
	OpAnd  = 0x50
	OpLsh  = 0x60
	OpRsh  = 0x70
	OpNeg  = 0x80
	OpMod  = 0x90 // Off 1: signed
	OpXor  = 0xa0
	OpMov  = 0xb0 // Off 8, 16, 32: sign-extend from that many bits
	OpArsh = 0xc0
	OpEnd  = 0xd0 // byte order; Imm is the width in bits

	OpMask = 0xf0
)

// Jump operations: the high four bits in ClassJMP and ClassJMP32.
const (
	OpJA    = 0x00 // ClassJMP: by Off; ClassJMP32: by Imm
	OpJEQ   = 0x10
	OpJGT   = 0x20
	OpJGE   = 0x30
	OpJSET  = 0x40
	OpJNE   = 0x50
	OpJSGT  = 0x60
	OpJSGE  = 0x70
	OpCall  = 0x80
	OpExit  = 0x90
	OpJLT   = 0xa0
	OpJLE   = 0xb0
	OpJSLT  = 0xc0
	OpJSLE  = 0xd0
	OpJCond = 0xe0 // Src 0: may_goto
)

// Sizes of loads and stores: bits 3 and 4.
const (
	SizeW  = 0x00 // 4 bytes
	SizeH  = 0x08 // 2 bytes
	SizeB  = 0x10 // 1 byte
	SizeDW = 0x18 // 8 bytes

	SizeMask = 0x18
)

// Modes of loads and stores: the high three bits.
const (
	ModeIMM    = 0x00 // 64-bit immediate
	ModeABS    = 0x20 // legacy packet access, constant offset
	ModeIND    = 0x40 // legacy packet access, offset in a register
	ModeMEM    = 0x60
	ModeMEMSX  = 0x80 // sign-extending load
	ModeATOMIC = 0xc0

	ModeMask = 0xe0
)

// Atomic operations: the immediate of ClassSTX|ModeATOMIC. AtomicFetch may be
// or'ed to the first four.
const (
	AtomicAdd      = 0x00
	AtomicOr       = 0x40
	AtomicAnd      = 0x50
	AtomicXor      = 0xa0
	AtomicFetch    = 0x01
	AtomicXchg     = 0xe0 | AtomicFetch
	AtomicCmpXchg  = 0xf0 | AtomicFetch
	AtomicLoadAcq  = 0x100
	AtomicStoreRel = 0x110
)

// Whole opcodes that are met often.
const (
	LdImm64  = ClassLD | ModeIMM | SizeDW     // 0x18, two slots
	Call     = ClassJMP | OpCall              // 0x85
	CallX    = ClassJMP | OpCall | SrcX       // 0x8d, clang's callx; Linux refuses it
	Exit     = ClassJMP | OpExit              // 0x95
	JA       = ClassJMP | OpJA                // 0x05, goto by Off
	JA32     = ClassJMP32 | OpJA              // 0x06, gotol by Imm
	MayGoto  = ClassJMP | OpJCond             // 0xe5
	ToLE     = ClassALU | OpEnd | SrcK        // 0xd4
	ToBE     = ClassALU | OpEnd | SrcX        // 0xdc
	Bswap    = ClassALU64 | OpEnd | SrcK      // 0xd7
	MovX     = ClassALU64 | OpMov | SrcX      // 0xbf
	MovK     = ClassALU64 | OpMov | SrcK      // 0xb7
	Mov32X   = ClassALU | OpMov | SrcX        // 0xbc
	Mov32K   = ClassALU | OpMov | SrcK        // 0xb4
	Atomic   = ClassSTX | ModeATOMIC | SizeDW // 0xdb
	Atomic32 = ClassSTX | ModeATOMIC | SizeW  // 0xc3
)

// Values of Src in LdImm64.
const (
	PseudoMapFD       = 1 // Imm: file descriptor of a map
	PseudoMapValue    = 2 // address of a map's first value, plus the second slot's Imm
	PseudoBTFID       = 3 // kernel variable by BTF id; second slot's Imm: BTF object
	PseudoFunc        = 4 // address of a subprogram, relative like PseudoCall
	PseudoMapIdx      = 5 // as PseudoMapFD with an index into a list of maps
	PseudoMapIdxValue = 6 // as PseudoMapValue with an index into a list of maps
)

// Values of Src in Call. 0 is a helper named by its number.
const (
	PseudoHelper    = 0
	PseudoCall      = 1 // subprogram; Imm counts slots from the next instruction
	PseudoKfuncCall = 2 // kernel function by BTF id; Off: BTF object
)

// Offsets of MovX that are not moves of a number.
const (
	OffAddrSpaceCast = 1  // Imm: destination space <<16 | source space, as clang emits it
	OffAddrPerCPU    = -1 // made by the kernel only: address in this CPU's area
)

// Registers.
const (
	R0  = 0 // result
	R1  = 1 // arguments from here to R5; lost by calls
	R2  = 2
	R3  = 3
	R4  = 4
	R5  = 5
	R6  = 6 // kept by calls, from here to R9
	R7  = 7
	R8  = 8
	R9  = 9
	R10 = 10 // frame pointer, read-only
	FP  = R10

	Registers = 11 // how many there are
)

// SlotSize is the size of one instruction slot in bytes.
const SlotSize = 8
