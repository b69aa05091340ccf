package interp

import (
	"time"

	"github.com/skepdev/skep/vm/internal/maps"
)

// minLockNaps is how long even a run of few instructions waits for a lock.
const minLockNaps = 20

// awaitLock waits for a lock that somebody else holds, about as long as the
// run's instructions could take.
func (t *Thread) awaitLock(word *uint32) bool {
	const perInstruction, nap = 4 * time.Nanosecond, time.Millisecond
	naps := max(minLockNaps, min(t.Env.MaxInstructions/int64(nap/perInstruction), maps.MaxLockNaps))
	if maps.Lock(word, int(naps)) {
		return true
	}
	t.Fail("bpf_spin_lock: the lock stays taken")
	return false
}

// lockable says whether a lock may lie at a: in the value of a map or in
// an object, which stay memory. Other memory can stop being the run's while the lock is held.
func (t *Thread) lockable(a uint64) bool {
	for _, list := range [2][]*Map{t.prog.Maps, t.inner} {
		for _, m := range list {
			if m.contains(a) {
				return true
			}
		}
	}
	return t.prog.Heap && t.Env.Heap.Has(a, 4)
}
