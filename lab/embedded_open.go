package lab

import (
	"fmt"

	"github.com/skepdev/skep/embedded"
)

// openEmbedded opens the embedded world.
func openEmbedded(cfg Config) (world, error) {
	w := &embeddedWorld{queueLen: cfg.QueueLength}
	if cfg.Engine == nil {
		eng, err := embedded.New(embedded.Config{Neighbor: w.neighbor, FIB: w.fib})
		if err != nil {
			return nil, err
		}
		w.eng, w.ownEngine = eng, true
		return w, nil
	}
	eng, ok := cfg.Engine.(*embedded.Engine)
	if !ok {
		return nil, fmt.Errorf("the embedded world needs an *embedded.Engine, not %T", cfg.Engine)
	}
	w.eng = eng
	return w, nil
}
