package embedded

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// Engine is the embedded engine. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	machine *vm.Machine
	linkIDs atomic.Uint32
	// holds are the engine itself and all that needs its machine: it ends with
	// the last.
	holds   atomic.Int64
	closed  atomic.Bool
	pins    pins
	devices devices
	hooks   hooks
	printk  printkHub
	probes  probes
	jobs    sync.Pool

	typesOnce sync.Once
	types     *btf.Spec // of the running kernel
	typesErr  error
}

var _ engine.Engine = (*Engine)(nil)

// New makes an engine. The caller closes it.
func New(cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg}
	m, err := vm.New(vm.Config{
		CPUs: cfg.CPUs, MaxMemory: cfg.MaxMemory, MaxInstructions: cfg.MaxInstructions, Interpret: cfg.Interpret, Profile: cfg.Profile, Clock: cfg.Clock,
		Printk: e.printk.add, Network: network{e},
	})
	if err != nil {
		return nil, fmt.Errorf("new embedded engine: %w", err)
	}
	e.machine = m
	e.holds.Store(1)
	e.jobs.New = func() any { return &job{} }
	return e, nil
}

// Name is "embedded".
func (e *Engine) Name() string { return "embedded" }

// CPUs is the number of virtual CPUs.
func (e *Engine) CPUs() int { return e.machine.CPUs() }

// MemoryUsed is how many bytes of maps, stacks and packets are in use.
func (e *Engine) MemoryUsed() int64 { return e.machine.MemoryUsed() }

// Close removes devices and pins. Maps, programs and links that are still open
// keep working; the memory goes with the last of them. It is safe on nil and
// twice.
func (e *Engine) Close() error {
	if e == nil || !e.closed.CompareAndSwap(false, true) {
		return nil
	}
	e.devices.closeAll()
	err := e.pins.clear()
	e.printk.close()
	return errors.Join(err, e.release())
}

// acquire keeps the machine until release. It fails once the engine is closed.
func (e *Engine) acquire(what string) error {
	if e.closed.Load() {
		return fmt.Errorf("%s: the engine is closed: %w", what, engine.ErrClosed)
	}
	for {
		n := e.holds.Load()
		if n <= 0 {
			return fmt.Errorf("%s: the engine is closed: %w", what, engine.ErrClosed)
		}
		if e.holds.CompareAndSwap(n, n+1) {
			return nil
		}
	}
}

func (e *Engine) release() error {
	if e.holds.Add(-1) != 0 {
		return nil
	}
	return e.machine.Close()
}

// NewMap makes a single map. The caller closes it.
func (e *Engine) NewMap(spec *ebpf.MapSpec) (engine.Map, error) {
	if spec == nil {
		return nil, errors.New("new map: the spec is nil")
	}
	if spec.Pinning != ebpf.PinNone {
		return nil, fmt.Errorf("new map %s: pinning by name takes a collection loaded with a pin path", spec.Name)
	}
	core, err := e.newMapCore(spec)
	if err != nil {
		return nil, err
	}
	m := newMap(core)
	if err := m.fill(spec, nil); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// kernelTypes are the types CO-RE relocations are resolved against by default.
func (e *Engine) kernelTypes() (*btf.Spec, error) {
	if e.cfg.KernelTypes != nil {
		return e.cfg.KernelTypes, nil
	}
	e.typesOnce.Do(func() { e.types, e.typesErr = btf.LoadKernelSpec() })
	return e.types, e.typesErr
}
