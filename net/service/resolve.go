package service

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Options are what a resolution depends on beside the resources.
type Options struct {
	// Node and Zone are where we are, by the names that EndpointSlices use.
	Node, Zone string
	// NodeAddrs are this node's addresses for NodePort services.
	NodeAddrs []netip.Addr
	// State, if not nil, says what checks know of a backend: Active or
	// Unhealthy, and its share of the full weight in percent (slow start).
	State func(service string, backend netip.AddrPort) (State, int)
}

// defaultAffinity is Kubernetes' (three hours).
const defaultAffinity = 10800

type resolver struct {
	kube     *Kube
	slices   []*Slice
	policy   PolicySpec
	opts     *Options
	name     string
	pools    []*Pool
	problems []Problem
}

func (r *resolver) problem(format string, args ...any) {
	r.problems = append(r.problems, Problem{r.kube.Key(), fmt.Sprintf(format, args...)})
}

func (r *resolver) run() {
	sp := &r.kube.Spec
	if sp.Type == "ExternalName" || sp.ClusterIP == "None" || len(sp.ClusterIPs) > 0 && sp.ClusterIPs[0] == "None" {
		return // names, not addresses: nothing to balance
	}
	if len(sp.Ports) == 0 {
		r.problem("has no ports")
		return
	}
	internal, external := r.addresses()
	if len(internal)+len(external) == 0 && !r.nodePorts() {
		r.problem("has no address: clusterIP is not set, and there are no external addresses")
		return
	}
	for i := range sp.Ports {
		for _, family := range []int{4, 6} {
			r.port(&sp.Ports[i], family, internal, external)
		}
	}
}

func (r *resolver) nodePorts() bool {
	return slices.ContainsFunc(r.kube.Spec.Ports, func(p KubePort) bool { return p.NodePort != 0 })
}

// addresses returns those for use inside the cluster and from outside.
func (r *resolver) addresses() (internal, external []Frontend) {
	sp := &r.kube.Spec
	ips := sp.ClusterIPs
	if len(ips) == 0 && sp.ClusterIP != "" {
		ips = []string{sp.ClusterIP}
	}
	for _, ip := range ips {
		internal = append(internal, Frontend{Addr: at(netip.MustParseAddr(ip)), Kind: "ClusterIP"})
	}
	for _, ip := range sp.ExternalIPs {
		external = append(external, Frontend{Addr: at(ip), Kind: "ExternalIP"})
	}
	if sp.Type == "LoadBalancer" {
		ips := []netip.Addr{sp.LoadBalancerIP}
		for _, in := range r.kube.Status.LoadBalancer.Ingress {
			if in.IPMode != "Proxy" {
				ips = append(ips, in.IP)
			}
		}
		restricted := len(sp.LoadBalancerSourceRanges) > 0
		for _, ip := range ips {
			f := Frontend{Addr: at(ip), Kind: "LoadBalancer", Restricted: restricted}
			if ip.IsValid() && !slices.Contains(external, f) {
				external = append(external, f)
			}
		}
	}
	return internal, external
}

func at(a netip.Addr) netip.AddrPort { return netip.AddrPortFrom(a.Unmap(), 0) }

func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// onPort returns the frontends of one family at a port.
func onPort(fs []Frontend, fam int, port uint16) []Frontend {
	var out []Frontend
	for _, f := range fs {
		if family(f.Addr.Addr()) == fam {
			f.Addr = netip.AddrPortFrom(f.Addr.Addr(), port)
			out = append(out, f)
		}
	}
	return out
}

func (r *resolver) port(p *KubePort, fam int, internal, external []Frontend) {
	sp := &r.kube.Spec
	in, out := onPort(internal, fam, p.Port), onPort(external, fam, p.Port)
	if p.NodePort != 0 {
		for _, a := range r.opts.NodeAddrs {
			if family(a) == fam {
				out = append(out, Frontend{Addr: netip.AddrPortFrom(a, p.NodePort), Kind: "NodePort"})
			}
		}
	}
	if len(in)+len(out) == 0 {
		return
	}
	inLocal, outLocal := sp.InternalTrafficPolicy == "Local", sp.ExternalTrafficPolicy == "Local"
	cluster, local := slices.Clone(in), []Frontend(nil)
	if inLocal {
		cluster, local = nil, in
	}
	if outLocal {
		local = append(slices.Clone(local), out...)
	} else {
		cluster = append(cluster, out...)
	}
	found := r.endpoints(p, fam)
	if len(found) == 0 && r.policy.Translate {
		found = r.endpoints(p, 10-fam)
	}
	r.pool(p, fam, "cluster", cluster, r.choose(found, false))
	r.pool(p, fam, "local", local, r.choose(found, true))
}

func (r *resolver) pool(p *KubePort, fam int, scope string, fs []Frontend, bs []Backend) {
	if len(fs) == 0 {
		return
	}
	sp := &r.kube.Spec
	pool := &Pool{
		Service: r.name, Port: cmpOr(p.Name, strconv.Itoa(int(p.Port))), Protocol: p.Protocol, Family: fam, Scope: scope,
		Algorithm: Algorithm(cmpOr(string(r.policy.Algorithm), string(Maglev))), Forward: r.policy.Forward, MaxTable: r.policy.MaxTable,
		Frontends: fs, Backends: bs, QUIC: r.policy.QUIC,
		Health: r.policy.Health, Ejection: r.policy.Ejection, Draining: -1, EndSockets: r.policy.EndSockets, SlowStart: time.Duration(r.policy.SlowStart),
	}
	if v := r.policy.ProxyProtocol; v != "" {
		pool.ProxyProtocol = int(v[1] - '0')
	}
	if r.policy.Draining != nil {
		pool.Draining = time.Duration(*r.policy.Draining)
	}
	if sp.SessionAffinity == "ClientIP" {
		seconds := uint32(defaultAffinity)
		if c := sp.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
			seconds = *c.ClientIP.TimeoutSeconds
		}
		pool.Affinity = time.Duration(seconds) * time.Second
	}
	if slices.ContainsFunc(fs, func(f Frontend) bool { return f.Restricted }) {
		for _, s := range sp.LoadBalancerSourceRanges {
			if family(s.Addr()) == fam {
				pool.Sources = append(pool.Sources, s.Masked())
			}
		}
	}
	r.pools = append(r.pools, pool)
}

// candidate is an endpoint that could be a backend.
type candidate struct {
	Backend
	ready, local, near bool
}

// endpoints lists the endpoints of a port in one family, each address once.
func (r *resolver) endpoints(p *KubePort, fam int) []candidate {
	var out []candidate
	seen := map[netip.AddrPort]bool{}
	for _, s := range r.slices {
		if s.AddressType != map[int]string{4: "IPv4", 6: "IPv6"}[fam] {
			continue
		}
		i := slices.IndexFunc(s.Ports, func(sp SlicePort) bool { return sp.Name == p.Name && sp.Protocol == p.Protocol })
		if i < 0 || s.Ports[i].Port == 0 {
			continue
		}
		for j := range s.Endpoints {
			c, ok := r.candidate(&s.Endpoints[j], s.Ports[i].Port)
			if ok && !seen[c.Addr] {
				seen[c.Addr] = true
				out = append(out, c)
			}
		}
	}
	return out
}

// candidate reads one endpoint; as in Kubernetes only its first address counts.
func (r *resolver) candidate(e *Endpoint, port uint16) (candidate, bool) {
	is := func(b *bool, absent bool) bool {
		if b == nil {
			return absent
		}
		return *b
	}
	ready := is(e.Conditions.Ready, true)
	terminating := is(e.Conditions.Terminating, false)
	serving := is(e.Conditions.Serving, ready)
	if r.kube.Spec.PublishNotReadyAddresses {
		ready, serving = true, true
	}
	if !ready && !serving {
		return candidate{}, false
	}
	addr := netip.MustParseAddr(e.Addresses[0])
	c := candidate{Backend: Backend{Addr: netip.AddrPortFrom(addr, port), Weight: 1, Node: e.NodeName, Zone: e.Zone}}
	c.ready = ready && !terminating || r.kube.Spec.PublishNotReadyAddresses
	c.local = e.NodeName != "" && e.NodeName == r.opts.Node
	c.near = r.near(e)
	if w, ok := r.policy.Weights[addr]; ok {
		c.Weight = w
	}
	switch {
	case !c.ready && !terminating:
		return candidate{}, false
	case !c.ready:
		c.State = Draining
	}
	return c, true
}

// near says whether the service would rather be served by e, as seen from here.
func (r *resolver) near(e *Endpoint) bool {
	named := func(hints []Hint, name string) bool {
		return slices.ContainsFunc(hints, func(h Hint) bool { return h.Name == name })
	}
	switch r.kube.Spec.TrafficDistribution {
	case "PreferSameNode":
		return r.opts.Node != "" && (e.NodeName == r.opts.Node || e.Hints != nil && named(e.Hints.ForNodes, r.opts.Node))
	case "PreferClose", "PreferSameZone":
		if e.Hints != nil && len(e.Hints.ForZones) > 0 {
			return named(e.Hints.ForZones, r.opts.Zone)
		}
		return r.opts.Zone != "" && e.Zone == r.opts.Zone
	}
	return false
}

// choose makes backends of candidates: those here, or those near, if there are
// such; terminating ones serve when nothing else does (KEP-1669).
func (r *resolver) choose(all []candidate, local bool) []Backend {
	var out []Backend
	someReady, someNear := false, false
	for _, c := range all {
		if c.ready && (c.local || !local) {
			someReady = true
			someNear = someNear || c.near && r.healthy(&c.Backend)
		}
	}
	for _, c := range all {
		if local && !c.local || !local && someNear && !c.near {
			continue
		}
		if !someReady && c.State == Draining {
			c.State = Active
		}
		out = append(out, c.Backend)
	}
	r.applyChecks(out)
	slices.SortFunc(out, compareBackends)
	return out
}

func (r *resolver) healthy(b *Backend) bool {
	if r.opts.State == nil || r.policy.Health == nil {
		return true
	}
	s, _ := r.opts.State(r.name, b.Addr)
	return s == Active
}

// applyChecks marks what is quarantined or fails its checks. When all fail, the
// checks are taken for what is broken, and all serve.
func (r *resolver) applyChecks(bs []Backend) {
	for i := range bs {
		if slices.Contains(r.policy.Quarantine, bs[i].Addr.Addr()) && bs[i].State == Active {
			bs[i].State = Quarantined
		}
	}
	if r.policy.Health == nil && r.policy.Ejection == nil || r.opts.State == nil {
		return
	}
	before := slices.Clone(bs)
	usable := false
	ramps := r.policy.SlowStart > 0
	for i := range bs {
		b := &bs[i]
		if b.State != Active {
			continue
		}
		state, percent := r.opts.State(r.name, b.Addr)
		b.State = state
		if ramps && b.Weight > 0 {
			// Weights are small numbers: on a finer scale they can be parts.
			b.Weight = uint8(max(1, int(min(b.Weight, 25))*10*percent/100))
		}
		usable = usable || b.Picked()
	}
	if !usable {
		copy(bs, before)
	}
}
