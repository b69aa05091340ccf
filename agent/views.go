package agent

import (
	"net/netip"
	"os"
	"slices"

	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/net/health"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

func views(steps []lb.Step) []client.Step {
	out := []client.Step{}
	for _, s := range steps {
		out = append(out, client.Step{Op: s.Op, Kind: s.Kind, Pool: s.Pool, What: s.What, Text: s.String()})
	}
	return out
}

type checked struct {
	service string
	addr    netip.AddrPort
}

// services shows all services, with counters and checks.
func (a *Agent) services() ([]client.Service, error) {
	stats, err := a.plane.Stats()
	if err != nil {
		return nil, err
	}
	byPool := map[string]lb.PoolStats{}
	for _, s := range stats {
		byPool[s.Pool] = s
	}
	checks := map[checked]health.Status{}
	for _, s := range a.monitor.Statuses() {
		checks[checked{s.Service, s.Addr}] = s
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := []client.Service{}
	for _, key := range a.set.Services() {
		s := client.Service{Name: key[len("service/"):], Problems: a.problems[key], Pools: []client.Pool{}}
		for _, p := range a.pools[key] {
			s.Pools = append(s.Pools, poolView(p, byPool[p.Name()], checks))
		}
		out = append(out, s)
	}
	return out, nil
}

func counters(c lb.Counters) client.Counters {
	return client.Counters{Connections: c.Connections, Packets: c.Packets, Bytes: c.Bytes}
}

func poolView(p *service.Pool, s lb.PoolStats, checks map[checked]health.Status) client.Pool {
	v := client.Pool{
		Name: p.Name(), Algorithm: string(p.Algorithm), Forward: string(p.Forward), Sources: p.Sources,
		Frontends: []client.Frontend{}, Backends: []client.Backend{}, Counters: counters(s.Total),
	}
	if p.Affinity > 0 {
		v.Affinity = p.Affinity.String()
	}
	for _, f := range p.Frontends {
		v.Frontends = append(v.Frontends, client.Frontend{Addr: f.Addr, Kind: f.Kind})
	}
	for _, b := range p.Backends {
		bv := client.Backend{Addr: b.Addr, State: b.State.String(), Weight: int(b.Weight), Node: b.Node}
		if i := slices.IndexFunc(s.Backends, func(x lb.BackendStats) bool { return x.Addr == b.Addr }); i >= 0 {
			bv.Active, bv.Counters = s.Backends[i].Active, counters(s.Backends[i].Counters)
		}
		if c, ok := checks[checked{p.Service, b.Addr}]; ok {
			bv.Check = &client.Check{
				Healthy: c.Healthy, Checks: c.Checks, Failures: c.Failures,
				LatencyMS: float64(c.Latency.Microseconds()) / 1000, Error: c.Error,
			}
		}
		v.Backends = append(v.Backends, bv)
	}
	return v
}

func (a *Agent) status() (client.Status, error) {
	reasons, err := a.plane.Reasons()
	if err != nil {
		return client.Status{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := client.Status{
		PID: os.Getpid(), Engine: a.eng.Name(), Node: a.cfg.Place.Node, Cgroup: a.cfg.Cgroup,
		Services: len(a.set.Services()), Reasons: map[string]uint64{},
	}
	for _, i := range a.cfg.Interfaces {
		s.Interfaces = append(s.Interfaces, i.Device.String())
	}
	for _, r := range reasons {
		if r.Packets > 0 {
			s.Reasons[r.Name] = r.Packets
		}
	}
	for _, d := range a.cfg.TC {
		s.Interfaces = append(s.Interfaces, d.String()+" (tc)")
	}
	for key, texts := range a.problems {
		for _, t := range texts {
			s.Problems = append(s.Problems, key+" "+t)
		}
	}
	for _, p := range a.set.Orphans() {
		s.Problems = append(s.Problems, p.String())
	}
	s.Problems = append(s.Problems, a.deaf...)
	slices.Sort(s.Problems)
	return s, nil
}
