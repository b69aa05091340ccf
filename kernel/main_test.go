//go:build linux

package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// newEngine makes an engine, or skips where the process may not use bpf(2).
func newEngine(t *testing.T) *Engine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: bpf(2), network namespaces")
	}
	e, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// counterSpec is a program that adds one to slot of an array "hits" and
// returns verdict.
func counterSpec(typ ebpf.ProgramType, attach ebpf.AttachType, attachTo string, slot uint32, verdict int32) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"hits": {Name: "hits", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4},
		},
		Programs: map[string]*ebpf.ProgramSpec{
			"count": {
				Name: "count", Type: typ, AttachType: attach, AttachTo: attachTo, License: "GPL",
				Instructions: counterCode(slot, verdict),
			},
		},
	}
}

func counterCode(slot uint32, verdict int32) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.R10, -4, int64(slot), asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference("hits"),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, verdict).WithSymbol("out"),
		asm.Return(),
	}
}

// counter is a loaded counterSpec.
type counter struct {
	coll *engine.Collection
	prog engine.Program
	hits engine.Map
	slot uint32
}

// load loads spec and closes it with the test.
func load(t *testing.T, e *Engine, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) *engine.Collection {
	t.Helper()
	coll, err := e.Load(context.Background(), spec, opts)
	if err != nil {
		t.Fatalf("load: %+v", err)
	}
	t.Cleanup(func() { coll.Close() })
	return coll
}

func newCounter(t *testing.T, e *Engine, typ ebpf.ProgramType, attach ebpf.AttachType, attachTo string, verdict int32) *counter {
	t.Helper()
	coll := load(t, e, counterSpec(typ, attach, attachTo, 1, verdict), nil)
	return &counter{coll: coll, prog: coll.Programs["count"], hits: coll.Maps["hits"], slot: 1}
}

// sibling is another program that counts in slot 2 of the same map.
func (c *counter) sibling(t *testing.T, e *Engine, verdict int32) *counter {
	t.Helper()
	info := c.prog.Info()
	spec := counterSpec(info.Type, info.AttachType, "", 2, verdict)
	coll := load(t, e, spec, &engine.LoadOptions{Maps: map[string]engine.Map{"hits": c.hits}})
	return &counter{coll: coll, prog: coll.Programs["count"], hits: c.hits, slot: 2}
}

func (c *counter) count(t *testing.T) uint64 {
	t.Helper()
	var v [8]byte
	if err := c.hits.Lookup(binary.NativeEndian.AppendUint32(nil, c.slot), v[:], 0); err != nil {
		t.Fatal(err)
	}
	return binary.NativeEndian.Uint64(v[:])
}

// moves runs f and fails unless c counted meanwhile.
func (c *counter) moves(t *testing.T, f func()) {
	t.Helper()
	before := c.count(t)
	f()
	for range 100 {
		if c.count(t) > before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("counter %d stayed at %d", c.slot, before)
}

// rests runs f and fails if c counted meanwhile.
func (c *counter) rests(t *testing.T, f func()) {
	t.Helper()
	before := c.count(t)
	f()
	time.Sleep(20 * time.Millisecond)
	if now := c.count(t); now != before {
		t.Errorf("counter %d went from %d to %d", c.slot, before, now)
	}
}

// netNS makes a network namespace with a loopback and a pair of veths, va and
// vb, that knows each other's address, and returns its path. It is gone with
// the test.
func netNS(t *testing.T) string {
	t.Helper()
	path := make(chan string)
	stop := make(chan struct{})
	fail := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			fail <- err
			return
		}
		if err := setupVeth(); err != nil {
			fail <- err
			return
		}
		path <- fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())
		<-stop
	}()
	select {
	case err := <-fail:
		t.Skipf("needs a network namespace with veth: %v", err)
		return ""
	case p := <-path:
		t.Cleanup(func() { close(stop) })
		return p
	}
}

func setupVeth() error {
	// Nothing but what the tests send may pass: no neighbour discovery. A
	// kernel without IPv6 lacks the file.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/default/disable_ipv6", []byte("1"), 0)
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return err
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "va", MTU: 1500}, PeerName: "vb"}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add veth: %w", err)
	}
	for i, name := range []string{"va", "vb"} {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(10, 99, 0, byte(i+1)), Mask: net.CIDRMask(24, 32)}}
		if err := netlink.AddrAdd(l, addr); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return err
		}
	}
	// Until the kernel has noticed that both ends are up it drops what is sent.
	for range 400 {
		up := 0
		for _, name := range []string{"va", "vb"} {
			l, err := netlink.LinkByName(name)
			if err != nil {
				return err
			}
			if l.Attrs().OperState == netlink.OperUp {
				up++
			}
		}
		if up == 2 {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return errors.New("the pair of devices did not come up")
}

// sendFrame sends one broadcast frame of n bytes out of a device.
func sendFrame(t *testing.T, ns, device string, n int) {
	t.Helper()
	send, done := frameSender(t, ns, device, n)
	defer done()
	send()
}

// frameSender opens a socket that sends such frames: opening is what is slow.
func frameSender(t *testing.T, ns, device string, n int) (send, done func()) {
	t.Helper()
	var fd int
	var to unix.SockaddrLinklayer
	frame := make([]byte, n)
	err := inNetNS(ns, func() error {
		ifc, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		for i := range 6 {
			frame[i] = 0xff
		}
		copy(frame[6:], ifc.HardwareAddr)
		frame[12], frame[13] = 0x88, 0xb5 // local experimental
		to = unix.SockaddrLinklayer{Ifindex: ifc.Index, Halen: 6}
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		t.Fatalf("open a packet socket: %v", err)
	}
	send = func() {
		if err := unix.Sendto(fd, frame, 0, &to); err != nil {
			t.Errorf("send frame: %v", err)
		}
	}
	return send, func() { unix.Close(fd) }
}

// attach attaches, or skips the test with the reason this kernel gives.
func attach(t *testing.T, e *Engine, p engine.Program, target engine.Target) engine.Link {
	t.Helper()
	l, err := e.Attach(p, target)
	if err != nil {
		skipUnsupported(t, err)
		t.Fatalf("attach: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// bpfFS mounts a bpffs in a temporary directory until the test ends.
func bpfFS(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, ""); err != nil {
		t.Skipf("needs to mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// cgroupRoot is where cgroup v2 is mounted, or skips.
func cgroupRoot(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) > 2 && f[2] == "cgroup2" {
			return f[1]
		}
	}
	t.Skip("needs cgroup v2 mounted")
	return ""
}

// newCgroup makes an empty cgroup until the test ends.
func newCgroup(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(cgroupRoot(t), "skep-test-")
	if err != nil {
		t.Skipf("needs to make a cgroup: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(dir); err != nil {
			t.Errorf("remove %s: %v", filepath.Base(dir), err)
		}
	})
	return dir
}

// settles waits until sum reaches want, and fails if it does not or goes past.
func (c *counter) settles(t *testing.T, sum func() uint64, want uint64) {
	t.Helper()
	for range 200 {
		if sum() >= want {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := sum(); got != want {
		t.Errorf("%d counted, want %d", got, want)
	}
}
