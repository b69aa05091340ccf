package vm

import (
	"errors"
	"fmt"
	"syscall"
)

// Sentinels. Compare with errors.Is.
var (
	// ErrInvalid: the program is not well-formed; a [*LoadError] wraps it.
	ErrInvalid = errors.New("invalid program")
	// ErrNotSupported: the runtime lacks something; a [*NotSupportedError]
	// says what.
	ErrNotSupported = errors.New("not supported")
	// ErrFault: a program touched memory that is not its own; a [*Fault].
	ErrFault = errors.New("bad memory access")
	// ErrBudget: a run took more instructions than allowed; a [*BudgetError].
	ErrBudget = errors.New("instruction budget used up")
	// ErrClosed: the machine, program or map was closed.
	ErrClosed = errors.New("closed")
)

// LoadError says why a program cannot be loaded. It wraps [ErrInvalid], or
// [ErrNotSupported] where the program is sound but the runtime lacks what it
// asks for.
type LoadError struct {
	Program string
	// Instruction is the slot of the offending instruction, or -1.
	Instruction int
	Assembly    string
	Line        LineInfo
	// Reason in words.
	Reason string
	// Err is ErrInvalid or ErrNotSupported.
	Err error
}

func (e *LoadError) Error() string {
	s := "load program " + e.Program + ": "
	if e.Instruction >= 0 {
		s += fmt.Sprintf("instruction %d (%s): ", e.Instruction, e.Assembly)
	}
	return s + e.Reason + e.Line.at()
}

// Unwrap returns e.Err.
func (e *LoadError) Unwrap() error { return e.Err }

// NotSupportedError names something that the runtime does not do.
type NotSupportedError struct {
	// Feature: "map type sockmap", "test run of program type kprobe".
	Feature string
	Reason  string
}

func (e *NotSupportedError) Error() string {
	if e.Reason == "" {
		return e.Feature + ": not supported"
	}
	return e.Feature + ": not supported: " + e.Reason
}

// Is makes errors.Is(err, ErrNotSupported) hold.
func (e *NotSupportedError) Is(target error) bool { return target == ErrNotSupported }

// Fault is a bad memory access: the run ended before it, and memory is as it
// was. It also stands for the other things an unproven program can do wrong at
// run time (call a helper with something that is no map, nest calls too
// deeply); Size is 0 then.
type Fault struct {
	Program     string
	Instruction int
	Assembly    string
	Line        LineInfo
	// Address and Size of the access in bytes, Write its direction.
	Address uint64
	Size    int
	Write   bool
	// Reason in words: "null pointer", "12 bytes past the end of the packet".
	Reason string
}

func (e *Fault) Error() string {
	s := fmt.Sprintf("program %s: instruction %d (%s): ", e.Program, e.Instruction, e.Assembly)
	if e.Size > 0 {
		verb := "read"
		if e.Write {
			verb = "write"
		}
		s += fmt.Sprintf("%d-byte %s at %#x: ", e.Size, verb, e.Address)
	}
	return s + e.Reason + e.Line.at()
}

// Is makes errors.Is(err, ErrFault) hold.
func (e *Fault) Is(target error) bool { return target == ErrFault }

// CanceledError says where a run was when its context was done.
type CanceledError struct {
	Program     string
	Instruction int
	Assembly    string
	Line        LineInfo
	// Err is the context's.
	Err error
}

func (e *CanceledError) Error() string {
	return fmt.Sprintf("program %s: instruction %d%s: %v", e.Program, e.Instruction, e.Line.at(), e.Err)
}

// Unwrap is the context's error.
func (e *CanceledError) Unwrap() error { return e.Err }

// BudgetError says where a run was when its instruction budget was used up.
type BudgetError struct {
	Program     string
	Instruction int
	Assembly    string
	Line        LineInfo
	Limit       uint64
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("program %s: instruction %d (%s): still running after %d instructions%s",
		e.Program, e.Instruction, e.Assembly, e.Limit, e.Line.at())
}

// Is makes errors.Is(err, ErrBudget) hold.
func (e *BudgetError) Is(target error) bool { return target == ErrBudget }

// errno turns a map's answer into an error: nil for 0, else the errno itself.
func errno(e syscall.Errno) error {
	if e == 0 {
		return nil
	}
	return e
}
