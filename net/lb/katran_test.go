package lb_test

import (
	"context"
	"encoding/binary"
	"flag"
	"testing"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/net/service"
	"github.com/skepdev/skep/object"
)

var katranObject = flag.String("katran", "", "Katran's balancer, built from its public source (docs/lb.md), to measure beside ours")

// katran loads Katran's program with one virtual address, 10.100.0.1:80 over TCP,
// and 50 servers behind it. Layouts are those of its balancer_structs.h.
func katran(t *testing.T, eng engine.Engine) engine.Program {
	t.Helper()
	spec, err := object.OpenFile(*katranObject, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]uint32{"fallback_cache": 1 << 21, "lru_mapping": 1} {
		if m := spec.Maps[name]; m != nil {
			m.MaxEntries = n // as its user space sizes them: one table of connections
		}
	}
	coll, err := eng.Load(context.Background(), spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { coll.Close() })
	put := func(name string, key, value []byte) {
		t.Helper()
		m, ok := coll.Maps[name]
		if !ok {
			t.Fatalf("%s has no map %s", *katranObject, name)
		}
		pad := func(b []byte, n int) []byte { return append(b, make([]byte, max(0, n-len(b)))...) }
		if err := m.Update(pad(key, m.Info().KeySize), pad(value, m.Info().ValueSize), 0); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	u32 := func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
	put("ctl_array", u32(0), []byte{2, 0, 0, 0, 0, 0x99})
	vip := make([]byte, 20)
	copy(vip, []byte{10, 100, 0, 1})
	vip[17], vip[18] = 80, 6
	put("vip_map", vip, make([]byte, 8))
	for i := range 50 {
		put("reals", u32(uint32(i+1)), []byte{10, 10, 0, byte(i + 1)})
	}
	const ring = 65537
	for i := range ring {
		put("ch_rings", u32(uint32(i)), u32(uint32(i%50+1)))
	}
	p, ok := coll.Programs["balancer_ingress"]
	if !ok {
		t.Fatalf("%s has no program balancer_ingress", *katranObject)
	}
	return p
}

// TestPacketTimesBesideKatran measures both in turns in one process: IPIP over
// IPv4 with each packet put back, at numbers of flows. The mark is 0.8 of
// Katran's time. make bench-lb KATRAN=OBJECT asks for it.
func TestPacketTimesBesideKatran(t *testing.T) {
	if *katranObject == "" {
		t.Skip("make bench-lb KATRAN=OBJECT")
	}
	eng := kernelEngine(t)
	d := open(t, eng, benchConfig)
	if _, err := d.Apply("0", []*service.Pool{bare(0, 50)}); err != nil {
		t.Fatal(err)
	}
	ours, err := d.Program()
	if err != nil {
		t.Fatal(err)
	}
	harnesses := []*harness{newHarness(t, eng, ours), newHarness(t, eng, katran(t, eng))}
	for _, c := range []struct {
		what, packet string
		flows        uint32
		repeat       int
		verdict      uint32
	}{
		{"no service's packet", "eth / ip4 11.0.0.1 > 10.99.0.1 / tcp 40000 > 80", 1, 100000, 2},
		{"1 flow", "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80", 1, 100000, 3},
		{"8,192 flows", "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80", 1 << 13, 100000, 3},
		{"524,288 flows", "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80", 1 << 19, 200000, 3},
		{"new flow each packet", "eth / ip4 11.0.0.1 > 10.100.0.1 / tcp 40000 > 80 flags=2", 0, 200000, 3},
	} {
		var best [2]float64
		for round := range 8 { // in turns: the machine is shared
			for i, h := range harnesses {
				data := h.set(t, c.packet, c.flows)
				floor := h.once(t, h.floor, data, c.repeat, 1, 2)
				h.set(t, c.packet, c.flows)
				if c.flows > 1 && round == 0 {
					h.once(t, h.test, data, 2*int(c.flows), 1, c.verdict)
				}
				if got := h.once(t, h.test, data, c.repeat, 1, c.verdict) - floor; round == 0 || got < best[i] {
					best[i] = got
				}
			}
		}
		t.Logf("%-22s %5.0f ns, Katran %5.0f: %.2f", c.what, best[0], best[1], best[0]/best[1])
	}
}
