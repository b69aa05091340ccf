package lb_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/bpf"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/engine/enginetest"
	"github.com/skepdev/skep/net/lb"
	"github.com/skepdev/skep/net/service"
	"github.com/skepdev/skep/object"
)

// harness runs a program on packets that are put back before each run.
type harness struct {
	test, floor engine.Program
	state       engine.Map
}

func newHarness(b testing.TB, eng engine.Engine, under engine.Program) *harness {
	b.Helper()
	spec, err := object.OpenFile("testdata/bench.bpf.o", nil)
	if err != nil {
		b.Fatal(err)
	}
	coll, err := eng.Load(context.Background(), spec, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { coll.Close() })
	for i, p := range []engine.Program{under, coll.Programs["bench_pass"]} {
		if err := coll.Maps["bench_programs"].UpdateProgram(binary.LittleEndian.AppendUint32(nil, uint32(i)), p, ebpf.UpdateAny); err != nil {
			b.Fatal(err)
		}
	}
	return &harness{coll.Programs["bench_test"], coll.Programs["bench_floor"], coll.Maps["bench"]}
}

// set gives the packet and how many flows take turns; 0: each run a new one.
func (h *harness) set(b testing.TB, packet string, flows uint32) []byte {
	b.Helper()
	p, err := enginetest.Packet(packet)
	if err != nil {
		b.Fatal(err)
	}
	if len(p) > 64 {
		b.Fatalf("%d bytes, want at most 64", len(p))
	}
	p = append(p, make([]byte, 64-len(p))...)
	v := binary.LittleEndian.AppendUint32(append([]byte(nil), p...), flows)
	if err := h.state.Update([]byte{0, 0, 0, 0}, binary.LittleEndian.AppendUint32(v, 0), 0); err != nil {
		b.Fatal(err)
	}
	return p
}

// once is the time of a run in ns, the least of several.
func (h *harness) once(b testing.TB, p engine.Program, data []byte, repeat, rounds int, verdict uint32) float64 {
	b.Helper()
	best := time.Duration(1 << 62)
	for range rounds {
		res, err := p.Run(&engine.RunInput{Data: data, Repeat: repeat, NoDataOut: true})
		if err != nil {
			b.Fatal(err)
		}
		if res.Return != verdict {
			b.Fatalf("verdict %d, want %d", res.Return, verdict)
		}
		best = min(best, res.Duration)
	}
	return float64(best.Nanoseconds())
}

// bare is a service of k backends, number i of many.
func bare(i, k int) *service.Pool {
	p := &service.Pool{
		Service: fmt.Sprintf("default/s%d", i), Port: "80", Protocol: service.TCP, Family: 4, Scope: "cluster", Algorithm: service.Maglev, Draining: -1,
		Frontends: []service.Frontend{{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(100 + i>>8), byte(i), 1}), 80), Kind: "ClusterIP"}},
	}
	for j := range k {
		p.Backends = append(p.Backends, service.Backend{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(10 + i>>8), byte(i), byte(j + 1)}), 80), Weight: 1})
	}
	return p
}

func bare6(i, k int) *service.Pool {
	p := bare(i, 0)
	p.Family, p.Frontends[0].Addr = 6, netip.MustParseAddrPort(fmt.Sprintf("[fd00:%x::1]:80", i))
	for j := range k {
		p.Backends = append(p.Backends, service.Backend{Addr: netip.MustParseAddrPort(fmt.Sprintf("[fd01:%x::%x]:80", i, j+1)), Weight: 1})
	}
	return p
}

var benchConfig = lb.Config{
	Source4: netip.MustParseAddr("10.0.0.9"), Source6: netip.MustParseAddr("fd00::9"),
	Gateway: net.HardwareAddr{2, 0, 0, 0, 0, 0x99}, Forward: service.ForwardIPIP,
	NATPorts: [2]uint16{1024, 65535},
	Size:     bpf.LBSize{Connections: 1 << 20, Backends: 1 << 19, Maglev: 1 << 25, NAT: 1 << 20},
}

// TestPacketTimes prints the time per packet net of the harness, by way and
// number of flows. SKEP_BENCH_LB=1 asks for it: make bench-lb.
func TestPacketTimes(t *testing.T) {
	if os.Getenv("SKEP_BENCH_LB") == "" {
		t.Skip("make bench-lb")
	}
	eng := kernelEngine(t)
	const (
		tcp4  = "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80"
		syn4  = "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80 flags=2"
		tcp6  = "eth / ip6 2001:db8::1 > fd00:0::1 / udp 40000 > 80"
		else4 = "eth / ip4 11.0.0.1 > 10.99.0.1 / tcp 40000 > 80"
	)
	for _, services := range []int{1, 5000} {
		for _, forward := range []service.Forward{service.ForwardIPIP, service.ForwardDSR, service.ForwardNAT} {
			cfg := benchConfig
			cfg.Forward = forward
			d := open(t, eng, cfg)
			for i := range services {
				if _, err := d.Apply(fmt.Sprint(i), []*service.Pool{bare(i, 50)}); err != nil {
					t.Fatal(err)
				}
			}
			p6 := bare6(0, 50)
			p6.Protocol = service.UDP
			if _, err := d.Apply("six", []*service.Pool{p6}); err != nil {
				t.Fatal(err)
			}
			prog, err := d.Program()
			if err != nil {
				t.Fatal(err)
			}
			h := newHarness(t, eng, prog)
			for _, c := range []struct {
				what, packet string
				flows        uint32
				verdict      uint32
			}{
				{"no service's packet", else4, 1, 2},
				{"1 flow", tcp4, 1, 3},
				{"1 flow, IPv6", tcp6, 1, 3},
				{"8,192 flows", tcp4, 1 << 13, 3},
				{"524,288 flows", tcp4, 1 << 19, 3},
				{"new flow each packet", syn4, 0, 3},
			} {
				data := h.set(t, c.packet, c.flows)
				floor := h.once(t, h.floor, data, 200000, 7, 2)
				data = h.set(t, c.packet, c.flows)
				if c.flows > 1 {
					h.once(t, h.test, data, 2*int(c.flows), 1, c.verdict)
				}
				got := h.once(t, h.test, data, 200000, 7, c.verdict)
				t.Logf("%-5s %5d services  %-22s %6.0f ns (floor %.0f taken off)", forward, services, c.what, got-floor, floor)
			}
			d.Close()
		}
	}
}

func BenchmarkApply(b *testing.B) {
	d := open(b, embeddedEngine(b), benchConfig)
	if _, err := d.Apply("s", []*service.Pool{bare(0, 50)}); err != nil {
		b.Fatal(err)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := d.Apply("s", []*service.Pool{bare(0, 49+i%2)}); err != nil {
			b.Fatal(err)
		}
	}
}
