//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// qdiscPlace is a device in a network namespace.
type qdiscPlace struct {
	netns uint64 // inode of the namespace
	index int
}

// qdiscs counts the links on each clsact qdisc that this engine made, so that
// the last of them takes it away whichever it is.
type qdiscs struct {
	mu   sync.Mutex
	made map[qdiscPlace]int
}

// hold makes the qdisc with add unless there is one, and counts a link on it if
// it is ours.
func (q *qdiscs) hold(at qdiscPlace, add func() error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	err := add()
	switch {
	case err == nil:
		if q.made == nil {
			q.made = map[qdiscPlace]int{}
		}
		q.made[at] = 1
	case errors.Is(err, unix.EEXIST):
		if n := q.made[at]; n > 0 {
			q.made[at] = n + 1
		}
	default:
		return err
	}
	return nil
}

// release counts a link off and calls remove after the last one on a qdisc of
// ours.
func (q *qdiscs) release(at qdiscPlace, remove func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.made[at]
	if n == 0 {
		return
	}
	if n > 1 {
		q.made[at] = n - 1
		return
	}
	delete(q.made, at)
	remove()
}

// netNSInode identifies the thread's network namespace.
func netNSInode() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		return 0, fmt.Errorf("stat network namespace: %w", err)
	}
	return st.Ino, nil
}
