package lab

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/skepdev/skep/engine"
)

// Lab is a running cluster. All methods are safe for concurrent use.
type Lab struct {
	cfg   Config
	kind  World
	why   string
	world world
	// ctx ends with the lab.
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	closed   bool
	hosts    []*Host
	switches []*Switch
	links    []*Link
	names    map[string]Attachment
	networks int // numbers given out by the plan

	open tracker
}

// New builds an empty lab. The caller closes it.
//
// A world that was asked for and does not work here is an error that says why,
// a [engine.NotSupportedError] or one wrapping [engine.ErrPermission]; with
// [Auto] the reason is part of [Lab.Why].
func New(cfg Config) (*Lab, error) {
	if cfg.Name == "" {
		cfg.Name = "lab"
	}
	if err := checkName(cfg.Name); err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	if err := checkMTU(cfg.MTU); err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	if cfg.QueueLength == 0 {
		cfg.QueueLength = 4096
	}
	if cfg.QueueLength < 0 || cfg.QueueLength > 1<<20 {
		return nil, fmt.Errorf("open lab: queue length %d: want 1 to %d frames", cfg.QueueLength, 1<<20)
	}
	w, kind, why, err := openWorld(cfg)
	if err != nil {
		return nil, fmt.Errorf("open lab: %w", err)
	}
	return newLab(cfg, w, kind, why), nil
}

func newLab(cfg Config, w world, kind World, why string) *Lab {
	l := &Lab{cfg: cfg, kind: kind, why: why, world: w, names: map[string]Attachment{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Pair builds a lab of two endpoints, "client" and "server", on one node.
// Closing the lab closes all.
func Pair(cfg Config) (l *Lab, client, server *Endpoint, err error) {
	l, err = New(cfg)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err = l.Endpoint("client", EndpointConfig{})
	if err == nil {
		server, err = l.Endpoint("server", EndpointConfig{})
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, l.Close())
	}
	return l, client, server, nil
}

// Engine returns the engine on which programs must be loaded to be attached to
// the lab's devices. Collections and links belong to whoever makes them; close
// them before the lab.
func (l *Lab) Engine() engine.Engine { return l.world.engine() }

// World is Kernel or Embedded.
func (l *Lab) World() World { return l.kind }

// Why says in one sentence why the lab is in its world.
func (l *Lab) Why() string { return l.why }

// Name is the lab's name.
func (l *Lab) Name() string { return l.cfg.Name }

// Close ends the lab: dials, listeners, connections, pings and captures end,
// commands started inside are killed, namespaces and devices go away. It is
// safe on nil and twice.
func (l *Lab) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	hosts := l.hosts
	l.mu.Unlock()
	l.cancel()
	errs := []error{l.open.closeAll()}
	for _, h := range hosts {
		errs = append(errs, h.ping[0].close(), h.ping[1].close())
	}
	return errors.Join(append(errs, l.world.close())...)
}

// errClosed says what could not be done because the lab is closed.
func errClosed(verb, object string) error {
	return fmt.Errorf("%s %s: lab: %w", verb, object, engine.ErrClosed)
}
