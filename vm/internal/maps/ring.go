package maps

import (
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/internal/host"
)

// ring is BPF_MAP_TYPE_RINGBUF. A record is a header of 8 bytes (length with
// two bits on top, then an offset in pages that only the kernel needs) and
// data, rounded up to 8. A record that wraps lies in one piece: the memory goes
// on behind its end, as a second view of the beginning where the system can do
// that, and as memory of its own where it cannot; the two differ in nothing
// that can be seen, as at most one record wraps at a time.
type ring struct {
	common
	mem  *host.Ring
	base Pointer
	mask uint64

	_        [64]byte
	producer atomic.Uint64
	mu       spin // of producers
	_        [52]byte
	consumer atomic.Uint64
	_        [56]byte
	// sleeper is not 0 if a reader may sleep; who wakes it clears it first.
	sleeper atomic.Uint32

	consuming sync.Mutex // of consumers
	reader    atomic.Pointer[ringReader]
}

var _ RingBuffer = (*ring)(nil)

const (
	ringBusy      = 1 << 31
	ringDiscard   = 1 << 30
	ringHeader    = 8
	ringMaxRecord = math.MaxUint32 / 4

	rbNoWakeup    = 1 << 0
	rbForceWakeup = 1 << 1
)

func newRing(s *Spec, env *Env) (Map, error) {
	switch {
	case s.Flags&^abi.FlagNumaNode != 0:
		return nil, s.refuse(syscall.EINVAL, "flags %#x are not for this type", s.Flags&^abi.FlagNumaNode)
	case s.KeySize != 0 || s.ValueSize != 0:
		return nil, s.refuse(syscall.EINVAL, "key and value size must be 0")
	case s.MaxEntries == 0 || s.MaxEntries&(s.MaxEntries-1) != 0 || int(s.MaxEntries)%host.PageSize() != 0:
		return nil, s.refuse(syscall.EINVAL, "max_entries, the size in bytes, is %d: not a power of two of pages of %d bytes", s.MaxEntries, host.PageSize())
	}
	size := int(s.MaxEntries)
	if err := env.Memory.Take(int64(size)); err != nil {
		return nil, s.noMemory(err)
	}
	mem, err := host.MapRing(size)
	if err != nil {
		env.Memory.Give(int64(size))
		return nil, s.noMemory(err)
	}
	return &ring{common: newCommon(s, env), mem: mem, base: pointerTo(mem.Data), mask: uint64(size) - 1}, nil
}

func (m *ring) at(pos uint64) Pointer { return add(m.base, uintptr(pos&m.mask)) }

func recordLen(size uint64) uint64 { return (size + ringHeader + 7) &^ 7 }

func (m *ring) reserve(size uint64) Pointer {
	if size > ringMaxRecord || recordLen(size) > m.mask+1 {
		return nil
	}
	m.mu.Lock()
	pos := m.producer.Load()
	next := pos + recordLen(size)
	if next-m.consumer.Load() > m.mask {
		m.mu.Unlock()
		return nil
	}
	hdr := m.at(pos)
	write32(add(hdr, 4), 0)
	store32(hdr, uint32(size)|ringBusy)
	m.producer.Store(next)
	m.mu.Unlock()
	return add(hdr, ringHeader)
}

func (m *ring) Reserve(size, flags uint64) uintptr {
	if flags != 0 {
		return 0
	}
	return addressOf(m.reserve(size))
}

func (m *ring) Submit(addr uintptr, flags uint64)  { m.commit(m.header(addr), 0, flags) }
func (m *ring) Discard(addr uintptr, flags uint64) { m.commit(m.header(addr), ringDiscard, flags) }

// header finds the header of the record at addr, or nil if there is none that
// is still to be completed.
func (m *ring) header(addr uintptr) Pointer {
	off := addr - addressOf(m.base) - ringHeader
	if off > uintptr(m.mask) || off%8 != 0 {
		return nil
	}
	hdr := add(m.base, off)
	if load32(hdr)&ringBusy == 0 {
		return nil
	}
	return hdr
}

func (m *ring) commit(hdr Pointer, discard uint32, flags uint64) {
	if hdr == nil {
		return
	}
	store32(hdr, load32(hdr)&^ringBusy|discard)
	if flags&rbForceWakeup != 0 || flags&rbNoWakeup == 0 {
		m.Wake()
	}
}

// Wake wakes the reader, if it sleeps, after a record was completed.
func (m *ring) Wake() {
	if m.sleeper.Load() == 0 {
		return
	}
	m.sleeper.Store(0)
	if r := m.reader.Load(); r != nil {
		r.notify()
	}
}

func (m *ring) Output(data []byte, flags uint64) syscall.Errno {
	if flags&^uint64(rbNoWakeup|rbForceWakeup) != 0 {
		return syscall.EINVAL
	}
	rec := m.reserve(uint64(len(data)))
	if rec == nil {
		return syscall.EAGAIN
	}
	copy(bytesAt(rec, uintptr(len(data))), data)
	m.commit(m.header(addressOf(rec)), 0, flags)
	return 0
}

func (m *ring) Query(flags uint64) uint64 {
	switch flags {
	case 0: // BPF_RB_AVAIL_DATA
		return m.available()
	case 1: // BPF_RB_RING_SIZE
		return m.mask + 1
	case 2: // BPF_RB_CONS_POS
		return m.consumer.Load()
	case 3: // BPF_RB_PROD_POS
		return m.producer.Load()
	}
	return 0
}

func (m *ring) available() uint64 {
	c := m.consumer.Load()
	return m.producer.Load() - c
}

// next is the first finished record, past discarded ones; the caller holds
// consuming.
func (m *ring) next() (data []byte, after uint64, ok bool) {
	pos := m.consumer.Load()
	for pos != m.producer.Load() {
		hdr := load32(m.at(pos))
		if hdr&ringBusy != 0 {
			break
		}
		size := uint64(hdr &^ ringDiscard)
		after = pos + recordLen(size)
		if hdr&ringDiscard == 0 {
			return bytesAt(add(m.at(pos), ringHeader), uintptr(size)), after, true
		}
		m.consumer.Store(after)
		pos = after
	}
	return nil, 0, false
}

func (m *ring) Consume(f func(data []byte) bool) int {
	m.consuming.Lock()
	defer m.consuming.Unlock()
	for n := 0; ; n++ {
		data, after, ok := m.next()
		if !ok {
			return n
		}
		more := f(data)
		m.consumer.Store(after)
		if !more {
			return n + 1
		}
	}
}

func (m *ring) NewReader() (RingReader, syscall.Errno) {
	r := &ringReader{waiter: newWaiter(), m: m}
	r.hint = &m.sleeper
	if !m.reader.CompareAndSwap(nil, r) {
		return nil, syscall.EBUSY
	}
	return r, 0
}

func (m *ring) Close() {
	if !m.closed.CompareAndSwap(false, true) {
		return
	}
	if r := m.reader.Load(); r != nil {
		_ = r.Close()
	}
	// A reader that was under way has left when its lock can be had.
	m.consuming.Lock()
	defer m.consuming.Unlock()
	if err := m.mem.Unmap(); err != nil {
		panic("BUG: " + err.Error())
	}
	m.env.Memory.Give(int64(m.mask) + 1)
}

// ringReader reads a ring. It sleeps in its waiter.
type ringReader struct {
	*waiter
	m       *ring
	reading sync.Mutex
	closing sync.Once
}

func (r *ringReader) ReadInto(buf []byte) (data []byte, remaining int, err error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	data = buf[:0]
	err = r.until(func() bool {
		r.m.consuming.Lock()
		defer r.m.consuming.Unlock()
		if r.isClosed() {
			return false
		}
		rec, after, ok := r.m.next()
		if ok {
			data = append(data, rec...)
			r.m.consumer.Store(after)
		}
		return ok
	})
	if err != nil {
		return data, 0, err
	}
	return data, int(r.m.available()), nil
}

func (r *ringReader) SetDeadline(t time.Time) { r.waiter.SetDeadline(t) }

func (r *ringReader) AvailableBytes() int { return int(r.m.available()) }

// Close makes room for another reader. Records stay in the ring.
func (r *ringReader) Close() error {
	r.closing.Do(func() {
		r.close()
		r.m.reader.CompareAndSwap(r, nil)
	})
	return nil
}
