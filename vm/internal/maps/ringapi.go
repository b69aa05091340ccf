package maps

import (
	"syscall"
	"time"
)

// RingBuffer is a BPF_MAP_TYPE_RINGBUF.
type RingBuffer interface {
	Map
	// Reserve returns the 8-byte aligned address of size bytes for a record
	// that Submit or Discard (with that address) completes, or 0 if there is
	// no room, size is out of range, or flags is not 0.
	Reserve(size, flags uint64) uintptr
	// Submit and Discard end a reservation. flags may hold
	// BPF_RB_NO_WAKEUP or BPF_RB_FORCE_WAKEUP.
	Submit(addr uintptr, flags uint64)
	Discard(addr uintptr, flags uint64)
	// Wake wakes a sleeping reader: for who completed a record by way of its
	// layout.
	Wake()
	// Output copies data as a record: EAGAIN if there is no room, EINVAL for
	// unknown flags.
	Output(data []byte, flags uint64) syscall.Errno
	// Query answers BPF_RB_AVAIL_DATA, _RING_SIZE, _CONS_POS and _PROD_POS;
	// other flags give 0.
	Query(flags uint64) uint64

	// Consume calls f with each finished record there is now, in the order of
	// reservation, until f says stop or none is left, and returns how many
	// were consumed. The data is borrowed during the call. One consumer at a
	// time.
	Consume(f func(data []byte) (more bool)) int

	// NewReader returns a reader that waits. One at a time: a second is EBUSY.
	NewReader() (RingReader, syscall.Errno)
}

// RingReader reads a ring buffer. Closing it or the map unblocks readers.
type RingReader interface {
	// ReadInto appends the next record to buf[:0], and tells the bytes left in
	// the ring. os.ErrClosed after Close, os.ErrDeadlineExceeded after the
	// deadline. It allocates only to make buf larger. One caller at a time;
	// others wait.
	ReadInto(buf []byte) (data []byte, remaining int, err error)
	// SetDeadline bounds reads, also those under way; zero removes the bound.
	SetDeadline(t time.Time)
	// AvailableBytes not yet read, headers included.
	AvailableBytes() int
	Close() error
}

// PerfArray is a BPF_MAP_TYPE_PERF_EVENT_ARRAY. Without a reader its slots are
// empty, as in Linux.
type PerfArray interface {
	Map
	// Output writes the parts, one after the other, as one sample for the
	// program running on cpu. index is the low half of the helper's flags:
	// BPF_F_CURRENT_CPU (0xffffffff) or that same CPU's number. ENOENT without
	// a reader, EOPNOTSUPP for another CPU's event, E2BIG beyond the array or
	// for a sample above 64 KiB, ENOSPC if the ring is full (counted as lost).
	Output(cpu int, index uint64, parts ...[]byte) syscall.Errno
	// NewReader opens the events of all CPUs. One at a time: EBUSY.
	NewReader(opts PerfOptions) (PerfReader, error)
}

// PerfOptions configure a perf event array's reader.
type PerfOptions struct {
	// PerCPUBuffer in bytes, rounded up to a power of two of pages; 0 means 64
	// pages.
	PerCPUBuffer int
	// Overwritable keeps the newest samples instead of the oldest.
	Overwritable bool
	// Watermark in bytes: wake the reader only then; 0 means each sample.
	Watermark int
}

// PerfSample is one sample, or a count of lost ones.
type PerfSample struct {
	CPU int
	// Data is the sample, padded with zeroes as the kernel pads it: its length
	// plus 4 is a multiple of 8. Empty for a loss.
	Data []byte
	// Lost samples before this one.
	Lost uint64
}

// PerfReader reads a perf event array: samples of one CPU in order, those of
// several in none.
type PerfReader interface {
	// ReadInto reuses s.Data's capacity. Errors as RingReader.ReadInto.
	ReadInto(s *PerfSample) error
	SetDeadline(t time.Time)
	Close() error
}
