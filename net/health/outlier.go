package health

import (
	"net/netip"
	"sync"
	"time"

	"github.com/skepdev/skep/net/service"
)

// maxEjections bounds how many times its base an ejection lasts.
const maxEjections = 10

// Outliers takes backends out of service whose connections fail one after
// another: passive checks, beside what a [Monitor] asks. It is safe for
// concurrent use.
type Outliers struct {
	changed func(service string)

	mu       sync.Mutex
	closed   bool
	services map[string]*outliers
}

type outliers struct {
	rule     service.Ejection
	backends map[netip.AddrPort]*record
}

type record struct {
	failures int // in a row
	times    int // ejected, without a good connection between
	until    time.Time
	timer    *time.Timer
}

func (r *record) stop() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// NewOutliers returns one that watches nothing. It calls changed when a backend
// of a service was ejected or comes back, on the goroutine of Report or one of
// its own. The caller closes it.
func NewOutliers(changed func(service string)) *Outliers {
	return &Outliers{changed: changed, services: map[string]*outliers{}}
}

// Set says which backends a service has and when to eject one; a nil rule: never.
// Backends that stay keep what is known of them.
func (o *Outliers) Set(name string, rule *service.Ejection, backends []netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	old := o.services[name]
	delete(o.services, name)
	if rule != nil && len(backends) > 0 {
		s := &outliers{rule: *rule, backends: map[netip.AddrPort]*record{}}
		for _, b := range backends {
			s.backends[b] = &record{}
			if old != nil && old.backends[b] != nil {
				s.backends[b] = old.backends[b]
				delete(old.backends, b)
			}
		}
		o.services[name] = s
	}
	if old != nil {
		for _, r := range old.backends {
			r.stop()
		}
	}
}

// Report tells how a connection to a backend went: err is nil if the backend
// answered.
func (o *Outliers) Report(name string, backend netip.AddrPort, err error) {
	if o.report(name, backend, err == nil) {
		o.changed(name)
	}
}

func (o *Outliers) report(name string, backend netip.AddrPort, good bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.services[name]
	if s == nil || s.backends[backend] == nil {
		return false
	}
	r, now := s.backends[backend], time.Now()
	if good {
		r.failures = 0
		if !now.Before(r.until) {
			r.times = 0
		}
		return false
	}
	r.failures++
	if r.failures < int(s.rule.Failures) || now.Before(r.until) || !s.mayEject(now) {
		return false
	}
	r.failures = 0
	r.times = min(r.times+1, maxEjections)
	lasts := time.Duration(r.times) * time.Duration(s.rule.Time)
	r.until = now.Add(lasts)
	r.stop()
	r.timer = time.AfterFunc(lasts, func() { o.changed(name) })
	return true
}

// mayEject says whether one more may go: not more than the rule's share, and
// never the last.
func (s *outliers) mayEject(now time.Time) bool {
	out := 1
	for _, r := range s.backends {
		if now.Before(r.until) {
			out++
		}
	}
	return out < len(s.backends) && out*100 <= max(int(s.rule.MaxPercent)*len(s.backends), 100)
}

// Ejected says whether a backend is out of service for now.
func (o *Outliers) Ejected(name string, backend netip.AddrPort) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.services[name]
	return s != nil && s.backends[backend] != nil && time.Now().Before(s.backends[backend].until)
}

// Close ends all watching.
func (o *Outliers) Close() error {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for _, s := range o.services {
		for _, r := range s.backends {
			r.stop()
		}
	}
	clear(o.services)
	return nil
}
