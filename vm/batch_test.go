package vm

import (
	"errors"
	"testing"

	"github.com/skepdev/skep/abi"
)

// TestRunXDPBatch gives each packet its own verdict, over several turns of a
// virtual CPU, and stops at the packet that faults.
func TestRunXDPBatch(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	p := load(t, m, abi.ProgXDP, assemble(t, "r2 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r2 +0)\nif r0 != 200 goto out\nr0 = *(u8 *)(r0 +0)\nout:\nexit"))
	const count = 150
	packets := make([]*Packet, count)
	for i := range packets {
		data := frame()
		data[0] = byte(i)
		pk, err := m.NewPacket(data)
		if err != nil {
			t.Fatal(err)
		}
		defer pk.Release()
		packets[i] = pk
	}
	out := make([]Verdict, count)
	if n, err := p.RunXDPBatch(packets, nil, out); n != count || err != nil {
		t.Fatalf("%d packets run, %v", n, err)
	}
	for i, v := range out {
		if v.Return != uint32(i) {
			t.Errorf("packet %d: verdict %d", i, v.Return)
		}
	}
	packets[70].Data()[0] = 200
	var f *Fault
	if n, err := p.RunXDPBatch(packets, nil, out); n != 70 || !errors.As(err, &f) {
		t.Errorf("%d packets run, %v; want a fault behind 70", n, err)
	}
	if _, err := p.RunXDPBatch(packets, nil, out[:3]); err == nil {
		t.Error("three verdicts for 150 packets")
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = p.RunXDPBatch(packets[:60], nil, out) }); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func BenchmarkRunXDPBatch(b *testing.B) {
	m := newMachine(b, Config{CPUs: 1})
	p := load(b, m, abi.ProgXDP, assemble(b, "r0 = 2\nexit"))
	packets := make([]*Packet, 64)
	for i := range packets {
		pk, err := m.NewPacket(frame())
		if err != nil {
			b.Fatal(err)
		}
		defer pk.Release()
		packets[i] = pk
	}
	out := make([]Verdict, len(packets))
	for b.Loop() {
		if _, err := p.RunXDPBatch(packets, &XDPMeta{}, out); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(packets)), "ns/packet")
}
