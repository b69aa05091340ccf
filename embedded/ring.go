package embedded

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// ringReader reads a ring buffer. It keeps the map by itself.
type ringReader struct {
	r    *vm.RingReader
	hold hold
}

var _ engine.RingReader = (*ringReader)(nil)

// RingReader reads the ring buffer; one reader at a time.
func (m *Map) RingReader() (engine.RingReader, error) {
	if m.core.info.Type != ebpf.RingBuf {
		return nil, notSupported("ring reader of map type "+m.core.info.Type.String(), "only ring buffers have one", "")
	}
	if err := m.open("read"); err != nil {
		return nil, err
	}
	defer m.mu.RUnlock()
	h, err := m.core.hold()
	if err != nil {
		return nil, err
	}
	r, err := m.core.vm.RingReader()
	if err != nil {
		h.let()
		return nil, fmt.Errorf("read map %s: %w", m.core.info.Name, err)
	}
	return &ringReader{r: r, hold: h}, nil
}

// Produce adds a sample to a user ring buffer, which programs drain with
// bpf_user_ringbuf_drain. Without room for it now the error wraps
// syscall.ENOSPC, without any ever syscall.E2BIG.
func (m *Map) Produce(data []byte) error {
	if m.core.info.Type != ebpf.UserRingbuf {
		return notSupported("write samples into map type "+m.core.info.Type.String(), "only user ring buffers take them", "")
	}
	if err := m.open("write"); err != nil {
		return err
	}
	defer m.mu.RUnlock()
	if err := m.core.vm.Produce(data); err != nil {
		return fmt.Errorf("write map %s: %w", m.core.info.Name, err)
	}
	return nil
}

// Read blocks for the next record, which is the caller's to keep.
func (r *ringReader) Read() (engine.Record, error) {
	var rec engine.Record
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto is Read into rec's memory.
func (r *ringReader) ReadInto(rec *engine.Record) error {
	data, remaining, err := r.r.ReadInto(rec.Data[:0])
	if err != nil {
		return closedIs(err)
	}
	rec.Data, rec.Remaining = data, remaining
	return nil
}

// SetDeadline bounds reads, also one under way.
func (r *ringReader) SetDeadline(t time.Time) { r.r.SetDeadline(t) }

// AvailableBytes not yet read, headers included.
func (r *ringReader) AvailableBytes() int { return r.r.AvailableBytes() }

// Close ends reads under way.
func (r *ringReader) Close() error {
	if r == nil {
		return nil
	}
	err := r.r.Close()
	r.hold.let()
	return err
}
