package lab

import (
	"net/netip"
	"slices"
)

// route is a line of a host's routing table.
type route struct {
	dst netip.Prefix
	// via is the next hop's address on dev; the zero Addr means dst is
	// reachable directly.
	via netip.Addr
	dev string
}

// neighbour is an address in reach of a device without a router.
type neighbour struct {
	dev  string
	addr netip.Addr
	mac  [6]byte
}

// domain is what one broadcast reaches: a link between two hosts, or switches
// joined to each other with all that hangs on them.
type domain struct {
	ports    []*port // of hosts
	prefixes []netip.Prefix
}

// domainOf collects the domain of p's link.
func domainOf(p *port) domain {
	var d domain
	seen := map[*port]bool{}
	todo := []*port{p}
	for len(todo) > 0 {
		p := todo[0]
		todo = todo[1:]
		if seen[p] {
			continue
		}
		seen[p] = true
		d.prefixes = append(d.prefixes, p.link.net.prefixes()...)
		if p.host != nil {
			d.ports = append(d.ports, p)
		} else {
			for _, q := range p.sw.ports {
				if !seen[q] {
					todo = append(todo, q)
				}
			}
			d.prefixes = append(d.prefixes, p.sw.net.prefixes()...)
		}
		todo = append(todo, p.peer())
	}
	slices.SortFunc(d.prefixes, netip.Prefix.Compare)
	d.prefixes = slices.Compact(d.prefixes)
	return d
}

// domains finds each port's domain.
func domains(hosts []*Host) map[*port]domain {
	out := map[*port]domain{}
	for _, h := range hosts {
		for _, p := range h.ports {
			if _, ok := out[p]; ok {
				continue
			}
			d := domainOf(p)
			for _, q := range d.ports {
				out[q] = d
			}
		}
	}
	return out
}

// table is a routing table being made. A more general line makes another
// superfluous if it has the same next hop, or reaches the destination directly
// on the same device.
type table struct{ lines []route }

func (t *table) add(r route) {
	r.dst = r.dst.Masked()
	for _, have := range t.lines {
		same := have.dst == r.dst
		covers := have.dst.Bits() <= r.dst.Bits() && have.dst.Contains(r.dst.Addr()) && have.dev == r.dev
		if same || covers && (have.via == r.via || !have.via.IsValid()) {
			return
		}
	}
	t.lines = append(t.lines, r)
}

// gateway is how a host reaches another over one link.
type gateway struct {
	dev    string
	v4, v6 netip.Addr
}

func (g gateway) to(dst netip.Prefix) (route, bool) {
	via := g.v4
	if dst.Addr().Is6() {
		via = g.v6
	}
	return route{dst: dst, via: via, dev: g.dev}, via.IsValid()
}

// routesOf computes h's routing table: neighbours directly, an endpoint's
// default through its first router, everything else by the way that crosses
// the fewest routers.
func routesOf(h *Host, in map[*port]domain) []route {
	var t table
	direct(&t, h, in)

	type step struct {
		host *Host
		gateway
	}
	var todo []step
	seen := map[*Host]bool{h: true}
	for _, p := range h.ports {
		for _, q := range in[p].ports {
			if !seen[q.host] {
				seen[q.host] = true
				todo = append(todo, step{q.host, gateway{p.name, firstOf(bare(q.addrs), netip.Addr.Is4), q.linkLocal}})
			}
		}
	}
	if !h.router {
		for _, s := range todo {
			if s.host.router {
				t.addVia(s.gateway, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
				break
			}
		}
	}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		for _, dst := range offered(s.host, in) {
			t.addVia(s.gateway, dst)
		}
		if !s.host.router {
			continue
		}
		for _, p := range s.host.ports {
			for _, q := range in[p].ports {
				if !seen[q.host] {
					seen[q.host] = true
					todo = append(todo, step{q.host, s.gateway})
				}
			}
		}
	}
	return t.lines
}

func (t *table) addVia(g gateway, dst ...netip.Prefix) {
	for _, d := range dst {
		if r, ok := g.to(d); ok {
			t.add(r)
		}
	}
}

// direct adds what h reaches without a router.
func direct(t *table, h *Host, in map[*port]domain) {
	for _, p := range h.ports {
		for _, a := range p.addrs {
			if !a.IsSingleIP() {
				t.add(route{dst: a, dev: p.name})
			}
		}
		for _, n := range in[p].prefixes {
			t.add(route{dst: n, dev: p.name})
		}
		for _, q := range in[p].ports {
			if q.host == h {
				continue
			}
			for _, a := range q.addrs {
				t.add(route{dst: hostPrefix(a.Addr()), dev: p.name})
			}
		}
	}
}

// neighboursOf lists who is in reach of h.
func neighboursOf(h *Host, in map[*port]domain) []neighbour {
	var out []neighbour
	for _, p := range h.ports {
		for _, q := range in[p].ports {
			if q.host == h {
				continue
			}
			for _, a := range append(bare(q.addrs), q.linkLocal) {
				out = append(out, neighbour{p.name, a, [6]byte(q.mac)})
			}
		}
	}
	return out
}

// offered is what can be reached at or directly behind host.
func offered(h *Host, in map[*port]domain) []netip.Prefix {
	var out []netip.Prefix
	if h.router {
		out = append(out, h.own.prefixes()...)
		for _, p := range h.ports {
			out = append(out, in[p].prefixes...)
		}
	}
	for _, p := range h.ports {
		for _, a := range p.addrs {
			out = append(out, hostPrefix(a.Addr()))
		}
	}
	return out
}

// bare drops the lengths.
func bare(prefixes []netip.Prefix) []netip.Addr {
	var out []netip.Addr
	for _, p := range prefixes {
		out = append(out, p.Addr())
	}
	return out
}
