package interp

// Class is the kind of memory that an access goes to.
type Class uint8

// Classes of memory.
const (
	ClassUnknown Class = iota
	ClassFrame         // the function's own stack frame
	ClassContext
	ClassPacket
	ClassValue  // a map value, and no null pointer
	ClassMemory // anything else that programs may access: records, callers' frames
)

// Fact is what somebody knows about the memory access of one instruction.
type Fact struct {
	// Class is where the access goes. Without Proved it is only likely.
	Class Class
	// Proved says that all runs access memory of that class only, within its
	// bounds and as the program may: nobody compares any more. Whoever sets it
	// vouches for the process's memory.
	Proved bool
}
