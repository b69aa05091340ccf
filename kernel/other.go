//go:build !linux

package kernel

import (
	"context"
	"io"
	"runtime"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
)

// Engine is the kernel's engine, which exists on Linux only.
type Engine struct{}

var _ engine.Engine = (*Engine)(nil)

func unsupported() error {
	return &engine.NotSupportedError{
		Feature: "kernel engine",
		Reason:  runtime.GOOS + " is not Linux",
		Remedy:  "use the embedded engine",
	}
}

// New says that this is not Linux.
func New(Config) (*Engine, error) { return nil, unsupported() }

// EnableStats says that this is not Linux.
func EnableStats() (io.Closer, error) { return nil, unsupported() }

// Name is "kernel".
func (e *Engine) Name() string { return "kernel" }

// Load says that this is not Linux, as every method here.
func (e *Engine) Load(context.Context, *ebpf.CollectionSpec, *engine.LoadOptions) (*engine.Collection, error) {
	return nil, unsupported()
}

// NewMap is not supported.
func (e *Engine) NewMap(*ebpf.MapSpec) (engine.Map, error) { return nil, unsupported() }

// Attach is not supported.
func (e *Engine) Attach(engine.Program, engine.Target) (engine.Link, error) {
	return nil, unsupported()
}

// OpenProgram is not supported.
func (e *Engine) OpenProgram(string) (engine.Program, error) { return nil, unsupported() }

// OpenMap is not supported.
func (e *Engine) OpenMap(string) (engine.Map, error) { return nil, unsupported() }

// OpenLink is not supported.
func (e *Engine) OpenLink(string) (engine.Link, error) { return nil, unsupported() }

// Supports answers no.
func (e *Engine) Supports(context.Context, engine.Feature) error { return unsupported() }

// OpenPrintk is not supported.
func (e *Engine) OpenPrintk() (engine.PrintkReader, error) { return nil, unsupported() }

// Close does nothing.
func (e *Engine) Close() error { return nil }
