package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

// testNetwork has devices 1 to 9 with an MTU of 1500 and one route.
type testNetwork struct{ asked FIBQuery }

func (n *testNetwork) MTU(ifindex uint32) (int, bool) { return 1500, ifindex >= 1 && ifindex <= 9 }

func (n *testNetwork) FIB(q *FIBQuery) int {
	n.asked = *q
	q.OutIfIndex, q.SrcMAC, q.DstMAC, q.MTU = 7, [6]byte{1, 1, 1, 1, 1, 1}, [6]byte{2, 2, 2, 2, 2, 2}, 1400
	q.NextHop = q.Dst
	return abi.FIBLkupRetSuccess
}

func newPacket(t testing.TB, m *Machine, data []byte) *Packet {
	t.Helper()
	pk, err := m.NewPacket(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pk.Release)
	return pk
}

func TestRedirects(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, Network: &testNetwork{}})
	xdp := func(code string, maps ...*Map) Verdict {
		t.Helper()
		v, err := load(t, m, abi.ProgXDP, assemble(t, code), maps...).RunXDP(newPacket(t, m, frame()), &XDPMeta{IngressIfIndex: 3})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tc := func(code string) Verdict {
		t.Helper()
		v, err := load(t, m, abi.ProgSchedCLS, assemble(t, code)).RunSKB(newPacket(t, m, frame()), &SKBMeta{IfIndex: 3})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := xdp("r1 = 5\nr2 = 0\ncall helper#23\nexit"); v.Return != abi.XDPRedirect || v.Redirect.Kind != RedirectDevice || v.Redirect.IfIndex != 5 {
		t.Errorf("xdp redirect: %+v", v)
	}
	if v := tc("r1 = 5\nr2 = 1\ncall helper#23\nexit"); v.Return != abi.TCActRedirect || v.Redirect.Kind != RedirectDevice || v.Redirect.IfIndex != 5 || v.Redirect.Flags != abi.FlagIngress {
		t.Errorf("tc redirect: %+v", v)
	}
	if v := tc("r1 = 5\nr2 = 0\ncall helper#155\nexit"); v.Return != abi.TCActRedirect || v.Redirect.Kind != RedirectPeer {
		t.Errorf("tc redirect_peer: %+v", v)
	}
	v := tc("*(u32 *)(r10 -24) = 2\nr1 = 0x0100000a\n*(u32 *)(r10 -20) = r1\nr1 = 5\nr2 = r10\nr2 += -24\nr3 = 20\nr4 = 0\ncall helper#152\nexit")
	if v.Redirect.Kind != RedirectNeigh || v.Redirect.NextHopFamily != 2 || !bytes.HasPrefix(v.Redirect.NextHop[:], []byte{10, 0, 0, 1}) {
		t.Errorf("tc redirect_neigh: %+v", v)
	}
	dev, err := m.NewMap(MapSpec{Name: "dev", Type: abi.MapDevMap, KeySize: 4, ValueSize: 4, MaxEntries: 4})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if err := dev.Update(key32(2), key32(6), 0); err != nil {
		t.Fatal(err)
	}
	const redirectMap = "r1 = map[idx:0]\nr2 = %d\nr3 = %d\ncall helper#51\nexit"
	if v := xdp(fmt.Sprintf(redirectMap, 2, 0), dev); v.Return != abi.XDPRedirect || v.Redirect.Kind != RedirectMap || v.Redirect.Map != dev || v.Redirect.Key != 2 || v.Redirect.Value != 6 {
		t.Errorf("redirect_map: %+v", v)
	}
	if v := xdp(fmt.Sprintf(redirectMap, 1, 2), dev); v.Return != abi.XDPPass || v.Redirect.Kind != RedirectNone {
		t.Errorf("redirect_map to an empty slot: %+v", v)
	}
	if v := xdp(fmt.Sprintf(redirectMap, 1, abi.FlagBroadcast|abi.FlagExcludeIngress), dev); v.Return != abi.XDPRedirect || v.Redirect.Flags != abi.FlagBroadcast|abi.FlagExcludeIngress {
		t.Errorf("redirect_map to all: %+v", v)
	}
}

func TestCloneRedirect(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, Network: &testNetwork{}})
	p := load(t, m, abi.ProgSchedCLS, assemble(t, "r6 = r1\nr2 = 5\nr3 = 1\ncall helper#13\nr7 = r0\nr1 = *(u32 *)(r6 +76)\nr2 = *(u32 *)(r6 +80)\nr3 = r1\nr3 += 1\nif r3 > r2 goto pc+1\n*(u8 *)(r1 +0) = 0xee\nr0 = r7\nexit"))
	pk := newPacket(t, m, frame())
	v, err := p.RunSKB(pk, &SKBMeta{})
	if err != nil || v.Return != 0 || len(v.Clones) != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	c := v.Clones[0]
	defer c.Packet.Release()
	if c.IfIndex != 5 || c.Flags != abi.FlagIngress || !bytes.Equal(c.Packet.Data(), frame()) {
		t.Errorf("clone to %d, flags %d: %x", c.IfIndex, c.Flags, c.Packet.Data())
	}
	if pk.Data()[0] != 0xee {
		t.Error("the packet itself was not changed after the clone")
	}
}

func TestFIBAndMTU(t *testing.T) {
	n := &testNetwork{}
	m := newMachine(t, Config{CPUs: 1, Network: n})
	pk := newPacket(t, m, frame())
	p := load(t, m, abi.ProgXDP, assemble(t, `
		r6 = r1
		*(u64 *)(r10 -64) = 0
		*(u64 *)(r10 -56) = 0
		*(u64 *)(r10 -48) = 0
		*(u64 *)(r10 -40) = 0
		*(u64 *)(r10 -32) = 0
		*(u64 *)(r10 -24) = 0
		*(u64 *)(r10 -16) = 0
		*(u64 *)(r10 -8) = 0
		*(u8 *)(r10 -64) = 2
		*(u32 *)(r10 -56) = 3
		r1 = 0x0200000a
		*(u32 *)(r10 -32) = r1
		r1 = r6
		r2 = r10
		r2 += -64
		r3 = 64
		r4 = 0
		call helper#69
		r1 = *(u32 *)(r10 -56)
		r0 *= 1000
		r0 += r1
		r1 = *(u8 *)(r10 -6)
		r0 *= 1000
		r0 += r1
		exit
	`))
	v, err := p.RunXDP(pk, nil)
	if err != nil || v.Return != 7002 {
		t.Errorf("fib_lookup: %d, %v", v.Return, err)
	}
	if n.asked.IfIndex != 3 || n.asked.Dst.String() != "10.0.0.2" {
		t.Errorf("the question was %+v", n.asked)
	}
	check := func(length, diff, want int) {
		t.Helper()
		pk := newPacket(t, m, make([]byte, length))
		p := load(t, m, abi.ProgXDP, assemble(t, fmt.Sprintf("*(u32 *)(r10 -4) = 0\nr2 = 4\nr3 = r10\nr3 += -4\nr4 = %d\nr5 = 0\ncall helper#163\nr1 = *(u32 *)(r10 -4)\nr0 *= 10000\nr0 += r1\nexit", diff)))
		v, err := p.RunXDP(pk, nil)
		if err != nil || int(v.Return) != want {
			t.Errorf("check_mtu of %d bytes and %d: %d, %v, want %d", length, diff, v.Return, err, want)
		}
	}
	check(1514, 0, 1500)
	check(1514, 1, 11500)
	check(1515, 0, 11500)
	check(1515, -1, 1500)
}

func TestPrintk(t *testing.T) {
	var lines []PrintkLine
	m := newMachine(t, Config{CPUs: 1, Clock: func() uint64 { return 42 }, Printk: func(l PrintkLine) { lines = append(lines, l) }})
	text := newMap(t, m, MapSpec{Name: "text", Type: abi.MapArray, KeySize: 4, ValueSize: 64, MaxEntries: 1})
	print := func(format string, args ...string) (string, int32) {
		t.Helper()
		lines = nil
		buf := make([]byte, 64)
		copy(buf, format)
		copy(buf[48:], "text")
		if err := text.Update(key32(0), buf, 0); err != nil {
			t.Fatal(err)
		}
		code := "r1 = map[idx:0][0]+0\n" + fmt.Sprintf("r2 = %d\n", len(format)+1)
		for i, a := range args {
			code += fmt.Sprintf("r%d = %s\n", 3+i, a)
		}
		res := runCode(t, m, abi.ProgXDP, code+"call helper#6\nexit", text)
		if len(lines) == 0 {
			return "", int32(res.Return)
		}
		if lines[0].Program != "test" || lines[0].Time != 42 {
			t.Errorf("line %+v", lines[0])
		}
		return lines[0].Text, int32(res.Return)
	}
	const str = "map[idx:0][0]+48"
	for _, c := range []struct {
		format string
		args   []string
		want   string
		ret    int32
	}{
		{"plain\n", nil, "plain", 6},
		{"%d %u %x", []string{"-1", "-1", "255"}, "-1 4294967295 ff", 16},
		{"%ld %lu %llx", []string{"-5", "5", "0x1234567890 ll"}, "-5 5 1234567890", 15},
		{"%5d|%-5d|%05d", []string{"42", "42", "-42"}, "   42|42   |-0042", 17},
		{"%#x %X %i", []string{"255", "255", "-3"}, "0xff FF -3", 10},
		{"%s and %c %%", []string{str, "65"}, "text and A %", 12},
		{"%pks %s", []string{str, "0"}, "text ", 5},
		{"%pI4 %pi4", []string{str, str}, "116.101.120.116 116.101.120.116", 31},
		{"%pI6", []string{str}, "7465:7874:0000:0000:0000:0000:0000:0000", 39},
		{"%p", []string{"0x1234"}, "1234", 4},
		{"%d %d %d %d", []string{"1", "2", "3"}, "", -22},
		{"%q", []string{"1"}, "", -22},
		{"%", []string{"1"}, "", -22},
	} {
		if got, ret := print(c.format, c.args...); got != c.want || ret != c.ret {
			t.Errorf("%q gives %q and %d, want %q and %d", c.format, got, ret, c.want, c.ret)
		}
	}
}

func TestSnprintf(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	text := newMap(t, m, MapSpec{Name: "text", Type: abi.MapArray, KeySize: 4, ValueSize: 64, MaxEntries: 1})
	if err := text.Update(key32(0), append([]byte("%d-%s-%llx\x00"), make([]byte, 53)...), 0); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]string{32: "7-%d-%s-%llx-ff\x00", 5: "7-%d\x00", 1: "\x00"} {
		p := load(t, m, abi.ProgSchedCLS, assemble(t, fmt.Sprintf(`
			r6 = r1
			*(u64 *)(r10 -24) = 7
			r1 = map[idx:0][0]+0
			*(u64 *)(r10 -16) = r1
			*(u64 *)(r10 -8) = 255
			r7 = *(u32 *)(r6 +76)
			r8 = *(u32 *)(r6 +80)
			r1 = r7
			r1 += 40
			if r1 > r8 goto out
			r1 = r7
			r2 = %d
			r3 = map[idx:0][0]+0
			r4 = r10
			r4 += -24
			r5 = 24
			call helper#165
		out:
			exit
		`, size)), text)
		pk := newPacket(t, m, bytes.Repeat([]byte{0xcc}, 64))
		v, err := p.RunSKB(pk, &SKBMeta{})
		if err != nil || v.Return != 16 {
			t.Fatalf("size %d: returns %d, %v", size, v.Return, err)
		}
		if got := pk.Data()[:len(want)+1]; string(got) != want+"\xcc" {
			t.Errorf("size %d: %q, want %q", size, got, want)
		}
	}
}

func TestVLANOfLivePackets(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	pk := newPacket(t, m, vlanFrame(100))
	meta := SKBMeta{}
	if err := pk.PopVLAN(&meta); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pk.Data(), frame()) || !meta.VLANPresent || meta.VLANTCI != 100 {
		t.Errorf("popped: %+v\n%x", meta, pk.Data())
	}
	push := load(t, m, abi.ProgSchedCLS, assemble(t, "r2 = 129\nr3 = 200\ncall helper#18\nexit"))
	if v, err := push.RunSKB(pk, &meta); err != nil || v.Return != 0 {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := pk.PushVLAN(&meta); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pk.Data(), vlanFrame(200, 100)) || meta.VLANPresent {
		t.Errorf("pushed: %+v\n%x\n%x", meta, pk.Data(), vlanFrame(200, 100))
	}
}

func TestXDPMetadataReachesTC(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	pk := newPacket(t, m, frame())
	put := load(t, m, abi.ProgXDP, assemble(t, "r6 = r1\nr2 = -4\ncall helper#54\nr1 = *(u32 *)(r6 +8)\nr2 = *(u32 *)(r6 +0)\nr3 = r1\nr3 += 4\nif r3 > r2 goto pc+1\n*(u32 *)(r1 +0) = 0x1234\nr0 = 2\nexit"))
	if v, err := put.RunXDP(pk, nil); err != nil || v.Return != abi.XDPPass {
		t.Fatalf("%+v, %v", v, err)
	}
	get := load(t, m, abi.ProgSchedCLS, assemble(t, "r2 = *(u32 *)(r1 +140)\nr3 = *(u32 *)(r1 +76)\nr0 = 0\nr4 = r2\nr4 += 4\nif r4 > r3 goto pc+1\nr0 = *(u32 *)(r2 +0)\nexit"))
	if v, err := get.RunSKB(pk, &SKBMeta{}); err != nil || v.Return != 0x1234 {
		t.Errorf("%+v, %v", v, err)
	}
	pk.ClearMeta()
	if v, err := get.RunSKB(pk, &SKBMeta{}); err != nil || v.Return != 0 {
		t.Errorf("after it was dropped: %+v, %v", v, err)
	}
}

func TestKfuncs(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	names := []string{"bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy", "bpf_dynptr_from_skb", "bpf_dynptr_slice", "bpf_dynptr_size", "bpf_dynptr_adjust"}
	run := func(code string) (uint32, error) {
		t.Helper()
		spec := &ProgramSpec{Name: "kfuncs", Type: abi.ProgSchedCLS, License: "GPL", Kfuncs: map[int32]string{}}
		for i, n := range names {
			spec.Kfuncs[int32(1000+i)] = n
			code = strings.ReplaceAll(code, "call "+n+"\n", fmt.Sprintf("call kfunc#%d\n", 1000+i))
		}
		spec.Instructions = assemble(t, code)
		p, err := m.Load(spec)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		res, err := p.TestRun(&TestInput{Data: frame()})
		return res.Return, err
	}
	got, err := run(`
		r6 = 0
		r1 = r10
		r1 += -8
		r2 = 5
		r3 = 10
		call bpf_iter_num_new
	next:
		r1 = r10
		r1 += -8
		call bpf_iter_num_next
		if r0 == 0 goto done
		r1 = *(s32 *)(r0 +0)
		r6 += r1
		goto next
	done:
		r1 = r10
		r1 += -8
		call bpf_iter_num_destroy
		r0 = r6
		exit
	`)
	if err != nil || got != 5+6+7+8+9 {
		t.Errorf("sum over an iterator: %d, %v", got, err)
	}
	got, err = run(`
		r2 = 0
		r3 = r10
		r3 += -16
		call bpf_dynptr_from_skb
		r1 = r10
		r1 += -16
		r2 = 12
		r3 = 64
		call bpf_dynptr_adjust
		r1 = r10
		r1 += -16
		r2 = 0
		r3 = r10
		r3 += -32
		r4 = 2
		call bpf_dynptr_slice
		if r0 == 0 goto out
		r6 = *(u16 *)(r0 +0)
		r1 = r10
		r1 += -16
		call bpf_dynptr_size
		r0 <<= 16
		r0 |= r6
	out:
		exit
	`)
	if err != nil || got != 52<<16|8 {
		t.Errorf("dynptr over a packet: %#x, %v", got, err)
	}
}

func TestDynptrs(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096})
	r, err := ring.RingReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res := runCode(t, m, abi.ProgXDP, `
		r1 = map[idx:0]
		r2 = 16
		r3 = 0
		r4 = r10
		r4 += -16
		call helper#198
		r6 = r0
		*(u64 *)(r10 -24) = 0x55
		r1 = r10
		r1 += -16
		r2 = 8
		r3 = r10
		r3 += -24
		r4 = 8
		r5 = 0
		call helper#202
		r6 |= r0
		r1 = r10
		r1 += -16
		r2 = 0
		r3 = 8
		call helper#203
		if r0 == 0 goto out
		*(u64 *)(r0 +0) = 0x44
		r1 = r10
		r1 += -32
		r2 = 8
		r3 = r10
		r3 += -16
		r4 = 9
		r5 = 0
		call helper#201
		r7 = r0
		r1 = r10
		r1 += -16
		r2 = 0
		call helper#199
		r0 = r7
		r0 += r6
		exit
	out:
		r0 = 99
		exit
	`, ring)
	if int32(res.Return) != -7 { // E2BIG of the read past the end
		t.Errorf("returns %d", int32(res.Return))
	}
	data, _, err := r.ReadInto(nil)
	want := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 0x44), 0x55)
	if err != nil || !bytes.Equal(data, want) {
		t.Errorf("record %x, %v", data, err)
	}
}

func TestPlainContexts(t *testing.T) {
	m := newMachine(t, Config{CPUs: 2})
	sum := load(t, m, abi.ProgRawTracepoint, assemble(t, "r0 = *(u64 *)(r1 +0)\nr2 = *(u64 *)(r1 +8)\nr0 += r2\nexit"))
	ctx := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, 40), 2)
	if res, err := sum.TestRun(&TestInput{Context: ctx}); err != nil || res.Return != 42 {
		t.Errorf("%d, %v", res.Return, err)
	}
	if _, err := sum.TestRun(&TestInput{Context: ctx[:8]}); !errors.Is(err, ErrFault) {
		t.Errorf("an argument that is not there: %v", err)
	}
	cpu := load(t, m, abi.ProgRawTracepoint, assemble(t, "call helper#8\nexit"))
	if res, err := cpu.TestRun(&TestInput{Flags: abi.FlagTestRunOnCPU, CPU: 1}); err != nil || res.Return != 1 {
		t.Errorf("on CPU 1: %d, %v", res.Return, err)
	}
	twice := load(t, m, abi.ProgSyscall, assemble(t, "r0 = *(u64 *)(r1 +0)\nr0 *= 2\n*(u64 *)(r1 +0) = r0\nr0 = 0\nexit"))
	arg := binary.NativeEndian.AppendUint64(nil, 21)
	if _, err := twice.TestRun(&TestInput{Context: arg}); err != nil || binary.NativeEndian.Uint64(arg) != 42 {
		t.Errorf("syscall program: %v, %v", arg, err)
	}
}

// A run's redirect is not the next run's.
func TestRedirectIsForgotten(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	redirects := load(t, m, abi.ProgXDP, assemble(t, "r1 = 7\nr2 = 0\ncall helper#23\nexit"))
	passes := load(t, m, abi.ProgXDP, assemble(t, "r0 = 2\nexit"))
	pk, err := m.NewPacket(frame())
	if err != nil {
		t.Fatal(err)
	}
	defer pk.Release()
	for range 2 {
		v, err := redirects.RunXDP(pk, nil)
		if err != nil || v.Redirect.Kind != RedirectDevice || v.Redirect.IfIndex != 7 {
			t.Fatalf("%+v, %v", v, err)
		}
		if v, err = passes.RunXDP(pk, nil); err != nil || v.Redirect != (Redirect{}) {
			t.Fatalf("%+v, %v", v, err)
		}
	}
}
