package engine

import (
	"context"
	"io"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// Engine loads eBPF collections and attaches their programs.
//
// An Engine is safe for concurrent use. Closing it releases what the engine
// itself holds (probe results, the embedded engine's memory); it does not close
// collections, maps or links, which belong to whoever made them.
type Engine interface {
	// Name is "kernel" or "embedded".
	Name() string

	// Load makes the maps and programs of spec real. The spec is not modified
	// and may be loaded again. On error nothing stays behind.
	//
	// A program that the engine's verifier refuses comes back as a
	// [*VerifierError]. opts may be nil.
	Load(ctx context.Context, spec *ebpf.CollectionSpec, opts *LoadOptions) (*Collection, error)

	// NewMap makes a single map. The caller closes it.
	NewMap(spec *ebpf.MapSpec) (Map, error)

	// Attach connects p to a target and returns the link that holds it there.
	// p is nil only for targets that carry no program ([StructOps]).
	// The caller closes the link; closing p before that is allowed.
	Attach(p Program, t Target) (Link, error)

	// OpenProgram, OpenMap and OpenLink re-open what was pinned at path.
	// The kernel engine's pins are files in a bpffs; the embedded engine's live
	// as long as the engine. A path nobody pinned is [ErrNotExist].
	OpenProgram(path string) (Program, error)
	OpenMap(path string) (Map, error)
	OpenLink(path string) (Link, error)

	// Supports reports whether the engine, on this machine and with the rights
	// this process has, can do f: nil, or an error wrapping [ErrNotSupported]
	// or [ErrPermission] that names what is missing. It really tries (loads a
	// program, creates a map, attaches to an object of its own making) rather
	// than asking whether a type is known. Answers are remembered.
	Supports(ctx context.Context, f Feature) error

	// OpenPrintk returns the lines programs print with bpf_trace_printk from
	// now on. The kernel has one such stream for the whole machine: a line may
	// come from somebody else's program.
	OpenPrintk() (PrintkReader, error)

	io.Closer
}

// LoadOptions change how a collection is loaded. The zero value is good.
type LoadOptions struct {
	// Maps replaces maps of the spec, by name, with live ones made by the same
	// engine. The collection does not own them: its Close leaves them open.
	Maps map[string]Map

	// PinPath is the directory in which maps whose spec says PinByName are
	// opened, or created and pinned.
	PinPath string

	// KernelTypes is the BTF that CO-RE relocations are resolved against.
	// Nil means that of the running kernel.
	KernelTypes *btf.Spec

	// AttachTo gives freplace programs and fentry/fexit programs on BPF
	// functions the live program they are to be attached to, by program name.
	// The function's name stands in the spec's AttachTo.
	AttachTo map[string]Program

	// VerifierLog asks for the verifier's log of accepted programs too
	// ([ProgramInfo.VerifierLog]).
	VerifierLog bool
}

// Collection is what a spec became: live programs, maps and variables, by name.
type Collection struct {
	Programs  map[string]Program
	Maps      map[string]Map
	Variables map[string]Variable

	// Owned is what Close closes besides Programs and the Maps that are not
	// in Borrowed. Engines fill it; users leave it alone.
	Owned []io.Closer
	// Borrowed names the maps that were passed in through LoadOptions.Maps.
	Borrowed map[string]bool
}

// Program is a loaded program.
type Program interface {
	// Info describes the program.
	Info() ProgramInfo

	// Run runs the program on in, as BPF_PROG_TEST_RUN does, without attaching
	// it. Program types that cannot be test-run return [ErrNotSupported].
	Run(in *RunInput) (RunResult, error)

	// Stats returns how often and how long attached runs took. The kernel
	// counts only while its statistics are enabled ([EnableStats] of package
	// kernel, or sysctl kernel.bpf_stats_enabled).
	Stats() (ProgramStats, error)

	// Pin keeps the program alive at path after Close; Unpin undoes it.
	Pin(path string) error
	Unpin() error

	io.Closer
}

// ProgramInfo describes a loaded program.
type ProgramInfo struct {
	Name       string
	Type       ebpf.ProgramType
	AttachType ebpf.AttachType
	// ID is the engine-wide identity: the kernel's program id, or a number the
	// embedded engine counts up from 1.
	ID uint32
	// Tag is the SHA-1 prefix over the instructions that Linux reports, 16 hex
	// digits.
	Tag string
	// Instructions is the number of 8-byte instruction slots as loaded.
	Instructions int
	// VerifierLog is the verifier's log, if LoadOptions asked for it.
	VerifierLog string
}

// ProgramStats counts the runs of a program since it was loaded.
type ProgramStats struct {
	Runs    uint64
	Runtime time.Duration
	// Misses counts runs skipped to avoid recursion.
	Misses uint64
}

// RunInput is the input of a test run. Fields follow BPF_PROG_TEST_RUN
// (Documentation/bpf/bpf_prog_run.rst, Linux 6.18).
type RunInput struct {
	// Data is the packet, from the Ethernet header on; at least 14 bytes for
	// packet programs. Not modified.
	Data []byte
	// DataOut, if it has capacity, receives the packet afterwards; otherwise
	// the engine allocates. Ignored with NoDataOut.
	DataOut []byte
	// NoDataOut says that the packet afterwards is of no interest.
	NoDataOut bool
	// Context is the context struct of the program type as user space sees it
	// (struct xdp_md, struct __sk_buff, the arguments of a raw tracepoint, the
	// argument of a syscall program), host byte order. Optional for packets.
	Context []byte
	// WantContext asks for the context afterwards, for types that support it.
	WantContext bool
	// Repeat runs the program that often; 0 means once. As in Linux the packet
	// is not restored between runs.
	Repeat int
	// Flags as in the system call (BPF_F_TEST_XDP_LIVE_FRAMES, …).
	Flags uint32
	// CPU to run on, for raw tracepoints with BPF_F_TEST_RUN_ON_CPU.
	CPU uint32
}

// RunResult is what a test run gave.
type RunResult struct {
	// Return is the value the program returned (the verdict).
	Return uint32
	// Data is the packet afterwards.
	Data []byte
	// Context is the context afterwards, if asked for.
	Context []byte
	// Duration is the average time of one run, as the engine measured it.
	Duration time.Duration
}

// Variable is a global variable of a loaded collection.
type Variable interface {
	Name() string
	// Size in bytes.
	Size() int
	// ReadOnly says that the variable lives in frozen memory (const, .rodata).
	ReadOnly() bool
	// Type is the variable's BTF, or nil.
	Type() *btf.Var
	// Get copies the variable's bytes into dst, which must have its size.
	// Concurrent writes by programs may be seen partially, as in C.
	Get(dst []byte) error
	// Set writes the variable. [ErrReadOnly] for constants.
	Set(src []byte) error
}

// PrintkReader reads the lines of bpf_trace_printk.
type PrintkReader interface {
	// Read blocks for the next line. It returns [ErrClosed] after Close and
	// os.ErrDeadlineExceeded after the deadline.
	Read() (PrintkLine, error)
	// SetDeadline bounds Read; the zero time removes the bound.
	SetDeadline(t time.Time)
	io.Closer
}

// PrintkLine is one line that a program printed.
type PrintkLine struct {
	// Task and PID are the thread in whose context the program ran.
	Task string
	PID  int
	CPU  int
	// Time since boot.
	Time time.Duration
	// Text without its trailing newline.
	Text string
}
