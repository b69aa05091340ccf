package main

import (
	"os"
	"os/signal"
	"syscall"

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
