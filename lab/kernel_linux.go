package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// kernelWorld builds a lab of network namespaces and veth pairs.
type kernelWorld struct {
	eng       engine.Engine
	ownEngine bool
	offload   bool
	visible   bool
	owner     *owner
	pairs     atomic.Int32

	mu      sync.Mutex
	spaces  []*kernelStack
	spawner *spawner
}

func (w *kernelWorld) engine() engine.Engine { return w.eng }

func (w *kernelWorld) newStack(name string, router bool) (netStack, error) {
	s, err := w.newSpace(name)
	if err != nil {
		return nil, err
	}
	settings := hostSettings
	if router {
		settings = slices.Concat(hostSettings, routerSettings)
	}
	return s, s.sysctl(settings)
}

func (w *kernelWorld) newSwitch(name string) (fabric, error) {
	s, err := w.newSpace(name)
	if err != nil {
		return nil, err
	}
	return s, s.addBridge()
}

// newSpace makes a namespace that the world closes.
func (w *kernelWorld) newSpace(name string) (*kernelStack, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	s := &kernelStack{world: w, name: name, ns: ns, ctl: -1}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if w.visible {
		if err := w.owner.show(name, ns); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spaces = append(w.spaces, s)
	return s, nil
}

func (w *kernelWorld) close() error {
	w.mu.Lock()
	spaces, spawner := w.spaces, w.spawner
	w.spaces, w.spawner = nil, nil
	w.mu.Unlock()
	var errs []error
	if spawner != nil {
		errs = append(errs, spawner.close(spaces))
	}
	if w.owner != nil {
		errs = append(errs, w.owner.close())
	}
	for _, s := range spaces {
		errs = append(errs, s.close())
	}
	if w.ownEngine {
		errs = append(errs, w.eng.Close())
	}
	return errors.Join(errs...)
}

// addrGenNone keeps the kernel from giving a device a link-local address of
// its own (enum in6_addr_gen_mode, linux/if_link.h).
const addrGenNone = 1

// kernelStack is a namespace: a host, or a switch.
type kernelStack struct {
	world  *kernelWorld
	name   string
	ns     *namespace
	nl     *netlink.Handle
	ctl    int // a socket inside, for ioctls
	bridge netlink.Link

	routes map[route]bool
	index  map[string]int // of devices, by name

	mu     sync.Mutex
	closed bool
}

// open makes the sockets that work inside the namespace, and raises lo.
func (s *kernelStack) open() error {
	s.index = map[string]int{}
	var err error
	if s.nl, err = netlink.NewHandleAt(netns.NsHandle(s.ns.fd), unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink in %s: %w", s.name, err)
	}
	err = s.ns.do(func() (err error) {
		if s.ctl, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		// Linux begins to time stamp packets a little after the first socket
		// asks for it: ask now, so that captures are in order from their start.
		return unix.SetsockoptInt(s.ctl, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	})
	if err != nil {
		return fmt.Errorf("open control socket in %s: %w", s.name, err)
	}
	lo, err := s.nl.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo in %s: %w", s.name, err)
	}
	if err := s.nl.LinkSetUp(lo); err != nil {
		return fmt.Errorf("raise lo in %s: %w", s.name, err)
	}
	return nil
}

func (s *kernelStack) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.nl != nil {
		s.nl.Close()
	}
	var err error
	if s.ctl >= 0 {
		err = unix.Close(s.ctl)
		s.ctl = -1
	}
	return errors.Join(err, s.ns.close())
}

func (s *kernelStack) netns() string { return s.ns.path }

func (s *kernelStack) do(f func() error) error { return s.ns.do(f) }

func (s *kernelStack) start(cmd *exec.Cmd) error {
	w := s.world
	w.mu.Lock()
	if w.spawner == nil {
		w.spawner = newSpawner(w.owner)
	}
	sp := w.spawner
	w.mu.Unlock()
	return sp.start(s.ns, cmd)
}

// setting is a file below /proc/sys/net and what is written to it.
type setting struct{ path, value string }

// A new namespace inherits the IPv4 settings of the machine's first one: put
// back what would drop a lab's packets. IPv6 settings start out as the
// kernel's defaults; no router is ever asked or listened to.
var hostSettings = []setting{
	{"ipv4/conf/all/rp_filter", "0"},
	{"ipv4/conf/default/rp_filter", "0"},
	{"ipv4/conf/all/arp_ignore", "0"},
	{"ipv4/conf/default/arp_ignore", "0"},
	{"ipv4/conf/all/arp_announce", "0"},
	{"ipv4/conf/default/arp_announce", "0"},
	{"ipv4/icmp_echo_ignore_all", "0"},
	{"ipv6/conf/all/disable_ipv6", "0"},
	{"ipv6/conf/default/disable_ipv6", "0"},
	{"ipv6/conf/default/accept_ra", "0"},
	{"ipv6/conf/default/router_solicitations", "0"},
	{"ipv6/conf/default/accept_dad", "0"},
}

var routerSettings = []setting{
	{"ipv4/ip_forward", "1"},
	{"ipv4/conf/all/send_redirects", "0"},
	{"ipv4/conf/default/send_redirects", "0"},
	{"ipv6/conf/all/forwarding", "1"},
}

func (s *kernelStack) sysctl(settings []setting) error {
	return s.ns.do(func() error {
		for _, x := range settings {
			if err := os.WriteFile("/proc/sys/net/"+x.path, []byte(x.value), 0); err != nil {
				return fmt.Errorf("set up %s: %w", s.name, err)
			}
		}
		return nil
	})
}

func (s *kernelStack) addBridge() error {
	// Switches flood multicast like the embedded world's; without a querier
	// snooping would lose neighbour discovery.
	snoop := false
	br := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snoop}
	br.Name = "br0"
	br.HardwareAddr = hardwareAddr(0, 0)
	if err := s.nl.LinkAdd(br); err != nil {
		return fmt.Errorf("make bridge in %s: %w", s.name, err)
	}
	link, err := s.nl.LinkByName(br.Name)
	if err != nil {
		return fmt.Errorf("find bridge in %s: %w", s.name, err)
	}
	s.bridge = link
	if err := s.nl.LinkSetIP6AddrGenMode(link, addrGenNone); err != nil {
		return fmt.Errorf("set up bridge in %s: %w", s.name, err)
	}
	if err := s.nl.LinkSetUp(link); err != nil {
		return fmt.Errorf("raise bridge in %s: %w", s.name, err)
	}
	return nil
}

func (s *kernelStack) addAddr(dev string, p netip.Prefix) error {
	a := &netlink.Addr{IPNet: ipNet(p)}
	if !p.Addr().IsLinkLocalUnicast() {
		a.Flags |= unix.IFA_F_NOPREFIXROUTE // setRoutes makes all routes
	}
	link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: dev, Index: s.index[dev]}}
	if err := s.nl.AddrAdd(link, a); err != nil {
		return err
	}
	if p.Addr().Is6() {
		return s.awaitAddr(link, p.Addr())
	}
	return nil
}

// awaitAddr waits until an IPv6 address can be used. Even without duplicate
// address detection (accept_dad is 0) a worker of the kernel joins its
// multicast group a little later; a solicitation that comes before is lost, and
// repeated a second later. The worker takes the mark "tentative" away when it
// is done; the flag IFA_F_NODAD would take it away too soon.
func (s *kernelStack) awaitAddr(link netlink.Link, ip netip.Addr) error {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Microsecond) {
		addrs, err := s.nl.AddrList(link, unix.AF_INET6)
		if err != nil {
			return err
		}
		ready := func(a netlink.Addr) bool {
			return a.IP.Equal(ip.AsSlice()) && a.Flags&unix.IFA_F_TENTATIVE == 0
		}
		if slices.ContainsFunc(addrs, ready) {
			return nil
		}
	}
	return errors.New("it is still tentative after 5 s")
}

func (s *kernelStack) setRoutes(routes []route, _ []neighbour) error {
	want := map[route]bool{}
	have := map[netip.Prefix]bool{}
	for _, r := range routes {
		want[r], have[r.dst] = true, true
		if s.routes[r] {
			continue
		}
		if err := s.nl.RouteReplace(s.kernelRoute(r)); err != nil {
			return fmt.Errorf("route to %s: %w", r.dst, err)
		}
	}
	for r := range s.routes {
		if want[r] || have[r.dst] {
			continue
		}
		if err := s.nl.RouteDel(s.kernelRoute(r)); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("remove route to %s: %w", r.dst, err)
		}
	}
	s.routes = want
	return nil
}

func (s *kernelStack) kernelRoute(r route) *netlink.Route {
	k := &netlink.Route{LinkIndex: s.index[r.dev], Dst: ipNet(r.dst), Scope: netlink.SCOPE_LINK}
	if r.via.IsValid() {
		// A host address has no network to find its gateway in: onlink.
		k.Gw, k.Scope = r.via.AsSlice(), netlink.SCOPE_UNIVERSE
		k.SetFlag(netlink.FLAG_ONLINK)
	}
	return k
}
