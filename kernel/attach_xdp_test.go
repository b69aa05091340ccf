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

const xdpPass = 2

func TestXDP(t *testing.T) {
	e := newEngine(t)
	for _, mode := range []engine.XDPMode{engine.XDPAuto, engine.XDPNative, engine.XDPGeneric} {
		t.Run(mode.String(), func(t *testing.T) {
			ns := netNS(t)
			c := newCounter(t, e, ebpf.XDP, ebpf.AttachXDP, "", xdpPass)
			l := attach(t, e, c.prog, engine.XDP{Device: engine.Device{Name: "vb", NetNS: ns}, Mode: mode})
			want := "native"
			if mode == engine.XDPGeneric {
				want = "generic"
			}
			info := l.Info()
			if !strings.Contains(info.Target, want) || info.ID == 0 || info.ProgramID != c.prog.Info().ID {
				t.Errorf("info %+v, want a link to program %d in %s mode", info, c.prog.Info().ID, want)
			}
			c.moves(t, func() { sendFrame(t, ns, "va", 64) })

			other := c.sibling(t, e, xdpPass)
			if err := l.Update(other.prog); err != nil {
				t.Fatal(err)
			}
			other.moves(t, func() { c.rests(t, func() { sendFrame(t, ns, "va", 64) }) })
			if got := l.Info().ProgramID; got != other.prog.Info().ID {
				t.Errorf("program %d is attached, want %d", got, other.prog.Info().ID)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			other.rests(t, func() { sendFrame(t, ns, "va", 64) })
			if err := l.Update(c.prog); !errors.Is(err, engine.ErrClosed) {
				t.Errorf("update of a closed link: %v", err)
			}
		})
	}
}

func TestXDPRefusals(t *testing.T) {
	e := newEngine(t)
	ns := netNS(t)
	c := newCounter(t, e, ebpf.XDP, ebpf.AttachXDP, "", xdpPass)
	dev := engine.Device{Name: "vb", NetNS: ns}
	attach(t, e, c.prog, engine.XDP{Device: dev})
	if _, err := e.Attach(c.prog, engine.XDP{Device: dev}); !errors.Is(err, unix.EBUSY) {
		t.Errorf("second program on a device: %v, want EBUSY", err)
	}
	if _, err := e.Attach(c.prog, engine.XDP{Device: engine.Device{Name: "nope", NetNS: ns}}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent device: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.XDP{Device: engine.Device{Name: "vb", NetNS: "/nope"}}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("absent namespace: %v", err)
	}
	if _, err := e.Attach(c.prog, engine.TCX{Device: dev}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("XDP program at tc: %v", err)
	}
	if _, err := e.Attach(nil, engine.XDP{Device: dev}); err == nil {
		t.Error("nil program was attached")
	}
	if _, err := e.Attach(c.prog, nil); err == nil {
		t.Error("attached to nothing")
	}
}
