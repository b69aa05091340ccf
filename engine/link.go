package engine

import "io"

// Link holds a program at its target.
type Link interface {
	Info() LinkInfo

	// Update replaces the program atomically: an event meets the old program
	// or the new one, never none and never both. Kinds that Linux cannot
	// update return [ErrNotSupported] and stay as they are.
	Update(p Program) error

	// Pin keeps the link attached at path after Close; Unpin undoes it.
	Pin(path string) error
	Unpin() error

	// Detach cuts the link from its target even if it is pinned.
	Detach() error

	// Close gives the link up: it detaches unless it is pinned.
	io.Closer
}

// IterLink is the link of an [Iterator] target: each Open runs the iterator
// from its beginning and returns what the program wrote with bpf_seq_write.
type IterLink interface {
	Link
	Open() (io.ReadCloser, error)
}

// LinkInfo describes a link.
type LinkInfo struct {
	Kind AttachKind
	// ID is the kernel's link id, or the embedded engine's count; 0 for the
	// attachments that Linux makes without a link (clsact, sockmap before 6.9).
	ID uint32
	// ProgramID of the program attached now.
	ProgramID uint32
	// Target as a person would say it: "xdp on eth0 (native)".
	Target string
}
