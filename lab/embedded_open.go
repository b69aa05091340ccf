package lab

import "github.com/skepdev/skep/engine"

// openEmbedded opens the embedded world.
func openEmbedded(cfg Config) (world, error) {
	return nil, &engine.NotSupportedError{Feature: "embedded world"}
}
