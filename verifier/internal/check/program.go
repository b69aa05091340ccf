package check

import (
	"cmp"
	"context"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// Program is what is to be checked.
type Program struct {
	Name       string
	Type       abi.ProgramType
	AttachType abi.AttachType
	// AttachTo names what tracing, lsm, ext and struct_ops programs are for: a
	// function, a raw tracepoint, an iterator, "ops:member".
	AttachTo string
	License  string
	// Flags as in BPF_PROG_LOAD.
	Flags uint32
	// Instructions with map references as indices into Maps, kfunc calls as
	// keys of Kfuncs, and loads of kernel variables in Ksyms.
	Instructions []isa.Instruction
	Maps         []*Map
	Funcs        []Func
	Lines        []Line
	Kfuncs       map[int32]string
	WeakKfuncs   map[int32]bool
	Ksyms        map[int]Ksym // by slot
	// Types are those of the program's object, or nil.
	Types *btf.Spec
	// Hook is where the program is for, if that is none of Linux's; Type is
	// abi.ProgHook then.
	Hook *abi.Hook
}

// Func is a subprogram that begins at Slot.
type Func struct {
	Slot int
	Name string
	Type *btf.Func // nil without BTF
}

// Line is the source line that the code from Slot on came from.
type Line struct {
	Slot         int
	File         string
	Line, Column int
	Text         string
}

// Ksym is a kernel variable whose address is loaded.
type Ksym struct {
	Name string
	Weak bool
}

// Map is a map that the program refers to.
type Map struct {
	Name                           string
	Type                           abi.MapType
	KeySize, ValueSize, MaxEntries uint32
	Flags                          uint32
	Key, Value                     btf.Type // nil without BTF
	// Inner is the template of a map of maps.
	Inner *Map
	// Frozen maps cannot be changed from user space any more; with
	// FlagRdonlyProg their Contents are constants.
	Frozen   bool
	Contents []byte
	record   *record
}

// Options choose how strictly to judge, and how long to try.
type Options struct {
	// Kernel is the version whose rules count, as major<<16 | minor<<8; 0 means
	// Newest.
	Kernel uint32
	// KernelTypes are the types of that kernel, for kfuncs, kernel variables and
	// pointers into its structures; nil if unknown.
	KernelTypes *btf.Spec
	// Arch as in GOARCH; "" is amd64.
	Arch string
	// Unprivileged judges as for a user without CAP_BPF; NoPerfmon as for one
	// with CAP_BPF but without CAP_PERFMON.
	Unprivileged, NoPerfmon bool
	// CPUs is how many processors the kernel may have (nr_cpu_ids); 0 means as
	// many as kernels are built for.
	CPUs int
	// LogLevel as in BPF_PROG_LOAD: 1 the last path, 2 all paths, 4 statistics.
	LogLevel uint32
	// MaxLog bounds the log in bytes; 0 means 16 MiB.
	MaxLog int
	// MaxInstructions simulated; 0 means the kernel's million.
	MaxInstructions int
	// Timeout in wall-clock time and MaxMemory in bytes of states; 0 means none.
	Timeout   time.Duration
	MaxMemory uint64
	// Exact compares all numbers where paths meet, also those that nothing
	// depends on: then every state of an accepted program's run is covered by
	// one that Observe saw at that instruction. For tests; it takes longer.
	Exact bool
	// Observe, if not nil, sees each state before its instruction is simulated,
	// with the registers that are read before they are written from there on.
	// It must not keep or change the state.
	Observe func(insn int, s *State, live uint16)
}

func (o *Options) bpfCapable() bool       { return !o.Unprivileged }
func (o *Options) allowPtrLeaks() bool    { return !o.Unprivileged && !o.NoPerfmon }
func (o *Options) allowUninitStack() bool { return o.allowPtrLeaks() }
func (o *Options) bypassSpec() bool       { return o.allowPtrLeaks() }

// Newest is the version whose rules hold where none is named, as
// Options.Kernel: the one that the rules were last compared with.
const Newest = 6<<16 | 18<<8

// since reports whether the judged kernel is major.minor or newer.
func (o *Options) since(major, minor uint32) bool {
	return cmp.Or(o.Kernel, Newest)>>8 >= major<<8|minor
}

// era is the version whose arithmetic of numbers counts.
func (o *Options) era() scalar.Era { return scalar.Era(cmp.Or(o.Kernel, Newest) >> 8) }

// Result is what is known of an accepted program, and the statistics of either
// outcome.
type Result struct {
	Stats Stats
	Log   string
	Facts []Fact // one an instruction slot
	// Visits counts how often each slot was simulated.
	Visits []int
	// Masked and Fenced are the slots that the kernel hardens for users without
	// CAP_PERFMON.
	Masked, Fenced []int
	// StackDepth is the deepest use of the stack in bytes, calls included;
	// Depths is that of each subprogram alone.
	StackDepth int
	Subprogs   []SubprogStats
}

// Stats are the kernel's own figures (print_verification_stats).
type Stats struct {
	Processed    int // simulated instructions
	Limit        int
	MaxPerInsn   int // states kept at one instruction
	TotalStates  int
	PeakStates   int
	Time         time.Duration
	LongestQueue int
	LongestPath  int // instructions
}

// SubprogStats are those of one subprogram.
type SubprogStats struct {
	Name       string
	Start, End int
	Stack      int // bytes
	Processed  int
	Global     bool
}

// Verify checks a program. A program that is refused gives a *Rejection, and a
// Result with the log and what was counted so far.
func Verify(ctx context.Context, p *Program, opts Options) (*Result, error) {
	c := newChecker(ctx, p, opts)
	start := time.Now()
	err := c.run()
	c.stats.Time = time.Since(start)
	return c.result(err == nil), err
}
