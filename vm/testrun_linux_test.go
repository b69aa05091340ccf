package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
)

// both is one program on both engines.
type both struct {
	k *ebpf.Program
	p *Program
}

func newBoth(t *testing.T, m *Machine, typ abi.ProgramType, code string) both {
	t.Helper()
	insns := assemble(t, code)
	k, err := kernelLoad(typ, insns, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return both{k, load(t, m, typ, insns)}
}

// compare test-runs both and checks that they refuse alike, or give the same.
func (b both) compare(t *testing.T, what string, data, ctx []byte, repeat int) {
	t.Helper()
	opts := ebpf.RunOptions{Data: data, DataOut: make([]byte, len(data)+1024), Repeat: uint32(repeat)}
	if len(ctx) > 0 {
		size := 192
		if b.p.Type() == abi.ProgXDP {
			size = 24
		}
		opts.Context, opts.ContextOut = ctx, make([]byte, size)
	}
	ret, kerr := b.k.Run(&opts)
	res, err := b.p.TestRun(&TestInput{Data: data, Context: ctx, WantContext: len(ctx) > 0, Repeat: repeat})
	const page = 3712
	if errors.Is(kerr, syscall.EINVAL) && len(data) > page && err == nil && b.p.Type() != abi.ProgXDP {
		return // newer kernels take them
	}
	if kerr != nil || err != nil {
		var ke, e syscall.Errno
		errors.As(kerr, &ke)
		errors.As(err, &e)
		if ke != e {
			t.Errorf("%s: %v, the kernel: %v", what, err, kerr)
		}
		return
	}
	if ret != res.Return {
		t.Errorf("%s: returns %#x, the kernel %#x", what, res.Return, ret)
	}
	if !bytes.Equal(res.Data, opts.DataOut) {
		t.Errorf("%s: %d bytes come out, of the kernel %d\n%x\n%x", what, len(res.Data), len(opts.DataOut), res.Data[:min(len(res.Data), 64)], opts.DataOut[:min(len(opts.DataOut), 64)])
	}
	if len(ctx) > 0 {
		if want := opts.ContextOut.([]byte); !bytes.Equal(res.Context, want) {
			t.Errorf("%s: context afterwards\n%x, the kernel's\n%x", what, res.Context, want)
		}
	}
}

// Programs that show what they see. They keep what little each type may return.
var showing = map[abi.ProgramType]string{
	abi.ProgXDP: `
		r2 = *(u32 *)(r1 +4)
		r3 = *(u32 *)(r1 +0)
		r4 = *(u32 *)(r1 +12)
		r5 = *(u32 *)(r1 +16)
		r2 -= r3
		r0 = r2
		r0 *= 31
		r0 += r4
		r0 *= 31
		r0 += r5
		exit`,
	abi.ProgSchedCLS: `
		r0 = *(u32 *)(r1 +0)
		r2 = *(u32 *)(r1 +80)
		r3 = *(u32 *)(r1 +76)
		r2 -= r3
		r0 *= 31
		r0 += r2
		r2 = *(u32 *)(r1 +4)
		r0 *= 31
		r0 += r2
		r2 = *(u32 *)(r1 +16)
		r0 *= 31
		r0 += r2
		r2 = *(u32 *)(r1 +40)
		r0 *= 31
		r0 += r2
		r2 = *(u32 *)(r1 +160)
		r0 *= 31
		r0 += r2
		exit`,
	abi.ProgSocketFilter: `
		r6 = r1
		r7 = *(u32 *)(r1 +0)
		r8 = *(u32 *)(r1 +16)
		r0 = *(u8 *)skb[0]
		r7 *= 31
		r7 += r0
		r7 *= 31
		r7 += r8
		r0 = *(u16 *)skb[-1048576]
		r7 *= 31
		r7 += r0
		r0 = *(u32 *)skb[-2097140]
		r7 *= 31
		r7 += r0
		r0 = r7
		exit`,
	abi.ProgCgroupSKB: `
		r2 = *(u32 *)(r1 +0)
		*(u32 *)(r1 +48) = r2
		r2 = *(u32 *)(r1 +80)
		r3 = *(u32 *)(r1 +76)
		r2 -= r3
		*(u32 *)(r1 +52) = r2
		r2 = *(u32 *)(r1 +92)
		*(u32 *)(r1 +56) = r2
		r2 = *(u32 *)(r1 +96)
		*(u32 *)(r1 +60) = r2
		r2 = *(u32 *)(r1 +88)
		*(u32 *)(r1 +64) = r2
		r0 = 1
		exit`,
}

func TestTestRunInputAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	long := make([]byte, 66000)
	copy(long, frame())
	long6 := append(ipv6Frame(), make([]byte, 9000)...)
	for typ, code := range showing {
		t.Run(typ.String(), func(t *testing.T) {
			b := newBoth(t, m, typ, code)
			for _, n := range []int{0, 1, 13, 14, 15, 33, 34, 35, 64, 1514, 3519, 3520, 3521, 3711, 3712, 3713, 4096, 9000, 65535, 65536, 66000} {
				b.compare(t, fmt.Sprintf("%d bytes", n), long[:n], nil, 1)
			}
			for _, n := range []int{14, 53, 54, 80, 9000} {
				b.compare(t, fmt.Sprintf("%d bytes of IPv6", n), long6[:n], nil, 1)
			}
			for _, dst := range []byte{0, 1, 2, 255} {
				f := frame()
				for i := range 6 {
					f[i] = dst
				}
				b.compare(t, fmt.Sprintf("destination %d", dst), f, make([]byte, 192), 1)
			}
			for _, typ := range []uint16{0, 3, 0x5ff, 0x600, 0x800, 0x806, 0x86dd, 0x8100} {
				f := long[:80]
				f = append([]byte(nil), f...)
				binary.BigEndian.PutUint16(f[12:], typ)
				b.compare(t, fmt.Sprintf("type %#x", typ), f, nil, 1)
				f[14], f[15] = 0xff, 0xff
				b.compare(t, fmt.Sprintf("type %#x and ones", typ), f, nil, 1)
			}
			b.compare(t, "repeated", frame(), nil, 5)
			size := 192
			if typ == abi.ProgXDP {
				size = 24
			}
			for off := range size {
				for _, v := range []byte{1, 99, 255} {
					ctx := make([]byte, size)
					if typ == abi.ProgXDP {
						ctx[4] = 64
					}
					ctx[off] = v
					b.compare(t, fmt.Sprintf("context byte %d is %d", off, v), frame(), ctx, 1)
				}
			}
			for _, n := range []int{1, 8, 20, 40, 168, 200, 256} {
				b.compare(t, fmt.Sprintf("context of %d bytes", n), frame(), make([]byte, n), 1)
			}
		})
	}
}

func TestXDPMetadataAgainstKernel(t *testing.T) {
	needKernel618(t)
	m := newMachine(t, Config{CPUs: 1})
	b := newBoth(t, m, abi.ProgXDP, showing[abi.ProgXDP])
	data := make([]byte, 9000)
	for i := range data {
		data[i] = byte(i)
	}
	for _, n := range []int{14, 64, 300, 3600, 3800, 9000} {
		for _, meta := range []uint32{0, 1, 4, 8, 32, 64, 212, 216, 220, 252, 256, 300} {
			for _, end := range []int{0, 14, 20, 64, n - 1, n, n + 1} {
				ctx := make([]byte, 24)
				binary.NativeEndian.PutUint32(ctx, meta)
				binary.NativeEndian.PutUint32(ctx[4:], uint32(end))
				b.compare(t, fmt.Sprintf("%d bytes, %d of metadata, linear to %d", n, meta, end), data[:n], ctx, 1)
			}
		}
	}
	// One that eats a byte a run: packets are not restored between runs.
	eat := newBoth(t, m, abi.ProgXDP, "r6 = r1\nr2 = 1\ncall helper#44\nr0 = *(u32 *)(r6 +4)\nr1 = *(u32 *)(r6 +0)\nr0 -= r1\nexit")
	eat.compare(t, "not restored", frame(), nil, 7)
}
