package vm

import (
	"slices"
	"sync"
	"sync/atomic"
)

// deferred holds what must wait for runs to end: memory that they may still
// refer to. Whoever ends a run does what has become possible.
type deferred struct {
	waiting atomic.Int64
	busy    sync.WaitGroup // of reaps

	mu   sync.Mutex
	list []waiting
}

type waiting struct {
	runs []run
	f    func()
}

// run is one run of a virtual CPU: it is over when the CPU's count has moved on.
type run struct {
	c   *cpu
	seq uint64
}

func (r run) under() bool { return r.c.state.Load() == r.seq && !r.c.m.turns.idle.Load() }

// afterRuns calls f once no run that is under way now is any more. It does not
// wait itself.
func (m *Machine) afterRuns(f func()) {
	w := waiting{f: f}
	for _, c := range m.cpus {
		if s := c.state.Load(); s&1 != 0 && !m.turns.idle.Load() {
			w.runs = append(w.runs, run{c, s})
		}
	}
	if len(w.runs) == 0 {
		f()
		return
	}
	d := &m.frees
	d.mu.Lock()
	d.list = append(d.list, w)
	d.waiting.Add(1)
	d.mu.Unlock()
	d.reap() // the runs may have ended meanwhile, before they could see w
}

// reap does everything whose runs are over.
func (d *deferred) reap() {
	var ready []func()
	d.mu.Lock()
	d.list = slices.DeleteFunc(d.list, func(w waiting) bool {
		if slices.ContainsFunc(w.runs, run.under) {
			return false
		}
		ready = append(ready, w.f)
		return true
	})
	d.waiting.Add(-int64(len(ready)))
	d.busy.Add(1)
	d.mu.Unlock()
	defer d.busy.Done()
	for _, f := range ready {
		f()
	}
}
