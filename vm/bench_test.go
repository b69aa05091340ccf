package vm

import (
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

// xdpCounter parses Ethernet, IPv4 and UDP and counts the packet by protocol in
// an array.
const xdpCounter = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 14
	if r2 > r7 goto pass
	r3 = *(u8 *)(r6 +12)
	r4 = *(u8 *)(r6 +13)
	r4 <<= 8
	r4 |= r3
	if r4 != 8 goto pass
	r2 = r6
	r2 += 34
	if r2 > r7 goto pass
	r3 = *(u8 *)(r6 +23)
	*(u32 *)(r10 -4) = r3
	r2 = r6
	r2 += 42
	if r2 > r7 goto pass
	r5 = *(u16 *)(r6 +36)
	r5 = be16 r5
	r2 = r10
	r2 += -4
	r1 = map[idx:0]
	call helper#1
	if r0 == 0 goto pass
	r1 = *(u64 *)(r0 +0)
	r1 += 1
	*(u64 *)(r0 +0) = r1
pass:
	r0 = 2
	exit
`

const arithmetic = `
	r0 = 1
	r1 = 0
loop:
	r2 = r1
	r2 *= 3
	r0 += r2
	r0 ^= r1
	r3 = r0
	r3 >>= 7
	r0 += r3
	r1 += 1
	if r1 < 1000 goto loop
	exit
`

func counterProgram(t testing.TB) (*Machine, *Program, *Packet) {
	m := newMachine(t, Config{CPUs: 2})
	counts := newMap(t, m, MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 256})
	p := load(t, m, abi.ProgXDP, assemble(t, xdpCounter), counts)
	pk, err := m.NewPacket(frame())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pk.Release)
	return m, p, pk
}

func TestPacketRunDoesNotAllocate(t *testing.T) {
	m, p, pk := counterProgram(t)
	skb := load(t, m, abi.ProgSchedCLS, assemble(t, "r2 = *(u32 *)(r1 +76)\nr0 = *(u32 *)(r1 +0)\n*(u32 *)(r1 +8) = r0\nr0 = 0\nexit"))
	meta := SKBMeta{}
	frames, skbContext := frame(), []byte{8: 7, sizeSKB: 0}
	xdpContext := []byte{4: 64, sizeXDPMD: 0}
	for name, run := range map[string]func() error{
		"xdp":   func() error { _, err := p.RunXDP(pk, &XDPMeta{}); return err },
		"tc":    func() error { _, err := skb.RunSKB(pk, &meta); return err },
		"empty": func() error { return nil },
		"test run of xdp": func() error {
			_, err := p.TestRun(&TestInput{Data: frames, Context: xdpContext, NoDataOut: true})
			return err
		},
		"test run of tc": func() error {
			_, err := skb.TestRun(&TestInput{Data: frames, Context: skbContext, NoDataOut: true})
			return err
		},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if err := run(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a run, want none", name, n)
		}
	}
}

// checksum adds up 1,400 bytes of the packet in words of two.
const checksum = `
	r6 = *(u32 *)(r1 +0)
	r7 = *(u32 *)(r1 +4)
	r2 = r6
	r2 += 1400
	r0 = 0
	if r2 > r7 goto out
	r3 = 0
loop:
	r4 = *(u16 *)(r6 +0)
	r0 += r4
	r6 += 2
	r3 += 1
	if r3 < 700 goto loop
out:
	exit
`

// bothBenches runs a program on a live packet as native code and interpreted, in
// one run, so that the ratio means something.
func bothBenches(b *testing.B, code string, data []byte) {
	for name, interpret := range map[string]bool{"native": false, "interpreted": true} {
		b.Run(name, func(b *testing.B) {
			m := newMachine(b, Config{CPUs: 1, Interpret: interpret})
			counts := newMap(b, m, MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 256})
			p := load(b, m, abi.ProgXDP, assemble(b, code), counts)
			pk, err := m.NewPacket(data)
			if err != nil {
				b.Fatal(err)
			}
			defer pk.Release()
			for b.Loop() {
				if _, err := p.RunXDP(pk, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkXDPCounter(b *testing.B) { bothBenches(b, xdpCounter, frame()) }
func BenchmarkArithmetic(b *testing.B) { bothBenches(b, arithmetic, frame()) }
func BenchmarkNoop(b *testing.B)       { bothBenches(b, "r0 = 2\nexit", frame()) }
func BenchmarkChecksum(b *testing.B)   { bothBenches(b, checksum, make([]byte, 1500)) }

// BenchmarkLoad is what it costs to load a program of a thousand instructions.
func BenchmarkLoad(b *testing.B) {
	code := assemble(b, "r0 = 0\n"+strings.Repeat("r0 += 1\nr0 *= 3\n", 500)+"exit")
	for name, interpret := range map[string]bool{"native": false, "interpreted": true} {
		b.Run(name, func(b *testing.B) {
			m := newMachine(b, Config{CPUs: 1, Interpret: interpret})
			for b.Loop() {
				p, err := m.Load(&ProgramSpec{Name: "load", Type: abi.ProgXDP, Instructions: code})
				if err != nil {
					b.Fatal(err)
				}
				p.Close()
			}
		})
	}
}
