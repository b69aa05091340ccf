package lb

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// Peek opens the pinned tables for planning: it loads no program and writes
// nothing. Without tables it knows of none. Only Plan, Leftovers and Close make
// sense on what it returns.
func Peek(_ context.Context, eng engine.Engine, cfg Config) (*Dataplane, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	d := &Dataplane{
		eng: eng, coll: &engine.Collection{Maps: map[string]engine.Map{}}, cfg: cfg, now: time.Now, peeking: true,
		pools: map[string]*pool{}, owners: map[frontendKey]string{}, services: map[string][]string{},
		echoes: map[netip.Addr]int{}, echoIDs: map[netip.Addr]uint32{}, found: &found{},
	}
	if cfg.PinPath == "" {
		return d, nil
	}
	for _, name := range []string{bpf.LBFrontend4Map, bpf.LBFrontend6Map, bpf.LBBackendMap, bpf.LBMaglevMap, bpf.LBConnMap, bpf.LBSourceMap, bpf.LBQUICMap} {
		m, err := eng.OpenMap(filepath.Join(cfg.PinPath, name))
		if errors.Is(err, engine.ErrNotExist) {
			return d, nil
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open pinned table %s: %w", name, err), d.Close())
		}
		d.coll.Maps[name] = m
	}
	if err := d.start(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}
