package health

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/skepdev/skep/net/service"
)

// MaxConcurrent bounds the checks under way at one time.
const MaxConcurrent = 256

// Target is a backend to check.
type Target struct {
	Addr  netip.AddrPort
	Check service.Health
	// SlowStart is how long a backend that became healthy takes to its whole
	// weight.
	SlowStart time.Duration
}

func (t *Target) same(o *Target) bool {
	a, b := t.Check, o.Check
	return t.Addr == o.Addr && t.SlowStart == o.SlowStart && slices.Equal(a.Command, b.Command) && slices.Equal(a.Expect, b.Expect) &&
		a.Type == b.Type && a.Port == b.Port && a.Path == b.Path && a.Host == b.Host && a.Service == b.Service &&
		a.Interval == b.Interval && a.Timeout == b.Timeout && a.Healthy == b.Healthy && a.Unhealthy == b.Unhealthy
}

// Status is what is known of a target.
type Status struct {
	Service string         `json:"service"`
	Addr    netip.AddrPort `json:"address"`
	Healthy bool           `json:"healthy"`
	// Checks done, Failures among them, and how many of the last in a row came
	// out alike.
	Checks   uint64 `json:"checks"`
	Failures uint64 `json:"failures"`
	InARow   int    `json:"in_a_row"`
	// Latency of the last check, and its error, empty if it succeeded.
	Latency time.Duration `json:"latency_ns"`
	Error   string        `json:"error,omitempty"`
	// Since is when it last turned.
	Since time.Time `json:"since"`
}

type key struct {
	service string
	addr    netip.AddrPort
}

type watched struct {
	target Target
	cancel context.CancelFunc
	status Status
	lastOK bool
	ramped time.Time // when the slow start began
}

// Monitor checks targets. It is safe for concurrent use.
type Monitor struct {
	changed func(service string)
	probe   func(context.Context, Target) error
	limit   chan struct{}
	ctx     context.Context
	cancel  context.CancelFunc
	wait    sync.WaitGroup

	mu      sync.Mutex
	watched map[key]*watched
}

// New returns a monitor without targets. It calls changed, on a goroutine of its
// own, when a backend of a service turned, or its share of the weight changed.
// The caller closes it.
func New(changed func(service string)) *Monitor {
	return newMonitor(changed, Probe)
}

func newMonitor(changed func(string), probe func(context.Context, Target) error) *Monitor {
	ctx, cancel := context.WithCancel(context.Background())
	return &Monitor{
		changed: changed, probe: probe, limit: make(chan struct{}, MaxConcurrent),
		ctx: ctx, cancel: cancel, watched: map[key]*watched{},
	}
}

// Set says what to check of a service. Targets that stay the same keep what is
// known of them.
func (m *Monitor) Set(name string, targets []Target) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ctx.Err() != nil {
		return
	}
	wanted := map[key]bool{}
	for i := range targets {
		k := key{name, targets[i].Addr}
		wanted[k] = true
		if old := m.watched[k]; old != nil {
			if old.target.same(&targets[i]) {
				continue
			}
			old.cancel()
		}
		m.watch(k, targets[i])
	}
	for k, w := range m.watched {
		if k.service == name && !wanted[k] {
			w.cancel()
			delete(m.watched, k)
		}
	}
}

func (m *Monitor) watch(k key, t Target) {
	ctx, cancel := context.WithCancel(m.ctx)
	w := &watched{target: t, cancel: cancel, status: Status{Service: k.service, Addr: k.addr, Healthy: true, Since: time.Now()}, lastOK: true}
	m.watched[k] = w
	m.wait.Go(func() { m.run(ctx, k, w) })
}

// run checks one target until ctx ends. Beginnings are spread over an interval.
func (m *Monitor) run(ctx context.Context, k key, w *watched) {
	interval := time.Duration(w.target.Check.Interval)
	timer := time.NewTimer(rand.N(max(min(interval/4, time.Second), 1)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case <-ctx.Done():
			return
		case m.limit <- struct{}{}:
		}
		begin := time.Now()
		check, cancel := context.WithTimeout(ctx, time.Duration(w.target.Check.Timeout))
		err := m.probe(check, w.target)
		cancel()
		<-m.limit
		if ctx.Err() != nil {
			return
		}
		took := time.Since(begin)
		if m.record(w, err, took) {
			m.changed(k.service)
		}
		timer.Reset(max(interval-took, interval/10))
	}
}

// record writes an answer down and says whether the backend turned, or rises.
func (m *Monitor) record(w *watched, err error, took time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := &w.status, err == nil
	s.Checks++
	s.Latency, s.Error = took, ""
	if !ok {
		s.Failures++
		s.Error = err.Error()
	}
	if ok == w.lastOK {
		s.InARow++
	} else {
		s.InARow, w.lastOK = 1, ok
	}
	threshold := int(w.target.Check.Unhealthy)
	if ok {
		threshold = int(w.target.Check.Healthy)
	}
	if ok != s.Healthy && s.InARow >= threshold {
		s.Healthy, s.Since = ok, time.Now()
		if ok {
			w.ramped = s.Since
		}
		return true
	}
	if !w.ramped.IsZero() && s.Healthy {
		if time.Since(w.ramped) >= w.target.SlowStart {
			w.ramped = time.Time{}
		}
		return true
	}
	return false
}

// State is what service.Options.State asks: whether a backend is Active or
// Unhealthy, and its share of the weight in percent. What is not checked is
// active.
func (m *Monitor) State(name string, addr netip.AddrPort) (service.State, int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.watched[key{name, addr}]
	switch {
	case w == nil:
		return service.Active, 100
	case !w.status.Healthy:
		return service.Unhealthy, 0
	case w.ramped.IsZero() || w.target.SlowStart <= 0:
		return service.Active, 100
	}
	return service.Active, min(100, 10+int(90*time.Since(w.ramped)/w.target.SlowStart))
}

// Statuses lists all targets, by service and address.
func (m *Monitor) Statuses() []Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Status
	for _, w := range m.watched {
		out = append(out, w.status)
	}
	slices.SortFunc(out, func(a, b Status) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), a.Addr.Compare(b.Addr))
	})
	return out
}

// Close ends all checks and waits for those under way.
func (m *Monitor) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	m.cancel()
	m.mu.Unlock()
	m.wait.Wait()
	return nil
}
