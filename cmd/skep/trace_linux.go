package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/trace"
)

// sessionSignals: SIGUSR1 fires self probes, SIGUSR2 prints the maps.
func sessionSignals(t *trace.Session) func() {
	self, maps := make(chan struct{}, 1), make(chan struct{}, 1)
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, syscall.SIGUSR1, syscall.SIGUSR2)
	t.Self, t.PollMaps = self, maps
	go func() {
		for sig := range ch {
			to := self
			if sig == syscall.SIGUSR2 {
				to = maps
			}
			select {
			case to <- struct{}{}:
			default:
			}
		}
	}()
	return func() {
		signal.Stop(ch)
		close(ch)
	}
}

// mayTraceKernel says whether the kernel lets this process load and attach
// tracing programs.
func mayTraceKernel() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return true
	}
	has := func(c int) bool { return data[c/32].Effective>>(c%32)&1 != 0 }
	return has(unix.CAP_SYS_ADMIN) || has(unix.CAP_BPF) && has(unix.CAP_PERFMON)
}
