package maps

import (
	"runtime"
	"sync/atomic"
	"time"
)

// spin is a lock of which native code knows the word: 0 is free, 1 taken. Who
// holds it waits for nothing, so it is had soon, unless the system took the
// holder's processor away. The zero value is free.
type spin struct{ word atomic.Uint32 }

// How often Lock tries before it lets other goroutines run, and before it sleeps.
const (
	spinTries  = 32
	spinYields = 256
)

func (s *spin) Lock() {
	for n := 0; !s.word.CompareAndSwap(0, 1); n++ {
		switch {
		case n < spinTries:
		case n < spinYields:
			runtime.Gosched()
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
}

func (s *spin) Unlock() { s.word.Store(0) }
