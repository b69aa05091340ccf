package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/skepdev/skep/engine"
)

// Names become device names, which Linux limits to 15 bytes.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,14}$`)

var reservedName = regexp.MustCompile(`^(lo|all|default|localhost|br[0-9]*|eth[0-9]*)$`)

func checkName(name string) error {
	switch {
	case !nameForm.MatchString(name):
		return fmt.Errorf("name %q: want 1 to 15 letters, digits, '-' and '_', a letter or digit first", name)
	case reservedName.MatchString(name):
		return fmt.Errorf("name %q is reserved for devices", name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("name %q is an address", name)
	}
	return nil
}

// newName checks a name for something new. Called with mu held.
func (l *Lab) newName(name string) error {
	if l.closed {
		return fmt.Errorf("lab: %w", engine.ErrClosed)
	}
	if err := checkName(name); err != nil {
		return err
	}
	if _, ok := l.names[name]; ok {
		return fmt.Errorf("name %q: %w", name, engine.ErrExist)
	}
	return nil
}

// nextNetwork takes a network from the plan. Called with mu held.
func (l *Lab) nextNetwork() (network, error) {
	n, err := planned(l.networks + 1)
	if err == nil {
		l.networks++
	}
	return n, err
}

// Node makes a router. Names are 1 to 15 letters, digits, '-' and '_', unique
// in the lab.
func (l *Lab) Node(name string) (*Node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.node(name)
	if err != nil {
		return nil, fmt.Errorf("make node %s: %w", name, err)
	}
	return n, nil
}

func (l *Lab) node(name string) (*Node, error) {
	if err := l.newName(name); err != nil {
		return nil, err
	}
	own, err := l.nextNetwork()
	if err != nil {
		return nil, err
	}
	own.router = true
	h, err := l.newHost(name, true)
	if err != nil {
		return nil, err
	}
	h.own = own
	n := &Node{h}
	l.names[name] = n
	return n, nil
}

func (l *Lab) newHost(name string, router bool) (*Host, error) {
	s, err := l.world.newStack(name, router)
	if err != nil {
		return nil, err
	}
	h := &Host{lab: l, name: name, router: router, stack: s}
	h.ping[0].init(h, false)
	h.ping[1].init(h, true)
	l.hosts = append(l.hosts, h)
	return h, nil
}

// Switch makes a learning Ethernet switch.
func (l *Lab) Switch(name string) (*Switch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.newSwitch(name)
	if err != nil {
		return nil, fmt.Errorf("make switch %s: %w", name, err)
	}
	return s, nil
}

func (l *Lab) newSwitch(name string) (*Switch, error) {
	if err := l.newName(name); err != nil {
		return nil, err
	}
	n, err := l.nextNetwork()
	if err != nil {
		return nil, err
	}
	f, err := l.world.newSwitch(name)
	if err != nil {
		return nil, err
	}
	s := &Switch{lab: l, name: name, fabric: f, net: n}
	l.switches = append(l.switches, s)
	l.names[name] = s
	return s, nil
}

// Endpoint makes an endpoint and links it to cfg.On. Its device is eth0; the
// device at the other end has the endpoint's name.
func (l *Lab) Endpoint(name string, cfg EndpointConfig) (*Endpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := l.endpoint(name, cfg)
	if err != nil {
		return nil, fmt.Errorf("make endpoint %s: %w", name, err)
	}
	return e, nil
}

func (l *Lab) endpoint(name string, cfg EndpointConfig) (*Endpoint, error) {
	if err := l.newName(name); err != nil {
		return nil, err
	}
	for _, a := range cfg.Addrs {
		if err := checkAddr(a); err != nil {
			return nil, err
		}
	}
	on := cfg.On
	if on == nil {
		var err error
		if on, err = l.defaultNode(); err != nil {
			return nil, err
		}
	}
	if h, _ := on.attachment(); h != nil && !h.router {
		return nil, fmt.Errorf("link to %s: an endpoint's first link is to a node or switch", h.name)
	}
	if err := l.mine(on); err != nil {
		return nil, err
	}
	h, err := l.newHost(name, false)
	if err != nil {
		return nil, err
	}
	e := &Endpoint{Host: h}
	l.names[name] = e
	k, err := l.connect(e, on, LinkConfig{MTU: cfg.MTU}, cfg.Addrs)
	if err != nil {
		delete(l.names, name)
		l.hosts = slices.DeleteFunc(l.hosts, func(x *Host) bool { return x == h })
		return nil, err
	}
	e.link = k
	return e, nil
}

func (l *Lab) defaultNode() (*Node, error) {
	const name = "node"
	switch n := l.names[name].(type) {
	case *Node:
		return n, nil
	case nil:
		return l.node(name)
	default:
		return nil, fmt.Errorf("the default node's name %q is taken by something else", name)
	}
}

// mine checks that a is something of this lab.
func (l *Lab) mine(a Attachment) error {
	if a == nil {
		return errors.New("link to nothing")
	}
	h, s := a.attachment()
	if (h == nil || h.lab != l) && (s == nil || s.lab != l) {
		return errors.New("link to something that is not of this lab")
	}
	return nil
}

// Connect links two things. Links between nodes carry routed traffic; a link
// between two endpoints is a network of its own; a second link between two
// switches, or any that would close a circle of switches, is an error, since
// frames would circle forever. Routes everywhere follow at once.
func (l *Lab) Connect(a, b Attachment, cfg LinkConfig) (*Link, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed("connect", "hosts")
	}
	for _, x := range []Attachment{a, b} {
		if err := l.mine(x); err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
	}
	k, err := l.connect(a, b, cfg, nil)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", a.Name(), b.Name(), err)
	}
	return k, nil
}

// connect makes a link; addrs are those of end 0 if it is a host, or none for
// the plan's.
func (l *Lab) connect(a, b Attachment, cfg LinkConfig, addrs []netip.Prefix) (*Link, error) {
	if cfg.MTU == 0 {
		cfg.MTU = l.cfg.MTU
	}
	if err := checkMTU(cfg.MTU); err != nil {
		return nil, err
	}
	k := &Link{lab: l, mtu: cfg.MTU}
	for end, x := range []Attachment{a, b} {
		p := &port{link: k, end: end, mac: hardwareAddr(len(l.links)+1, end)}
		p.host, p.sw = x.attachment()
		k.ends[end] = p
	}
	if err := checkCircle(k); err != nil {
		return nil, err
	}
	for _, p := range k.ends {
		p.name = p.freeName()
	}
	if err := l.assign(k, addrs); err != nil {
		return nil, err
	}
	w, err := l.world.connect(k.ends[0].plug(), k.ends[1].plug())
	if err != nil {
		return nil, err
	}
	k.wire = w
	if err := l.plugIn(k); err != nil {
		return nil, errors.Join(err, l.unplug(k))
	}
	return k, nil
}

// plugIn makes a new link part of the topology.
func (l *Lab) plugIn(k *Link) error {
	l.links = append(l.links, k)
	for _, p := range k.ends {
		if p.host == nil {
			p.sw.ports = append(p.sw.ports, p)
			continue
		}
		p.host.ports = append(p.host.ports, p)
		for _, a := range append(slices.Clone(p.addrs), netip.PrefixFrom(p.linkLocal, 64)) {
			if err := p.host.stack.addAddr(p.name, a); err != nil {
				return fmt.Errorf("give %s address %s: %w", p.host.name, a, err)
			}
		}
	}
	return l.reroute()
}

// unplug undoes plugIn and the wire below.
func (l *Lab) unplug(k *Link) error {
	l.links = slices.DeleteFunc(l.links, func(x *Link) bool { return x == k })
	for _, p := range k.ends {
		not := func(x *port) bool { return x == p }
		if p.host != nil {
			p.host.ports = slices.DeleteFunc(p.host.ports, not)
		} else {
			p.sw.ports = slices.DeleteFunc(p.sw.ports, not)
		}
	}
	return k.wire.close()
}

// checkCircle refuses a link between switches that reach each other already,
// and one between a thing and itself.
func checkCircle(k *Link) error {
	a, b := k.ends[0], k.ends[1]
	if a.host == b.host && a.sw == b.sw {
		return errors.New("both ends are the same")
	}
	if a.sw == nil || b.sw == nil {
		return nil
	}
	seen := map[*Switch]bool{}
	todo := []*Switch{a.sw}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		if s == b.sw {
			return errors.New("the switches are connected already; a second way would let frames circle forever")
		}
		seen[s] = true
		for _, p := range s.ports {
			if q := p.peer().sw; q != nil && !seen[q] {
				todo = append(todo, q)
			}
		}
	}
	return nil
}

// freeName is the device's name: eth0 and up in an endpoint, elsewhere the
// name of what is at the other end, with a number if that is taken.
func (p *port) freeName() string {
	have := func(name string) bool {
		return slices.ContainsFunc(p.siblings(), func(q *port) bool { return q.name == name })
	}
	if p.host != nil && !p.host.router {
		return fmt.Sprintf("eth%d", len(p.host.ports))
	}
	base := p.peer().owner()
	for name, i := base, 2; ; i++ {
		if !have(name) {
			return name
		}
		suffix := fmt.Sprintf(".%d", i)
		name = base[:min(len(base), 15-len(suffix))] + suffix
	}
}

func (p *port) siblings() []*port {
	if p.host != nil {
		return p.host.ports
	}
	return p.sw.ports
}

func (p *port) plug() plug {
	g := plug{dev: p.name, mac: p.mac, mtu: p.link.mtu}
	if p.host != nil {
		g.stack = p.host.stack
	} else {
		g.sw = p.sw.fabric
	}
	return g
}

// reroute brings every host's routing table up to date.
func (l *Lab) reroute() error {
	in := domains(l.hosts)
	for _, h := range l.hosts {
		if err := h.stack.setRoutes(routesOf(h, in), neighboursOf(h, in)); err != nil {
			return fmt.Errorf("set routes of %s: %w", h.name, err)
		}
	}
	return nil
}

// Lookup returns the node, endpoint or switch of that name.
func (l *Lab) Lookup(name string) (Attachment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := l.names[name]; ok {
		return a, nil
	}
	have := make([]string, 0, len(l.names))
	for n := range l.names {
		have = append(have, n)
	}
	slices.Sort(have)
	return nil, fmt.Errorf("name %q: the lab has %s: %w", name, strings.Join(have, ", "), engine.ErrNotExist)
}

// Things lists all nodes, endpoints and switches, sorted by name.
func (l *Lab) Things() []Attachment {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Attachment, 0, len(l.names))
	for _, a := range l.names {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b Attachment) int { return strings.Compare(a.Name(), b.Name()) })
	return out
}

// Links lists all links in order of creation.
func (l *Lab) Links() []*Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.links)
}
