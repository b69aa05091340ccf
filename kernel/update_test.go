//go:build linux

package kernel

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// onlyTestFrames puts before a program a check that leaves other frames than
// sendFrame's uncounted.
func onlyTestFrames(spec *ebpf.CollectionSpec, check asm.Instructions, verdict int32) *ebpf.CollectionSpec {
	code := append(check, spec.Programs["count"].Instructions...)
	spec.Programs["count"].Instructions = append(code, asm.Mov.Imm(asm.R0, verdict).WithSymbol("other"), asm.Return())
	return spec
}

// TestUpdateIsAtomic sends frames while the program is replaced over and over:
// each is counted once, by the old program or the new one.
func TestUpdateIsAtomic(t *testing.T) {
	e := newEngine(t)
	xdpCheck := func() asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 0, asm.Word), // data
			asm.LoadMem(asm.R3, asm.R1, 4, asm.Word), // data_end
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, 14),
			asm.JGT.Reg(asm.R4, asm.R3, "other"),
			asm.LoadMem(asm.R4, asm.R2, 12, asm.Byte),
			asm.JNE.Imm(asm.R4, 0x88, "other"),
			asm.LoadMem(asm.R4, asm.R2, 13, asm.Byte),
			asm.JNE.Imm(asm.R4, 0xb5, "other"),
		}
	}
	skbCheck := func() asm.Instructions {
		return asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 16, asm.Word), // protocol
			asm.HostTo(asm.BE, asm.R2, asm.Half),
			asm.JNE.Imm(asm.R2, 0x88b5, "other"),
		}
	}
	device := func(ns string) engine.Device { return engine.Device{Name: "vb", NetNS: ns} }
	for name, at := range map[string]struct {
		typ     ebpf.ProgramType
		verdict int32
		check   func() asm.Instructions
		target  func(ns string) engine.Target
	}{
		"xdpNative":  {ebpf.XDP, xdpPass, xdpCheck, func(ns string) engine.Target { return engine.XDP{Device: device(ns), Mode: engine.XDPNative} }},
		"xdpGeneric": {ebpf.XDP, xdpPass, xdpCheck, func(ns string) engine.Target { return engine.XDP{Device: device(ns), Mode: engine.XDPGeneric} }},
		"tc":         {ebpf.SchedCLS, tcxNext, skbCheck, func(ns string) engine.Target { return engine.TCX{Device: device(ns)} }},
		"clsact":     {ebpf.SchedCLS, tcxNext, skbCheck, func(ns string) engine.Target { return engine.TCX{Device: device(ns), Clsact: true} }},
	} {
		t.Run(name, func(t *testing.T) {
			ns := netNS(t)
			a := load(t, e, onlyTestFrames(counterSpec(at.typ, 0, "", 1, at.verdict), at.check(), at.verdict), nil)
			b := load(t, e, onlyTestFrames(counterSpec(at.typ, 0, "", 2, at.verdict), at.check(), at.verdict),
				&engine.LoadOptions{Maps: map[string]engine.Map{"hits": a.Maps["hits"]}})
			l := attach(t, e, a.Programs["count"], at.target(ns))
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var flips atomic.Int64
			wg.Go(func() {
				for {
					for _, p := range []engine.Program{b.Programs["count"], a.Programs["count"]} {
						select {
						case <-stop:
							return
						default:
						}
						if err := l.Update(p); err != nil {
							t.Error(err)
							return
						}
						flips.Add(1)
					}
				}
			})
			first := counter{hits: a.Maps["hits"], slot: 1}
			second := counter{hits: a.Maps["hits"], slot: 2}
			send, done := frameSender(t, ns, "va", 64)
			defer done()
			// In portions that the devices' queues hold.
			const portion, atLeast, enoughFlips = 100, 1000, 20
			frames := uint64(0)
			enough := func() bool {
				return frames >= atLeast && flips.Load() >= enoughFlips && first.count(t) > 0 && second.count(t) > 0
			}
			for end := time.Now().Add(20 * time.Second); !enough() && time.Now().Before(end) && !t.Failed(); {
				for range portion {
					send()
				}
				frames += portion
				first.settles(t, func() uint64 { return first.count(t) + second.count(t) }, frames)
			}
			close(stop)
			wg.Wait()
			t.Logf("%d updates, %d frames by one program, %d by the other", flips.Load(), first.count(t), second.count(t))
			if !enough() {
				t.Errorf("%d updates, %d and %d frames: nothing was tried", flips.Load(), first.count(t), second.count(t))
			}
		})
	}
}

// TestCgroupUpdateIsAtomic is the same for datagrams of a process in a cgroup.
func TestCgroupUpdateIsAtomic(t *testing.T) {
	e := newEngine(t)
	for _, mode := range []string{"link", "direct"} {
		t.Run(mode, func(t *testing.T) {
			dir := newCgroup(t)
			a := newCounter(t, e, ebpf.CGroupSKB, ebpf.AttachCGroupInetEgress, "", 1)
			b := a.sibling(t, e, 1)
			var l engine.Link
			if mode == "link" {
				l = attach(t, e, a.prog, engine.Cgroup{Path: dir})
			} else {
				fd, err := openCgroup(dir)
				if err != nil {
					t.Fatal(err)
				}
				l, err = attachCgroupDirect(a.prog.(*Program), engine.Cgroup{Path: dir}, fd, ebpf.AttachCGroupInetEgress)
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
			}
			for sent := uint64(0); (a.count(t) == 0 || b.count(t) == 0) && sent < 50*childDatagrams; {
				flipWhile(t, l, [2]engine.Program{b.prog, a.prog}, func() error { return child(t, "udpmany", dir) })
				sent += childDatagrams
				a.settles(t, func() uint64 { return a.count(t) + b.count(t) }, sent)
			}
			if a.count(t) == 0 || b.count(t) == 0 {
				t.Errorf("%d datagrams by one program, %d by the other", a.count(t), b.count(t))
			}
		})
	}
}

// flipWhile updates the link with one program and the other until f returns.
func flipWhile(t *testing.T, l engine.Link, programs [2]engine.Program, f func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for i := 0; ; i++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
		if err := l.Update(programs[i%2]); err != nil {
			t.Fatal(err)
		}
	}
}
