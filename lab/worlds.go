package lab

import (
	"errors"
	"fmt"

	"github.com/skepdev/skep/engine"
)

// openWorld opens the world that cfg asks for, and says why.
func openWorld(cfg Config) (world, World, string, error) {
	kind, why := cfg.World, "it was asked for"
	if cfg.Engine != nil {
		have, err := ParseWorld(cfg.Engine.Name())
		if err != nil || have == Auto {
			return nil, Auto, "", fmt.Errorf("engine %q: no world goes with it", cfg.Engine.Name())
		}
		if kind == Auto {
			kind, why = have, "it goes with the engine that was passed in"
		}
		if kind != have {
			return nil, Auto, "", fmt.Errorf("the %s world: %w: it was given the %s engine", kind, engine.ErrWrongEngine, have)
		}
	}
	switch kind {
	case Kernel:
		w, note, err := openKernel(cfg)
		return w, Kernel, "kernel world: " + why + note, err
	case Embedded:
		w, err := openEmbedded(cfg)
		return w, Embedded, "embedded world: " + why, err
	case Auto:
		return openBest(cfg)
	}
	return nil, Auto, "", fmt.Errorf("unknown world %d", int(kind))
}

// openBest takes the kernel world if it works here.
func openBest(cfg Config) (world, World, string, error) {
	w, note, kernelErr := openKernel(cfg)
	if kernelErr == nil {
		return w, Kernel, "kernel world: namespaces, veth pairs and XDP were tried here and work" + note, nil
	}
	w, err := openEmbedded(cfg)
	if err != nil {
		return nil, Auto, "", errors.Join(kernelErr, err)
	}
	return w, Embedded, fmt.Sprintf("embedded world: the kernel world does not work here: %v", kernelErr), nil
}
