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

// Supports tries f and remembers the answer. What it tries on (a network
// namespace with a pair of devices, a cgroup, a socket, a file in memory) is of
// its own making and gone when it returns.
func (e *Engine) Supports(ctx context.Context, f engine.Feature) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.probes.mu.Lock()
	defer e.probes.mu.Unlock()
	if err, ok := e.probes.known[f]; ok {
		return err
	}
	err := e.probe(ctx, f)
	if cerr := ctx.Err(); cerr != nil {
		return cerr
	}
	if e.probes.known == nil {
		e.probes.known = map[engine.Feature]error{}
	}
	e.probes.known[f] = err
	return err
}

// probe tries one feature.
func (e *Engine) probe(ctx context.Context, f engine.Feature) error {
	switch {
	case f.Helper != 0:
		return e.probeHelper(ctx, f)
	case f.Program != 0:
		return e.probeProgram(ctx, f.Program)
	case f.Map != 0:
		return e.probeMap(f.Map)
	case f.Attach != "":
		return e.probeAttach(ctx, f.Attach)
	}
	return e.probeOther(ctx, f)
}
