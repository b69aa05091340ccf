package capture

import "fmt"

// Error says where and how a capture is damaged.
type Error struct {
	// Offset in bytes from the beginning of the stream of the record or block
	// that is damaged.
	Offset int64
	// What is wrong.
	What string
	// Remedy is what can be done; may be empty.
	Remedy string
	// Err is the underlying error (io.ErrUnexpectedEOF for a file that was cut
	// off), or nil.
	Err error
}

func (e *Error) Error() string {
	s := fmt.Sprintf("read capture at byte %d: %s", e.Offset, e.What)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

const (
	remedyCut     = "the packets before it are whole: cut the file there, or capture again and stop the capturing program cleanly"
	remedyDamaged = "the packets before it are whole: cut the file there, or copy it again from where it came"
	remedyFormat  = "give a pcap or pcapng file; unpack compressed ones first, and convert others with editcap -F pcapng"
)
