package embedded_test

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

// BenchmarkReceive takes a frame of 64 bytes through the hooks of a device.
func BenchmarkReceive(b *testing.B) {
	for _, c := range []struct {
		name string
		hook func(d engine.Device) (*ebpf.ProgramSpec, engine.Target)
	}{
		{"none", nil},
		{"xdp drop", func(d engine.Device) (*ebpf.ProgramSpec, engine.Target) {
			return verdict(ebpf.XDP, 1), engine.XDP{Device: d}
		}},
		{"xdp count and drop", func(d engine.Device) (*ebpf.ProgramSpec, engine.Target) {
			return counting(ebpf.XDP, 1), engine.XDP{Device: d}
		}},
		{"tc count and pass", func(d engine.Device) (*ebpf.ProgramSpec, engine.Target) {
			return counting(ebpf.SchedCLS, 0), engine.TCX{Device: d}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			eng := newEngine(b, embedded.Config{})
			d, err := eng.AddDevice(embedded.DeviceConfig{Name: "a", Deliver: func([]byte) {}})
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			if c.hook != nil {
				p, target := c.hook(d.Target())
				attach(b, eng, program(b, eng, p, counterMap(ebpf.PerCPUArray)), target)
			}
			f := frame(1)
			b.SetBytes(int64(len(f)))
			b.ReportAllocs()
			for b.Loop() {
				d.Receive(f)
			}
		})
	}
}
