package interp

import "unsafe"

// Layout is where in a thread native code finds what it needs: offsets in
// bytes. A span is its address and length, 8 bytes each.
type Layout struct {
	R, PC, Fuel                   int32
	Context                       int32 // where the context pointer points
	Data, DataEnd                 int32 // pointers to the packet's ends
	Packet, Value                 int32 // spans that can be read
	WritablePacket, WritableValue int32
}

// ThreadLayout is the layout of [Thread].
func ThreadLayout() Layout {
	var t Thread
	return Layout{
		R: int32(unsafe.Offsetof(t.R)), PC: int32(unsafe.Offsetof(t.pc)), Fuel: int32(unsafe.Offsetof(t.fuel)),
		Context: int32(unsafe.Offsetof(t.ctxBase)),
		Data:    int32(unsafe.Offsetof(t.data)), DataEnd: int32(unsafe.Offsetof(t.end)),
		Packet: int32(unsafe.Offsetof(t.pkt)), Value: int32(unsafe.Offsetof(t.val)),
		WritablePacket: int32(unsafe.Offsetof(t.wpkt)), WritableValue: int32(unsafe.Offsetof(t.wval)),
	}
}
