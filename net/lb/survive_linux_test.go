package lb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
)

// pinDir mounts a bpffs that goes with the test.
func pinDir(t *testing.T, eng engine.Engine) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Skipf("needs to mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if _, err := lb.Detach(eng, dir); err != nil {
			t.Error(err)
		}
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error("unmount bpffs:", err)
		}
	})
	return dir
}

// A new process finds the tables, keeps ids and connections, changes what
// differs only, and removes what nobody wants any more.
func TestTablesSurviveTheProcess(t *testing.T) {
	eng := kernelEngine(t)
	cfg := smallConfig
	cfg.PinPath = pinDir(t, eng)
	first := open(t, eng, cfg)
	pool := bare(0, 20)
	pool.Sources = []netip.Prefix{netip.MustParsePrefix("198.51.0.0/16")}
	pool.Frontends[0].Restricted = true
	for key, p := range map[string]*service.Pool{"a": pool, "b": bare(1, 3), "six": bare6(5, 4)} {
		if _, err := first.Apply(key, []*service.Pool{p}); err != nil {
			t.Fatal(err)
		}
	}
	home := map[int]netip.Addr{}
	flow := func(d *lb.Dataplane, i int) netip.Addr {
		prog, err := d.Program()
		if err != nil {
			t.Fatal(err)
		}
		return outer(t, send(t, prog, packet(t, "eth / ip4 198.51.100.%d > 10.100.0.1 / tcp 5000 > 80", i)))
	}
	for i := range 100 {
		home[i] = flow(first, i)
	}
	before, err := first.Tables()
	if err != nil {
		t.Fatal(err)
	}
	first.Close()

	second := open(t, eng, cfg)
	if steps := second.Plan("a", []*service.Pool{pool}); len(steps) != 0 {
		t.Errorf("a plan for what is there: %v", steps)
	}
	shrunk := bare(0, 19)
	shrunk.Sources, shrunk.Frontends = pool.Sources, pool.Frontends
	steps, err := second.Apply("a", []*service.Pool{shrunk})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 1 || steps[0].String() != "-   backend 10.10.0.20:80" {
		t.Errorf("steps %v, want the one backend removed", steps)
	}
	if _, err := second.Apply("six", []*service.Pool{bare6(5, 4)}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		got := flow(second, i)
		if home[i].String() != "10.10.0.20" && got != home[i] {
			t.Fatalf("flow %d moved from %v to %v", i, home[i], got)
		}
	}
	if steps, err = second.Settle(); err != nil || len(steps) != 5 {
		t.Errorf("settled %v, %v; want service b removed: pool, frontend, 3 backends", steps, err)
	}
	after, err := second.Tables()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[netip.AddrPort]uint32{}
	for _, b := range before.Backends {
		ids[b.Addr] = b.ID
	}
	for _, b := range after.Backends {
		if ids[b.Addr] != b.ID {
			t.Errorf("%v had id %d, now %d", b.Addr, ids[b.Addr], b.ID)
		}
	}
	if len(after.Frontends) != 2 || len(after.Backends) != 23 {
		t.Errorf("%d frontends and %d backends are left", len(after.Frontends), len(after.Backends))
	}
}

// cgroupOf makes a cgroup of the test's own.
func cgroupOf(t *testing.T) (path string, enter func(cmd *exec.Cmd)) {
	t.Helper()
	root := "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err != nil {
		root = "/sys/fs/cgroup/unified"
	}
	path, err := os.MkdirTemp(root, "skep-lb-test-")
	if err != nil {
		t.Skip("needs a writable cgroup2:", err)
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close(); os.Remove(path) })
	return path, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	}
}

// TestMain lets the test binary be the client that runs in the cgroup.
func TestMain(m *testing.M) {
	if target := os.Getenv("SKEP_LB_DIAL"); target != "" {
		os.Exit(dial(target))
	}
	if target := os.Getenv("SKEP_LB_BENCH"); target != "" {
		os.Exit(benchDial(target))
	}
	os.Exit(m.Run())
}

// dial connects over TCP, asks over UDP, and prints who answered and whom it
// believes to talk to.
func dial(target string) int {
	say := func(err error) int { fmt.Println("error:", err); return 1 }
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return say(err)
	}
	b := make([]byte, 100)
	n, err := conn.Read(b)
	if err != nil {
		return say(err)
	}
	fmt.Printf("tcp %s via %v\n", b[:n], conn.RemoteAddr())
	conn.Close()
	u, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return say(err)
	}
	to, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return say(err)
	}
	if _, err := u.WriteTo([]byte("?"), to); err != nil {
		return say(err)
	}
	n, from, err := u.ReadFrom(b)
	if err != nil {
		return say(err)
	}
	fmt.Printf("udp %s from %v\n", b[:n], from)
	return 0
}

func TestSocketsGoToBackends(t *testing.T) {
	eng := kernelEngine(t)
	cgroup, enter := cgroupOf(t)
	d := open(t, eng, smallConfig)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	pc, err := net.ListenPacket("udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Write([]byte("hello"))
			c.Close()
		}
	}()
	go func() {
		b := make([]byte, 10)
		for {
			_, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			pc.WriteTo([]byte("hello"), from)
		}
	}()
	tcp := &service.Pool{
		Service: "default/s", Port: "80", Protocol: service.TCP, Family: 4, Scope: "cluster", Algorithm: service.Maglev,
		Frontends: []service.Frontend{{Addr: netip.MustParseAddrPort("10.96.0.1:80")}},
		Backends:  []service.Backend{{Addr: addr, Weight: 1}},
	}
	udp := *tcp
	udp.Protocol = service.UDP
	if _, err := d.Apply("s", []*service.Pool{tcp, &udp}); err != nil {
		t.Fatal(err)
	}
	s, err := d.AttachSockets(context.Background(), cgroup)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := func() (string, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SKEP_LB_DIAL=10.96.0.1:80")
		enter(cmd)
		out, err := cmd.Output()
		return string(bytes.TrimSpace(out)), err
	}
	out, err := client()
	if want := "tcp hello via 10.96.0.1:80\nudp hello from 10.96.0.1:80"; err != nil || out != want {
		t.Fatalf("have %q, %v; want %q", out, err, want)
	}
	stats, err := d.Stats()
	if err != nil || len(stats) != 2 || stats[0].Total.Connections != 1 || stats[1].Total.Connections != 1 {
		t.Errorf("stats %+v, %v", stats, err)
	}
	// Without a backend the call is refused at once.
	if _, err := d.Apply("s", []*service.Pool{{
		Service: "default/s", Port: "80", Protocol: service.TCP, Family: 4, Scope: "cluster", Algorithm: service.Maglev, Frontends: tcp.Frontends,
	}}); err != nil {
		t.Fatal(err)
	}
	out, err = client()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || out != "error: dial tcp 10.96.0.1:80: connect: operation not permitted" {
		t.Errorf("without a backend: %q, %v", out, err)
	}
}
