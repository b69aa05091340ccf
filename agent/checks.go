package agent

import (
	"net/netip"
	"slices"

	"github.com/skepdev/skep/net/health"
	"github.com/skepdev/skep/net/proxy"
	"github.com/skepdev/skep/net/service"
)

// news makes a service due whose checks say something new.
func (a *Agent) news(s string) {
	select {
	case a.due <- "service/" + s:
	default: // so many are due that the next check will do
	}
}

// state is what both kinds of checks say of a backend.
func (a *Agent) state(name string, addr netip.AddrPort) (service.State, int) {
	if a.passive.Ejected(name, addr) {
		return service.Unhealthy, 0
	}
	return a.monitor.State(name, addr)
}

// outcome is told by the proxy how connections to backends went.
func (a *Agent) outcome(f proxy.Frontend, backend netip.AddrPort, err error) {
	a.passive.Report(f.Service, backend, err)
}

// watchHealth says what to check of a service.
func (a *Agent) watchHealth(key string) {
	place := a.cfg.Place
	place.State = nil // whatever their health is now
	pools, _ := a.set.Resolve(key, &place)
	var targets []health.Target
	var rule *service.Ejection
	var watched []netip.AddrPort
	name := key[len("service/"):]
	for _, p := range pools {
		for _, b := range p.Backends {
			if p.Ejection != nil && !slices.Contains(watched, b.Addr) {
				rule, watched = p.Ejection, append(watched, b.Addr)
			}
			if p.Health != nil && !slices.ContainsFunc(targets, func(t health.Target) bool { return t.Addr == b.Addr }) {
				targets = append(targets, health.Target{Addr: b.Addr, Check: *p.Health, SlowStart: p.SlowStart})
			}
		}
	}
	a.monitor.Set(name, targets)
	a.passive.Set(name, rule, watched)
}

// listen has the proxy take connections and datagrams for all frontends. a.mu is
// held.
func (a *Agent) listen() {
	a.deaf = nil
	if a.proxy == nil {
		return
	}
	var all []proxy.Frontend
	for _, key := range a.set.Services() {
		for _, p := range a.pools[key] {
			if p.Protocol != service.TCP && p.Protocol != service.UDP {
				a.deaf = append(a.deaf, p.Name()+": user space balances TCP and UDP only")
				continue
			}
			for _, f := range p.Frontends {
				all = append(all, proxy.Frontend{Addr: f.Addr, Protocol: p.Protocol, Service: p.Service, Header: p.ProxyProtocol})
			}
		}
	}
	for _, err := range a.proxy.Set(all) {
		a.deaf = append(a.deaf, err.Error())
	}
}
