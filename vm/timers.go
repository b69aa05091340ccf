package vm

import (
	"math"
	"sync"
	"syscall"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/interp"
	"github.com/skepdev/skep/vm/internal/maps"
)

// timers are the struct bpf_timer of a machine's maps, by their address. A timer
// is a word in its element that is not zero as long as it exists; everything else
// about it is here. Callbacks run on goroutines of their own, one run after the
// other for each timer.
type timers struct {
	m  *Machine
	mu sync.Mutex
	// all has the timers that were made and not ended.
	all    map[uint64]*timer
	closed bool
}

// timer is one of them. Its fields are guarded by timers.mu.
type timer struct {
	at    uint64
	mp    *interp.Map
	clock uint64
	p     *Program // holds it
	slot  int32

	after *time.Timer
	armed bool
	// turn tells the arming that fires from those before it.
	turn uint64
	// running is closed when the callback under way is over; nil if none is.
	running chan struct{}
	ended   bool
}

var _ interp.Timers = (*timers)(nil)

// eDeadlock is Linux's EDEADLK.
const eDeadlock = syscall.Errno(35)

// Init is interp.Timers'.
func (ts *timers) Init(m *interp.Map, at, clock uint64) syscall.Errno {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.closed {
		return syscall.EPERM
	}
	if owner, ok := m.Owner.(*Map); ok && owner.users.Load() <= 0 {
		return syscall.EPERM
	}
	if ts.all[at] != nil {
		return syscall.EBUSY
	}
	ts.all[at] = &timer{at: at, mp: m, clock: clock}
	maps.MarkTimer(uintptr(at))
	return 0
}

// SetCallback is interp.Timers'.
func (ts *timers) SetCallback(ip *interp.Program, at uint64, slot int32) syscall.Errno {
	p, ok := ip.Owner.(*Program)
	if !ok || !p.Acquire() {
		return syscall.EINVAL
	}
	ts.mu.Lock()
	t := ts.all[at]
	if t == nil {
		ts.mu.Unlock()
		p.Release()
		return syscall.EINVAL
	}
	old := t.p
	t.p, t.slot = p, slot
	ts.mu.Unlock()
	if old != nil {
		old.Release()
	}
	return 0
}

// Start is interp.Timers'.
func (ts *timers) Start(at, nanos, flags uint64) syscall.Errno {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[at]
	if t == nil || t.p == nil {
		return syscall.EINVAL
	}
	if flags&abi.FlagTimerAbs != 0 {
		nanos -= min(nanos, ts.now(t.clock))
	}
	if t.after != nil {
		t.after.Stop()
	}
	t.turn++
	t.armed = true
	turn := t.turn
	t.after = time.AfterFunc(time.Duration(min(nanos, math.MaxInt64)), func() { ts.fire(t, turn) })
	return 0
}

func (ts *timers) now(clock uint64) uint64 {
	switch clock {
	case 0:
		return uint64(time.Now().UnixNano())
	case 7:
		return ts.m.env.Boot()
	}
	return ts.m.env.Now()
}

// fire runs the callback for an arming that nothing undid. It has its virtual
// CPU before it counts as running: a run that waits for it may hold another.
func (ts *timers) fire(t *timer, turn uint64) {
	ts.mu.Lock()
	p := t.p
	if t.turn != turn || p == nil || !p.Acquire() {
		ts.mu.Unlock()
		return
	}
	ts.mu.Unlock()
	defer p.Release()
	c, err := p.begin()
	if err != nil {
		return
	}
	defer c.release()
	ts.mu.Lock()
	for t.running != nil { // a callback that armed its own timer
		over := t.running
		ts.mu.Unlock()
		<-over
		ts.mu.Lock()
	}
	if t.turn != turn || !t.armed || t.p != p {
		ts.mu.Unlock()
		return
	}
	slot := t.slot
	t.armed = false
	t.running = make(chan struct{})
	ts.mu.Unlock()
	c.runTimer(p, t, slot)
	ts.mu.Lock()
	close(t.running)
	t.running = nil
	ts.mu.Unlock()
}

// runTimer calls the callback with map, key and value. An error ends it, and
// nothing else: there is nobody to tell but who reads what programs print.
func (c *cpu) runTimer(p *Program, t *timer, slot int32) {
	key := make([]byte, t.mp.KeySize)
	value := t.mp.Keyed.KeyOf(uintptr(t.at), key)
	mem, at, ok := c.t.Borrow(len(key))
	if !ok {
		return
	}
	copy(mem, key)
	c.t.Timer = t.at
	c.t.Out.Reset()
	_, err := c.t.RunFunction(p.i, slot, mem, uint64(t.mp.Handle()), at, uint64(value))
	c.t.Timer = 0
	if err != nil && p.m.cfg.Printk != nil {
		p.m.cfg.Printk(PrintkLine{Program: p.spec.Name, CPU: c.t.CPU, Time: p.m.env.Now(), Text: "timer: " + p.m.stopped(err).Error()})
	}
}

// Cancel is interp.Timers'.
func (ts *timers) Cancel(running, at uint64) int64 {
	ts.mu.Lock()
	t := ts.all[at]
	if t == nil {
		ts.mu.Unlock()
		return -int64(syscall.EINVAL)
	}
	over := t.running
	if over != nil && running != 0 {
		// A callback that waits for one that may wait for it.
		ts.mu.Unlock()
		return -int64(eDeadlock)
	}
	was, p := t.disarm(), t.p
	t.p = nil // as in Linux it has no callback any more
	ts.mu.Unlock()
	if over != nil {
		<-over
	}
	if p != nil {
		p.Release()
	}
	return was
}

// disarm undoes the latest arming: 1 if there was one.
func (t *timer) disarm() int64 {
	if t.after != nil {
		t.after.Stop()
	}
	t.turn++
	if !t.armed {
		return 0
	}
	t.armed = false
	return 1
}

// end is for the map: the element goes, and its timer with it.
func (ts *timers) end(at uintptr) {
	ts.mu.Lock()
	p := ts.endLocked(uint64(at))
	ts.mu.Unlock()
	if p != nil {
		// The map's locks are held, which a program's release may want too.
		go p.Release()
	}
}

func (ts *timers) endLocked(at uint64) *Program {
	t := ts.all[at]
	if t == nil {
		return nil
	}
	delete(ts.all, at)
	t.disarm()
	t.ended = true
	p := t.p
	t.p = nil
	return p
}

// endOf ends the timers of a map.
func (ts *timers) endOf(m *interp.Map) { ts.endAll(func(t *timer) bool { return t.mp == m }) }

func (ts *timers) endAll(which func(t *timer) bool) {
	var programs []*Program
	ts.mu.Lock()
	for at, t := range ts.all {
		if !which(t) {
			continue
		}
		maps.ClearTimer(uintptr(at))
		if p := ts.endLocked(at); p != nil {
			programs = append(programs, p)
		}
	}
	ts.mu.Unlock()
	for _, p := range programs {
		p.Release()
	}
}

// close ends all timers; none is made afterwards.
func (ts *timers) close() {
	ts.mu.Lock()
	ts.closed = true
	ts.mu.Unlock()
	ts.endAll(func(*timer) bool { return true })
}
