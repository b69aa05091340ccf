package replay_test

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

// endless gives one packet over and over, n times.
type endless struct {
	p replay.Packet
	n int
}

func (e *endless) Next(p *replay.Packet) error {
	if e.n == 0 {
		return errBroken
	}
	e.n--
	*p = e.p
	return nil
}

// passing is a program that passes every packet, at no cost of its own.
type passing struct {
	engine.Program
	info engine.ProgramInfo
}

func (p *passing) Info() engine.ProgramInfo { return p.info }

func (p *passing) Run(in *engine.RunInput) (engine.RunResult, error) {
	return engine.RunResult{Return: 2, Data: append(in.DataOut, in.Data...)}, nil
}

type discard struct{ packets int }

func (d *discard) Write(*replay.Packet) error { d.packets++; return nil }

// TestAllocations: a replay allocates for itself, not for its packets.
func TestAllocations(t *testing.T) {
	eng := embeddedEngine(t)
	for _, typ := range []ebpf.ProgramType{ebpf.XDP, ebpf.SchedCLS, ebpf.SocketFilter} {
		coll := &engine.Collection{Programs: map[string]engine.Program{"pass": &passing{info: engine.ProgramInfo{Name: "pass", Type: typ}}}}
		allocs := func(packets int) float64 {
			return testing.AllocsPerRun(3, func() {
				out := &discard{}
				src := &endless{replay.Packet{Data: udp("10.0.0.1", "10.0.0.2", 53, 64)}, packets}
				report, _ := replay.Run(t.Context(), eng, coll, src, replay.Options{Context: true, Out: out})
				if report.Packets != packets || typ == ebpf.XDP && out.packets != packets {
					t.Fatalf("%d packets, %d out, want %d", report.Packets, out.packets, packets)
				}
			})
		}
		few, many := allocs(100), allocs(1100)
		if per := (many - few) / 1000; per > 0.01 {
			t.Errorf("%s: %.2f allocations a packet", typ, per)
		}
	}
}
