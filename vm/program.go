package vm

import (
	"fmt"
	"strings"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/interp"
)

// ProgramSpec describes a program to load. Load copies what it keeps.
type ProgramSpec struct {
	Name       string
	Type       abi.ProgramType
	AttachType abi.AttachType
	// License as in the object; helpers that Linux gives to GPL programs only
	// ask for a compatible one.
	License string
	// Flags as in BPF_PROG_LOAD (abi.FlagSleepable, abi.FlagXDPHasFrags, …).
	Flags uint32
	// Instructions, subprograms included, entry point first. Loads of map
	// references (isa.LdImm64 with Src isa.PseudoMapIdx or isa.PseudoMapIdxValue)
	// carry the index in Maps; the second slot of the latter the offset in the
	// value.
	Instructions []isa.Instruction
	Maps         []*Map
	// Funcs and Lines are in ascending order of Offset. Both may be empty.
	Funcs []FuncInfo
	Lines []LineInfo
	// Facts, if not empty, tells for each slot what a verifier proved about its
	// memory access. Native code then no longer compares it with bounds.
	Facts []Fact
	// Trace, if not nil, is called before every instruction with its slot and the
	// registers r0 to r10 at the start of regs, which it must not change. It is
	// called from whatever goroutine runs the program. The program is interpreted
	// and takes ten times as long.
	Trace func(slot int, regs *[16]uint64)
	// Hook is where a program of type abi.ProgHook is for.
	Hook *Hook
	// Kfuncs names the kernel functions that calls refer to, by immediate.
	Kfuncs map[int32]string
	// Objects are the structures that the program can allocate, by the number
	// that it passes to bpf_obj_new.
	Objects map[uint32]*ObjectType
}

// ObjectType is a structure that programs allocate.
type ObjectType = heap.Type

// ObjectField is a member of an object or of a map's value that means something
// to the runtime.
type ObjectField = heap.Field

// FieldKind tells what.
type FieldKind = heap.Kind

// Kinds of fields, by the names in Linux: what owns an object (kptr), heads and
// nodes of lists, roots and nodes of red-black trees, counts of holders, locks.
const (
	FieldKptr     = heap.Kptr
	FieldList     = heap.List
	FieldListNode = heap.ListNode
	FieldTree     = heap.Tree
	FieldTreeNode = heap.TreeNode
	FieldRefcount = heap.Refcount
	FieldSpinLock = heap.SpinLock
)

// Fact is what is known about the memory access of one instruction. Who sets
// Proved vouches for the memory of this process.
type Fact = interp.Fact

// Class is the kind of memory that an access goes to.
type Class = interp.Class

// Classes of memory.
const (
	ClassUnknown = interp.ClassUnknown
	ClassFrame   = interp.ClassFrame
	ClassContext = interp.ClassContext
	ClassPacket  = interp.ClassPacket
	ClassValue   = interp.ClassValue
	ClassMemory  = interp.ClassMemory
)

// FuncInfo names the subprogram that starts at a slot.
type FuncInfo struct {
	Offset int
	Name   string
}

// LineInfo is the source line that the code from slot Offset on came from.
// Line and Column count from 1; 0 means unknown.
type LineInfo struct {
	Offset       int
	File         string
	Line, Column int
	Text         string
}

func (l LineInfo) at() string {
	if l.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" at %s:%d:%d: %s", l.File, l.Line, l.Column, strings.TrimSpace(l.Text))
}
