package replay

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// pinCPU keeps this goroutine on one thread and the thread on the first CPU it
// may use, so that per-CPU maps see all of a replay on one CPU. The returned
// function undoes it. Where that is not allowed the replay goes on unpinned.
func pinCPU() (undo func()) {
	runtime.LockOSThread()
	var old, one unix.CPUSet
	if unix.SchedGetaffinity(0, &old) != nil {
		return runtime.UnlockOSThread
	}
	for cpu := range len(old) * 64 {
		if old.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if unix.SchedSetaffinity(0, &one) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		if unix.SchedSetaffinity(0, &old) == nil {
			runtime.UnlockOSThread()
		}
		// Otherwise the thread stays locked and ends with its goroutine.
	}
}
