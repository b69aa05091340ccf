package lb_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// inWorlds builds a node that balances, a client and backends, in each world.
func inWorlds(t *testing.T, offload bool, test func(t *testing.T, c *cluster)) {
	for _, w := range []lab.World{lab.Embedded, lab.Kernel} {
		t.Run(w.String(), func(t *testing.T) {
			l, err := lab.New(lab.Config{World: w, Offload: offload})
			if err != nil {
				t.Skip("needs the kernel engine:", err)
			}
			t.Cleanup(func() { l.Close() })
			c := &cluster{T: t, Lab: l}
			if c.node, err = l.Node("balancer"); err != nil {
				t.Fatal(err)
			}
			c.client = c.endpoint("client")
			for i := range 3 {
				e := c.endpoint(fmt.Sprint("backend", i))
				c.backends = append(c.backends, e)
				c.serve(e)
			}
			test(t, c)
		})
	}
}

type cluster struct {
	*testing.T
	*lab.Lab
	node     *lab.Node
	client   *lab.Endpoint
	backends []*lab.Endpoint
	plane    *lb.Dataplane
}

func (c *cluster) endpoint(name string) *lab.Endpoint {
	c.Helper()
	e, err := c.Lab.Endpoint(name, lab.EndpointConfig{On: c.node})
	if err != nil {
		c.Fatal(err)
	}
	return e
}

// serve echoes lines over TCP behind its name, and answers datagrams with it.
func (c *cluster) serve(e *lab.Endpoint) {
	c.Helper()
	ln, err := e.Listen(c.Context(), "tcp", ":8080")
	if err != nil {
		c.Fatal(err)
	}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				b := make([]byte, 64<<10)
				for {
					n, err := conn.Read(b)
					if err != nil {
						return
					}
					if n < 64 {
						fmt.Fprintf(conn, "%s from %v: %s", e.Name(), conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), b[:n])
					}
				}
			}()
		}
	}()
	pc, err := e.ListenPacket(c.Context(), "udp", ":8080")
	if err != nil {
		c.Fatal(err)
	}
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo(append([]byte(e.Name()+": "), b[:n]...), from)
		}
	}()
}

const vip4, vip6 = "10.96.0.1", "fd00:96::1"

// pools are the service in both families and protocols with the backends given.
func (c *cluster) pools(backends ...*lab.Endpoint) []*service.Pool {
	var out []*service.Pool
	for _, proto := range []service.Protocol{service.TCP, service.UDP} {
		for _, family := range []int{4, 6} {
			p := &service.Pool{
				Service: "default/web", Port: "80", Protocol: proto, Family: family, Scope: "cluster", Algorithm: service.Maglev, Draining: -1,
				Frontends: []service.Frontend{{Addr: netip.MustParseAddrPort(map[int]string{4: vip4 + ":80", 6: "[" + vip6 + "]:80"}[family])}},
			}
			for _, b := range backends {
				a := b.Addr4()
				if family == 6 {
					a = b.Addr6()
				}
				p.Backends = append(p.Backends, service.Backend{Addr: netip.AddrPortFrom(a, 8080), Weight: 1})
			}
			out = append(out, p)
		}
	}
	return out
}

func (c *cluster) open() *lb.Dataplane {
	c.Helper()
	d := open(c.T, c.Engine(), lb.Config{Source4: c.node.Addr4(), Source6: c.node.Addr6(), Size: bpf.LBSize{Connections: 1 << 14}})
	for _, e := range append([]*lab.Endpoint{c.client}, c.backends...) {
		// A native program on the other end, as redirects into a veth want it.
		for _, at := range []struct {
			dev  engine.Device
			mine bool
		}{{e.HostDevice(), true}, {e.Device(), false}} {
			var l engine.Link
			var err error
			if at.mine {
				l, err = d.AttachXDP(engine.XDP{Device: at.dev})
			} else {
				l, err = c.Engine().Attach(c.pass(), engine.XDP{Device: at.dev})
			}
			if err != nil {
				c.Fatal(err)
			}
			c.Cleanup(func() { l.Close() })
		}
	}
	c.resolve(d)
	return d
}

// resolve does what the agent does: it makes the node find out neighbours.
func (c *cluster) resolve(d *lb.Dataplane) {
	go func() {
		for ctx := c.Context(); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			addrs, err := d.Unresolved()
			if err != nil {
				return
			}
			for _, a := range addrs {
				conn, err := c.node.DialContext(ctx, "udp", netip.AddrPortFrom(a, 9).String())
				if err == nil {
					conn.Write([]byte{0})
					conn.Close()
				}
			}
		}
	}()
}

func (c *cluster) pass() engine.Program {
	c.Helper()
	spec, err := bpf.PacketOfDeath()
	if err != nil {
		c.Fatal(err)
	}
	coll, err := c.Engine().Load(c.Context(), spec, nil)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { coll.Close() })
	return coll.Programs[bpf.DeathXDPPass]
}

func (c *cluster) dial(network, vip string) net.Conn {
	c.Helper()
	ctx, cancel := context.WithTimeout(c.Context(), 10*time.Second)
	defer cancel()
	conn, err := c.client.DialContext(ctx, network, net.JoinHostPort(vip, "80"))
	if err != nil {
		c.Fatalf("dial %s %s: %v (%s)", network, vip, err, c.why())
	}
	c.Cleanup(func() { conn.Close() })
	return conn
}

// why says what the dataplane dropped.
func (c *cluster) why() string {
	if c.plane == nil {
		return ""
	}
	rs, err := c.plane.Reasons()
	return fmt.Sprint(rs, err)
}

// ask sends a line and returns the answer.
func (c *cluster) ask(conn net.Conn, line string) string {
	c.Helper()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, line); err != nil {
		c.Fatal(err)
	}
	b := make([]byte, 2000)
	n, err := conn.Read(b)
	if err != nil {
		c.Fatalf("no answer to %q: %v", line, err)
	}
	return string(b[:n])
}

// Real clients reach real servers through NAT on XDP, in both families, over TCP
// and UDP; connections stay when backends change.
func TestNATEndToEnd(t *testing.T) {
	inWorlds(t, false, func(t *testing.T, c *cluster) { natEndToEnd(t, c, c.open()) })
}

// The same on tc, in the kernel with checksums that nobody filled in and packets
// larger than the MTU.
func TestNATOnTC(t *testing.T) {
	inWorlds(t, true, func(t *testing.T, c *cluster) {
		d := open(t, c.Engine(), lb.Config{Source4: c.node.Addr4(), Source6: c.node.Addr6(), Size: bpf.LBSize{Connections: 1 << 14}})
		devices := []engine.Device{c.client.HostDevice()}
		for _, b := range c.backends {
			devices = append(devices, b.HostDevice())
		}
		tc, err := d.AttachTC(t.Context(), devices...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tc.Close() })
		natEndToEnd(t, c, d)
	})
}

func natEndToEnd(t *testing.T, c *cluster, d *lb.Dataplane) {
	c.plane = d
	if _, err := d.Apply("web", c.pools(c.backends...)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // neighbours are found out
	seen := map[string]bool{}
	var held []net.Conn
	var home []string
	for i := range 12 {
		vip, node := vip4, c.node.Addr4()
		if i%2 == 1 {
			vip, node = vip6, c.node.Addr6()
		}
		conn := c.dial("tcp", vip)
		got := c.ask(conn, "hello")
		var name, from, line string
		if _, err := fmt.Sscanf(got, "%s from %s %s", &name, &from, &line); err != nil || from != node.String()+":" || line != "hello" {
			t.Fatalf("answer %q", got)
		}
		seen[name] = true
		held, home = append(held, conn), append(home, got)
		if got := c.ask(c.dial("udp", vip), "datagram"); got[len("backend0"):] != ": datagram" {
			t.Fatalf("answer %q", got)
		}
	}
	if len(seen) < 2 {
		t.Errorf("only %v answered", seen)
	}
	// The first backend drains, and comes back; other services change.
	draining := c.pools(c.backends...)
	for _, p := range draining {
		p.Backends[0].State = service.Draining
	}
	for round, pools := range [][]*service.Pool{draining, c.pools(c.backends...)} {
		if _, err := d.Apply("web", pools); err != nil {
			t.Fatal(err)
		}
		for i, conn := range held {
			if got := c.ask(conn, "hello"); got != home[i] {
				t.Errorf("round %d: connection %d: %q, was %q", round, i, got, home[i])
			}
		}
		for range 6 {
			if got := c.ask(c.dial("tcp", vip4), "new"); round == 0 && got[:8] == "backend0" {
				t.Errorf("a new connection went to a backend that drains: %q", got)
			}
		}
	}
	// Bulk, in both families: every byte arrives.
	for _, vip := range []string{vip4, vip6} {
		conn := c.dial("tcp", vip)
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		block := make([]byte, 100<<10)
		for range 5 {
			if _, err := conn.Write(block); err != nil {
				t.Fatal(err)
			}
		}
	}
	var stats []lb.PoolStats
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var err error
		if stats, err = d.Stats(); err != nil || len(stats) != 4 {
			t.Fatalf("stats %+v, %v", stats, err)
		}
		if stats[0].Total.Bytes > 500<<10 && stats[1].Total.Bytes > 500<<10 {
			return
		}
	}
	t.Errorf("not all bytes arrived: %+v", stats)
}

// A ping of the address is answered by the balancer itself.
func TestPingsAreAnswered(t *testing.T) {
	inWorlds(t, false, func(t *testing.T, c *cluster) {
		d := c.open()
		if _, err := d.Apply("web", c.pools(c.backends...)); err != nil {
			t.Fatal(err)
		}
		for _, vip := range []string{vip4, vip6} {
			if _, err := c.client.Ping(t.Context(), netip.MustParseAddr(vip), lab.PingOptions{Seq: 1, Timeout: 5 * time.Second}); err != nil {
				t.Errorf("ping %s: %v", vip, err)
			}
		}
	})
}

// A backend that asks its own service reaches itself, and sees the node's address
// as every backend does: its answers come back the same way.
func TestHairpin(t *testing.T) {
	inWorlds(t, false, func(t *testing.T, c *cluster) {
		d := c.open()
		c.plane, c.client = d, c.backends[0]
		if _, err := d.Apply("web", c.pools(c.backends[0])); err != nil {
			t.Fatal(err)
		}
		for vip, node := range map[string]netip.Addr{vip4: c.node.Addr4(), vip6: c.node.Addr6()} {
			if got, want := c.ask(c.dial("tcp", vip), "me"), fmt.Sprintf("backend0 from %v: me", node); got != want {
				t.Errorf("answer %q, want %q", got, want)
			}
			if got := c.ask(c.dial("udp", vip), "me"); got != "backend0: me" {
				t.Errorf("answer %q", got)
			}
		}
	})
}
