package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/maps"
)

// Helper is the body of a helper function. It reads its arguments from
// t.R[1..5] and returns the value for R0. On a mistake of the program it calls
// one of t's Fail methods; the result does not matter then.
type Helper func(t *Thread) uint64

// Program is a decoded program. It does not change after Compile and may run
// on any number of threads.
type Program struct {
	Name string
	Type abi.ProgramType
	Maps []*Map
	// Insns are the instructions the operations were made from, for errors.
	Insns []isa.Instruction
	// PacketWritable says that programs of this kind may write to packet data
	// directly.
	PacketWritable bool
	// Native is the program's machine code, or nil: then it is interpreted.
	Native *Native
	// Owner is the loader's own object for this program.
	Owner any
	// Number tells programs apart that native code calls, by Env.Program; 0 if
	// it does not call this one.
	Number uint32

	// Objects are the structures that the program can allocate, by the number
	// of the type; PerCPUObjects the same with a copy for each CPU.
	Objects, PerCPUObjects map[uint32]*heap.Type
	// Heap says that the program works on allocated objects.
	Heap bool

	// arena is the arena that the program refers to, or nil.
	arena *maps.Arena
	ops   []Op
	facts []Fact
	// trace, if not nil, is called before every instruction; plain are the
	// operations then.
	trace   func(slot int, r *[16]uint64)
	plain   []Op
	helpers []Helper
	// ids are the helpers' numbers, as in calls of helpers; 0 for kernel
	// functions.
	ids []abi.HelperID
	// funcs maps the slots at which subprograms start to their length.
	funcs map[int32]int32
	// taken are the functions whose address the program takes: those that can
	// be called back.
	taken map[int32]bool
	// exit is where native code leaves when the function that Go entered exits,
	// leaveAtExit the same with all registers; 0 without native code.
	exit, leaveAtExit uint64
}

// Spec is what Compile needs to know.
type Spec struct {
	Name         string
	Type         abi.ProgramType
	Instructions []isa.Instruction
	Maps         []*Map
	// Entries are slots, besides those that are called, at which functions
	// start.
	Entries []int
	// Helper returns the body of a helper for this program, or why there is
	// none; with a body, why the program may not call it.
	Helper func(id abi.HelperID) (h Helper, why string)
	// Kfunc is Helper for kernel functions, by the call's immediate.
	Kfunc func(imm int32) (h Helper, why string)
	// Facts, if not empty, tells for each slot what has been proved about its
	// access.
	Facts []Fact
	// Trace, if not nil, is called before every instruction with the registers,
	// which it must not change. The program is interpreted.
	Trace func(slot int, r *[16]uint64)
	// LegacyLoads says that the program may use LD_ABS and LD_IND.
	LegacyLoads bool
}

// Error says why a program was refused.
type Error struct {
	Slot   int
	Reason string
	// Missing says that the program may be sound but this runtime lacks
	// something.
	Missing bool
}

func (e *Error) Error() string { return e.Reason }
