package maps

import (
	"runtime"
	"sync/atomic"
	"time"
)

// How a bpf_spin_lock is waited for. Programs hold one for nanoseconds, but
// the thread of the holder may itself have to wait for a processor, on a busy
// machine for long: who waits first lets other goroutines run, then sleeps,
// which leaves the processor to other threads. What counts is how often the
// holder had its chance and not how much time went by: a process that gets no
// processor loses no tries.
const (
	lockYields = 1000
	lockNap    = time.Millisecond
	// MaxLockNaps is how many naps anybody waits, as long as the kernel's
	// resilient spin locks do at the least (a quarter of a second, since 6.15).
	MaxLockNaps = 1000
)

// Lock takes the lock at word, a struct bpf_spin_lock. It is false if the lock
// stays taken for so many naps: nobody who follows the rules holds it.
func Lock(word *uint32, naps int) bool {
	for try := 0; !atomic.CompareAndSwapUint32(word, 0, 1); try++ {
		switch {
		case try < lockYields:
			runtime.Gosched()
		case try < lockYields+naps:
			time.Sleep(lockNap)
		default:
			return false
		}
	}
	return true
}
