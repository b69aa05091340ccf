package verifier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier/internal/check"
)

// Options choose how strictly to judge, and how long to try. The zero value
// judges as the newest kernel known does, for a privileged user.
type Options struct {
	// Kernel is the version whose rules count, 6.1 or newer ("6.1"); "" is the
	// newest known.
	Kernel string
	// KernelTypes are the types of that kernel. Programs that call its functions
	// or follow its pointers cannot be judged without.
	KernelTypes *btf.Spec
	// Arch as in GOARCH; "" is amd64.
	Arch string
	// CPUs is how many processors the kernel may have; 0 means thousands.
	CPUs int
	// Privilege of whoever loads the program.
	Privilege Privilege
	// LogLevel of [Report.Log] as in BPF_PROG_LOAD: 1 the last path, 2 all
	// paths, 4 statistics; they add up.
	LogLevel uint32
	// MaxInstructions simulated; 0 means Linux's million.
	MaxInstructions int
	// Timeout bounds the time by the clock, MaxMemory the states' memory in
	// bytes; 0 means no bound.
	Timeout   time.Duration
	MaxMemory uint64
}

// Privilege is what a user may do.
type Privilege uint8

const (
	Privileged   Privilege = iota // CAP_BPF and CAP_PERFMON
	NoPerfmon                     // CAP_BPF
	Unprivileged                  // neither
)

// Fact is what holds at an instruction on every path.
type Fact = check.Fact

// Access is what memory an instruction accesses.
type Access = check.AccessKind

// Kinds of memory.
const (
	AccessNone     = check.AccessNone
	AccessStack    = check.AccessStack
	AccessContext  = check.AccessContext
	AccessPacket   = check.AccessPacket
	AccessMapValue = check.AccessMapValue
	AccessMapKey   = check.AccessMapKey
	AccessMem      = check.AccessMem // of a known size: records, what callers pass
	AccessSocket   = check.AccessSocket
	AccessKernel   = check.AccessKernel
	AccessOther    = check.AccessOther
)

// Report is what was found out about a program.
type Report struct {
	// Accepted is the verdict.
	Accepted bool
	// Log in the kernel's form, if asked for.
	Log string
	// Processed counts simulated instructions, of Limit allowed; States those
	// kept to compare with, Peak at one time, MaxPerInstruction at one place.
	Processed, Limit, States, Peak, MaxPerInstruction int
	// LongestPath counts the instructions of the longest path that was followed.
	// Loops count round by round, what was pruned as far as it was followed.
	LongestPath int
	// Time by the clock.
	Time time.Duration
	// Stack is the deepest use of the stack in bytes, all calls included.
	Stack int
	Funcs []Func
	// Visits counts, for each slot, how often it was simulated.
	Visits []int
	// Facts of an accepted program, one a slot.
	Facts []Fact
	// Masked and Fenced are the slots of an accepted program that the kernel
	// hardens against Spectre for users without CAP_PERFMON: sums of a pointer
	// and a number that it masks, and places where it puts in a barrier.
	// Privileged programs have none.
	Masked, Fenced []int
}

// Func is a function of the program.
type Func struct {
	Name       string
	Start, End int // slots
	Stack      int // bytes
	Processed  int // simulated instructions
	Global     bool
}

// Rejection is why a program is refused.
type Rejection struct {
	// Rule that is broken ("packet-bounds").
	Rule string
	// Slot of the instruction, -1 if none.
	Slot int
	// Message in the kernel's words; may have several lines.
	Message string
	// Errno that the kernel answers with.
	Errno  int
	inner  *check.Rejection
	code   *object.Code
	typ    abi.ProgramType
	attach abi.AttachType
	arch   string
	report *Report
}

func (r *Rejection) Error() string { return r.Message }

// ErrNotSupported: the program has something that this verifier does not judge.
var ErrNotSupported = errors.New("not supported by this verifier")

// Is makes a rejection for want of support an ErrNotSupported.
func (r *Rejection) Is(target error) bool {
	return target == ErrNotSupported && r.Rule == string(check.RuleNotSupported)
}

// NeedsTypes says that a program was refused for want of types, which
// [Options.KernelTypes] may have.
func NeedsTypes(err error) bool {
	var r *Rejection
	return errors.As(err, &r) && (r.Rule == string(check.RuleTypes) || r.Rule == string(check.RuleKfunc))
}

// Verify decides on a program. The error is a [*Rejection] if the program is
// refused; the report is there in either case.
func Verify(ctx context.Context, p *Program, o Options) (*Report, error) {
	kernel, err := parseVersion(o.Kernel)
	if err != nil {
		return nil, err
	}
	res, err := check.Verify(ctx, p.make(), check.Options{
		Kernel: kernel, KernelTypes: o.KernelTypes, Arch: o.Arch, CPUs: o.CPUs,
		Unprivileged: o.Privilege == Unprivileged, NoPerfmon: o.Privilege == NoPerfmon,
		LogLevel: o.LogLevel, MaxInstructions: o.MaxInstructions, Timeout: o.Timeout, MaxMemory: o.MaxMemory,
	})
	rep := &Report{
		Accepted: err == nil, Log: res.Log, Processed: res.Stats.Processed, Limit: res.Stats.Limit,
		States: res.Stats.TotalStates, Peak: res.Stats.PeakStates, MaxPerInstruction: res.Stats.MaxPerInsn,
		LongestPath: res.Stats.LongestPath, Time: res.Stats.Time, Stack: res.StackDepth, Facts: res.Facts, Visits: res.Visits,
		Masked: res.Masked, Fenced: res.Fenced,
	}
	for _, s := range res.Subprogs {
		rep.Funcs = append(rep.Funcs, Func(s))
	}
	var r *check.Rejection
	if errors.As(err, &r) {
		err = &Rejection{Rule: string(r.Rule), Slot: r.Insn, Message: r.Message, Errno: int(r.Errno), inner: r, code: p.code, typ: p.typ, attach: p.attach, arch: o.Arch, report: rep}
	}
	return rep, err
}

// CheckVersion reports a version that [Options.Kernel] does not take.
func CheckVersion(version string) error {
	_, err := parseVersion(version)
	return err
}

// parseVersion reads "6.1" or "6.1.7".
func parseVersion(s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	var major, minor uint32
	if n, _ := fmt.Sscanf(s, "%d.%d", &major, &minor); n != 2 || major > 255 || minor > 255 {
		return 0, fmt.Errorf("kernel version %q: want major.minor, as in 6.1", s)
	}
	if major < 6 || major == 6 && minor < 1 {
		return 0, fmt.Errorf("kernel version %s: the oldest whose rules are known is 6.1: what loads before 6.1 cannot be told", s)
	}
	return major<<16 | minor<<8, nil
}
