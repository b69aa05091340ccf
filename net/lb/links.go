package lb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
)

// AttachXDP balances what the device receives. With Config.PinPath the link is
// pinned: it stays when the process ends, and the next process replaces its
// program without a gap. The caller closes the link, which leaves a pinned one
// in place.
func (d *Dataplane) AttachXDP(target engine.XDP) (engine.Link, error) {
	p, err := d.Program()
	if err != nil {
		return nil, err
	}
	return d.attach(p, target, "xdp-"+pinName(target.Device.String()))
}

// pinName makes a file name of a device or a path.
func pinName(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}

func linkDir(pinPath string) string { return filepath.Join(pinPath, "links") }

// attach makes a link, or takes over the pinned one: its program is replaced
// atomically. A pinned link whose target is gone is made anew.
func (d *Dataplane) attach(p engine.Program, target engine.Target, name string) (engine.Link, error) {
	if d.cfg.PinPath == "" {
		return d.eng.Attach(p, target)
	}
	path := filepath.Join(linkDir(d.cfg.PinPath), name)
	if old, err := d.eng.OpenLink(path); err == nil {
		if err := old.Update(p); err == nil {
			return old, nil
		}
		if err := errors.Join(old.Unpin(), old.Close()); err != nil {
			return nil, fmt.Errorf("replace the link at %s: %w", path, err)
		}
	} else if !errors.Is(err, engine.ErrNotExist) {
		return nil, fmt.Errorf("open the link at %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("pin link: %w", err)
	}
	l, err := d.eng.Attach(p, target)
	if err != nil {
		return nil, err
	}
	if err := l.Pin(path); err != nil {
		return nil, errors.Join(fmt.Errorf("pin link at %s: %w", path, err), l.Close())
	}
	return l, nil
}

// TC balances on tc.
type TC struct {
	coll  *engine.Collection
	links []engine.Link
}

// AttachTC balances what devices receive, by NAT, after the kernel has made a
// socket buffer of it: for devices whose packets XDP does not see whole, such as
// the endpoints of this host. Every device that requests or answers come in
// through is to be given. Links are pinned as with AttachXDP.
func (d *Dataplane) AttachTC(ctx context.Context, devices ...engine.Device) (*TC, error) {
	spec, err := bpf.LoadBalancerTC(d.cfg.Size)
	if err != nil {
		return nil, err
	}
	opts := &engine.LoadOptions{Maps: map[string]engine.Map{}}
	for name := range spec.Maps {
		if m, ok := d.coll.Maps[name]; ok {
			opts.Maps[name] = m
		}
	}
	coll, err := d.eng.Load(ctx, spec, opts)
	if err != nil {
		return nil, fmt.Errorf("load the load balancer for tc: %w", err)
	}
	t := &TC{coll: coll}
	p, err := coll.Program(bpf.LBTC)
	for _, dev := range devices {
		var l engine.Link
		if err == nil {
			l, err = d.attach(p, engine.TCX{Device: dev}, "tc-"+pinName(dev.String()))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach to %v: %w", dev, err), t.Close())
		}
		t.links = append(t.links, l)
	}
	return t, nil
}

// Close gives the links and the program up; pinned links stay attached.
func (t *TC) Close() error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	return errors.Join(append(errs, t.coll.Close())...)
}

// Sockets balances at the sockets of a cgroup.
type Sockets struct {
	coll  *engine.Collection
	links []engine.Link
}

// AttachSockets makes the sockets of the processes in a cgroup (version 2)
// connect to backends by themselves. Links are pinned as with AttachXDP.
func (d *Dataplane) AttachSockets(ctx context.Context, cgroup string) (*Sockets, error) {
	spec, err := bpf.LoadBalancerSockets(d.cfg.Size)
	if err != nil {
		return nil, err
	}
	opts := &engine.LoadOptions{Maps: map[string]engine.Map{}, PinPath: d.cfg.PinPath}
	for name := range spec.Maps {
		if m, ok := d.coll.Maps[name]; ok {
			opts.Maps[name] = m
		} else if d.cfg.PinPath != "" {
			spec.Maps[name].Pinning = ebpf.PinByName
		}
	}
	coll, err := d.eng.Load(ctx, spec, opts)
	if err != nil {
		return nil, fmt.Errorf("load the load balancer for sockets: %w", err)
	}
	s := &Sockets{coll: coll}
	for _, name := range bpf.LBSocketPrograms() {
		p, err := coll.Program(name)
		if err == nil {
			var l engine.Link
			if l, err = d.attach(p, engine.Cgroup{Path: cgroup}, "cgroup-"+pinName(cgroup)+"-"+name); err == nil {
				s.links = append(s.links, l)
			}
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach %s: %w", name, err), s.Close())
		}
	}
	return s, nil
}

// Close gives the links and programs up; pinned links stay attached.
func (s *Sockets) Close() error {
	if s == nil {
		return nil
	}
	var errs []error
	for _, l := range s.links {
		errs = append(errs, l.Close())
	}
	s.links = nil
	return errors.Join(append(errs, s.coll.Close())...)
}

// Detach cuts all pinned links under pinPath from their targets and removes the
// pinned tables. What is not there is no error. It returns what it did.
func Detach(eng engine.Engine, pinPath string) ([]string, error) {
	var did []string
	var errs []error
	files, err := os.ReadDir(linkDir(pinPath))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, f := range files {
		path := filepath.Join(linkDir(pinPath), f.Name())
		l, err := eng.OpenLink(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("open the link at %s: %w", path, err))
			continue
		}
		what := l.Info().Target
		errs = append(errs, l.Unpin(), l.Close())
		did = append(did, "detached "+what)
	}
	if len(files) > 0 {
		errs = append(errs, os.Remove(linkDir(pinPath)))
	}
	n, err := unpin(eng, pinPath)
	errs = append(errs, err)
	if n > 0 {
		did = append(did, fmt.Sprintf("removed %d tables", n))
	}
	return did, errors.Join(errs...)
}
