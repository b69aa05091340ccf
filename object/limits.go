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
	// MaxTypes is the number of BTF types. Decoding recurses once per type in
	// the worst case, and a stack that overflows cannot be recovered from.
	MaxTypes = 400_000
	// MaxInstructions bounds the instructions of all programs after each got
	// its subprograms appended.
	MaxInstructions = 8 << 20

	maxSections    = 16384
	maxSymbols     = 1 << 20
	maxRelocations = 4 << 20
	maxFunctions   = 16384
	maxNames       = 64 << 20 // bytes of names, counted at each use
	maxMapsSize    = 16 << 20 // the .maps section
)
