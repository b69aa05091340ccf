//go:build linux

package kernel

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepdev/skep/engine"
)

// TestCgroup attaches at every place of a cgroup that ordinary calls pass and
// sees those calls of a process in it counted, and only of that one.
func TestCgroup(t *testing.T) {
	e := newEngine(t)
	for name, at := range map[string]struct {
		typ    ebpf.ProgramType
		attach ebpf.AttachType
		child  string
	}{
		"ingress":          {ebpf.CGroupSKB, ebpf.AttachCGroupInetIngress, "udp"},
		"egress":           {ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, "udp"},
		"sockCreate":       {ebpf.CGroupSock, ebpf.AttachCGroupInetSockCreate, "udp"},
		"sockRelease":      {ebpf.CGroupSock, ebpf.AttachCgroupInetSockRelease, "tcp"},
		"postBind4":        {ebpf.CGroupSock, ebpf.AttachCGroupInet4PostBind, "udp"},
		"bind4":            {ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Bind, "udp"},
		"connect4":         {ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, "tcp"},
		"sendmsg4":         {ebpf.CGroupSockAddr, ebpf.AttachCGroupUDP4Sendmsg, "udp"},
		"recvmsg4":         {ebpf.CGroupSockAddr, ebpf.AttachCGroupUDP4Recvmsg, "udp"},
		"getpeername4":     {ebpf.CGroupSockAddr, ebpf.AttachCgroupInet4GetPeername, "tcp"},
		"getsockname4":     {ebpf.CGroupSockAddr, ebpf.AttachCgroupInet4GetSockname, "tcp"},
		"connectUnix":      {ebpf.CGroupSockAddr, ebpf.AttachCgroupUnixConnect, "unix"},
		"setsockopt":       {ebpf.CGroupSockopt, ebpf.AttachCGroupSetsockopt, "sockopt"},
		"getsockopt":       {ebpf.CGroupSockopt, ebpf.AttachCGroupGetsockopt, "sockopt"},
		"sysctl":           {ebpf.CGroupSysctl, ebpf.AttachCGroupSysctl, "sysctl"},
		"device":           {ebpf.CGroupDevice, ebpf.AttachCGroupDevice, "device"},
		"sockops":          {ebpf.SockOps, ebpf.AttachCGroupSockOps, "tcp"},
		"sockopsWithout":   {ebpf.SockOps, 0, "tcp"},
		"cgroupDevWithout": {ebpf.CGroupDevice, 0, "device"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, elsewhere := newCgroup(t), newCgroup(t)
			coll, err := e.Load(t.Context(), counterSpec(at.typ, at.attach, "", 1, 1), nil)
			if err != nil {
				if at.attach == ebpf.AttachCgroupUnixConnect {
					skipRefused(t, err)
				}
				t.Fatal(err)
			}
			t.Cleanup(func() { coll.Close() })
			c := &counter{coll: coll, prog: coll.Programs["count"], hits: coll.Maps["hits"], slot: 1}
			l := attach(t, e, c.prog, engine.Cgroup{Path: dir})
			run := func(in string) {
				if err := child(t, at.child, in); err != nil {
					t.Fatal(err)
				}
			}
			c.moves(t, func() { run(dir) })
			c.rests(t, func() { run(elsewhere) })
			other := c.sibling(t, e, 1)
			mustUpdate(t, l, other.prog)
			other.moves(t, func() { c.rests(t, func() { run(dir) }) })
			l.Close()
			other.rests(t, func() { run(dir) })
		})
	}
}

// TestCgroupVerdict: a program that says no is obeyed.
func TestCgroupVerdict(t *testing.T) {
	e := newEngine(t)
	dir := newCgroup(t)
	no := newCounter(t, e, ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, "", 0)
	l := attach(t, e, no.prog, engine.Cgroup{Path: dir})
	if err := child(t, "tcp", dir); err == nil || !strings.Contains(err.Error(), "operation not permitted") {
		t.Errorf("connect under a refusing program: %v", err)
	}
	l.Close()
	if err := child(t, "tcp", dir); err != nil {
		t.Errorf("connect afterwards: %v", err)
	}
}

// TestCgroupDirect: attachments as kernels without links make them.
func TestCgroupDirect(t *testing.T) {
	e := newEngine(t)
	dir := newCgroup(t)
	c := newCounter(t, e, ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, "", 1)
	fd, err := openCgroup(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := attachCgroupDirect(c.prog.(*Program), engine.Cgroup{Path: dir}, fd, ebpf.AttachCGroupInetEgress)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run := func() {
		if err := child(t, "udp", dir); err != nil {
			t.Fatal(err)
		}
	}
	c.moves(t, run)
	other := c.sibling(t, e, 1)
	mustUpdate(t, l, other.prog)
	other.moves(t, func() { c.rests(t, run) })
	if err := l.Pin("/nowhere"); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("pin: %v", err)
	}
	if err := l.Detach(); err != nil {
		t.Fatal(err)
	}
	other.rests(t, run)
	if err := l.Update(c.prog); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("update after detach: %v", err)
	}
}

func TestCgroupRefusals(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, "", 1)
	if _, err := e.Attach(c.prog, engine.Cgroup{Path: t.TempDir()}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("attach to an ordinary directory: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.Cgroup{Path: "/nowhere"}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("attach to nothing: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.Cgroup{Path: newCgroup(t), AttachType: ebpf.AttachCGroupInet4Bind}); err == nil {
		t.Error("attached where the program does not belong")
	}
}

// TestCgroupOrder needs the ordering of Linux 6.16.
func TestCgroupOrder(t *testing.T) {
	e := newEngine(t)
	dir := newCgroup(t)
	first := newCounter(t, e, ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, "", 1)
	l := attach(t, e, first.prog, engine.Cgroup{Path: dir})
	second := newCounter(t, e, ebpf.CGroupSockAddr, ebpf.AttachCGroupInet4Connect, "", 1)
	attach(t, e, second.prog, engine.Cgroup{Path: dir, Anchor: engine.Anchor{Position: engine.AnchorBefore, Link: l}})
	if ids := attachedPrograms(t, dir, ebpf.AttachCGroupInet4Connect); len(ids) != 2 || ids[0] != second.prog.Info().ID {
		t.Errorf("order is %v, want %d first", ids, second.prog.Info().ID)
	}
}
