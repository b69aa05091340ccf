package vm

import (
	"sync"
	"sync/atomic"

	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/packet"
)

// cpu is a virtual CPU. A run holds it: its maps' per-CPU values, stack and
// registers are the run's alone.
type cpu struct {
	m *Machine
	// state counts up when a run begins and when it ends: it is odd while one
	// is under way.
	state atomic.Uint64
	mem   []byte
	t     *interp.Thread
	skb   packet.SKB
	xdp   packet.XDP
	hook  packet.Structure
	call  Call
	// data is a packet for what hooks of the host give their programs, made when
	// first needed.
	data *Packet
	// meta is for test runs.
	meta packet.Meta
}

// turns is where runs wait that find every virtual CPU taken.
type turns struct {
	waiting atomic.Int64
	// idle says that no run is under way and none will begin.
	idle atomic.Bool

	mu     sync.Mutex
	freed  *sync.Cond
	closed bool
}

func (c *cpu) try() bool {
	s := c.state.Load()
	return s&1 == 0 && c.state.CompareAndSwap(s, s+1)
}

// acquire takes one of the given CPUs, or waits for one. Nil means that the
// machine is closed.
func (m *Machine) acquire(cpus []*cpu) *cpu {
	for _, c := range cpus {
		if c.try() {
			return c
		}
	}
	return m.wait(cpus, m.turns.isClosed)
}

// isClosed says that the machine is; the caller holds mu.
func (w *turns) isClosed() bool { return w.closed }

// wait waits for one of the given CPUs, or until over, which is called with
// m.turns.mu held.
func (m *Machine) wait(cpus []*cpu, over func() bool) *cpu {
	w := &m.turns
	w.waiting.Add(1)
	defer w.waiting.Add(-1)
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if over() {
			return nil
		}
		for _, c := range cpus {
			if c.try() {
				return c
			}
		}
		w.freed.Wait()
	}
}

func (c *cpu) release() {
	c.state.Add(1)
	// Waiters count themselves before they look at the states: either they see
	// this one, or are seen here.
	if w := &c.m.turns; w.waiting.Load() != 0 {
		w.mu.Lock()
		w.freed.Broadcast()
		w.mu.Unlock()
	}
	if c.m.frees.waiting.Load() != 0 {
		c.m.frees.reap()
	}
}

// stopRuns waits for the runs under way; none begins afterwards.
func (m *Machine) stopRuns() {
	w := &m.turns
	w.mu.Lock()
	w.closed = true
	w.freed.Broadcast()
	w.mu.Unlock()
	for _, c := range m.cpus {
		m.wait([]*cpu{c}, func() bool { return false }) // never released
	}
	w.idle.Store(true)
	m.frees.reap()
	m.frees.busy.Wait()
}
