package enginetest

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// onOneCPU keeps the test on the CPU it is on until it ends: what the kernel
// keeps per CPU (a perf ring's count of lost samples) is seen on that one only.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	err := unix.SchedGetaffinity(0, &before)
	must(t, "get affinity", err)
	for cpu := range len(before) * 64 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	must(t, "set affinity", unix.SchedSetaffinity(0, &one))
	t.Cleanup(func() {
		if err := unix.SchedSetaffinity(0, &before); err == nil {
			runtime.UnlockOSThread()
		}
	})
}
