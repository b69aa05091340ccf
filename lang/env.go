package lang

import (
	"errors"

	"github.com/cilium/ebpf/btf"
)

// Env answers what a script's meaning depends on. Methods are called from one
// goroutine; answers must not change while compiling. What there is not is
// [ErrUnknown], wrapped.
type Env interface {
	// KernelTypes are the types of the kernel and its modules. They are asked
	// for only by scripts that use them.
	KernelTypes() (Types, error)

	// Match lists the places that a pattern means, in order. A pattern without
	// wildcards that exists is one place.
	Match(pattern Attach) ([]Attach, error)

	// Tracepoint is the layout of a tracepoint's record.
	Tracepoint(group, name string) ([]TracepointField, error)

	// UserFunc is the prototype of a function from a binary's debug
	// information, with the types it mentions.
	UserFunc(path, function string) (*btf.FuncProto, error)

	// UserType is a type from a binary's debug information: tag is "struct",
	// "union", "enum", or "" for a typedef.
	UserType(path, tag, name string) (btf.Type, error)

	// USDTArgs describes where a probe's arguments are, per place, in the
	// notation of <sys/sdt.h>: "8@%rdi -4@$5".
	USDTArgs(at Attach) ([]string, error)

	// KernelSymbol and UserSymbol are addresses; size is in bytes, or 0.
	KernelSymbol(name string) (uint64, error)
	UserSymbol(path, name string) (address, size uint64, err error)

	// CgroupID is the id of a cgroup (version 2) by its directory.
	CgroupID(path string) (uint64, error)

	// Syscall is the number of a system call by its tracepoint's name.
	Syscall(name string) (int, bool)

	// CPUs is how many CPUs there may be.
	CPUs() int

	// ReadFile reads a file named by #include or import; angle says that it is
	// searched where headers are.
	ReadFile(path string, angle bool) ([]byte, error)
}

// Types is a set of types to look up by name.
type Types interface {
	// TypeByName finds structs, unions, enums ("struct sock") and typedefs.
	TypeByName(tag, name string) (btf.Type, error)
	// Enumerator is the value of an enumeration's name.
	Enumerator(name string) (value int64, enum btf.Type, err error)
	// FuncProto is the prototype of a function of the kernel, or of the type
	// "btf_trace_…" of a raw tracepoint.
	FuncProto(name string) (*btf.FuncProto, error)
}

// TracepointField is a field of a tracepoint's record. Offset and Size are in
// bytes.
type TracepointField struct {
	// Type as in the format file: "const char *", "__data_loc char[]".
	Type, Name   string
	Offset, Size int
	Signed       bool
}

// ErrUnknown says that there is nothing of a name.
var ErrUnknown = errors.New("unknown")

// ErrUnwanted is what [Env.Match] answers for a pattern whose places are there
// and left out on purpose.
var ErrUnwanted = errors.New("left out")

// ErrNoProbes says that a script compiled, and nothing it traces is there.
var ErrNoProbes error = mistake("No probes to attach")

// Options change how a script is compiled. The zero value is good.
type Options struct {
	// Params are positional parameters, Named those after "--".
	Params []string
	Named  map[string]string
	// Unsafe allows functions that change the traced system.
	Unsafe bool
	// PID limits probes that are not limited by what they attach to; 0 is none.
	PID int
	// Environ are settings from the environment, by their lower-case name
	// without BPFTRACE_; they win over the script's.
	Environ map[string]string
	// Dump receives what passes leave behind, by pass name, if not nil.
	Dump func(pass, text string)
	// Test and Bench ask for those probes instead of the others.
	Test, Bench bool
	// Include are headers read before the script.
	Include []string
	// RingBytes is the size of the ring buffer, 0 means 4 MiB.
	RingBytes int
	// WarnFailures reports reads of memory that fail and keys that maps do not
	// have.
	WarnFailures bool
	// NoWarn drops warnings.
	NoWarn bool
	// Child says that a command is run whose process [DataCPID] will name.
	Child bool
}
