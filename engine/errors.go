package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
)

// Sentinels. Compare with errors.Is.
var (
	// ErrNotSupported: the engine or this kernel lacks a feature. The error
	// that wraps it is a [NotSupportedError].
	ErrNotSupported = ebpf.ErrNotSupported
	// ErrKeyNotExist and ErrKeyExist: a map has no such key, or already has.
	ErrKeyNotExist = ebpf.ErrKeyNotExist
	ErrKeyExist    = ebpf.ErrKeyExist
	// ErrReadOnly: the map is frozen or the variable constant.
	ErrReadOnly = ebpf.ErrReadOnly
	// ErrFull: no room for another element (E2BIG in Linux).
	ErrFull = errors.New("map is full")
	// ErrRejected: the verifier refused a program. The error that wraps it is
	// a [VerifierError].
	ErrRejected = errors.New("program rejected by the verifier")
	// ErrFault: a program without a proof touched memory that is not its own.
	// The error that wraps it is a [FaultError].
	ErrFault = errors.New("bad memory access")
	// ErrPermission, ErrNotExist, ErrExist and ErrClosed are the standard ones.
	ErrPermission = fs.ErrPermission
	ErrNotExist   = fs.ErrNotExist
	ErrExist      = fs.ErrExist
	ErrClosed     = os.ErrClosed
	// ErrWrongEngine: an object of another engine was passed in.
	ErrWrongEngine = errors.New("object belongs to another engine")
)

// NotSupportedError says what is missing, why, and what would provide it.
type NotSupportedError struct {
	// Feature in the user's words: "kprobe", "map type arena".
	Feature string
	// Reason it is missing here.
	Reason string
	// Remedy is what would provide it; may be empty.
	Remedy string
	// Err is the underlying error, or nil.
	Err error
}

func (e *NotSupportedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Feature)
	b.WriteString(": not supported")
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrNotSupported) hold.
func (e *NotSupportedError) Is(target error) bool { return target == ErrNotSupported }

// Unwrap returns the underlying error.
func (e *NotSupportedError) Unwrap() error { return e.Err }

// VerifierError is a verifier's refusal. Error() is one line with the reason
// and the place; %+v prints the whole log.
type VerifierError struct {
	// Program is the refused program's name.
	Program string
	// Reason is the verifier's sentence.
	Reason string
	// Instruction is the index of the refused instruction (8-byte slots), or -1.
	Instruction int
	// Assembly is that instruction as text, if known.
	Assembly string
	// Source is where it comes from, if the object has line information.
	Source SourceLine
	// Log is the verifier's whole log, line by line.
	Log []string
	// Truncated says that the log did not fit.
	Truncated bool
	// Err is the underlying error (an errno of the kernel), or nil.
	Err error
}

// SourceLine is a line of source from BTF line information.
type SourceLine struct {
	File string
	// Line and Column count from 1; 0 means unknown.
	Line, Column int
	Text         string
}

// String is "file:line:column: text", or "".
func (s SourceLine) String() string {
	if s.Line == 0 && s.Text == "" {
		return ""
	}
	text := strings.TrimSpace(s.Text)
	if s.File == "" {
		return text
	}
	return fmt.Sprintf("%s:%d:%d: %s", s.File, s.Line, s.Column, text)
}

func (e *VerifierError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "program %s rejected by the verifier", e.Program)
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Instruction >= 0 {
		fmt.Fprintf(&b, " (instruction %d", e.Instruction)
		if e.Assembly != "" {
			b.WriteString(": " + e.Assembly)
		}
		b.WriteString(")")
	}
	if s := e.Source.String(); s != "" {
		b.WriteString(" at " + s)
	}
	return b.String()
}

// Format prints the one-line form, and with %+v the whole log after it.
func (e *VerifierError) Format(f fmt.State, verb rune) {
	fmt.Fprint(f, e.Error())
	if verb == 'v' && f.Flag('+') {
		for _, l := range e.Log {
			fmt.Fprintf(f, "\n\t%s", l)
		}
		if e.Truncated {
			fmt.Fprint(f, "\n\t(log truncated)")
		}
	}
}

// Is makes errors.Is(err, ErrRejected) hold.
func (e *VerifierError) Is(target error) bool { return target == ErrRejected }

// Unwrap returns the underlying error.
func (e *VerifierError) Unwrap() error { return e.Err }

// FaultError is a run-time memory error of an unproven program in the embedded
// engine: it names the instruction, its source line and the address.
type FaultError struct {
	Program string
	// Instruction is the index of the faulting instruction (8-byte slots).
	Instruction int
	Assembly    string
	Source      SourceLine
	// Address and Size of the access in bytes; Write tells its direction. Size
	// is 0 for what is no access: a run that does not end, a call that nests too
	// deeply, code that CO-RE poisoned.
	Address uint64
	Size    int
	Write   bool
	// Reason says what the address is or is not: "null pointer",
	// "12 bytes past the end of packet data".
	Reason string
	// Err is why the host ended the run: its context's error, or what one of its
	// functions said. Nil otherwise.
	Err error
}

// Unwrap is Err.
func (e *FaultError) Unwrap() error { return e.Err }

func (e *FaultError) Error() string {
	verb := "read"
	if e.Write {
		verb = "write"
	}
	s := fmt.Sprintf("program %s: instruction %d (%s): ", e.Program, e.Instruction, e.Assembly)
	if e.Size > 0 {
		s += fmt.Sprintf("%d-byte %s at %#x: ", e.Size, verb, e.Address)
	}
	s += e.Reason
	if src := e.Source.String(); src != "" {
		s += " at " + src
	}
	return s
}

// Is makes errors.Is(err, ErrFault) hold.
func (e *FaultError) Is(target error) bool { return target == ErrFault }

// Errno returns err wrapped so that it is both sentinel and errno: the way an
// engine reports a condition for which Linux defines an error number.
func Errno(sentinel error, errno syscall.Errno) error {
	return &errnoError{sentinel, errno}
}

type errnoError struct {
	sentinel error
	errno    syscall.Errno
}

func (e *errnoError) Error() string   { return e.sentinel.Error() }
func (e *errnoError) Unwrap() []error { return []error{e.sentinel, e.errno} }
