package agent

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/skepdev/skep/client"
)

const twoBackends = `apiVersion: v1
kind: Service
metadata: {name: s}
spec: {clusterIP: 127.0.0.1, ports: [{name: t, port: %d}, {name: u, port: %[1]d, protocol: UDP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}, {addresses: [127.0.0.2]}]
ports: [{name: t, port: %d}, {name: u, port: %[2]d, protocol: UDP}]
---
apiVersion: skep.dev/v1alpha1
kind: ServicePolicy
metadata: {name: s}
spec: {ejection: {failures: 2, time: 1h}}
`

// pair listens on a port of the loopback over TCP and UDP.
func pair(t *testing.T) (net.Listener, net.PacketConn) {
	t.Helper()
	for range 50 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.ListenPacket("udp", ln.Addr().String())
		if err == nil {
			return ln, pc
		}
		ln.Close()
	}
	t.Fatal("no port is free for both protocols")
	return nil, nil
}

// A backend that refuses connections is ejected after as many as the policy
// says, and then every client is served, over TCP and UDP.
func TestEjectionInUserspace(t *testing.T) {
	ln, pc := pair(t)
	defer ln.Close()
	defer pc.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("hello"))
			conn.Close()
		}
	}()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo(b[:n], from)
		}
	}()
	freeTCP, freeUDP := pair(t)
	port := freeTCP.Addr().(*net.TCPAddr).Port
	freeTCP.Close()
	freeUDP.Close()
	dir := t.TempDir()
	(&running{t: t, dir: dir}).file("s.yaml", fmt.Sprintf(twoBackends, port, ln.Addr().(*net.TCPAddr).Port))
	r := start(t, dir, func(c *Config) { c.Userspace = true })
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)).String()
	served := func() bool {
		conn, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		b, _ := io.ReadAll(conn)
		return string(b) == "hello"
	}
	ejected := func(s []client.Service) bool {
		for _, p := range s[0].Pools {
			for _, b := range p.Backends {
				if (b.State == "unhealthy") != (b.Addr.Addr() == netip.MustParseAddr("127.0.0.2")) {
					return false
				}
			}
		}
		return len(s[0].Pools) == 2
	}
	failed := 0
	for deadline := time.Now().Add(10 * time.Second); failed < 2; {
		if !served() {
			failed++
		}
		if time.Now().After(deadline) {
			t.Fatal("no connection went to the dead backend")
		}
	}
	r.until("ejected", ejected)
	for range 20 {
		if !served() {
			t.Fatal("a connection failed after the ejection")
		}
		conn, err := net.Dial("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(conn, "datagram")
		b := make([]byte, 100)
		if n, err := conn.Read(b); string(b[:n]) != "datagram" {
			t.Fatalf("answer %q, %v", b[:n], err)
		}
		conn.Close()
	}
}
