package interp

import (
	"sync/atomic"
	"unsafe"
)

// Layout is where in a thread native code finds what it needs: offsets in
// bytes. A span is its address and length, 8 bytes each.
type Layout struct {
	R, PC, Fuel                   int32
	ExitPC, Tails, Number         int32
	Scratch                       int32
	FirstFrame                    int32 // frame pointer of a run's first function
	LastFrame                     int32 // frame pointer from which no calls are possible
	ContextLen                    int32 // bytes of a context that is memory, else 0
	XDP                           int32 // pointer to a packet.XDP
	Extra, ExtraLen               int32 // regions that helpers handed out: where they are, and how many
	Wake                          int32 // see Thread
	Rand                          int32
	CPU, Missed                   int32
	IfIndex, RxQueue              int32 // in packet.XDP
	Context                       int32 // where the context pointer points
	Data, DataEnd                 int32 // pointers to the packet's ends
	Packet, Value                 int32 // spans that can be read
	WritablePacket, WritableValue int32
}

// What frames look like to native code, relative to the frame pointer of the
// caller: see saved.
const (
	FrameStride = frameStride
	FrameSize   = frameStride / 2
	SavedNative = 0
	SavedCall   = 8
	SavedRegs   = 16
	SavedShift  = savedShift
	AtExit      = atExit
)

// Places in a region (see Thread's extra).
const (
	RegionAt    = 0
	RegionSize  = 8
	RegionOwner = 16
	RegionWhat  = 24
)

// Address is the address of m itself, by which native code tells owners of
// regions apart. It is valid as long as the program that has the map.
func (m *Map) Address() uintptr { return uintptr(unsafe.Pointer(m)) }

// Target is a program as native code finds it in a program array.
type Target struct {
	// Tail is the address to go on at, 0 for none, Cost what it takes from the
	// fuel.
	Tail, Cost uint64
}

// TargetSize is the size of a Target in bytes.
const TargetSize = 16

// Targets is where the entries of a program array lie for native code, and how
// many there are; 0 for other maps.
func (m *Map) Targets() (at uintptr, n int) {
	return uintptr(unsafe.Pointer(unsafe.SliceData(m.targets))), len(m.targets)
}

// SetTarget makes p, or with nil nothing, what native code finds at index. The
// caller makes sure that p's code stays as long as runs may find it.
func (m *Map) SetTarget(index uint32, p *Program) {
	if int64(index) >= int64(len(m.targets)) {
		return
	}
	at := &m.targets[index]
	if p == nil || p.Native == nil || p.Number == 0 {
		atomic.StoreUint64(&at.Tail, 0)
		return
	}
	atomic.StoreUint64(&at.Cost, uint64(p.CallCost(0)))
	atomic.StoreUint64(&at.Tail, uint64(p.Native.Tail))
}

// ThreadLayout is the layout of [Thread].
func ThreadLayout() Layout {
	var t Thread
	return Layout{
		R: int32(unsafe.Offsetof(t.R)), PC: int32(unsafe.Offsetof(t.pc)), Fuel: int32(unsafe.Offsetof(t.fuel)),
		Scratch:    int32(unsafe.Offsetof(t.scratch)),
		Tails:      int32(unsafe.Offsetof(t.tails)),
		Number:     int32(unsafe.Offsetof(t.number)),
		ExitPC:     int32(unsafe.Offsetof(t.exitPC)),
		FirstFrame: int32(unsafe.Offsetof(t.firstFrame)),
		LastFrame:  int32(unsafe.Offsetof(t.lastFrame)), ContextLen: int32(unsafe.Offsetof(t.ctxLen)), XDP: int32(unsafe.Offsetof(t.XDP)),
		Extra: int32(unsafe.Offsetof(t.extra)), ExtraLen: int32(unsafe.Offsetof(t.extra) + unsafe.Sizeof(uintptr(0))),
		Wake: int32(unsafe.Offsetof(t.wake)), Rand: int32(unsafe.Offsetof(t.Rand)),
		CPU: int32(unsafe.Offsetof(t.CPU)), Missed: int32(unsafe.Offsetof(t.missed)),
		IfIndex: int32(unsafe.Offsetof(t.XDP.IngressIfIndex)), RxQueue: int32(unsafe.Offsetof(t.XDP.RxQueueIndex)),
		Context: int32(unsafe.Offsetof(t.ctxBase)),
		Data:    int32(unsafe.Offsetof(t.data)), DataEnd: int32(unsafe.Offsetof(t.end)),
		Packet: int32(unsafe.Offsetof(t.pkt)), Value: int32(unsafe.Offsetof(t.val)),
		WritablePacket: int32(unsafe.Offsetof(t.wpkt)), WritableValue: int32(unsafe.Offsetof(t.wval)),
	}
}
