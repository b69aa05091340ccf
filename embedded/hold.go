package embedded

import (
	"errors"
	"sync"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// hold is a hold on a core that is given back once.
type hold struct {
	once    *sync.Once
	release func() error
}

func (h hold) let() {
	if h.once != nil {
		// What the last hold may fail with, unmapping memory, has nobody to
		// hear it here.
		h.once.Do(func() { _ = h.release() })
	}
}

// hold keeps the map for a reader.
func (c *mapCore) hold() (hold, error) {
	if err := c.acquire(); err != nil {
		return hold{}, err
	}
	return hold{once: new(sync.Once), release: c.release}, nil
}

// closedIs gives the runtime's end of things the promise's name.
func closedIs(err error) error {
	if errors.Is(err, vm.ErrClosed) && !errors.Is(err, engine.ErrClosed) {
		return engine.ErrClosed
	}
	return err
}
