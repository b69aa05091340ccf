package embedded

import (
	"fmt"

	"github.com/skepdev/skep/engine"
)

var _ engine.Compiled = (*Program)(nil)

// NativeCode compiles the program for a processor, whatever this one is.
func (p *Program) NativeCode(arch string) ([]engine.NativeCode, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil, fmt.Errorf("program %s: %w", p.core.info.Name, engine.ErrClosed)
	}
	pieces, err := p.core.vm.NativeCode(arch)
	if err != nil {
		return nil, err
	}
	out := make([]engine.NativeCode, len(pieces))
	for i, pc := range pieces {
		out[i] = engine.NativeCode{Slot: pc.Slot, Aside: pc.Aside, Offset: pc.Offset, Bytes: pc.Bytes}
	}
	return out, nil
}

// Hits is how often each slot was run, if the engine was made to count.
func (p *Program) Hits() []uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil
	}
	return p.core.vm.Hits()
}
