package vm

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skepdev/skep/internal/host"
	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/interp"
	vmmaps "github.com/skepdev/skep/vm/internal/maps"
)

// Machine owns the memory, virtual CPUs, maps and programs of one runtime. It is
// safe for concurrent use.
type Machine struct {
	cfg     Config
	clock   *host.Clock
	memory  *host.Budget
	env     *interp.Env
	mapEnv  vmmaps.Env
	cpus    []*cpu
	packets packetPool

	nextID atomic.Uint32
	turns  turns

	frees  deferred
	timers timers

	mu     sync.Mutex
	closed bool
	// byHandle finds inner maps; it is replaced as a whole so that runs read it
	// without a lock.
	byHandle atomic.Pointer[map[uint64]*interp.Map]
	live     map[*Map]struct{}
	// native are the open programs that have native code.
	native map[*Program]struct{}
	// numbered are the programs that native code may call, by number, as long as
	// a run may; replaced as a whole.
	numbered atomic.Pointer[map[uint32]*interp.Program]
	// task is the memory of the current task; nil before SetTask.
	task []byte
}

// maxCPUs bounds Config.CPUs: each has a stack and a value in every per-CPU
// element.
const maxCPUs = 1024

// New makes a machine. The caller closes it after its maps and programs.
func New(cfg Config) (*Machine, error) {
	if cfg.CPUs == 0 {
		cfg.CPUs = runtime.GOMAXPROCS(0)
	}
	if cfg.CPUs < 0 || cfg.CPUs > maxCPUs {
		return nil, fmt.Errorf("make machine: %d virtual CPUs; 1 to %d are possible", cfg.CPUs, maxCPUs)
	}
	if cfg.MaxInstructions == 0 {
		cfg.MaxInstructions = 1 << 29
	}
	m := &Machine{cfg: cfg, clock: host.NewClock(), memory: budget(cfg.MaxMemory), live: map[*Map]struct{}{}, native: map[*Program]struct{}{}}
	m.packets.memory = m.memory
	m.turns.freed = sync.NewCond(&m.turns.mu)
	now := cfg.Clock
	boot, tai := now, now
	if now == nil {
		now, boot, tai = m.clock.Nanotime, m.clock.Boottime, m.clock.TAI
	}
	m.env = &interp.Env{
		CPUs: cfg.CPUs, MaxInstructions: int64(min(cfg.MaxInstructions, 1<<62)),
		Now: now, Boot: boot, TAI: tai,
		Map:       m.mapByHandle,
		Program:   func(n uint32) *interp.Program { return (*m.numbered.Load())[n] },
		NewBuffer: m.packets.buffer,
		MTU:       m.mtu,
		FIB:       m.fib,
		Printk:    m.printk,
	}
	m.env.Heap = heap.New(m.memory, cfg.CPUs)
	m.byHandle.Store(&map[uint64]*interp.Map{})
	m.numbered.Store(&map[uint32]*interp.Program{})
	m.mapEnv = vmmaps.Env{CPUs: cfg.CPUs, Now: now, Memory: m.memory, EndTimer: m.timers.end, Heap: m.env.Heap}
	m.timers.m, m.timers.all = m, map[uint64]*timer{}
	m.env.Timers = &m.timers
	for i := range cfg.CPUs {
		mem, err := m.memory.Map(interp.ThreadMemory)
		if err != nil {
			_ = m.Close()
			return nil, fmt.Errorf("make machine: memory of virtual CPU %d: %w", i, err)
		}
		m.cpus = append(m.cpus, &cpu{m: m, mem: mem, t: interp.NewThread(i, m.env, mem)})
	}
	return m, nil
}

func budget(limit int64) *host.Budget {
	if limit == 0 {
		return host.NewShare()
	}
	return host.NewBudget(limit)
}

// CPUs is the number of virtual CPUs.
func (m *Machine) CPUs() int { return m.cfg.CPUs }

// MemoryUsed is how many bytes maps, stacks and packets take now.
func (m *Machine) MemoryUsed() int64 { return m.memory.Used() }

// Close gives back the machine's memory after waiting for runs under way. Maps
// that are still open are closed, programs run no more. Packets must have been
// released. It is safe on nil and twice.
func (m *Machine) Close() error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var open []*Map
	for mp := range m.live {
		open = append(open, mp)
	}
	programs := slices.Collect(maps.Keys(m.native))
	m.mu.Unlock()
	m.timers.close()
	m.stopRuns()
	for _, p := range programs {
		p.freeCode()
	}
	for _, mp := range open {
		mp.free()
	}
	var errs []error
	for _, c := range m.cpus {
		c.data.Release()
		errs = append(errs, m.memory.Unmap(c.mem))
	}
	if m.task != nil {
		errs = append(errs, m.memory.Unmap(m.task))
	}
	errs = append(errs, m.env.Heap.Close(), m.packets.close())
	return errors.Join(errs...)
}

func (m *Machine) mapByHandle(h uint64) *interp.Map { return (*m.byHandle.Load())[h] }

func (m *Machine) mtu(ifindex uint32) (int, bool) {
	if m.cfg.Network == nil {
		return 0, false
	}
	return m.cfg.Network.MTU(ifindex)
}

func (m *Machine) printk(t *interp.Thread, text []byte) {
	if m.cfg.Printk != nil {
		m.cfg.Printk(PrintkLine{Program: t.Program().Name, CPU: t.CPU, Time: m.env.Now(), Text: string(text)})
	}
}
