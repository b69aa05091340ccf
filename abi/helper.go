package abi

// Helper is the prototype of a helper function, as the verifier of Linux 6.18
// sees it.
type Helper struct {
	ID   HelperID
	Args []Arg // at most 5; arguments beyond are not looked at
	// Return is what R0 holds afterwards.
	Return ReturnKind
	// Flags say what else is special.
	Flags HelperFlags
	// Programs are the program types that may call the helper, in some
	// configuration of the kernel and with some attach type. An extension
	// program (ProgExtension) may call what its target may.
	Programs ProgramSet
	// Variants are prototypes that differ for some program types.
	Variants []Variant
}

// Variant is a different prototype of a helper for some program types.
type Variant struct {
	Programs ProgramSet
	Args     []Arg
	Flags    HelperFlags
}

// HelperFlags are properties of helpers.
type HelperFlags uint8

const (
	// HelperGPL is for programs with a GPL-compatible license only.
	HelperGPL HelperFlags = 1 << iota
	// HelperSleeps may be called by sleepable programs only.
	HelperSleeps
	// HelperMovesPacket may move the packet: pointers to its data are
	// invalid afterwards.
	HelperMovesPacket
	// HelperFast clobbers no register but R0: the kernel inlines it and drops
	// the spills that compilers put around it (bpf_fastcall).
	HelperFast
)

// ProgramSet is a set of program types.
type ProgramSet uint64

// Has reports whether t is in the set.
func (s ProgramSet) Has(t ProgramType) bool { return t < 64 && s&(1<<t) != 0 }

// Types lists the set in ascending order.
func (s ProgramSet) Types() []ProgramType {
	var out []ProgramType
	for t := ProgramType(0); t < 64; t++ {
		if s.Has(t) {
			out = append(out, t)
		}
	}
	return out
}

// Helpers returns the prototypes of all helpers of Linux 6.18 in the order of
// their numbers, from 1 on. The slice is shared: read it only.
func Helpers() []Helper { return helpers[1:] }

// HelperByID returns the prototype of a helper, or nil.
func HelperByID(id HelperID) *Helper {
	if id == 0 || int(id) >= len(helpers) {
		return nil
	}
	return &helpers[id]
}

// HelperByName finds a helper by its C name, with or without "bpf_".
func HelperByName(name string) *Helper {
	const prefix = "bpf_"
	for i := 1; i < len(helperNames); i++ {
		if full := helperNames[i]; full == name || full[len(prefix):] == name {
			return &helpers[i]
		}
	}
	return nil
}

// Prototype is what programs of type t see: arguments and flags. ok is false if
// they may not call the helper at all.
func (h *Helper) Prototype(t ProgramType) (args []Arg, flags HelperFlags, ok bool) {
	if t == ProgHook && h.ForAll() {
		return h.Args, h.Flags, true
	}
	if !h.Programs.Has(t) {
		return nil, 0, false
	}
	for _, v := range h.Variants {
		if v.Programs.Has(t) {
			return v.Args, v.Flags, true
		}
	}
	return h.Args, h.Flags, true
}

var helpers = buildHelpers()

func buildHelpers() []Helper {
	out := make([]Helper, len(helperNames))
	for _, table := range [][]Helper{
		mapHelpers(), generalHelpers(), traceHelpers(), packetHelpers(), socketHelpers(), streamHelpers(),
	} {
		for _, h := range table {
			out[h.ID] = h
		}
	}
	return out
}
