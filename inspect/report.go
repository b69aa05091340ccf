package inspect

import "github.com/skepdev/skep/internal/btfdump"

// Report is what an object holds, as plain data.
type Report struct {
	// ByteOrder is "little" or "big".
	ByteOrder string     `json:"byte_order"`
	Programs  []Program  `json:"programs"`
	Maps      []Map      `json:"maps"`
	Globals   []Variable `json:"globals"`
	// Types is C text; see Types.
	Types       string       `json:"types,omitempty"`
	Relocations []Relocation `json:"relocations"`
}

// Program describes a program.
type Program struct {
	Name    string `json:"name"`
	Section string `json:"section"`
	// Type and AttachType as Linux calls them ("sched_cls", "tcx_ingress").
	// AttachType is empty where the program is loaded without one.
	Type       string `json:"type"`
	AttachType string `json:"attach_type,omitempty"`
	AttachTo   string `json:"attach_to,omitempty"`
	License    string `json:"license"`
	// Flags the program is loaded with: "sleepable", "xdp_has_frags".
	Flags []string `json:"flags,omitempty"`
	// Instructions counts 8-byte slots, those of subprograms among them.
	Instructions int `json:"instructions"`
	// Functions are the program itself and its subprograms, in order.
	Functions []Function `json:"functions"`
	// Stack is the most that a chain of calls may use, in bytes, by the
	// estimates of Functions. Recursion is not followed.
	Stack int `json:"stack"`
	// Helpers, Kfuncs, KernelSymbols and Maps are what the code refers to.
	Helpers       []Use    `json:"helpers"`
	Kfuncs        []Use    `json:"kfuncs,omitempty"`
	KernelSymbols []string `json:"kernel_symbols,omitempty"`
	Maps          []string `json:"maps"`
	// Files are the source files that lines come from.
	Files []string `json:"files,omitempty"`
	// Problem says why the code could not be read; then the fields about code
	// are empty.
	Problem string `json:"problem,omitempty"`
}

// Use is something called from a number of places.
type Use struct {
	Name string `json:"name"`
	// ID is the number of a helper, 0 for kfuncs.
	ID    uint32 `json:"id,omitempty"`
	Calls int    `json:"calls"`
	// Problem says what the tables of Linux 6.18 hold against the call.
	Problem string `json:"problem,omitempty"`
}

// Function describes a function of a program.
type Function struct {
	Name string `json:"name"`
	// Prototype in C, if the object says.
	Prototype string `json:"prototype,omitempty"`
	// Start is the first slot, Instructions the number of slots.
	Start        int `json:"start"`
	Instructions int `json:"instructions"`
	// Blocks and Loops of the flow of control: straight stretches, and edges
	// that lead back.
	Blocks int `json:"blocks"`
	Loops  int `json:"loops"`
	// Stack is how far below the frame pointer the function's own code
	// reaches, in bytes, a multiple of 8. Addresses computed at run time are
	// not seen.
	Stack int `json:"stack"`
	// Calls names the subprograms it calls.
	Calls []string `json:"calls,omitempty"`
}

// Map describes a map.
type Map struct {
	Name string `json:"name"`
	// Type as Linux calls it ("percpu_hash").
	Type       string `json:"type"`
	KeySize    uint32 `json:"key_size"`
	ValueSize  uint32 `json:"value_size"`
	MaxEntries uint32 `json:"max_entries"`
	// Flags of creation ("no_prealloc", "rdonly_prog").
	Flags []string `json:"flags,omitempty"`
	Extra uint64   `json:"extra,omitempty"`
	// KeyType and ValueType in C, if the object says.
	KeyType   string `json:"key_type,omitempty"`
	ValueType string `json:"value_type,omitempty"`
	// Contents is how many elements the map begins with.
	Contents int `json:"contents,omitempty"`
	// Pinning is "by_name" or empty.
	Pinning string   `json:"pinning,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	// Inner is the template of the maps in a map of maps.
	Inner *Map `json:"inner,omitempty"`
	// UsedBy names the programs whose code refers to the map.
	UsedBy []string `json:"used_by"`
}

// Variable describes a global variable.
type Variable struct {
	Name    string `json:"name"`
	Section string `json:"section"`
	Offset  uint32 `json:"offset"`
	Size    int    `json:"size"`
	// Type is the declaration's type in C, if the object says.
	Type string `json:"type,omitempty"`
	// ReadOnly variables are constants to programs.
	ReadOnly bool `json:"read_only"`
	// Value it begins with.
	Value btfdump.Value `json:"value"`
	// Problem says why the value is shown as bytes.
	Problem string `json:"problem,omitempty"`
}

// Relocation is a CO-RE relocation: something the loader adjusts to the types of
// the kernel the program is to run on.
type Relocation struct {
	Program string `json:"program"`
	// Slot of the instruction in the program.
	Slot int `json:"slot"`
	// Kind as libbpf calls it: "byte_off", "field_exists", "enumval_value", …
	Kind string `json:"kind"`
	// Type is the local type ("struct task_struct"), Access what of it is
	// meant ("group_leader.tgid") if the object says.
	Type   string  `json:"type"`
	Access string  `json:"access,omitempty"`
	Source *Source `json:"source,omitempty"`
}
