package interp

import (
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
