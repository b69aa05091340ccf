package object

import (
	"strings"

	"github.com/cilium/ebpf"
)

// Error says why an object cannot be opened.
type Error struct {
	// Where in the object: "section .maps", "symbol 12". May be empty.
	Where string
	// What is wrong.
	What string
	// Mend is what the reader of the message can do about it; may be empty.
	Mend string
	// Err is the underlying error, or nil. It wraps [ebpf.ErrNotSupported] for
	// what is well-formed but cannot be loaded.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Where != "" {
		b.WriteString(e.Where + ": ")
	}
	b.WriteString(e.What)
	if e.Err != nil && e.Err != ebpf.ErrNotSupported {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Mend != "" {
		b.WriteString("; " + e.Mend)
	}
	return b.String()
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

func malformed(where, what string) error { return &Error{Where: where, What: what} }

func notSupported(where, what, mend string) error {
	return &Error{Where: where, What: what + ": not supported", Mend: mend, Err: ebpf.ErrNotSupported}
}
