package vm

import (
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// The same programs in the kernel, for ratios: times of different runs cannot
// be compared on shared machines.
func BenchmarkKernel(b *testing.B) {
	needKernel(b)
	counts, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 256})
	if err != nil {
		b.Fatal(err)
	}
	defer counts.Close()
	for name, code := range map[string]string{"Noop": "r0 = 2\nexit", "XDPCounter": xdpCounter, "Arithmetic": arithmetic, "Checksum": checksum} {
		b.Run(name, func(b *testing.B) {
			insns := assemble(b, code)
			for i := range insns {
				if in := &insns[i]; in.Op == isa.LdImm64 && in.Src == isa.PseudoMapIdx {
					in.Src, in.Imm = isa.PseudoMapFD, int32(counts.FD())
				}
			}
			p, err := kernelLoad(abi.ProgXDP, insns, 0)
			if err != nil {
				b.Skip(err) // loops are bounded differently by different verifiers
			}
			defer p.Close()
			data := make([]byte, 1500)
			copy(data, frame())
			if _, err := p.Run(&ebpf.RunOptions{Data: data, Repeat: uint32(b.N)}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
