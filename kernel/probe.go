//go:build linux

package kernel

import (
	"context"
	"sync"

	"github.com/skepdev/skep/engine"
)

// probes remembers what was tried.
type probes struct {
	mu    sync.Mutex
	known map[engine.Feature]error
}

func (p *probes) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known = nil
}

// Supports tries f once and remembers the answer.
func (e *Engine) Supports(ctx context.Context, f engine.Feature) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.probes.mu.Lock()
	defer e.probes.mu.Unlock()
	if err, ok := e.probes.known[f]; ok {
		return err
	}
	err := e.probe(f)
	if e.probes.known == nil {
		e.probes.known = map[engine.Feature]error{}
	}
	e.probes.known[f] = err
	return err
}

// probe tries one feature. Exactly one field of a feature is set.
func (e *Engine) probe(f engine.Feature) error {
	return notSupported(f.String(), "this engine has no probe for it", "", nil)
}
