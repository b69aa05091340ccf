package abi

// ProgHook is the type of programs at a [Hook]. Linux has no such number.
const ProgHook ProgramType = 1 << 16

// Hook is a place for programs that Linux does not have: a Go program declares
// it, with a context and functions of its own. Programs there may call what
// Linux lets programs of every type call, besides the hook's own functions.
type Hook struct {
	// Name is the section that programs for it stand in.
	Name string
	// Context is what R1 points to. It may have one field each of the kinds
	// FieldPacketData and FieldPacketEnd, of 8 bytes; the others are numbers.
	Context *Struct
	// PacketWritable lets programs write what lies between those two.
	PacketWritable bool
	// Programs return a number from ReturnMin to ReturnMax; any if both are 0.
	ReturnMin, ReturnMax int32
	// Funcs are called by name, as kernel functions are.
	Funcs []HookFunc
}

// HookFunc is the prototype of a function that programs at a hook may call.
type HookFunc struct {
	Name string
	// Args are of the kinds ArgAnything, ArgCtx, ArgMem with ArgConstSize or
	// ArgConstSizeOrZero behind it, ArgFixedMem and ArgConstStr.
	Args []Arg
	// Return is RetInteger or RetVoid.
	Return ReturnKind
}

// Func finds a function by its name; nil if the hook, which may be nil, has none
// of that name.
func (h *Hook) Func(name string) *HookFunc {
	if h == nil {
		return nil
	}
	for i := range h.Funcs {
		if h.Funcs[i].Name == name {
			return &h.Funcs[i]
		}
	}
	return nil
}

// ForAll reports helpers that programs of every type may call.
func (h *Helper) ForAll() bool { return h.Programs&everywhere == everywhere }
