package maps

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/skepdev/skep/internal/host"
)

// perfArray is BPF_MAP_TYPE_PERF_EVENT_ARRAY. Its events exist while a reader
// is open: one ring for each CPU.
type perfArray struct {
	common
	reader atomic.Pointer[perfReader]
}

var _ PerfArray = (*perfArray)(nil)

const (
	currentCPU = 0xffffffff
	// maxPerfSample keeps a record's size, header and padding included, in the
	// 16 bits that it has in struct perf_event_header.
	maxPerfSample = 1<<16 - 1 - 8 - 4 - 8
	maxPerfBuffer = 1 << 30
)

func newPerfArray(s *Spec, env *Env) (Map, error) {
	if err := checkObjects(s); err != nil {
		return nil, err
	}
	if err := checkArray(s); err != nil {
		return nil, err
	}
	return &perfArray{common: newCommon(s, env)}, nil
}

func (m *perfArray) Output(cpu int, index uint64, parts ...[]byte) syscall.Errno {
	if index == currentCPU {
		index = uint64(cpu)
	}
	if index >= uint64(m.spec.MaxEntries) {
		return syscall.E2BIG
	}
	r := m.reader.Load()
	if r == nil || index >= uint64(len(r.rings)) {
		return syscall.ENOENT
	}
	if index != uint64(cpu) {
		return syscall.EOPNOTSUPP
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > maxPerfSample {
		return syscall.E2BIG
	}
	if e := r.rings[cpu].output(size, parts, r.opts.Overwritable); e != 0 {
		return e
	}
	if w := r.rings[cpu].unread.Load(); w >= uint64(r.opts.Watermark) {
		r.notify()
	}
	return 0
}

// NewReader opens the events of every CPU that has a slot.
func (m *perfArray) NewReader(opts PerfOptions) (PerfReader, error) {
	size := opts.PerCPUBuffer
	if size == 0 {
		size = 64 * host.PageSize()
	}
	switch {
	case size < 0 || size > maxPerfBuffer:
		return nil, fmt.Errorf("open perf reader: buffer of %d bytes is not between 1 and %d: %w", size, maxPerfBuffer, syscall.EINVAL)
	case opts.Watermark < 0 || opts.Watermark >= roundPages(size):
		return nil, fmt.Errorf("open perf reader: watermark of %d bytes does not lie in the buffer: %w", opts.Watermark, syscall.EINVAL)
	}
	r := &perfReader{waiter: newWaiter(), m: m, opts: opts}
	for range min(m.env.CPUs, int(m.spec.MaxEntries)) {
		pr, err := newPerfRing(m.env, roundPages(size))
		if err != nil {
			r.free()
			return nil, fmt.Errorf("open perf reader: %w", err)
		}
		r.rings = append(r.rings, pr)
	}
	if !m.reader.CompareAndSwap(nil, r) {
		r.free()
		return nil, fmt.Errorf("open perf reader: the map has one: %w", syscall.EBUSY)
	}
	return r, nil
}

// roundPages rounds up to a power of two of pages.
func roundPages(n int) int {
	p := host.PageSize()
	return p << bits.Len(uint((n-1)/p))
}

// UserUpdate is EBADF: perf events are not file descriptors here; opening a
// reader fills the slots.
func (m *perfArray) UserUpdate(key, value []byte, flags uint64) syscall.Errno {
	if e := m.updateOK(key, value, flags); e != 0 {
		return e
	}
	switch {
	case flags != 0:
		return syscall.EINVAL
	case read32(pointerTo(key)) >= m.spec.MaxEntries:
		return syscall.E2BIG
	}
	return syscall.EBADF
}

// UserDelete finds no events: those of a reader are closed with it.
func (m *perfArray) UserDelete(key []byte) syscall.Errno {
	if e := m.deleteOK(key); e != 0 {
		return e
	}
	if read32(pointerTo(key)) >= m.spec.MaxEntries {
		return syscall.E2BIG
	}
	return syscall.ENOENT
}

func (m *perfArray) NextKey(key, next []byte) syscall.Errno {
	if e := m.nextKeyOK(key, next); e != 0 {
		return e
	}
	return nextIndex(key, next, m.spec.MaxEntries)
}

func (m *perfArray) Close() {
	if !m.closed.CompareAndSwap(false, true) {
		return
	}
	if r := m.reader.Load(); r != nil {
		_ = r.Close()
	}
}

// perfReader reads the rings in turn.
type perfReader struct {
	*waiter
	m       *perfArray
	opts    PerfOptions
	rings   []*perfRing
	turn    int
	reading sync.Mutex
	closing sync.Once
}

func (r *perfReader) ReadInto(s *PerfSample) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	return r.until(func() bool {
		for range r.rings {
			if r.rings[r.turn].take(s) {
				s.CPU = r.turn
				return true
			}
			r.turn = (r.turn + 1) % len(r.rings)
		}
		return false
	})
}

func (r *perfReader) SetDeadline(t time.Time) { r.waiter.SetDeadline(t) }

// Close closes the events: programs meet empty slots from now on.
func (r *perfReader) Close() error {
	r.closing.Do(func() {
		r.m.reader.CompareAndSwap(r, nil)
		r.close()
		r.reading.Lock()
		defer r.reading.Unlock()
		r.free()
	})
	return nil
}

func (r *perfReader) free() {
	for _, pr := range r.rings {
		pr.free(r.m.env)
	}
}
