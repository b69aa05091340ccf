package maps

import (
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// waiter lets one reader sleep until a producer has something for it, a
// deadline passes, or it is closed. Waking costs the producer one load when
// nobody sleeps.
type waiter struct {
	asleep atomic.Bool
	// hint, if not nil, becomes 1 when the reader goes to sleep.
	hint   *atomic.Uint32
	wake   chan struct{} // of capacity 1
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	timer  *time.Timer
	expire chan struct{} // closed when the deadline has passed
}

func newWaiter() *waiter {
	return &waiter{wake: make(chan struct{}, 1), closed: make(chan struct{}), expire: make(chan struct{})}
}

// notify wakes the reader if it sleeps. It never blocks.
func (w *waiter) notify() {
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// until calls try until it says done, sleeping in between. After the deadline
// it tries a last time: a producer may have asked for no wake-up.
func (w *waiter) until(try func() bool) error {
	for {
		if w.isClosed() {
			return os.ErrClosed
		}
		if try() {
			return nil
		}
		w.asleep.Store(true)
		if w.hint != nil {
			w.hint.Store(1)
		}
		// Who finished between the try and the store did not see a sleeper.
		if try() {
			w.asleep.Store(false)
			return nil
		}
		select {
		case <-w.wake:
		case <-w.closed:
			return os.ErrClosed
		case <-w.deadline():
			w.asleep.Store(false)
			if try() {
				return nil
			}
			return os.ErrDeadlineExceeded
		}
	}
}

func (w *waiter) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

func (w *waiter) deadline() chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.expire
}

// SetDeadline bounds waiting, also that under way.
func (w *waiter) SetDeadline(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil && !w.timer.Stop() {
		<-w.expire // the timer is closing it
	}
	w.timer = nil
	select {
	case <-w.expire:
		w.expire = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return
	}
	expire := w.expire
	if d := time.Until(t); d > 0 {
		w.timer = time.AfterFunc(d, func() { close(expire) })
		return
	}
	close(expire)
}

func (w *waiter) close() {
	w.once.Do(func() {
		close(w.closed)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.timer != nil {
			w.timer.Stop()
		}
	})
}
