package maps

import (
	"sync"
	"syscall"
)

// UserRing is BPF_MAP_TYPE_USER_RINGBUF: a ring buffer the other way round, into
// which the user side writes samples and which programs drain.
type UserRing interface {
	Map
	// Produce adds a sample: ENOSPC if there is no room for it now, E2BIG if
	// there never is.
	Produce(data []byte) syscall.Errno
	// Drain calls f with the address of each sample, at most 128 Ki of them,
	// until f says stop; its memory is the sample's during the call. It returns
	// how many there were. EBUSY if another one is under way.
	Drain(f func(addr uintptr, size int) (more bool)) (int, syscall.Errno)
}

// userRing is a ring whose producer and consumer have changed places.
type userRing struct {
	*ring
	draining sync.Mutex
}

var _ UserRing = (*userRing)(nil)

// maxUserSamples is BPF_MAX_USER_RINGBUF_SAMPLES.
const maxUserSamples = 128 << 10

func newUserRing(s *Spec, env *Env) (Map, error) {
	m, err := newRing(s, env)
	if err != nil {
		return nil, err
	}
	return &userRing{ring: m.(*ring)}, nil
}

func (m *userRing) Produce(data []byte) syscall.Errno {
	if recordLen(uint64(len(data))) > m.mask+1 {
		return syscall.E2BIG
	}
	if m.Output(data, 0) != 0 {
		return syscall.ENOSPC
	}
	return 0
}

func (m *userRing) Drain(f func(addr uintptr, size int) bool) (int, syscall.Errno) {
	if !m.draining.TryLock() {
		return 0, syscall.EBUSY
	}
	defer m.draining.Unlock()
	n := 0
	m.Consume(func(data []byte) bool {
		n++
		return f(addressOf(pointerTo(data)), len(data)) && n < maxUserSamples
	})
	return n, 0
}
