package lab_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lab"
)

// Verdicts (linux/bpf.h, linux/pkt_cls.h).
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
	tcOK    = 0
)

// verdict is a program that answers always the same and counts its runs in
// the first 8 bytes of the array "count".
func verdict(typ ebpf.ProgramType, ret int32) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{
			"count": {Name: "count", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
		},
		Programs: map[string]*ebpf.ProgramSpec{"verdict": {
			Name: "verdict", Type: typ, License: "GPL",
			Instructions: asm.Instructions{
				asm.StoreImm(asm.R10, -4, 0, asm.Word),
				asm.Mov.Reg(asm.R2, asm.R10),
				asm.Add.Imm(asm.R2, -4),
				asm.LoadMapPtr(asm.R1, 0).WithReference("count"),
				asm.FnMapLookupElem.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
				asm.Mov.Imm(asm.R1, 1),
				asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
				asm.Mov.Imm(asm.R0, ret).WithSymbol("out"),
				asm.Return(),
			},
		}},
	}
}

type counted struct {
	engine.Program
	count engine.View[uint32, uint64]
}

func load(t testing.TB, l *lab.Lab, spec *ebpf.CollectionSpec) counted {
	t.Helper()
	coll, err := l.Engine().Load(context.Background(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	p, err := coll.Program("verdict")
	if err != nil {
		t.Fatal(err)
	}
	m, err := coll.Map("count")
	if err != nil {
		t.Fatal(err)
	}
	v, err := engine.NewView[uint32, uint64](m)
	if err != nil {
		t.Fatal(err)
	}
	return counted{p, v}
}

func (c counted) runs(t testing.TB) uint64 {
	t.Helper()
	n, err := c.count.Get(0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func attach(t testing.TB, l *lab.Lab, p counted, target engine.Target) engine.Link {
	t.Helper()
	lnk, err := l.Engine().Attach(p.Program, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lnk.Close() })
	return lnk
}

const soon = 150 * time.Millisecond

// A program that drops at the node's end of a link cuts the endpoint off, and
// its removal brings it back.
func TestXDPDrop(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		drop := load(t, l, verdict(ebpf.XDP, xdpDrop))
		for _, where := range []engine.Device{client.HostDevice(), client.Device(), server.HostDevice(), server.Device()} {
			before := drop.runs(t)
			lnk := attach(t, l, drop, engine.XDP{Device: where})
			for _, to := range server.Addrs() {
				if _, err := client.Ping(patient(t), to, lab.PingOptions{Timeout: soon}); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("ping while %s drops: %v", where, err)
				}
			}
			if n := drop.runs(t) - before; n < 2 {
				t.Errorf("program at %s ran %d times for 2 pings", where, n)
			}
			if err := lnk.Close(); err != nil {
				t.Error(err)
			}
			mustPing(t, client.Host, server.Host)
		}
	})
}

// Programs at all four tc hooks of a link see each ping and its reply once.
func TestTCHooksCount(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		const pings = 10
		var at []counted
		for _, device := range []engine.Device{client.Device(), client.HostDevice()} {
			for _, egress := range []bool{false, true} {
				p := load(t, l, verdict(ebpf.SchedCLS, tcOK))
				attach(t, l, p, engine.TCX{Device: device, Egress: egress})
				at = append(at, p)
			}
		}
		for range pings {
			if _, err := client.Ping(patient(t), server.Addr4(), lab.PingOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for i, p := range at {
			// Neighbour discovery may add a few frames.
			if n := p.runs(t); n < pings || n > pings+8 {
				t.Errorf("hook %d ran %d times for %d pings", i, n, pings)
			}
		}
	})
}

// Frames that an XDP program reflects get back to their sender.
func TestXDPReflect(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		before, err := client.Link().Stats(0)
		if err != nil {
			t.Fatal(err)
		}
		back := load(t, l, verdict(ebpf.XDP, xdpPass))
		attach(t, l, back, engine.XDP{Device: client.Device()})
		attach(t, l, load(t, l, verdict(ebpf.XDP, xdpTX)), engine.XDP{Device: client.HostDevice()})
		for range 5 {
			_, _ = client.Ping(patient(t), server.Addr4(), lab.PingOptions{Timeout: 20 * time.Millisecond})
		}
		after, err := client.Link().Stats(0)
		if err != nil {
			t.Fatal(err)
		}
		if n := after.ReceivedPackets - before.ReceivedPackets; n < 5 {
			t.Errorf("5 frames were reflected, %d arrived", n)
		}
		if n := back.runs(t); n < 5 {
			t.Errorf("5 frames were reflected, the sender's program saw %d", n)
		}
	})
}

// Replacing a program while packets flow loses none of them.
func TestReplaceUnderTraffic(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		mustPing(t, client.Host, server.Host)
		programs := []counted{load(t, l, verdict(ebpf.XDP, xdpPass)), load(t, l, verdict(ebpf.XDP, xdpPass))}
		stop, done := make(chan struct{}), make(chan error, 1)
		var sent, lost int
		go func() {
			defer close(done)
			for seq := uint16(0); ; seq++ {
				select {
				case <-stop:
					return
				default:
				}
				sent++
				if _, err := client.Ping(patient(t), server.Addrs()[seq%2], lab.PingOptions{Seq: seq}); err != nil {
					lost++
					t.Error(err)
				}
			}
		}()
		// The first program comes and goes under traffic too.
		lnk := attach(t, l, programs[0], engine.XDP{Device: server.HostDevice()})
		for i := range 100 {
			if err := lnk.Update(programs[(i+1)%2].Program); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		if err := lnk.Close(); err != nil {
			t.Error(err)
		}
		close(stop)
		<-done
		if lost > 0 || sent < 100 {
			t.Errorf("%d of %d pings lost", lost, sent)
		}
		if a, b := programs[0].runs(t), programs[1].runs(t); a == 0 || b == 0 {
			t.Errorf("programs ran %d and %d times", a, b)
		}
	})
}

// Where no offload is wanted, a program meets no frame beyond the MTU and
// every checksum is complete.
func TestNoOffload(t *testing.T) {
	inEachWorld(t, lab.Config{}, func(t *testing.T, l *lab.Lab) {
		client, server := pair(t, l)
		var long, short counted
		for _, p := range []struct {
			to     *counted
			egress bool
		}{{&long, false}, {&short, true}} {
			spec := verdict(ebpf.SchedCLS, tcOK)
			// Count frames longer than MTU and header only: skb->len.
			prog := spec.Programs["verdict"]
			prog.Instructions = append(asm.Instructions{
				asm.LoadMem(asm.R2, asm.R1, 0, asm.Word),
				asm.JLE.Imm(asm.R2, 1514, "out"),
			}, prog.Instructions...)
			*p.to = load(t, l, spec)
			attach(t, l, *p.to, engine.TCX{Device: server.HostDevice(), Egress: p.egress})
			attach(t, l, *p.to, engine.TCX{Device: client.Device(), Egress: p.egress})
		}
		transfer(t, client, server, 1<<20)
		if n := long.runs(t) + short.runs(t); n > 0 {
			t.Errorf("%d frames were longer than the MTU", n)
		}
	})
}
