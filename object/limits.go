package object

// Limits of what Open reads. They are generous against real objects (the
// largest in public use stay below a tenth of each) and small against a
// machine's memory.
const (
	// MaxFileSize of an object in bytes.
	MaxFileSize = 256 << 20
	// MaxDataSize bounds the data sections together (.bss, .data, .rodata),
	// and once more the variables in them, in bytes.
	MaxDataSize = 256 << 20
	// MaxTypesSize bounds .BTF and .BTF.ext, in bytes each.
	MaxTypesSize = 64 << 20
	// MaxTypes is the number of BTF types.
	MaxTypes = 1 << 20
	// MaxInstructions bounds the instructions of all programs after each got
	// its subprograms appended.
	MaxInstructions = 8 << 20

	maxSections    = 16384
	maxSymbols     = 1 << 20
	maxRelocations = 4 << 20
	maxFunctions   = 16384
	maxNames       = 64 << 20 // bytes of names, counted at each use
	// Decoding recurses along references between types, at 2.6 KB of stack a
	// step, and a stack that overflows at 512 MB cannot be recovered from.
	maxTypeDepth = 1 << 15

	maxMapsSize = 16 << 20 // the .maps section
)
