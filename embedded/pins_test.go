package embedded_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
)

func TestPinMap(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	spec := &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"main": counting(ebpf.XDP, 2)},
		Maps:     map[string]*ebpf.MapSpec{"counts": counterMap(ebpf.Array)},
	}
	spec.Maps["counts"].Pinning = ebpf.PinByName
	opts := &engine.LoadOptions{PinPath: "/pins/"}
	for range 3 {
		coll, err := eng.Load(context.Background(), spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		run(t, coll, "main")
		if err := coll.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m, err := eng.OpenMap("/pins/counts")
	if err != nil {
		t.Fatal(err)
	}
	if n := lookup(t, m); n != 3 {
		t.Errorf("three collections counted %d, want 3", n)
	}
	if err := m.Pin("/elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := eng.OpenMap("/pins/counts"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("the pin did not move: %v", err)
	}
	if _, err := eng.OpenProgram("/elsewhere"); err == nil {
		t.Error("a map was opened as a program")
	}
	if err := errors.Join(m.Unpin(), m.Unpin(), m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if err := m.Pin("/x"); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("pin of a closed map: %v", err)
	}
	if _, err := eng.OpenMap("/elsewhere"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("the pin is still there: %v", err)
	}
}

// TestLoadUndoesPins: a load that fails leaves no pin.
func TestLoadUndoesPins(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	spec := &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"main": assemble(ebpf.XDP, asm.Mov.Imm(asm.R0, 0))},
		Maps:     map[string]*ebpf.MapSpec{"counts": counterMap(ebpf.Array)},
	}
	spec.Maps["counts"].Pinning = ebpf.PinByName
	if _, err := eng.Load(context.Background(), spec, &engine.LoadOptions{PinPath: "/p"}); !errors.Is(err, engine.ErrRejected) {
		t.Fatal(err)
	}
	if _, err := eng.OpenMap("/p/counts"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("a pin stayed behind: %v", err)
	}
}

// TestPinLink: a pinned link stays attached after Close, and can be updated
// and detached through another handle.
func TestPinLink(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	d := device(t, eng, embedded.DeviceConfig{Name: "a"})
	drop, pass := program(t, eng, verdict(ebpf.XDP, 1)), program(t, eng, verdict(ebpf.XDP, 2))
	l, err := eng.Attach(drop, engine.XDP{Device: d.Target()})
	if err != nil {
		t.Fatal(err)
	}
	passes := func() bool {
		d.Receive(frame(1))
		_, up := d.take()
		return len(up) == 1
	}
	if err := errors.Join(l.Pin("/link"), l.Close(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if passes() {
		t.Error("closing a pinned link detached it")
	}
	again, err := eng.OpenLink("/link")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Update(pass); err != nil {
		t.Fatal(err)
	}
	if !passes() || again.Info().ProgramID != pass.Info().ID {
		t.Error("the update had no effect")
	}
	if err := again.Update(drop); err != nil {
		t.Fatal(err)
	}
	if err := again.Detach(); err != nil {
		t.Fatal(err)
	}
	if !passes() {
		t.Error("a detached link still drops")
	}
	if err := errors.Join(again.Detach(), again.Unpin(), again.Close()); err != nil {
		t.Error(err)
	}
	if err := l.Update(pass); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("update of a closed link: %v", err)
	}
}

func TestPinProgram(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	coll, err := eng.Load(context.Background(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": verdict(ebpf.XDP, 1)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := coll.Programs["main"]
	if err := errors.Join(p.Pin("/prog"), p.Pin("/prog")); err != nil {
		t.Fatal(err)
	}
	other := program(t, eng, verdict(ebpf.XDP, 2))
	if err := other.Pin("/prog"); !errors.Is(err, engine.ErrExist) {
		t.Errorf("a path that is taken: %v", err)
	}
	if err := coll.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("run of a closed program: %v", err)
	}
	p, err = eng.OpenProgram("/prog")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if res, err := p.Run(&engine.RunInput{Data: frame(1)}); err != nil || res.Return != 1 {
		t.Errorf("the pinned program returned %d, %v", res.Return, err)
	}
}

// TestEngineCloseFirst: what is still open when the engine is closed goes on.
func TestEngineCloseFirst(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	coll, err := eng.Load(context.Background(), &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"main": counting(ebpf.XDP, 2)},
		Maps:     map[string]*ebpf.MapSpec{"counts": counterMap(ebpf.Array)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := eng.AddDevice(embedded.DeviceConfig{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := eng.Attach(coll.Programs["main"], engine.XDP{Device: d.Target()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := eng.OpenPrintk()
	if err != nil {
		t.Fatal(err)
	}
	if err := eng.Close(); err != nil {
		t.Fatal(err)
	}
	run(t, coll, "main")
	if n := lookup(t, coll.Maps["counts"]); n != 1 {
		t.Errorf("counted %d", n)
	}
	if _, err := r.Read(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("read of a closed engine's lines: %v", err)
	}
	if _, err := eng.NewMap(counterMap(ebpf.Array)); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("new map: %v", err)
	}
	if _, err := eng.AddDevice(embedded.DeviceConfig{Name: "b"}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("new device: %v", err)
	}
	if err := errors.Join(l.Close(), coll.Close(), eng.Close()); err != nil {
		t.Error(err)
	}
	if _, err := coll.Map("counts"); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("map of a closed collection: %v", err)
	}
}

func TestPrintk(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	format := "n=%d\n\x00\x00\x00"
	p := assemble(ebpf.XDP,
		asm.LoadImm(asm.R1, int64(number[uint64]([]byte(format[:8]))), asm.DWord),
		asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 6), asm.Mov.Imm(asm.R3, 42),
		asm.FnTracePrintk.Call(), asm.Mov.Imm(asm.R0, 2), asm.Return())
	prog := program(t, eng, p)
	var readers []engine.PrintkReader
	for range 2 {
		r, err := eng.OpenPrintk()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		readers = append(readers, r)
	}
	if _, err := prog.Run(&engine.RunInput{Data: frame(1)}); err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		r.SetDeadline(time.Now().Add(5 * time.Second))
		l, err := r.Read()
		if err != nil || l.Text != "n=42" || l.PID != os.Getpid() || l.Task == "" || l.Time == 0 {
			t.Errorf("line %+v, %v", l, err)
		}
		r.SetDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read after the deadline: %v", err)
		}
		r.SetDeadline(time.Time{})
		time.AfterFunc(10*time.Millisecond, func() { r.Close() })
		if _, err := r.Read(); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("read across Close: %v", err)
		}
	}
}

func TestNewMap(t *testing.T) {
	eng := newEngine(t, embedded.Config{CPUs: 3})
	m, err := eng.NewMap(&ebpf.MapSpec{
		Name: "m", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 4, MaxEntries: 2,
		Contents: []ebpf.MapKV{{Key: uint32(1), Value: []uint32{5, 6, 7}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	info := m.Info()
	value := make([]byte, info.ValueBytes)
	if err := m.Lookup([]byte{1, 0, 0, 0}, value, 0); err != nil || len(value) != 24 || value[0] != 5 || value[8] != 6 || value[16] != 7 {
		t.Errorf("values %v, %v", value, err)
	}
	if _, err := m.Memory(); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("memory: %v", err)
	}
	if _, err := m.RingReader(); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("ring reader: %v", err)
	}
	if err := m.UpdateProgram(make([]byte, 4), program(t, eng, verdict(ebpf.XDP, 2)), 0); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("update program: %v", err)
	}
	if err := m.UpdateMap(make([]byte, 4), m, 0); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("update map: %v", err)
	}
	var nothing *embedded.Map
	if err := m.UpdateMap(make([]byte, 4), nothing, 0); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("update with a nil map: %v", err)
	}
	if _, err := eng.Attach((*embedded.Program)(nil), engine.XDP{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("attach a nil program: %v", err)
	}
	for name, spec := range map[string]*ebpf.MapSpec{
		"nil":    nil,
		"names":  {Name: "m", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "p"}}},
		"pinned": {Name: "m", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Pinning: ebpf.PinByName},
		"per CPU": {
			Name: "m", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 4, MaxEntries: 2,
			Contents: []ebpf.MapKV{{Key: uint32(1), Value: []uint32{5, 6}}},
		},
	} {
		if m, err := eng.NewMap(spec); err == nil {
			m.Close()
			t.Errorf("%s: the map was made", name)
		}
	}
}

func TestSupports(t *testing.T) {
	eng := newEngine(t, embedded.Config{KernelTypes: coreTypes(t)})
	for _, c := range []struct {
		f   engine.Feature
		yes bool
	}{
		{engine.Feature{Program: ebpf.XDP}, true},
		{engine.Feature{Program: ebpf.SchedCLS}, true},
		{engine.Feature{Program: ebpf.SocketFilter}, true},
		{engine.Feature{Program: ebpf.LSM}, false},
		{engine.Feature{Map: ebpf.Hash}, true},
		{engine.Feature{Map: ebpf.RingBuf}, true},
		{engine.Feature{Map: ebpf.LPMTrie}, true},
		{engine.Feature{Map: ebpf.HashOfMaps}, true},
		{engine.Feature{Map: ebpf.Queue}, true},
		{engine.Feature{Map: ebpf.SockMap}, false},
		{engine.Feature{Map: ebpf.XSKMap}, false},
		{engine.Feature{Map: ebpf.StackTrace}, false},
		{engine.Feature{Program: ebpf.XDP, Helper: asm.FnXdpAdjustHead}, true},
		{engine.Feature{Program: ebpf.XDP, Helper: asm.FnSkbStoreBytes}, false},
		{engine.Feature{Attach: engine.KindXDP}, true},
		{engine.Feature{Attach: engine.KindTCX}, true},
		{engine.Feature{Attach: engine.KindKprobe}, false},
		{engine.Feature{Other: engine.FeatureBTF}, true},
		{engine.Feature{Other: engine.FeatureNativeXDP}, true},
		{engine.Feature{Other: engine.FeatureBoundedLoops}, true},
		{engine.Feature{Other: engine.FeatureLargePrograms}, true},
		{engine.Feature{Other: engine.FeaturePins}, false},
		{engine.Feature{Other: engine.FeatureBatch}, true},
		{engine.Feature{Other: engine.FeatureISAv3}, true},
		{engine.Feature{Other: engine.FeatureISAv4}, true},
		{engine.Feature{Other: "levitation"}, false},
	} {
		for range 2 { // the second answer is remembered
			err := eng.Supports(t.Context(), c.f)
			if c.yes && err != nil || !c.yes && !errors.Is(err, engine.ErrNotSupported) {
				t.Errorf("%s: got %v, want supported %v", c.f, err, c.yes)
			}
			if err != nil && !strings.Contains(err.Error(), c.f.String()) {
				t.Errorf("%s: the error does not name it: %v", c.f, err)
			}
		}
	}
}
