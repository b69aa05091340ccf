package check

import "unsafe"

// bytes is about what the states in use take.
func (p *pool) bytes() uint64 {
	const slots = 16 // of a usual frame
	return uint64(p.live) * uint64(unsafe.Sizeof(State{})+unsafe.Sizeof(Frame{})+slots*unsafe.Sizeof(Slot{}))
}
