//go:build !linux

package symbol

import (
	"errors"
	"runtime"
)

// Watcher tells a symbolizer of every program that begins, where the kernel
// reports them.
type Watcher struct{}

// Watch needs Linux.
func Watch(*Symbolizer, func(pid int)) (*Watcher, error) {
	return nil, errors.New("mappings cannot be watched on " + runtime.GOOS)
}

// Drain passes on what the kernel has reported up to now.
func (w *Watcher) Drain() {}

// Lost is how many reports found no room.
func (w *Watcher) Lost() uint64 { return 0 }

// Close stops watching.
func (w *Watcher) Close() error { return nil }
