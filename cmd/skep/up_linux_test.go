package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/client"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// upTest is a node that balances, with a client and two backends around it.
type upTest struct {
	*testing.T
	node     *lab.Node
	client   *lab.Endpoint
	backends []*lab.Endpoint
	devices  []string
	dir      string
	agent    *exec.Cmd
	log      *together
}

func newUpTest(t *testing.T) *upTest {
	t.Helper()
	if !kernelWorks(t) {
		t.Skip("needs the kernel engine")
	}
	l, err := lab.New(lab.Config{World: lab.Kernel})
	if err != nil {
		t.Skip("needs network namespaces:", err)
	}
	t.Cleanup(func() { l.Close() })
	u := &upTest{T: t, dir: t.TempDir(), log: &together{}}
	if u.node, err = l.Node("balancer"); err != nil {
		t.Fatal(err)
	}
	spec, err := bpf.PacketOfDeath()
	if err != nil {
		t.Fatal(err)
	}
	coll, err := l.Engine().Load(t.Context(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	for _, name := range []string{"client", "one", "two"} {
		e, err := l.Endpoint(name, lab.EndpointConfig{On: u.node})
		if err != nil {
			t.Fatal(err)
		}
		// Redirects into a veth want a native program on its other end.
		lnk, err := l.Engine().Attach(coll.Programs[bpf.DeathXDPPass], engine.XDP{Device: e.Device()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lnk.Close() })
		u.devices = append(u.devices, e.HostDevice().Name)
		if name == "client" {
			u.client = e
			continue
		}
		u.backends = append(u.backends, e)
		ln, err := e.Listen(t.Context(), "tcp", ":8080")
		if err != nil {
			t.Fatal(err)
		}
		go echo(ln, name)
	}
	return u
}

func echo(ln net.Listener, name string) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			b := make([]byte, 100)
			for {
				if _, err := conn.Read(b); err != nil {
					return
				}
				io.WriteString(conn, name)
			}
		}()
	}
}

func (u *upTest) path(name string) string { return filepath.Join(u.dir, name) }

func (u *upTest) write(backends ...*lab.Endpoint) {
	u.Helper()
	var addrs []string
	for _, b := range backends {
		addrs = append(addrs, fmt.Sprintf("{addresses: [%v]}", b.Addr4()))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [%s]
`, strings.Join(addrs, ", "))
	if err := errors.Join(os.WriteFile(u.path("web.new"), []byte(text), 0o644), os.Rename(u.path("web.new"), u.path("web.yaml"))); err != nil {
		u.Fatal(err)
	}
}

// skep makes a command of this test binary, which is skep by that name.
func (u *upTest) skep(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Args[0] = "skep"
	cmd.Stdout, cmd.Stderr = u.log, u.log
	return cmd
}

func (u *upTest) up() {
	u.Helper()
	args := []string{"up", "-f", u.path("web.yaml"), "--pins", u.path("pins"), "--state", u.path("state"), "--socket", u.path("sock"), "--source4", u.node.Addr4().String(), "--max-connections", "16384"}
	for _, d := range u.devices {
		args = append(args, "-i", d)
	}
	u.agent = u.skep(args...)
	if err := u.node.Start(u.agent); err != nil {
		u.Fatal(err)
	}
	c := client.New(u.path("sock"))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if st, err := c.Status(u.Context()); err == nil && st.PID == u.agent.Process.Pid {
			time.Sleep(150 * time.Millisecond) // neighbours are found out
			return
		}
		if time.Now().After(deadline) {
			u.Fatalf("the agent does not answer:\n%s", u.log.b.String())
		}
	}
}

func (u *upTest) end(sig syscall.Signal) {
	u.Helper()
	if err := u.agent.Process.Signal(sig); err != nil {
		u.Fatal(err)
	}
	_ = u.agent.Wait() // by a signal, or with a code of its own
}

func (u *upTest) dial() net.Conn {
	u.Helper()
	ctx, cancel := context.WithTimeout(u.Context(), 10*time.Second)
	defer cancel()
	conn, err := u.client.DialContext(ctx, "tcp", "10.96.0.1:80")
	if err != nil {
		u.Fatalf("%v\n%s", err, u.log.b.String())
	}
	u.Cleanup(func() { conn.Close() })
	return conn
}

func (u *upTest) ask(conn net.Conn) string {
	u.Helper()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 100)
	_, err := io.WriteString(conn, "?")
	n := 0
	if err == nil {
		n, err = conn.Read(b)
	}
	if err != nil {
		u.Fatal(err)
	}
	return string(b[:n])
}

// The agent is killed, started again, told of a change, and stopped; no
// connection notices. In the end skep down leaves nothing.
func TestUpSurvives(t *testing.T) {
	u := newUpTest(t)
	u.write(u.backends...)
	t.Cleanup(func() { unix.Unmount(u.path("pins"), unix.MNT_DETACH) })
	u.up()
	var conns []net.Conn
	var home []string
	for range 8 {
		c := u.dial()
		conns, home = append(conns, c), append(home, u.ask(c))
	}
	still := func(when string) {
		t.Helper()
		for i, c := range conns {
			if got := u.ask(c); got != home[i] {
				t.Errorf("%s: connection %d is with %s, was with %s", when, i, got, home[i])
			}
		}
		u.ask(u.dial())
	}
	still("at first")
	u.end(syscall.SIGKILL)
	still("after kill -9")
	u.up()
	still("after a restart")

	list := exec.Command(os.Args[0], "service", "list", "-o", "json", "--socket", u.path("sock"))
	list.Args[0] = "skep"
	out, err := list.Output()
	var services []client.Service
	if err = errors.Join(err, json.Unmarshal(out, &services)); err != nil || len(services) != 1 || services[0].Pools[0].Packets == 0 {
		t.Errorf("service list: %v\n%s", err, out)
	}

	u.end(syscall.SIGTERM)
	still("after it stopped")
	u.up()
	u.write(u.backends[0]) // the other one leaves
	c := client.New(u.path("sock"))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		s, err := c.Services(t.Context())
		if err == nil && len(s) == 1 && len(s[0].Pools[0].Backends) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the file is not followed")
		}
	}
	for range 6 {
		if got := u.ask(u.dial()); got != "one" {
			t.Errorf("a new connection went to %s", got)
		}
	}
	u.end(syscall.SIGTERM)
	var said bytes.Buffer
	down := u.skep("down", "--pins", u.path("pins"), "--socket", u.path("sock"))
	down.Stdout, down.Stderr = &said, &said
	if err := u.node.Exec(down); err != nil || !strings.Contains(said.String(), "detached xdp") {
		t.Fatalf("down: %v\n%s", err, said.String())
	}
	if left, err := os.ReadDir(u.path("pins")); err != nil || len(left) != 0 {
		t.Errorf("left pinned: %v, %v", left, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if conn, err := u.client.DialContext(ctx, "tcp", netip.MustParseAddrPort("10.96.0.1:80").String()); err == nil {
		conn.Close()
		t.Error("the service is still there")
	}
}
