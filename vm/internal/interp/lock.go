package interp

import (
	"runtime"
	"sync/atomic"
	"time"
)

// maxLockWait is how long a run waits for a bpf_spin_lock. Programs hold one
// for nanoseconds, but the thread of a run that does may have to wait for a
// processor.
const maxLockWait = 250 * time.Millisecond

// awaitLock waits for a lock that somebody else holds.
func (t *Thread) awaitLock(word *uint32) bool {
	start := time.Now()
	for !atomic.CompareAndSwapUint32(word, 0, 1) {
		runtime.Gosched()
		if time.Since(start) > maxLockWait {
			t.Fail("bpf_spin_lock: the lock has been held for %v", maxLockWait)
			return false
		}
	}
	return true
}
