package embedded_test

import (
	"bytes"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

func TestDeviceWithoutPrograms(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "eth0"})
	d.Receive(frame(1))
	d.Transmit(frame(2))
	d.Receive([]byte("runt"))
	sent, up := d.take()
	if diff := cmp.Diff([][][]byte{{frame(2)}, {frame(1)}}, [][][]byte{sent, up}); diff != "" {
		t.Errorf("sent and delivered (-want +got):\n%s", diff)
	}
	s := d.Stats()
	if s.RxFrames != 2 || s.TxFrames != 1 || s.Delivered != 1 || s.FromAbove != 1 || s.Drops[embedded.DropTooShort] != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestXDPVerdicts: each action takes the frame where Linux takes it.
func TestXDPVerdicts(t *testing.T) {
	for _, c := range []struct {
		name     string
		ret      int32
		sent, up int
		drop     embedded.Drop
	}{
		{"aborted", 0, 0, 0, embedded.DropXDPAborted},
		{"drop", 1, 0, 0, embedded.DropXDP},
		{"pass", 2, 0, 1, -1},
		{"tx", 3, 1, 0, -1},
		{"redirect without target", 4, 0, 0, embedded.DropRedirect},
		{"unknown", 77, 0, 0, embedded.DropXDPAborted},
	} {
		t.Run(c.name, func(t *testing.T) {
			eng := newEngine(t, embedded.Config{})
			d := device(t, eng, embedded.DeviceConfig{Name: "eth0"})
			attach(t, eng, program(t, eng, verdict(ebpf.XDP, c.ret)), engine.XDP{Device: d.Target()})
			d.Receive(frame(1))
			sent, up := d.take()
			if len(sent) != c.sent || len(up) != c.up {
				t.Errorf("sent %d, delivered %d; want %d and %d", len(sent), len(up), c.sent, c.up)
			}
			s := d.Stats()
			if c.drop >= 0 && s.Drops[c.drop] != 1 || s.Dropped() != uint64(1-c.sent-c.up) {
				t.Errorf("drops %v, want one for %v", s.Drops, c.drop)
			}
		})
	}
}

// TestTCVerdicts: values that are no verdicts of tcx end the chain and let the
// packet pass; TCX_NEXT asks the next program.
func TestTCVerdicts(t *testing.T) {
	for _, c := range []struct {
		name  string
		ret   int32
		pass  bool
		asked uint64
	}{
		{"next", -1, true, 1},
		{"pass", 0, true, 0},
		{"reclassify", 1, true, 0},
		{"drop", 2, false, 0},
		{"stolen", 4, true, 0},
		{"redirect without target", 7, false, 0},
		{"unknown", 99, true, 0},
	} {
		for _, egress := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				eng := newEngine(t, embedded.Config{})
				d := device(t, eng, embedded.DeviceConfig{Name: "eth0"})
				second := collection(t, eng, counting(ebpf.SchedCLS, 0), counterMap(ebpf.Array))
				attach(t, eng, program(t, eng, verdict(ebpf.SchedCLS, c.ret)), engine.TCX{Device: d.Target(), Egress: egress})
				attach(t, eng, second.Programs["main"], engine.TCX{Device: d.Target(), Egress: egress})
				if egress {
					d.Transmit(frame(1))
				} else {
					d.Receive(frame(1))
				}
				sent, up := d.take()
				if got := len(sent)+len(up) == 1; got != c.pass {
					t.Errorf("passed: %v, want %v", got, c.pass)
				}
				if n := lookup(t, second.Maps["counts"]); n != c.asked {
					t.Errorf("the next program ran %d times, want %d", n, c.asked)
				}
				if !c.pass && d.Stats().Dropped() != 1 {
					t.Errorf("stats %+v", d.Stats())
				}
			})
		}
	}
}

func lookup(t testing.TB, m engine.Map) uint64 {
	t.Helper()
	v := make([]byte, m.Info().ValueBytes)
	if err := m.Lookup(make([]byte, 4), v, 0); err != nil {
		t.Fatal(err)
	}
	return number[uint64](v[:8])
}

// marking appends to skb->mark its digit in base 10 and asks the next program.
func marking(digit int32) *ebpf.ProgramSpec {
	return assemble(ebpf.SchedCLS,
		asm.LoadMem(asm.R2, asm.R1, 8, asm.Word),
		asm.Mul.Imm(asm.R2, 10), asm.Add.Imm(asm.R2, digit),
		asm.StoreMem(asm.R1, 8, asm.R2, asm.Word),
		asm.Mov.Imm(asm.R0, -1), asm.Return(),
	)
}

// TestTCXOrder: anchors put programs where mprog puts them.
func TestTCXOrder(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "eth0"})
	tcx := func(a engine.Anchor) engine.TCX { return engine.TCX{Device: d.Target(), Anchor: a} }
	progs := make([]engine.Program, 6)
	for i := range progs {
		progs[i] = program(t, eng, marking(int32(i)))
	}
	first := attach(t, eng, progs[1], tcx(engine.Anchor{}))
	attach(t, eng, progs[2], tcx(engine.Anchor{Position: engine.AnchorTail}))
	attach(t, eng, progs[3], tcx(engine.Anchor{Position: engine.AnchorHead}))
	attach(t, eng, progs[4], tcx(engine.Anchor{Position: engine.AnchorBefore, Link: first}))
	attach(t, eng, progs[5], tcx(engine.Anchor{Position: engine.AnchorAfter, Program: progs[1]}))
	// The last one stores the mark where it can be read: in the packet.
	last := program(t, eng, assemble(ebpf.SchedCLS,
		asm.LoadMem(asm.R6, asm.R1, 8, asm.Word),
		asm.LoadMem(asm.R2, asm.R1, 76, asm.Word),
		asm.LoadMem(asm.R3, asm.R1, 80, asm.Word),
		asm.Mov.Reg(asm.R4, asm.R2), asm.Add.Imm(asm.R4, 4),
		asm.JGT.Reg(asm.R4, asm.R3, "out"),
		asm.StoreMem(asm.R2, 0, asm.R6, asm.Word),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return(),
	))
	attach(t, eng, last, tcx(engine.Anchor{}))
	order := func() uint32 {
		t.Helper()
		d.Receive(frame(0))
		_, up := d.take()
		if len(up) != 1 {
			t.Fatalf("%d frames came through", len(up))
		}
		return number[uint32](up[0][:4])
	}
	if got := order(); got != 34152 {
		t.Errorf("programs ran in order %d, want 34152", got)
	}
	if err := first.Detach(); err != nil {
		t.Fatal(err)
	}
	if got := order(); got != 3452 {
		t.Errorf("after detaching one, programs ran in order %d, want 3452", got)
	}

	for name, c := range map[string]struct {
		p    engine.Program
		a    engine.Anchor
		want error
	}{
		"twice":         {progs[2], engine.Anchor{}, syscall.EEXIST},
		"gone":          {progs[0], engine.Anchor{Position: engine.AnchorBefore, Link: first}, syscall.ENOENT},
		"not there":     {progs[0], engine.Anchor{Position: engine.AnchorAfter, Program: progs[1]}, syscall.ENOENT},
		"beside nobody": {progs[0], engine.Anchor{Position: engine.AnchorBefore}, syscall.EINVAL},
		"no position":   {progs[0], engine.Anchor{Link: first}, syscall.EINVAL},
		"replace":       {progs[0], engine.Anchor{Position: engine.AnchorReplace, Link: first}, engine.ErrNotSupported},
	} {
		if _, err := eng.Attach(c.p, tcx(c.a)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if err := first.Update(progs[0]); !errors.Is(err, syscall.ENOLINK) {
		t.Errorf("update of a detached link: %v", err)
	}
}

func TestAttachRefuses(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	other := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "eth0", NetNS: "a"})
	pass, tc := program(t, eng, verdict(ebpf.XDP, 2)), program(t, eng, verdict(ebpf.SchedCLS, 0))
	l := attach(t, eng, pass, engine.XDP{Device: engine.Device{Index: d.Index(), NetNS: "a"}})
	if info := l.Info(); info.Kind != engine.KindXDP || info.ID == 0 || info.ProgramID != pass.Info().ID || info.Target != "xdp on eth0 in a (native)" {
		t.Errorf("link info %+v", info)
	}
	for name, c := range map[string]struct {
		p      engine.Program
		target engine.Target
		want   error
	}{
		"busy":          {pass, engine.XDP{Device: d.Target()}, syscall.EBUSY},
		"wrong type":    {tc, engine.XDP{Device: d.Target()}, syscall.EINVAL},
		"no device":     {pass, engine.XDP{Device: engine.Device{Name: "eth1"}}, syscall.ENODEV},
		"other netns":   {pass, engine.XDP{Device: engine.Device{Name: "eth0"}}, engine.ErrNotExist},
		"offload":       {pass, engine.XDP{Device: d.Target(), Mode: engine.XDPOffload}, engine.ErrNotSupported},
		"clsact":        {tc, engine.TCX{Device: d.Target(), Clsact: true}, engine.ErrNotSupported},
		"kprobe":        {pass, engine.Kprobe{Symbol: "x"}, engine.ErrNotSupported},
		"cgroup":        {pass, engine.Cgroup{Path: "/x"}, engine.ErrNotSupported},
		"no target":     {pass, nil, syscall.EINVAL},
		"no program":    {nil, engine.XDP{Device: d.Target()}, syscall.EINVAL},
		"other engine":  {program(t, other, verdict(ebpf.XDP, 2)), engine.XDP{Device: d.Target()}, engine.ErrWrongEngine},
		"wrong type tc": {pass, engine.TCX{Device: d.Target()}, syscall.EINVAL},
	} {
		if _, err := eng.Attach(c.p, c.target); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if err := l.Update(tc); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("update with another type: %v", err)
	}
}

// redirecting returns bpf_redirect(to, flags).
func redirecting(typ ebpf.ProgramType, to int, flags int32) *ebpf.ProgramSpec {
	return assemble(typ, asm.Mov.Imm(asm.R1, int32(to)), asm.Mov.Imm(asm.R2, flags), asm.FnRedirect.Call(), asm.Return())
}

func TestRedirect(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	b := device(t, eng, embedded.DeviceConfig{Name: "b", MTU: 100})
	long := append(frame(9), make([]byte, 200)...)
	step := func(name string, p *ebpf.ProgramSpec, target engine.Target, in []byte, sent, up int) {
		t.Helper()
		l := attach(t, eng, program(t, eng, p), target)
		a.Receive(in)
		s, u := b.take()
		if len(s) != sent || len(u) != up {
			t.Errorf("%s: b sent %d and delivered %d, want %d and %d", name, len(s), len(u), sent, up)
		}
		if s, u := a.take(); len(s)+len(u) != 0 {
			t.Errorf("%s: the frame came out of a too", name)
		}
		if err := l.Detach(); err != nil {
			t.Error(err)
		}
	}
	xdp, tc := engine.XDP{Device: a.Target()}, engine.TCX{Device: a.Target()}
	step("xdp", redirecting(ebpf.XDP, b.Index(), 0), xdp, frame(1), 1, 0)
	step("xdp, too long", redirecting(ebpf.XDP, b.Index(), 0), xdp, long, 0, 0)
	step("xdp, nowhere", redirecting(ebpf.XDP, 999, 0), xdp, frame(1), 0, 0)
	step("tc", redirecting(ebpf.SchedCLS, b.Index(), 0), tc, frame(2), 1, 0)
	step("tc ingress", redirecting(ebpf.SchedCLS, b.Index(), 1), tc, frame(3), 0, 1)
	step("tc, nowhere", redirecting(ebpf.SchedCLS, 999, 0), tc, frame(3), 0, 0)
	if s := a.Stats(); s.Redirected != 3 || s.Drops[embedded.DropTooLong] != 1 || s.Drops[embedded.DropRedirect] != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestRedirectPeer(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	host := device(t, eng, embedded.DeviceConfig{Name: "host"})
	inside := device(t, eng, embedded.DeviceConfig{Name: "eth0", NetNS: "inside"})
	p := program(t, eng, assemble(ebpf.SchedCLS, asm.Mov.Imm(asm.R1, int32(host.Index())), asm.Mov.Imm(asm.R2, 0), asm.FnRedirectPeer.Call(), asm.Return()))
	attach(t, eng, p, engine.TCX{Device: a.Target()})
	a.Receive(frame(1))
	host.SetPeer(inside.Device)
	a.Receive(frame(2))
	if _, up := inside.take(); len(up) != 1 || !bytes.Equal(up[0], frame(2)) {
		t.Errorf("inside got %x, want the second frame only", up)
	}
	if s := a.Stats(); s.Drops[embedded.DropRedirect] != 1 {
		t.Errorf("stats %+v", s)
	}
}

// TestRedirectLoop: two devices that redirect to each other do not hang.
func TestRedirectLoop(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	b := device(t, eng, embedded.DeviceConfig{Name: "b"})
	for _, d := range [][2]*wire{{a, b}, {b, a}} {
		p := program(t, eng, redirecting(ebpf.SchedCLS, d[1].Index(), 1))
		attach(t, eng, p, engine.TCX{Device: d[0].Target()})
	}
	a.Receive(frame(1))
	if n := a.Stats().Drops[embedded.DropLoop] + b.Stats().Drops[embedded.DropLoop]; n != 1 {
		t.Errorf("%d frames were dropped for looping, want 1", n)
	}
}

// TestBroadcast: a device map with BPF_F_BROADCAST reaches all but the sender.
func TestBroadcast(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	var devices []*wire
	spec := &ebpf.MapSpec{Name: "ports", Type: ebpf.DevMap, KeySize: 4, ValueSize: 4, MaxEntries: 8}
	for i := range 3 {
		d := device(t, eng, embedded.DeviceConfig{Name: string(rune('a' + i))})
		devices = append(devices, d)
		spec.Contents = append(spec.Contents, ebpf.MapKV{Key: uint32(2 * i), Value: uint32(d.Index())})
	}
	const broadcast, excludeIngress = 1 << 3, 1 << 4
	p := program(t, eng, assemble(ebpf.XDP,
		asm.LoadMapPtr(asm.R1, 0).WithReference("ports"), asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, broadcast|excludeIngress),
		asm.FnRedirectMap.Call(), asm.Return()), spec)
	attach(t, eng, p, engine.XDP{Device: devices[1].Target()})
	devices[1].Receive(frame(5))
	for i, want := range []int{1, 0, 1} {
		if sent, up := devices[i].take(); len(sent) != want || len(up) != 0 {
			t.Errorf("device %d sent %d, want %d", i, len(sent), want)
		}
	}
}

// TestClone: bpf_clone_redirect sends a copy and the packet goes on.
func TestClone(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	a := device(t, eng, embedded.DeviceConfig{Name: "a"})
	b := device(t, eng, embedded.DeviceConfig{Name: "b"})
	p := program(t, eng, assemble(ebpf.SchedCLS,
		asm.Mov.Imm(asm.R2, int32(b.Index())), asm.Mov.Imm(asm.R3, 0), asm.FnCloneRedirect.Call(),
		asm.Mov.Imm(asm.R0, 0), asm.Return()))
	attach(t, eng, p, engine.TCX{Device: a.Target()})
	a.Receive(frame(7))
	sent, _ := b.take()
	_, up := a.take()
	if diff := cmp.Diff([][][]byte{{frame(7)}, {frame(7)}}, [][][]byte{sent, up}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestVLAN: the tag is beside the packet in the ingress hook and back in the
// frame that goes up.
func TestVLAN(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	tagged := append(append(bytes.Clone(frame(1)[:12]), 0x81, 0x00, 0x20, 0x05), frame(1)[12:]...)
	// Drops what has no tag, or another than 5 with priority 1.
	p := program(t, eng, assemble(ebpf.SchedCLS,
		asm.LoadMem(asm.R2, asm.R1, 20, asm.Word), asm.LoadMem(asm.R3, asm.R1, 24, asm.Word), asm.LoadMem(asm.R4, asm.R1, 0, asm.Word),
		asm.Mov.Imm(asm.R0, 2),
		asm.JEq.Imm(asm.R2, 0, "out"), asm.JNE.Imm(asm.R3, 0x2005, "out"), asm.JNE.Imm(asm.R4, 64, "out"),
		asm.Mov.Imm(asm.R0, 0),
		asm.Return().WithSymbol("out")))
	attach(t, eng, p, engine.TCX{Device: d.Target()})
	d.Receive(frame(1))
	d.Receive(tagged)
	if _, up := d.take(); len(up) != 1 || !bytes.Equal(up[0], tagged) {
		t.Errorf("delivered %x, want the tagged frame as it came", up)
	}
}

// TestFaultDrops: a run that faults drops the packet, is counted, and reported
// with its place.
func TestFaultDrops(t *testing.T) {
	var faults atomic.Int32
	var last error
	eng := newEngine(t, embedded.Config{Verify: embedded.VerifyNone, OnFault: func(d *embedded.Device, err error) {
		faults.Add(1)
		last = err
	}})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	bad := []asm.Instruction{asm.Mov.Imm(asm.R2, 0), asm.LoadMem(asm.R0, asm.R2, 16, asm.Word), asm.Return()}
	attach(t, eng, program(t, eng, assemble(ebpf.XDP, bad...)), engine.XDP{Device: d.Target()})
	attach(t, eng, program(t, eng, assemble(ebpf.SchedCLS, bad...)), engine.TCX{Device: d.Target(), Egress: true})
	d.Receive(frame(1))
	d.Transmit(frame(1))
	if sent, up := d.take(); len(sent)+len(up) != 0 {
		t.Error("a frame got through")
	}
	if n := d.Stats().Drops[embedded.DropFault]; n != 2 || faults.Load() != 2 {
		t.Errorf("%d drops, %d reports; want 2 each", n, faults.Load())
	}
	var fault *engine.FaultError
	if !errors.As(last, &fault) || !errors.Is(last, engine.ErrFault) || fault.Instruction != 1 || fault.Size != 4 || fault.Write || fault.Assembly == "" {
		t.Errorf("fault %+v", last)
	}
}

// TestUpdateUnderTraffic: while programs are swapped, each frame meets one of
// them and none is lost.
func TestUpdateUnderTraffic(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	for name, typ := range map[string]ebpf.ProgramType{"xdp": ebpf.XDP, "tcx": ebpf.SchedCLS} {
		t.Run(name, func(t *testing.T) {
			var passed atomic.Int64
			d, err := eng.AddDevice(embedded.DeviceConfig{Name: name, Deliver: func([]byte) { passed.Add(1) }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			pass := int32(2)
			var target engine.Target = engine.XDP{Device: d.Target()}
			if typ == ebpf.SchedCLS {
				pass, target = 0, engine.TCX{Device: d.Target()}
			}
			l := attach(t, eng, program(t, eng, verdict(typ, pass)), target)
			var stop atomic.Bool
			var received atomic.Int64
			sent := make(chan int64)
			go func() {
				n, f := int64(0), frame(1)
				for ; !stop.Load(); n++ {
					d.Receive(f)
					received.Add(1)
				}
				sent <- n
			}()
			swaps := 0
			for ; swaps < 300 || received.Load() < 2000; swaps++ {
				coll, err := eng.Load(t.Context(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": verdict(typ, pass)}}, nil)
				if err != nil {
					t.Error(err)
					break
				}
				if err := l.Update(coll.Programs["main"]); err != nil {
					t.Error(err)
				}
				// The link alone keeps it from here on.
				if err := coll.Close(); err != nil {
					t.Error(err)
				}
			}
			stop.Store(true)
			frames := <-sent
			if n := passed.Load(); n != frames {
				t.Errorf("%d of %d frames got through %d swaps: %+v", n, frames, swaps, d.Stats())
			}
		})
	}
}

// TestClonesOfClones: 40 copies of a frame, and 40 of each of them, are more
// than one frame may become.
func TestClonesOfClones(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	var devices []*wire
	for _, name := range []string{"a", "b", "c"} {
		devices = append(devices, device(t, eng, embedded.DeviceConfig{Name: name}))
	}
	for i, d := range devices[:2] {
		code := []asm.Instruction{asm.Mov.Reg(asm.R6, asm.R1)}
		for range 40 {
			code = append(code, asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Imm(asm.R2, int32(devices[i+1].Index())),
				asm.Mov.Imm(asm.R3, 1), asm.FnCloneRedirect.Call())
		}
		code = append(code, asm.Mov.Imm(asm.R0, 0), asm.Return())
		attach(t, eng, program(t, eng, assemble(ebpf.SchedCLS, code...)), engine.TCX{Device: d.Target()})
	}
	for range 2 {
		devices[0].Receive(frame(1))
		got := 0
		for _, d := range devices {
			_, up := d.take()
			got += len(up)
		}
		// The 25th copy to b is the last that comes through, with 15 of its own.
		if got != 1001 {
			t.Errorf("one frame became %d, want itself and 1000 copies", got)
		}
	}
	if devices[0].Stats().Drops[embedded.DropLoop]+devices[1].Stats().Drops[embedded.DropLoop] != 2*40 {
		t.Errorf("drops %+v and %+v", devices[0].Stats().Drops, devices[1].Stats().Drops)
	}
}

func TestDeviceClose(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	p := program(t, eng, verdict(ebpf.XDP, 2))
	l := attach(t, eng, p, engine.XDP{Device: d.Target()})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.Receive(frame(1))
	d.Transmit(frame(1))
	if sent, up := d.take(); len(sent)+len(up) != 0 {
		t.Error("a closed device passed frames")
	}
	if err := l.Update(p); !errors.Is(err, syscall.ENOLINK) {
		t.Errorf("update of a link whose device is gone: %v", err)
	}
	if _, err := eng.AddDevice(embedded.DeviceConfig{Name: "a"}); err != nil {
		t.Errorf("the name is not free again: %v", err)
	}
	if _, err := eng.AddDevice(embedded.DeviceConfig{Name: "a"}); !errors.Is(err, engine.ErrExist) {
		t.Errorf("a name that is taken: %v", err)
	}
}

// TestPacketPathAllocates nothing.
func TestPacketPathAllocates(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d, err := eng.AddDevice(embedded.DeviceConfig{Name: "a", Send: func([]byte) {}, Deliver: func([]byte) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	xdp := collection(t, eng, counting(ebpf.XDP, 2), counterMap(ebpf.PerCPUArray))
	attach(t, eng, xdp.Programs["main"], engine.XDP{Device: d.Target()})
	for _, egress := range []bool{false, true} {
		attach(t, eng, program(t, eng, counting(ebpf.SchedCLS, -1), counterMap(ebpf.Hash)), engine.TCX{Device: d.Target(), Egress: egress})
	}
	f := frame(1)
	both := func() {
		d.Receive(f)
		d.Transmit(f)
	}
	both()
	if n := testing.AllocsPerRun(500, both); n != 0 {
		t.Errorf("%v allocations for a frame in and a frame out", n)
	}
	if s := d.Stats(); s.Delivered < 500 || s.TxFrames < 500 {
		t.Errorf("stats %+v", s)
	}
}
