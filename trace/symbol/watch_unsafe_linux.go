package symbol

import (
	"sync/atomic"
	"unsafe"
)

// Positions in the ring (struct perf_event_mmap_page): the kernel writes where
// records end, we write where we have read to.
const (
	dataHead = 1024
	dataTail = 1032
)

func (r *eventRing) head() uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.mem[dataHead])))
}

func (r *eventRing) tail() uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&r.mem[dataTail])))
}

func (r *eventRing) setTail(v uint64) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&r.mem[dataTail])), v)
}
