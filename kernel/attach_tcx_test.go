//go:build linux

package kernel

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/skepdev/skep/engine"
)

// tcxNext lets the next program have a look (TCX_NEXT, TC_ACT_UNSPEC).
const tcxNext = -1

func TestTC(t *testing.T) {
	e := newEngine(t)
	for name, target := range map[string]engine.TCX{
		"ingress":       {},
		"egress":        {Egress: true},
		"clsactIngress": {Clsact: true},
		"clsactEgress":  {Clsact: true, Egress: true},
	} {
		t.Run(name, func(t *testing.T) {
			ns := netNS(t)
			c := newCounter(t, e, ebpf.SchedCLS, 0, "", tcxNext)
			target.Device = engine.Device{Name: "vb", NetNS: ns}
			from := "va"
			if target.Egress {
				from = "vb"
			}
			l := attach(t, e, c.prog, target)
			if got := l.Info().ProgramID; got != c.prog.Info().ID {
				t.Errorf("program %d is attached, want %d", got, c.prog.Info().ID)
			}
			c.moves(t, func() { sendFrame(t, ns, from, 64) })
			other := c.sibling(t, e, tcxNext)
			if err := l.Update(other.prog); err != nil {
				t.Fatal(err)
			}
			other.moves(t, func() { c.rests(t, func() { sendFrame(t, ns, from, 64) }) })
			if err := l.Detach(); err != nil {
				t.Fatal(err)
			}
			other.rests(t, func() { sendFrame(t, ns, from, 64) })
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if n := clsactQdiscs(t, ns); n != 0 {
				t.Errorf("%d clsact qdiscs stay", n)
			}
		})
	}
}

func TestTCXOrder(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	const stop = 0 // TCX_PASS: the programs after it are not asked
	dev := engine.Device{Name: "vb", NetNS: ns}
	first := newCounter(t, e, ebpf.SchedCLS, 0, "", tcxNext)
	if !hasTCX() {
		_, err := e.Attach(first.prog, engine.TCX{Device: dev, Anchor: engine.Anchor{Position: engine.AnchorHead}})
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	l := attach(t, e, first.prog, engine.TCX{Device: dev})
	stopper := newCounter(t, e, ebpf.SchedCLS, 0, "", stop)
	ls := attach(t, e, stopper.prog, engine.TCX{Device: dev, Anchor: engine.Anchor{Position: engine.AnchorAfter, Link: l}})
	stopper.moves(t, func() { first.moves(t, func() { sendFrame(t, ns, "va", 64) }) })
	ls.Close()
	ls = attach(t, e, stopper.prog, engine.TCX{Device: dev, Anchor: engine.Anchor{Position: engine.AnchorBefore, Program: first.prog}})
	stopper.moves(t, func() { first.rests(t, func() { sendFrame(t, ns, "va", 64) }) })
	ls.Close()
	attach(t, e, stopper.prog, engine.TCX{Device: dev, Anchor: engine.Anchor{Position: engine.AnchorHead}})
	stopper.moves(t, func() { first.rests(t, func() { sendFrame(t, ns, "va", 64) }) })
	if _, err := e.Attach(stopper.prog, engine.TCX{Device: dev, Anchor: engine.Anchor{Position: engine.AnchorReplace, Link: l}}); err == nil {
		t.Error("a link took another's place")
	}
}

// TestClsactQdisc: the qdisc goes with the last filter of ours, whichever that
// is, and stays if somebody else made it or uses it.
func TestClsactQdisc(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.SchedCLS, 0, "", tcxNext)
	t.Run("ours", func(t *testing.T) {
		ns := netNS(t)
		target := engine.TCX{Device: engine.Device{Name: "vb", NetNS: ns}, Clsact: true}
		a, b := attach(t, e, c.prog, target), attach(t, e, c.prog, target)
		a.Close()
		if n := clsactQdiscs(t, ns); n != 1 {
			t.Errorf("%d qdiscs while a filter is on it", n)
		}
		c.moves(t, func() { sendFrame(t, ns, "va", 64) })
		b.Close()
		if n := clsactQdiscs(t, ns); n != 0 {
			t.Errorf("%d qdiscs stay", n)
		}
	})
	t.Run("theirs", func(t *testing.T) {
		ns := netNS(t)
		onDeviceOf(t, ns, "vb", func(index int) error { return netlink.QdiscAdd(clsactQdisc(index)) })
		l := attach(t, e, c.prog, engine.TCX{Device: engine.Device{Name: "vb", NetNS: ns}, Clsact: true})
		l.Close()
		if n := clsactQdiscs(t, ns); n != 1 {
			t.Errorf("%d qdiscs, want the one that was there", n)
		}
	})
	t.Run("used", func(t *testing.T) {
		ns := netNS(t)
		l := attach(t, e, c.prog, engine.TCX{Device: engine.Device{Name: "vb", NetNS: ns}, Clsact: true})
		onDeviceOf(t, ns, "vb", func(index int) error {
			return c.prog.(*Program).withFD(func(fd int) error {
				return netlink.FilterAdd(&netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
					LinkIndex: index, Parent: netlink.HANDLE_MIN_EGRESS, Handle: 7, Protocol: 3, Priority: 50,
				}, Fd: fd, Name: "theirs", DirectAction: true})
			})
		})
		l.Close()
		if n := clsactQdiscs(t, ns); n != 1 {
			t.Errorf("%d qdiscs: the other's filter lost its own", n)
		}
	})
	t.Run("deviceGone", func(t *testing.T) {
		ns := netNS(t)
		l := attach(t, e, c.prog, engine.TCX{Device: engine.Device{Name: "vb", NetNS: ns}, Clsact: true})
		onDeviceOf(t, ns, "vb", func(index int) error { return netlink.LinkDel(deviceAt(index)) })
		if err := l.Update(c.prog); err == nil {
			t.Error("updated a filter that is gone")
		}
		if err := l.Close(); err != nil {
			t.Errorf("close after the device went: %v", err)
		}
	})
}

func onDeviceOf(t *testing.T, ns, name string, f func(index int) error) {
	t.Helper()
	err := onDevice(engine.Device{Name: name, NetNS: ns}, func(index int, _ string) error { return f(index) })
	if err != nil {
		t.Fatal(err)
	}
}

func clsactQdiscs(t *testing.T, ns string) (n int) {
	t.Helper()
	onDeviceOf(t, ns, "vb", func(index int) error {
		list, err := netlink.QdiscList(deviceAt(index))
		for _, q := range list {
			if q.Type() == "clsact" {
				n++
			}
		}
		return err
	})
	return n
}
