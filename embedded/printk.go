package embedded

import (
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// printkHub gives each line that programs print to every reader.
type printkHub struct {
	mu      sync.Mutex
	readers map[*printkReader]struct{}
	closed  bool
}

// printkQueue is how many lines wait for a slow reader; then the oldest go.
const printkQueue = 4096

// OpenPrintk reads the lines of bpf_trace_printk from now on.
func (e *Engine) OpenPrintk() (engine.PrintkReader, error) {
	r := &printkReader{hub: &e.printk}
	r.wake = sync.NewCond(&r.mu)
	e.printk.mu.Lock()
	defer e.printk.mu.Unlock()
	if e.printk.closed {
		return nil, engine.ErrClosed
	}
	if e.printk.readers == nil {
		e.printk.readers = make(map[*printkReader]struct{})
	}
	e.printk.readers[r] = struct{}{}
	return r, nil
}

// add is called from within runs.
func (h *printkHub) add(l vm.PrintkLine) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.readers) == 0 {
		return
	}
	line := engine.PrintkLine{Task: taskName(), PID: os.Getpid(), CPU: l.CPU, Time: time.Duration(l.Time), Text: l.Text}
	for r := range h.readers {
		r.add(line)
	}
}

// taskName is this process's name as Linux keeps it: at most 15 bytes.
func taskName() string {
	name := "skep"
	if len(os.Args) > 0 {
		name = filepath.Base(os.Args[0])
	}
	return name[:min(len(name), 15)]
}

func (h *printkHub) close() {
	h.mu.Lock()
	h.closed = true
	readers := h.readers
	h.readers = nil
	h.mu.Unlock()
	for r := range readers {
		r.end()
	}
}

type printkReader struct {
	hub  *printkHub
	wake *sync.Cond

	mu       sync.Mutex
	lines    []engine.PrintkLine
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

var _ engine.PrintkReader = (*printkReader)(nil)

func (r *printkReader) add(l engine.PrintkLine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == printkQueue {
		r.lines = append(r.lines[:0], r.lines[1:]...)
	}
	r.lines = append(r.lines, l)
	r.wake.Signal()
}

// Read blocks for the next line.
func (r *printkReader) Read() (engine.PrintkLine, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.closed:
			return engine.PrintkLine{}, engine.ErrClosed
		case len(r.lines) > 0:
			l := r.lines[0]
			r.lines = r.lines[1:]
			return l, nil
		case !r.deadline.IsZero() && !time.Now().Before(r.deadline):
			return engine.PrintkLine{}, os.ErrDeadlineExceeded
		}
		r.wake.Wait()
	}
}

// SetDeadline bounds Read, also one under way.
func (r *printkReader) SetDeadline(t time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if !t.IsZero() && !r.closed {
		r.timer = time.AfterFunc(time.Until(t), func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.wake.Broadcast()
		})
	}
	r.wake.Broadcast()
}

// Close ends a Read under way.
func (r *printkReader) Close() error {
	if r == nil {
		return nil
	}
	r.hub.mu.Lock()
	delete(r.hub.readers, r)
	r.hub.mu.Unlock()
	r.end()
	return nil
}

func (r *printkReader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	r.wake.Broadcast()
}
