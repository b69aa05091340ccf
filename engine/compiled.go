package engine

// Compiled is what programs of engines that compile programs themselves can
// tell besides: the embedded engine's.
type Compiled interface {
	// NativeCode compiles the program for a processor, "amd64" or "arm64", on
	// whatever machine this is. Pieces are in the order in which they lie.
	NativeCode(arch string) ([]NativeCode, error)
	// Hits is how often each instruction slot was run, if the engine was opened
	// to count; nil otherwise. Counts are kept by basic block: a fault in the
	// middle of one counts for all of it.
	Hits() []uint64
}

// NativeCode is a piece of machine code and the instruction it was made from.
type NativeCode struct {
	// Slot of the instruction; -1 for what surrounds the program.
	Slot int
	// Aside says that the piece stands away from the others: what is seldom
	// reached.
	Aside bool
	// Offset of the piece in the program's code, in bytes.
	Offset int
	Bytes  []byte
}
