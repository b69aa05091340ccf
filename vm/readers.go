package vm

import (
	"fmt"
	"sync"
	"time"

	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// RingReader reads a ring buffer in the order of reservation. One caller at a
// time; others wait.
type RingReader struct {
	r    vmmaps.RingReader
	hold hold
}

// hold keeps a map's memory until it is let go once.
type hold struct {
	once sync.Once
	mp   *Map
}

func (h *hold) let() { h.once.Do(h.mp.release) }

// RingReader opens the map's reader; a second one is EBUSY. The caller closes
// it.
func (mp *Map) RingReader() (*RingReader, error) {
	ring := mp.i.Ring
	if ring == nil {
		return nil, &NotSupportedError{Feature: "ring reader", Reason: "map " + mp.spec.Name + " is a " + mp.spec.Type.String()}
	}
	if !mp.acquire() {
		return nil, fmt.Errorf("map %s: %w", mp.spec.Name, ErrClosed)
	}
	r, e := ring.NewReader()
	if e != 0 {
		mp.release()
		return nil, e
	}
	return &RingReader{r: r, hold: hold{mp: mp}}, nil
}

// ReadInto blocks for the next record and appends it to buf[:0]; remaining are
// the bytes left in the ring. os.ErrClosed after Close,
// os.ErrDeadlineExceeded after the deadline.
func (r *RingReader) ReadInto(buf []byte) (data []byte, remaining int, err error) {
	return r.r.ReadInto(buf)
}

// SetDeadline bounds reads, also those under way; zero removes the bound.
func (r *RingReader) SetDeadline(t time.Time) { r.r.SetDeadline(t) }

// AvailableBytes not yet read, headers included.
func (r *RingReader) AvailableBytes() int { return r.r.AvailableBytes() }

// Close unblocks readers. It is safe twice.
func (r *RingReader) Close() error {
	err := r.r.Close()
	r.hold.let()
	return err
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
	// Data is the sample, padded as Linux pads it; empty for a loss.
	Data []byte
	// Lost samples before this one.
	Lost uint64
}

// PerfReader reads a perf event array: samples of one CPU in order, those of
// several in none.
type PerfReader struct {
	r    vmmaps.PerfReader
	hold hold
}

// PerfReader opens the events of all virtual CPUs; a second reader is EBUSY.
// The caller closes it.
func (mp *Map) PerfReader(opts PerfOptions) (*PerfReader, error) {
	perf := mp.i.Perf
	if perf == nil {
		return nil, &NotSupportedError{Feature: "perf reader", Reason: "map " + mp.spec.Name + " is a " + mp.spec.Type.String()}
	}
	if !mp.acquire() {
		return nil, fmt.Errorf("map %s: %w", mp.spec.Name, ErrClosed)
	}
	r, err := perf.NewReader(vmmaps.PerfOptions(opts))
	if err != nil {
		mp.release()
		return nil, err
	}
	return &PerfReader{r: r, hold: hold{mp: mp}}, nil
}

// ReadInto blocks for the next sample; it reuses s.Data's capacity. Errors as
// [RingReader.ReadInto].
func (r *PerfReader) ReadInto(s *PerfSample) error { return r.r.ReadInto((*vmmaps.PerfSample)(s)) }

// SetDeadline bounds reads, also those under way; zero removes the bound.
func (r *PerfReader) SetDeadline(t time.Time) { r.r.SetDeadline(t) }

// Close unblocks readers. It is safe twice.
func (r *PerfReader) Close() error {
	err := r.r.Close()
	r.hold.let()
	return err
}
