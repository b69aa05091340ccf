package embedded_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/vm"
)

// TestMetadata: what XDP puts in front of a packet, tc ingress finds there, and
// it does not go up with the frame.
func TestMetadata(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	attach(t, eng, program(t, eng, assemble(ebpf.XDP,
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.Mov.Imm(asm.R2, -4), asm.FnXdpAdjustMeta.Call(),
		asm.LoadMem(asm.R2, asm.R6, 8, asm.Word), asm.LoadMem(asm.R3, asm.R6, 0, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 4), asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.StoreImm(asm.R2, 0, 0x1234, asm.Word),
		asm.Mov.Imm(asm.R0, 2).WithSymbol("out"), asm.Return(),
	)), engine.XDP{Device: d.Target()})
	// Passes only what has the metadata.
	attach(t, eng, program(t, eng, assemble(ebpf.SchedCLS,
		asm.Mov.Imm(asm.R0, 2),
		asm.LoadMem(asm.R2, asm.R1, 140, asm.Word), asm.LoadMem(asm.R3, asm.R1, 76, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 4), asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.LoadMem(asm.R5, asm.R2, 0, asm.Word), asm.JNE.Imm(asm.R5, 0x1234, "out"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return().WithSymbol("out"),
	)), engine.TCX{Device: d.Target()})
	d.Receive(frame(3))
	if _, up := d.take(); len(up) != 1 || !bytes.Equal(up[0], frame(3)) {
		t.Errorf("delivered %x, want the frame as it came", up)
	}
}

// TestRedirectNeigh fills in the addresses of the next hop.
func TestRedirectNeigh(t *testing.T) {
	next := net.HardwareAddr{2, 9, 9, 9, 9, 9}
	eng := newEngine(t, embedded.Config{Neighbor: func(d *embedded.Device, a netip.Addr) (net.HardwareAddr, bool) {
		return next, a == netip.MustParseAddr("10.1.2.3") && d.Name() == "b"
	}})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	own := net.HardwareAddr{2, 8, 8, 8, 8, 8}
	b := device(t, eng, embedded.DeviceConfig{Name: "b", HardwareAddr: own})
	attach(t, eng, program(t, eng, assemble(ebpf.SchedCLS,
		asm.Mov.Imm(asm.R1, int32(b.Index())), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0),
		asm.FnRedirectNeigh.Call(), asm.Return())), engine.TCX{Device: a.Target()})
	f := frame(1)
	copy(f[30:], []byte{10, 1, 2, 3})
	a.Receive(f)
	a.Receive(frame(1)) // to an address that nobody knows
	want := append(append(bytes.Clone(next), own...), f[12:]...)
	if sent, _ := b.take(); len(sent) != 1 || !bytes.Equal(sent[0], want) {
		t.Errorf("sent %x, want %x", sent, want)
	}
	if n := a.Stats().Drops[embedded.DropRedirect]; n != 1 {
		t.Errorf("%d drops, want 1", n)
	}
}

// TestCPUMap: another CPU takes the packet up the same stack.
func TestCPUMap(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	cpus := &ebpf.MapSpec{Name: "cpus", Type: ebpf.CPUMap, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(0), Value: uint32(64)}}}
	attach(t, eng, program(t, eng, assemble(ebpf.XDP,
		asm.LoadMapPtr(asm.R1, 0).WithReference("cpus"), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0),
		asm.FnRedirectMap.Call(), asm.Return()), cpus), engine.XDP{Device: d.Target()})
	d.Receive(frame(1))
	if _, up := d.take(); len(up) != 1 {
		t.Errorf("%d frames came up, want 1: %+v", len(up), d.Stats())
	}
}

// TestDevmapRedirect goes to the one device that the key names.
func TestDevmapRedirect(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	b := device(t, eng, embedded.DeviceConfig{Name: "b"})
	ports := &ebpf.MapSpec{Name: "ports", Type: ebpf.DevMapHash, KeySize: 4, ValueSize: 4, MaxEntries: 4, Contents: []ebpf.MapKV{{Key: uint32(77), Value: uint32(b.Index())}}}
	attach(t, eng, program(t, eng, assemble(ebpf.XDP,
		asm.LoadMapPtr(asm.R1, 0).WithReference("ports"), asm.Mov.Imm(asm.R2, 77), asm.Mov.Imm(asm.R3, 0),
		asm.FnRedirectMap.Call(), asm.Return()), ports), engine.XDP{Device: a.Target()})
	a.Receive(frame(1))
	if sent, _ := b.take(); len(sent) != 1 {
		t.Errorf("%d frames were sent, want 1: %+v", len(sent), a.Stats())
	}
}

// TestPacketType: skb->pkt_type says for whom a frame is.
func TestPacketType(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	d := device(t, eng, embedded.DeviceConfig{Name: "a", HardwareAddr: mac})
	// Passes frames for this host only.
	attach(t, eng, program(t, eng, assemble(ebpf.SchedCLS,
		asm.LoadMem(asm.R2, asm.R1, 4, asm.Word), asm.Mov.Imm(asm.R0, 0), asm.JEq.Imm(asm.R2, 0, "out"),
		asm.Mov.Imm(asm.R0, 2), asm.Return().WithSymbol("out"))), engine.TCX{Device: d.Target()})
	for dst, want := range map[string]int{
		"02:00:00:00:00:01": 1, "02:00:00:00:00:09": 0, "ff:ff:ff:ff:ff:ff": 0, "01:00:5e:00:00:01": 0,
	} {
		addr, err := net.ParseMAC(dst)
		if err != nil {
			t.Fatal(err)
		}
		f := frame(1)
		copy(f, addr)
		d.Receive(f)
		if _, up := d.take(); len(up) != want {
			t.Errorf("to %s: %d frames came up, want %d", dst, len(up), want)
		}
	}
}

// TestNetwork: programs ask for the MTU of devices, and for routes.
func TestNetwork(t *testing.T) {
	eng := newEngine(t, embedded.Config{FIB: func(q *vm.FIBQuery) int { return 7 }})
	d := device(t, eng, embedded.DeviceConfig{Name: "a", MTU: 1400})
	p := program(t, eng, assemble(ebpf.SchedCLS,
		asm.Mov.Imm(asm.R2, int32(d.Index())),
		asm.StoreImm(asm.RFP, -4, 0, asm.Word), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -4),
		asm.Mov.Imm(asm.R4, 0), asm.Mov.Imm(asm.R5, 0),
		asm.FnCheckMtu.Call(),
		asm.LoadMem(asm.R0, asm.RFP, -4, asm.Word), asm.Return()))
	res, err := p.Run(&engine.RunInput{Data: frame(1)})
	if err != nil || res.Return != 1400 {
		t.Errorf("MTU %d, %v; want 1400", res.Return, err)
	}
}

// TestStats: live runs are counted, test runs are not.
func TestStats(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	p := program(t, eng, verdict(ebpf.XDP, 2))
	attach(t, eng, p, engine.XDP{Device: d.Target()})
	for range 5 {
		d.Receive(frame(1))
	}
	if _, err := p.Run(&engine.RunInput{Data: frame(1)}); err != nil {
		t.Fatal(err)
	}
	s, err := p.Stats()
	if err != nil || s.Runs != 5 || s.Runtime <= 0 || s.Runtime > time.Minute {
		t.Errorf("stats %+v, %v; want 5 runs", s, err)
	}
	info := p.Info()
	if info.Name != "main" || info.Type != ebpf.XDP || info.ID == 0 || len(info.Tag) != 16 || info.Instructions != 2 {
		t.Errorf("info %+v", info)
	}
}

// TestConcurrent uses everything at once; the race detector watches.
func TestConcurrent(t *testing.T) {
	eng := newEngine(t, embedded.Config{OnFault: func(*embedded.Device, error) {}})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	b := device(t, eng, embedded.DeviceConfig{Name: "b"})
	var wg sync.WaitGroup
	// Everybody goes on until each has had its rounds.
	const rounds = 200
	var behind atomic.Int32
	begin := make(chan struct{})
	again := func(f func()) {
		behind.Add(1)
		wg.Go(func() {
			<-begin
			for n := 1; behind.Load() > 0; n++ {
				f()
				if n == rounds {
					behind.Add(-1)
				}
			}
		})
	}
	again(func() { a.Receive(frame(1)) })
	again(func() { b.Transmit(frame(2)) })
	again(func() { a.Stats(); a.take(); b.take() })
	for _, target := range []engine.Target{
		engine.XDP{Device: a.Target()}, engine.TCX{Device: a.Target()}, engine.TCX{Device: b.Target(), Egress: true},
	} {
		again(func() {
			p := redirecting(ebpf.SchedCLS, b.Index(), 0)
			if target.Kind() == engine.KindXDP {
				p = counting(ebpf.XDP, 2)
			}
			coll, err := eng.Load(context.Background(), &ebpf.CollectionSpec{
				Programs: map[string]*ebpf.ProgramSpec{"main": p},
				Maps:     map[string]*ebpf.MapSpec{"counts": counterMap(ebpf.Hash)},
			}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			l, err := eng.Attach(coll.Programs["main"], target)
			if err != nil {
				t.Error(err)
				return
			}
			runtime.Gosched()
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			if err := coll.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	again(func() {
		d, err := eng.AddDevice(embedded.DeviceConfig{Name: "c"})
		if err != nil {
			t.Error(err)
			return
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	close(begin)
	wg.Wait()
}

// TestLeavesNoGoroutines behind.
func TestLeavesNoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	eng, err := embedded.New(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	coll, err := eng.Load(context.Background(), &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{
		"ring": {Name: "ring", Type: ebpf.RingBuf, MaxEntries: 1 << 12},
		"perf": {Name: "perf", Type: ebpf.PerfEventArray},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := coll.Maps["ring"].RingReader()
	if err != nil {
		t.Fatal(err)
	}
	perf, err := coll.Maps["perf"].PerfReader(engine.PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := eng.OpenPrintk()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 3)
	go func() { _, err := ring.Read(); ended <- err }()
	go func() { _, err := perf.Read(); ended <- err }()
	go func() { _, err := lines.Read(); ended <- err }()
	time.Sleep(10 * time.Millisecond)
	for _, c := range []interface{ Close() error }{ring, perf, lines, coll, eng} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "closed") {
			t.Errorf("a reader ended with %v", err)
		}
	}
	if n := eng.MemoryUsed(); n != 0 {
		t.Errorf("%d bytes are still in use", n)
	}
	for range 6000 { // they end by themselves, on a busy machine late
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
