package lab

import "github.com/skepdev/skep/engine"

// openWorld opens the world that cfg asks for.
func openWorld(cfg Config) (world, World, string, error) {
	return nil, Auto, "", &engine.NotSupportedError{Feature: "lab"}
}
