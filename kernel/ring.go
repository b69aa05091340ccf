//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/skepdev/skep/engine"
)

// deadline is a point in time that may be moved while somebody waits for it.
// Each move counts, so that a waiter that was woken knows why.
type deadline struct {
	at    atomic.Pointer[time.Time]
	moves atomic.Uint64
}

func (d *deadline) set(t time.Time) {
	d.at.Store(&t)
	d.moves.Add(1)
}

func (d *deadline) get() (time.Time, uint64) {
	n := d.moves.Load()
	if t := d.at.Load(); t != nil {
		return *t, n
	}
	return time.Time{}, n
}

// ringReader reads a ring buffer.
type ringReader struct {
	r        *ringbuf.Reader
	deadline deadline

	// lifeMu keeps the ring mapped while its positions are read.
	lifeMu sync.RWMutex
	closed bool

	// mu lets one read at a time in.
	mu  sync.Mutex
	rec ringbuf.Record
}

var _ engine.RingReader = (*ringReader)(nil)

// RingReader reads the ring buffer. It keeps the map alive by itself.
func (m *Map) RingReader() (engine.RingReader, error) {
	if m.info.Type != ebpf.RingBuf {
		return nil, notSupported("ring reader of map type "+m.info.Type.String(), "only ring buffers have one", "", nil)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, m.closedError("read")
	}
	r, err := ringbuf.NewReader(m.m)
	if err != nil {
		return nil, fmt.Errorf("read map %s: %w", m.info.Name, err)
	}
	return &ringReader{r: r}, nil
}

// Read blocks for the next record, which is the caller's to keep.
func (r *ringReader) Read() (engine.Record, error) {
	var rec engine.Record
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto is Read into rec's memory.
func (r *ringReader) ReadInto(rec *engine.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		at, moves := r.deadline.get()
		r.r.SetDeadline(at)
		r.rec.RawSample = rec.Data
		err := r.r.ReadInto(&r.rec)
		if err == nil {
			rec.Data, rec.Remaining = r.rec.RawSample, r.rec.Remaining
			r.rec.RawSample = nil
			return nil
		}
		r.rec.RawSample = nil
		if _, now := r.deadline.get(); errors.Is(err, ringbuf.ErrFlushed) || now != moves {
			if !errors.Is(err, engine.ErrClosed) {
				continue // the deadline moved: wait for the new one
			}
		}
		return err
	}
}

// SetDeadline bounds reads, also one under way.
func (r *ringReader) SetDeadline(t time.Time) {
	r.deadline.set(t)
	_ = r.r.Flush() // fails only when closed, where nobody waits
}

// AvailableBytes not yet read, headers included; 0 after Close.
func (r *ringReader) AvailableBytes() int {
	r.lifeMu.RLock()
	defer r.lifeMu.RUnlock()
	if r.closed {
		return 0
	}
	return r.r.AvailableBytes()
}

// Close ends reads under way.
func (r *ringReader) Close() error {
	if r == nil {
		return nil
	}
	r.lifeMu.Lock()
	defer r.lifeMu.Unlock()
	r.closed = true
	return r.r.Close()
}
