package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/vm/internal/packet"
)

// Frames lie frameStride bytes apart; a frame takes the upper half of its
// place, so that running out of one hits a gap and not a neighbour.
const (
	frameStride = 2 * abi.MaxStack
	stackSize   = abi.MaxCallFrames * frameStride
	ctxSize     = 64 << 10
	// ThreadMemory is how many bytes of memory outside Go's heap a thread
	// needs.
	ThreadMemory = stackSize + ctxSize + scratchSize
	scratchSize  = 16 << 10
)

// Context answers loads and stores of a program's context. off and size are
// in bytes; a no is explained by Explain.
type Context interface {
	Load(off, size uint64) (value uint64, ok bool)
	Store(off, size, value uint64) (ok bool)
	Explain(off, size uint64, write bool) string
}

// Thread is a virtual CPU: registers, stack, and what a run may touch. One run
// at a time.
type Thread struct {
	// R are the registers. Index 11 and up exist so that a masked index needs
	// no check.
	R [16]uint64

	pkt, val, wpkt, wval span // packet and latest value: readable, writable

	data, end uint64 // of the packet, as pointers

	budget   int64
	rest     int64 // of the budget, where it is given part by part
	fuel     int64 // what native code may take of the budget before it asks
	stop     *Stop
	throw    Stop // bpf_throw allocates nothing
	prog     *Program
	pc       int
	scratch  [ScratchWords]uint64 // where native code puts what it needs registers for
	exitPC   int                  // where native code left a function, if the program calls helpers
	tails    int
	number   uint32 // of the program whose native code runs
	mayGotos int

	// Where native code faulted, and the address that it accessed; 0 if it did
	// not. The signal handler writes them.
	faultPC, faultAddress uintptr

	stackBase  uint64
	firstFrame uint64 // r10 of the first frame
	lastFrame  uint64 // r10 of the deepest frame
	ctxBase    uint64
	ctxLen     uint64 // of a context that is plain memory
	ctx        Context
	side       span // memory besides the context that it points to
	// Timer is the timer whose callback runs, or 0.
	Timer uint64
	// Retval is what bpf_get_retval gives and bpf_set_retval sets.
	Retval int32
	// callers are the programs of frames whose function a tail call replaced by
	// one of another program; nil for the others.
	callers [abi.MaxCallFrames]*Program

	// CPU is the number of the virtual CPU.
	CPU int
	// Env is what helpers need from the machine.
	Env *Env
	// Packet is the packet of the run, or nil; SKB and XDP are its contexts.
	Packet *packet.Buffer
	SKB    *packet.SKB
	XDP    *packet.XDP
	// Out collects what helpers decide about the packet.
	Out Outcome
	// Rand is the state of bpf_get_prandom_u32.
	Rand uint64

	// LastCPU is the CPU that bpf_cpumask_any_distribute gave last.
	LastCPU int

	wake     uint64 // 1 + index of the ring buffer whose reader native code left to Go to wake, or 0
	missed   uint64 // the map of the latest lookup, if that found nothing
	inner    []*Map // inner maps met in this run
	extra    []region
	lock     uint64 // address of the bpf_spin_lock held, or 0
	extraBuf [8]region
	innerBuf [8]*Map
	// Task is the process that the run is about, or nil; Cookie is the
	// attachment's.
	Task   Task
	Cookie uint64
	// Text and Parts are working memory for helpers.
	Text  []byte
	Parts [2][]byte
	// Limit is the budget of the run; 0 means Env.MaxInstructions.
	Limit int64
	// Done, if not nil, is asked every million instructions whether the run is to
	// end, and why.
	Done func() error
	// Call is what functions of a hook find the run by, or nil.
	Call any
	// PCs and Words are room for a call stack.
	PCs   [MaxStackDepth]uintptr
	Words [MaxStackDepth]uint64

	borrowed int // bytes of the scratch area in use
}

// ScratchWords is how many words of 8 bytes native code has for itself.
const ScratchWords = 3

// MaxStackDepth bounds what helpers see of a call stack
// (kernel.perf_event_max_stack and what may be skipped).
const MaxStackDepth = 127 + 255

// region is memory besides packet, stack and maps: a ring buffer record.
type region struct {
	span
	owner *Map
	kind  RegionKind
}

// RegionKind is what a region is called in errors. Native code writes regions.
type RegionKind uint64

// The kinds.
const (
	RegionRecord RegionKind = iota // of a ring buffer
	RegionSample                   // of a user ring buffer
	RegionKey                      // of a callback
)

var regionNames = [...]string{RegionRecord: "ring buffer record", RegionSample: "sample of a user ring buffer", RegionKey: "key of a callback"}

func (k RegionKind) String() string { return regionNames[k] }

// span is a range of addresses.
type span struct{ at, n uint64 }

func (s span) has(a, n uint64) bool {
	o := a - s.at
	return o < s.n && n <= s.n-o
}

// NewThread makes a thread over ThreadMemory bytes of zeroed memory outside
// Go's heap, which the caller gives back when the thread is no longer used.
func NewThread(cpu int, env *Env, mem []byte) *Thread {
	t := &Thread{CPU: cpu, Env: env, stackBase: addressOf(mem)}
	t.ctxBase = t.stackBase + stackSize
	t.firstFrame, t.lastFrame = t.stackBase+frameStride, t.stackBase+stackSize
	t.inner, t.extra, t.Text = t.innerBuf[:0], t.extraBuf[:0], make([]byte, 0, 1024)
	t.Rand = env.Now() ^ uint64(cpu+1)*0x9e3779b97f4a7c15
	return t
}

// Run executes p on t and returns R0. The caller has set the context. The
// error is a [*Stop].
func (t *Thread) Run(p *Program) (uint64, error) {
	t.reset(p)
	t.R[1] = t.ctxBase
	t.syncPacket()
	n := p.Native
	if n == nil {
		return t.finish(t.interpreted(0, t.R[10]))
	}
	base := t.R[10]
	savedAt(t.stackBase).native = uint64(n.Exit)
	t.lend(n.Begin, n.Begin)
	// Most runs enter native code once, hold nothing when they leave it, and
	// are over.
	if t.pc == atExit && t.R[10] == base && t.stop == nil && t.lock == 0 && len(t.extra) == 0 && len(t.inner) == 0 {
		return t.R[0], nil
	}
	return t.finish(t.goOn(base))
}

// RunFunction executes the function at slot of p, which the program takes the
// address of, with up to five arguments, without a context. Memory that was
// borrowed before is given back.
func (t *Thread) RunFunction(p *Program, slot int32, borrowed []byte, args ...uint64) (uint64, error) {
	used := t.borrowed
	t.reset(p)
	t.borrowed = used
	copy(t.R[1:6], args)
	if n := p.Native; n != nil {
		savedAt(t.stackBase).native = uint64(n.Exit)
	}
	ok := t.run(t.R[10], int(slot))
	t.GiveBack(borrowed)
	return t.finish(ok)
}

// reset makes the thread that of a run of p.
func (t *Thread) reset(p *Program) {
	if t.prog != p {
		t.prog = p
	}
	t.tails, t.mayGotos, t.pc, t.borrowed = 0, 0, 0, 0
	t.budget, t.rest = t.Env.MaxInstructions, 0
	if t.Limit > 0 {
		t.budget = t.Limit
	}
	if t.Done != nil && t.budget > fuelSupply {
		t.budget, t.rest = fuelSupply, t.budget-fuelSupply
	}
	t.missed = 0
	if t.stop != nil {
		t.stop = nil
	}
	t.val, t.wval = span{}, span{}
	t.R[10] = t.stackBase + frameStride
}

// finish is the result of a run that came to its end if ok.
func (t *Thread) finish(ok bool) (uint64, error) {
	if !ok || t.lock != 0 || len(t.extra) != 0 {
		t.abandon()
		if t.stop != nil && t.stop.thrown {
			return t.stop.result, nil
		}
		if t.stop != nil {
			return 0, t.stop
		}
	}
	if len(t.inner) != 0 {
		t.inner = t.innerBuf[:0]
	}
	return t.R[0], nil
}

// Budget is how many instructions the run may take.
func (t *Thread) Budget() int64 {
	if t.Limit > 0 {
		return t.Limit
	}
	return t.Env.MaxInstructions
}

// Abandon gives back what a run holds that a panic of the host's ended.
func (t *Thread) Abandon() {
	if t.stop == nil {
		t.Fail("the host panicked")
	}
	t.abandon()
}

// abandon gives back what a run that did not finish cleanly still holds.
func (t *Thread) abandon() {
	t.callers = [abi.MaxCallFrames]*Program{}
	if t.pc == atExit {
		t.pc = t.exitPC
	}
	if t.lock != 0 {
		t.unlock()
		if t.stop == nil {
			t.Fail("the program exits with a bpf_spin_lock held")
		}
	}
	for len(t.extra) > 0 {
		r := t.extra[len(t.extra)-1]
		t.extra = t.extra[:len(t.extra)-1]
		if r.owner != nil && r.owner.Ring != nil {
			r.owner.Ring.Discard(uintptr(r.at), 0)
		}
		if t.stop == nil {
			t.Fail("the program exits with a ring buffer record neither submitted nor discarded")
		}
	}
	t.extra = t.extraBuf[:0]
	t.inner = t.innerBuf[:0]
}

// SetPlainContext makes the context plain memory holding data (at most 64
// KiB), and returns that memory, which stays the thread's.
func (t *Thread) SetPlainContext(data []byte) []byte {
	t.ctx = nil
	n := min(len(data), ctxSize)
	t.ctxLen = uint64(n)
	mem := bytesAt(t.ctxBase, n)
	copy(mem, data)
	return mem
}

// SetPacket makes the run one over a packet with context ctx.
func (t *Thread) SetPacket(b *packet.Buffer, ctx Context) {
	t.Packet, t.ctx, t.ctxLen = b, ctx, 0
}

// SetContext makes the run one with a context that is no memory, and without a
// packet.
func (t *Thread) SetContext(ctx Context) { t.ctx, t.ctxLen = ctx, 0 }

// SetSide gives the run n bytes of zeroed memory, at most 32 KiB, that its
// context points to, until ClearPacket: the memory, and its address.
//
//go:noinline
func (t *Thread) SetSide(n int) (mem []byte, addr uint64) {
	addr = t.ctxBase + ctxSize/2
	n = min(n, ctxSize/2)
	t.side = span{addr, uint64(n)}
	mem = bytesAt(addr, n)
	clear(mem)
	return mem, addr
}

// ClearPacket ends what SetPacket began.
func (t *Thread) ClearPacket() {
	t.Packet, t.SKB, t.XDP, t.ctx = nil, nil, nil, nil
	t.pkt, t.wpkt, t.side = span{}, span{}, span{}
}

// syncPacket takes over the packet's bounds after they changed.
func (t *Thread) syncPacket() {
	b := t.Packet
	if b == nil {
		t.pkt, t.wpkt = span{}, span{}
		return
	}
	at, n := b.Window()
	t.data, t.end = b.DataPtr(), b.EndPtr()
	t.pkt.at, t.pkt.n = at, n
	if !t.prog.PacketWritable {
		at, n = 0, 0
	}
	t.wpkt.at, t.wpkt.n = at, n
}

// PacketChanged tells the thread that a helper moved the packet's bounds.
func (t *Thread) PacketChanged() { t.syncPacket() }

// Program is the program that is running now (after tail calls, the last one).
func (t *Thread) Program() *Program { return t.prog }

// IsContext says whether a register value is the run's context.
func (t *Thread) IsContext(v uint64) bool { return v == t.ctxBase }
