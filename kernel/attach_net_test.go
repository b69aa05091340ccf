//go:build linux

package kernel

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// in calls f in a network namespace and fails the test on an error.
func in(t *testing.T, ns string, f func() error) {
	t.Helper()
	if err := inNetNS(ns, f); err != nil {
		t.Fatal(err)
	}
}

// dialLoop connects over TCP to a listener on the namespace's loopback.
func dialLoop() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return err
	}
	return c.Close()
}

// sendLoop sends a datagram on the namespace's loopback.
func sendLoop() error {
	a, b, err := loopbackPair()
	if err != nil {
		return err
	}
	defer a.Close()
	defer b.Close()
	_, err = b.Write([]byte("x"))
	return err
}

func TestSkLookup(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	c := newCounter(t, e, ebpf.SkLookup, ebpf.AttachSkLookup, "", 1)
	l := attach(t, e, c.prog, engine.SkLookup{NetNS: ns})
	c.moves(t, func() { in(t, ns, dialLoop) })
	other := c.sibling(t, e, 1)
	mustUpdate(t, l, other.prog)
	other.moves(t, func() { c.rests(t, func() { in(t, ns, dialLoop) }) })
	if err := l.Detach(); err != nil {
		t.Fatal(err)
	}
	other.rests(t, func() { in(t, ns, dialLoop) })
	if err := l.Update(c.prog); err == nil || errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("update of a detached link: %v", err)
	}
}

func TestFlowDissector(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	c := newCounter(t, e, ebpf.FlowDissector, ebpf.AttachFlowDissector, "", 0)
	l := attach(t, e, c.prog, engine.FlowDissector{NetNS: ns})
	c.moves(t, func() { sendFrame(t, ns, "va", 64) })
	other := c.sibling(t, e, 0)
	mustUpdate(t, l, other.prog)
	other.moves(t, func() { c.rests(t, func() { sendFrame(t, ns, "va", 64) }) })
	l.Close()
	other.rests(t, func() { sendFrame(t, ns, "va", 64) })
}

func TestNetfilter(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	const accept, localOut, ipv4 = 1, 3, 2
	coll, err := e.Load(t.Context(), counterSpec(ebpf.Netfilter, ebpf.AttachNetfilter, "", 1, accept), nil)
	if err != nil {
		skipRefused(t, err)
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	c := &counter{coll: coll, prog: coll.Programs["count"], hits: coll.Maps["hits"], slot: 1}
	target := engine.Netfilter{NetNS: ns, Protocol: ipv4, Hook: localOut, Priority: -5}
	l := attach(t, e, c.prog, target)
	c.moves(t, func() { in(t, ns, sendLoop) })
	cannotUpdate(t, l, c.sibling(t, e, accept).prog)
	c.moves(t, func() { in(t, ns, sendLoop) })
	if err := l.Detach(); err != nil {
		t.Fatal(err)
	}
	c.rests(t, func() { in(t, ns, sendLoop) })
	target.Hook = 99
	if _, err := e.Attach(c.prog, target); err == nil {
		t.Error("attached to a hook that does not exist")
	}
}

func TestLWT(t *testing.T) {
	e := newEngine(t)
	for point, typ := range map[string]ebpf.ProgramType{"out": ebpf.LWTOut, "xmit": ebpf.LWTXmit} {
		t.Run(point, func(t *testing.T) {
			ns := netNS(t)
			c := newCounter(t, e, typ, 0, "", 0)
			target := engine.LWT{Device: engine.Device{Name: "va", NetNS: ns}, Destination: "10.77.0.0/24", Point: point}
			l := attach(t, e, c.prog, target)
			send := func() {
				in(t, ns, func() error {
					conn, err := net.Dial("udp4", "10.77.0.1:9")
					if err != nil {
						return err
					}
					defer conn.Close()
					_, err = conn.Write([]byte("x"))
					return err
				})
			}
			// Without a neighbour's address xmit is not reached.
			in(t, ns, func() error {
				return netlink.NeighSet(&netlink.Neigh{
					LinkIndex: indexOf(t, "va"), IP: net.IPv4(10, 77, 0, 1), State: netlink.NUD_PERMANENT,
					HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 9},
				})
			})
			c.moves(t, send)
			other := c.sibling(t, e, 0)
			mustUpdate(t, l, other.prog)
			other.moves(t, func() { c.rests(t, send) })
			if _, err := e.Attach(c.prog, target); !errors.Is(err, unix.EEXIST) {
				t.Errorf("second route: %v, want EEXIST", err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			in(t, ns, func() error {
				routes, err := netlink.RouteGet(net.IPv4(10, 77, 0, 1))
				if err == nil {
					t.Errorf("the route stays: %v", routes)
				}
				return nil
			})
		})
	}
	c := newCounter(t, e, ebpf.LWTOut, 0, "", 0)
	if _, err := e.Attach(c.prog, engine.LWT{Point: "sideways"}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("unknown point: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.LWT{Point: "out", Destination: "nonsense"}); err == nil {
		t.Error("nonsensical destination was taken")
	}
}

func indexOf(t *testing.T, name string) int {
	t.Helper()
	ifc, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return ifc.Index
}

func TestNetkit(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	err := inNetNS(ns, func() error {
		nk := &netlink.Netkit{LinkAttrs: netlink.LinkAttrs{Name: "nk0"}, Mode: netlink.NETKIT_MODE_L2}
		nk.SetPeerAttrs(&netlink.LinkAttrs{Name: "nk1"})
		return netlink.LinkAdd(nk)
	})
	if err != nil {
		t.Skipf("needs netkit devices (Linux 6.7 with CONFIG_NETKIT; make test-vm has one): %v", err)
	}
	c := newCounter(t, e, ebpf.SchedCLS, ebpf.AttachNetkitPrimary, "", tcxNext)
	in(t, ns, func() error {
		for _, name := range []string{"nk0", "nk1"} {
			l, err := netlink.LinkByName(name)
			if err == nil {
				err = netlink.LinkSetUp(l)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	l := attach(t, e, c.prog, engine.Netkit{Device: engine.Device{Name: "nk0", NetNS: ns}})
	c.moves(t, func() { sendFrame(t, ns, "nk0", 64) })
	l.Close()
	c.rests(t, func() { sendFrame(t, ns, "nk0", 64) })
}

func TestSocketFilter(t *testing.T) {
	e := newEngine(t)
	a, b, err := loopbackPair()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	send := func() {
		if _, err := b.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	receives := func() bool {
		a.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, err := a.Read(make([]byte, 8))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return err == nil
	}
	pass := newCounter(t, e, ebpf.SocketFilter, 0, "", -1)
	l := attach(t, e, pass.prog, engine.SocketFilter{Conn: a})
	pass.moves(t, send)
	if !receives() {
		t.Error("a filter that passes everything lost a datagram")
	}
	drop := pass.sibling(t, e, 0)
	mustUpdate(t, l, drop.prog)
	drop.moves(t, send)
	if receives() {
		t.Error("a filter that drops everything let a datagram through")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	drop.rests(t, send)
	if !receives() {
		t.Error("the filter is still there")
	}
	// A socket that was closed took its filter along.
	l = attach(t, e, pass.prog, engine.SocketFilter{Conn: a})
	a.Close()
	if err := l.Close(); err != nil {
		t.Errorf("close after the socket's: %v", err)
	}
	if _, err := e.Attach(pass.prog, engine.SocketFilter{}); err == nil {
		t.Error("attached to no socket")
	}
}

func TestSkReuseport(t *testing.T) {
	e := newEngine(t)
	lc := net.ListenConfig{Control: reusePort}
	pc, err := lc.ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	second, err := lc.ListenPacket(t.Context(), "udp4", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	c := newCounter(t, e, ebpf.SkReuseport, ebpf.AttachSkReuseportSelect, "", 1)
	l := attach(t, e, c.prog, engine.SkReuseport{Conn: pc.(*net.UDPConn)})
	send := func() {
		conn, err := net.Dial("udp4", pc.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.Write([]byte("x"))
	}
	c.moves(t, send)
	other := c.sibling(t, e, 1)
	mustUpdate(t, l, other.prog)
	other.moves(t, func() { c.rests(t, send) })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other.rests(t, send)
}

func TestSockMap(t *testing.T) {
	e := newEngine(t)
	for name, at := range map[string]struct {
		typ    ebpf.ProgramType
		attach ebpf.AttachType
		direct bool
	}{
		"msg":       {ebpf.SkMsg, ebpf.AttachSkMsgVerdict, false},
		"skb":       {ebpf.SkSKB, ebpf.AttachSkSKBVerdict, false},
		"stream":    {ebpf.SkSKB, ebpf.AttachSkSKBStreamVerdict, false},
		"msgDirect": {ebpf.SkMsg, ebpf.AttachSkMsgVerdict, true},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := e.NewMap(&ebpf.MapSpec{Name: "socks", Type: ebpf.SockMap, KeySize: 4, ValueSize: 4, MaxEntries: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			c := newCounter(t, e, at.typ, at.attach, "", 1)
			var l engine.Link
			if at.direct {
				l, err = attachSockMapDirect(c.prog.(*Program), engine.SockMap{Map: m}, m.(*Map).fd, at.attach)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			} else {
				l = attach(t, e, c.prog, engine.SockMap{Map: m})
			}
			client, server := tcpPair(t)
			putSocket(t, m, client)
			talk := func() {
				if _, err := client.Write([]byte("ping")); err != nil {
					t.Fatal(err)
				}
				if _, err := server.Write([]byte("pong")); err != nil {
					t.Fatal(err)
				}
			}
			c.moves(t, talk)
			other := c.sibling(t, e, 1)
			mustUpdate(t, l, other.prog)
			// Sockets that are in the map keep the programs they came under.
			client, server = tcpPair(t)
			putSocket(t, m, client)
			other.moves(t, talk)
			if err := l.Detach(); err != nil {
				t.Fatal(err)
			}
			client, server = tcpPair(t)
			putSocket(t, m, client)
			other.rests(t, talk)
		})
	}
}

func TestStructOps(t *testing.T) {
	e := newEngine(t)
	coll, err := e.Load(t.Context(), object(t, congestionObject), nil)
	if err != nil {
		skipRefused(t, err)
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	m, err := coll.Map("skep_cc")
	if err != nil {
		t.Fatal(err)
	}
	use := func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "skep_test")
	}
	if err := use(); !errors.Is(err, unix.ENOENT) {
		t.Fatalf("the congestion control before it is there: %v", err)
	}
	l, err := e.Attach(nil, engine.StructOps{Map: m})
	if err != nil {
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	if err := use(); err != nil {
		t.Errorf("the congestion control while it is there: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := use(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("the congestion control after it went: %v", err)
	}
}

func TestLircRefusal(t *testing.T) {
	e := newEngine(t)
	coll, err := e.Load(t.Context(), counterSpec(ebpf.LircMode2, 0, "", 1, 0), nil)
	if err != nil {
		// A kernel without the program type must say so in a probe too.
		if serr := e.Supports(t.Context(), engine.Feature{Program: ebpf.LircMode2}); !errors.Is(serr, engine.ErrNotSupported) {
			t.Errorf("load: %v, but the probe says %v", err, serr)
		}
		return
	}
	defer coll.Close()
	if _, err := e.Attach(coll.Programs["count"], engine.Lirc{Path: "/dev/null"}); err == nil {
		t.Error("attached to a device that receives no infrared")
	}
	if _, err := e.Attach(coll.Programs["count"], engine.Lirc{Path: "/nowhere"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent device: %v", err)
	}
}
