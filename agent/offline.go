package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/lb"
)

// Offline makes the dataplane that the resources in files ask for, attached to
// nothing and pinned nowhere. The caller closes it.
func Offline(ctx context.Context, eng engine.Engine, cfg Config) (*lb.Dataplane, error) {
	a := &Agent{cfg: cfg, log: cmp.Or(cfg.Log, slog.Default()), origin: map[string]string{}}
	if err := a.read(); err != nil {
		return nil, err
	}
	cfg.LB.PinPath, cfg.LB.Size = "", a.fit(cfg.LB.Size)
	d, err := lb.Open(ctx, eng, cfg.LB)
	if err != nil {
		return nil, err
	}
	for _, key := range a.set.Services() {
		pools, problems := a.set.Resolve(key, &cfg.Place)
		for _, p := range problems {
			a.log.Warn(p.String())
		}
		if _, err := d.Apply(key, pools); err != nil {
			return nil, errors.Join(err, d.Close())
		}
	}
	return d, nil
}
