//go:build !linux || !amd64

package process

import (
	"os"

	"github.com/skepdev/skep/embedded"
)

// Engine is an embedded engine that traces processes.
type Engine struct{ *embedded.Engine }

// New says that there is no such engine here.
func New(Config) (*Engine, error) {
	return nil, cannot("trace processes", "it needs Linux on amd64")
}

// Command is not to be had here.
func (e *Engine) Command([]string, *os.File, *os.File, *os.File) (int, error) {
	return 0, cannot("trace a command", "it needs Linux on amd64")
}

// Process is not to be had here.
func (e *Engine) Process(int) error {
	return cannot("trace a process", "it needs Linux on amd64")
}

// Start is not to be had here.
func (e *Engine) Start() error { return cannot("trace", "it needs Linux on amd64") }

// Done is never closed.
func (e *Engine) Done() <-chan struct{} { return nil }

// End does nothing.
func (e *Engine) End() {}
