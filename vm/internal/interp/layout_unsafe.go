package interp

import "unsafe"

// Layout is where in a thread native code finds what it needs: offsets in
// bytes. A span is its address and length, 8 bytes each.
type Layout struct {
	R, PC, Fuel                   int32
	ExitPC                        int32
	LastFrame                     int32 // frame pointer from which no calls are possible
	ContextLen                    int32 // bytes of a context that is memory, else 0
	XDP                           int32 // pointer to a packet.XDP
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

// ThreadLayout is the layout of [Thread].
func ThreadLayout() Layout {
	var t Thread
	return Layout{
		R: int32(unsafe.Offsetof(t.R)), PC: int32(unsafe.Offsetof(t.pc)), Fuel: int32(unsafe.Offsetof(t.fuel)),
		ExitPC:    int32(unsafe.Offsetof(t.exitPC)),
		LastFrame: int32(unsafe.Offsetof(t.lastFrame)), ContextLen: int32(unsafe.Offsetof(t.ctxLen)), XDP: int32(unsafe.Offsetof(t.XDP)),
		CPU: int32(unsafe.Offsetof(t.CPU)), Missed: int32(unsafe.Offsetof(t.missed)),
		IfIndex: int32(unsafe.Offsetof(t.XDP.IngressIfIndex)), RxQueue: int32(unsafe.Offsetof(t.XDP.RxQueueIndex)),
		Context: int32(unsafe.Offsetof(t.ctxBase)),
		Data:    int32(unsafe.Offsetof(t.data)), DataEnd: int32(unsafe.Offsetof(t.end)),
		Packet: int32(unsafe.Offsetof(t.pkt)), Value: int32(unsafe.Offsetof(t.val)),
		WritablePacket: int32(unsafe.Offsetof(t.wpkt)), WritableValue: int32(unsafe.Offsetof(t.wval)),
	}
}
