package lab

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limits of a switch's address table, those of a Linux bridge where it has
// one: addresses age after 300 s.
const (
	learnedMax = 8192
	learnedAge = 300 * time.Second
)

// embeddedSwitch learns which port an address is behind and floods what it
// does not know. It runs on the goroutine of the port a frame came in at.
type embeddedSwitch struct {
	name string
	// ports is replaced as a whole: forwarding holds no lock while it sends.
	ports atomic.Pointer[[]*device]

	mu      sync.Mutex
	learned map[[6]byte]learned
}

type learned struct {
	port *device
	at   time.Time
}

func newEmbeddedSwitch(name string) *embeddedSwitch {
	s := &embeddedSwitch{name: name, learned: map[[6]byte]learned{}}
	s.ports.Store(&[]*device{})
	return s
}

func (s *embeddedSwitch) netns() string { return s.name }

func (s *embeddedSwitch) add(d *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := append(slices.Clone(*s.ports.Load()), d)
	s.ports.Store(&ports)
}

func (s *embeddedSwitch) remove(d *device) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := slices.DeleteFunc(slices.Clone(*s.ports.Load()), func(x *device) bool { return x == d })
	s.ports.Store(&ports)
	for mac, e := range s.learned {
		if e.port == d {
			delete(s.learned, mac)
		}
	}
}

// forward takes a frame that came in at port from.
func (s *embeddedSwitch) forward(from *device, frame []byte) {
	dst, src := [6]byte(frame[:6]), [6]byte(frame[6:12])
	// IEEE 802.1D: these addresses never leave the link they are sent on.
	if [5]byte(dst[:5]) == [5]byte{0x01, 0x80, 0xc2, 0, 0} && dst[5] < 0x10 {
		return
	}
	if to, known := s.lookup(from, src, dst); known {
		if to != from {
			to.transmit(frame)
		}
		return
	}
	for _, p := range *s.ports.Load() {
		if p != from {
			p.transmit(frame)
		}
	}
}

// lookup learns src and finds the port of dst.
func (s *embeddedSwitch) lookup(from *device, src, dst [6]byte) (*device, bool) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if src[0]&1 == 0 {
		if _, known := s.learned[src]; known || len(s.learned) < learnedMax || s.forget(now) {
			s.learned[src] = learned{from, now}
		}
	}
	if dst[0]&1 != 0 {
		return nil, false
	}
	e, known := s.learned[dst]
	if known && now.Sub(e.at) > learnedAge {
		delete(s.learned, dst)
		return nil, false
	}
	return e.port, known
}

// forget drops what is too old and reports whether there is room again.
func (s *embeddedSwitch) forget(now time.Time) bool {
	for mac, e := range s.learned {
		if now.Sub(e.at) > learnedAge {
			delete(s.learned, mac)
		}
	}
	return len(s.learned) < learnedMax
}
