package interp

import (
	"sync/atomic"
	"syscall"

	"github.com/skepdev/skep/vm/internal/heap"
	"github.com/skepdev/skep/vm/internal/packet"
)

// Env is what threads and helpers need from the machine. It does not change
// while threads run.
type Env struct {
	CPUs            int
	MaxInstructions int64
	// Now is nanoseconds since boot.
	Now func() uint64
	// Boot and TAI are the other clocks.
	Boot, TAI func() uint64
	// Printk receives a line without its newline.
	Printk func(t *Thread, text []byte)
	// Map resolves the handle of an inner map.
	Map func(handle uint64) *Map
	// Program resolves the number of a program that native code called.
	Program func(number uint32) *Program
	// NewBuffer returns a packet for a clone, or nil if there is no memory.
	NewBuffer func() *packet.Buffer
	// MTU of a device; ok is false if there is none.
	MTU func(ifindex uint32) (mtu int, ok bool)
	// FIB answers bpf_fib_lookup over the bytes of struct bpf_fib_lookup.
	FIB func(params []byte, flags uint32, skbLen int) int64

	// Heap has the objects that programs allocate.
	Heap *heap.Heap

	// Timers are those of the machine's maps.
	Timers Timers

	task atomic.Pointer[span]
}

// noTask is the current task's address as long as there is none to be read. It
// is canonical nowhere.
const noTask = 0xb0f3_0000_0000_0000

// SetTask makes mem, outside Go's heap, what programs read of the current task.
// Its last 512 bytes are the task's registers.
func (e *Env) SetTask(mem []byte) { e.task.Store(&span{addressOf(mem), uint64(len(mem))}) }

// Task is the address of the current task.
func (e *Env) Task() uint64 {
	if s := e.task.Load(); s != nil {
		return s.at
	}
	return noTask
}

// TaskRegisters is how many bytes at the end of the task's memory stand for its
// registers: struct pt_regs of any processor.
const TaskRegisters = 512

// Registers is the address of the current task's registers.
func (e *Env) Registers() uint64 {
	if s := e.task.Load(); s != nil {
		return s.at + s.n - TaskRegisters
	}
	return noTask
}

// readsTask says whether size bytes at a are the task's.
func (e *Env) readsTask(a, size uint64) bool {
	s := e.task.Load()
	return s != nil && s.has(a, size)
}

// Timers runs the callbacks of struct bpf_timer, each told by its address.
type Timers interface {
	// Init makes a timer, in an element of m.
	Init(m *Map, addr uint64, clock uint64) syscall.Errno
	// SetCallback gives it the function at slot of p.
	SetCallback(p *Program, addr uint64, slot int32) syscall.Errno
	// Start lets it fire in so many nanoseconds, or at a time.
	Start(addr, nanos, flags uint64) syscall.Errno
	// Cancel stops it and waits for its callback: 1 if it was to fire, 0 if
	// not, or minus an errno. running is the timer whose callback asks, or 0.
	Cancel(running, addr uint64) int64
}

// Kinds of redirect targets, as vm.RedirectKind.
const (
	RedirectNone uint8 = iota
	RedirectDevice
	RedirectPeer
	RedirectNeigh
	RedirectMap
)

// Redirect is the target that a helper chose.
type Redirect struct {
	Kind    uint8
	IfIndex uint32
	Flags   uint64
	Map     *Map
	Key     uint32
	Value   uint64

	NextHopFamily uint32
	NextHop       [16]byte
}

// Clone is a copy of the packet that a helper sent elsewhere.
type Clone struct {
	IfIndex uint32
	Flags   uint64
	Buffer  *packet.Buffer
}

// Outcome is what a run's helpers decided about its packet.
type Outcome struct {
	// Redirect is set as a whole: all of it is zero if its Kind is.
	Redirect Redirect
	Clones   []Clone
}

// Reset forgets what an earlier run decided, which mostly is nothing.
func (o *Outcome) Reset() {
	if o.Redirect.Kind != RedirectNone || o.Clones != nil {
		*o = Outcome{}
	}
}
