package interp

import (
	"runtime"
	"sync/atomic"
	"time"
)

// How long a run waits for a bpf_spin_lock: as long as its instructions could
// take, within bounds. Programs hold a lock for nanoseconds, but the thread of
// a run that does may have to wait for a processor; a process that gets none at
// all makes no tries meanwhile.
const (
	minLockWait  = 20 * time.Millisecond
	maxLockWait  = 2 * time.Second
	minLockTries = 1000
	// perInstruction is about what an instruction takes.
	perInstruction = 4 * time.Nanosecond
)

// awaitLock waits for a lock that somebody else holds.
func (t *Thread) awaitLock(word *uint32) bool {
	limit := maxLockWait
	if n := t.Env.MaxInstructions; n < int64(maxLockWait/perInstruction) {
		limit = max(minLockWait, time.Duration(n)*perInstruction)
	}
	start := time.Now()
	for tries := 0; !atomic.CompareAndSwapUint32(word, 0, 1); tries++ {
		runtime.Gosched()
		if tries >= minLockTries && time.Since(start) > limit {
			t.Fail("bpf_spin_lock: the lock stays taken")
			return false
		}
	}
	return true
}
