//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/perf"

	"github.com/skepdev/skep/engine"
)

// defaultPerfPages is the size of a perf buffer that nobody chose.
const defaultPerfPages = 64

// perfReader reads a perf event array.
type perfReader struct {
	name     string
	r        *perf.Reader
	deadline deadline

	// mu lets one read at a time in.
	mu  sync.Mutex
	rec perf.Record

	// What an overwritable buffer held when it was last stopped and drained.
	overwritable bool
	kept         []engine.PerfRecord
	closing      chan struct{}
	once         sync.Once
}

var _ engine.PerfReader = (*perfReader)(nil)

// PerfReader reads the perf event array. It keeps the map alive by itself.
func (m *Map) PerfReader(opts engine.PerfOptions) (engine.PerfReader, error) {
	if m.info.Type != ebpf.PerfEventArray {
		return nil, notSupported("perf reader of map type "+m.info.Type.String(), "only perf event arrays have one", "", nil)
	}
	if opts.PerCPUBuffer < 0 || opts.Watermark < 0 {
		return nil, fmt.Errorf("read map %s: a size is negative", m.info.Name)
	}
	size := opts.PerCPUBuffer
	if size == 0 {
		size = defaultPerfPages * os.Getpagesize()
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return nil, m.closedError("read")
	}
	r, err := perf.NewReaderWithOptions(m.m, size, perf.ReaderOptions{
		Watermark: opts.Watermark, Overwritable: opts.Overwritable,
	})
	if isPermission(err) {
		return nil, permission("read map "+m.info.Name, err, capPerfmon)
	}
	if err != nil {
		return nil, fmt.Errorf("read map %s: %w", m.info.Name, err)
	}
	return &perfReader{name: m.info.Name, r: r, overwritable: opts.Overwritable, closing: make(chan struct{})}, nil
}

// Read blocks for the next record, which is the caller's to keep.
func (r *perfReader) Read() (engine.PerfRecord, error) {
	var rec engine.PerfRecord
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto is Read into rec's memory.
func (r *perfReader) ReadInto(rec *engine.PerfRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.overwritable {
		return r.readKept(rec)
	}
	for {
		at, moves := r.deadline.get()
		r.r.SetDeadline(at)
		r.rec.RawSample = rec.Data
		err := r.r.ReadInto(&r.rec)
		if err == nil {
			rec.CPU, rec.Data, rec.Lost = r.rec.CPU, r.rec.RawSample, r.rec.LostSamples
			if rec.Lost > 0 {
				rec.Data = nil
			}
			r.rec.RawSample = nil
			return nil
		}
		r.rec.RawSample = nil
		if _, now := r.deadline.get(); (errors.Is(err, perf.ErrFlushed) || now != moves) && !errors.Is(err, engine.ErrClosed) {
			continue // the deadline moved: wait for the new one
		}
		return err
	}
}

// overwritePoll is how often an overwritable buffer is looked at: the kernel
// wakes nobody for it.
const overwritePoll = 10 * time.Millisecond

// readKept gives the records of an overwritable buffer, which must stand still
// to be read: it is stopped, drained and started again.
func (r *perfReader) readKept(rec *engine.PerfRecord) error {
	for {
		if len(r.kept) > 0 {
			k := r.kept[0]
			r.kept = r.kept[1:]
			rec.CPU, rec.Lost = k.CPU, k.Lost
			rec.Data = append(rec.Data[:0], k.Data...)
			return nil
		}
		if err := r.drain(); err != nil {
			return err
		}
		if len(r.kept) > 0 {
			continue
		}
		if at, _ := r.deadline.get(); !at.IsZero() && !time.Now().Before(at) {
			return fmt.Errorf("read map %s: %w", r.name, os.ErrDeadlineExceeded)
		}
		select {
		case <-r.closing:
			return fmt.Errorf("read map %s: %w", r.name, engine.ErrClosed)
		case <-time.After(overwritePoll):
		}
	}
}

func (r *perfReader) drain() error {
	if err := r.r.Pause(); err != nil {
		return fmt.Errorf("read map %s: %w", r.name, err)
	}
	r.r.SetDeadline(time.Unix(1, 0))
	for {
		got, err := r.r.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, perf.ErrFlushed) {
			break
		}
		if err != nil {
			return err
		}
		r.kept = append(r.kept, engine.PerfRecord{CPU: got.CPU, Data: got.RawSample, Lost: got.LostSamples})
	}
	if err := r.r.Resume(); err != nil {
		return fmt.Errorf("read map %s: %w", r.name, err)
	}
	return nil
}

// SetDeadline bounds reads, also one under way.
func (r *perfReader) SetDeadline(t time.Time) {
	r.deadline.set(t)
	_ = r.r.Flush() // fails only when closed, where nobody waits
}

// Close ends reads under way.
func (r *perfReader) Close() error {
	if r == nil {
		return nil
	}
	r.once.Do(func() { close(r.closing) })
	return r.r.Close()
}
