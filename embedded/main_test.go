package embedded_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

// newEngine makes an engine that must be left empty: no memory in use once it
// and everything made from it are closed.
func newEngine(t testing.TB, cfg embedded.Config) *embedded.Engine {
	t.Helper()
	eng, err := embedded.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
		if n := eng.MemoryUsed(); n != 0 {
			t.Errorf("%d bytes of maps, stacks and packets are still in use", n)
		}
	})
	return eng
}

func load(t testing.TB, eng engine.Engine, spec *ebpf.CollectionSpec, opts *engine.LoadOptions) *engine.Collection {
	t.Helper()
	coll, err := eng.Load(context.Background(), spec, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := coll.Close(); err != nil {
			t.Error(err)
		}
	})
	return coll
}

// open opens one of package object's objects.
func open(t testing.TB, name string, opts *object.Options) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := object.OpenFile("../object/testdata/"+name+".bpf.o", opts)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// verdict is a program that returns v.
func verdict(typ ebpf.ProgramType, v int32) *ebpf.ProgramSpec {
	return assemble(typ, asm.Mov.Imm(asm.R0, v), asm.Return())
}

func assemble(typ ebpf.ProgramType, insns ...asm.Instruction) *ebpf.ProgramSpec {
	return &ebpf.ProgramSpec{Name: "main", Type: typ, License: "GPL", Instructions: insns}
}

// program loads one program.
func program(t testing.TB, eng engine.Engine, p *ebpf.ProgramSpec, maps ...*ebpf.MapSpec) engine.Program {
	t.Helper()
	return collection(t, eng, p, maps...).Programs["main"]
}

func collection(t testing.TB, eng engine.Engine, p *ebpf.ProgramSpec, maps ...*ebpf.MapSpec) *engine.Collection {
	t.Helper()
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": p}, Maps: map[string]*ebpf.MapSpec{}}
	for _, m := range maps {
		spec.Maps[m.Name] = m
	}
	return load(t, eng, spec, nil)
}

func attach(t testing.TB, eng engine.Engine, p engine.Program, target engine.Target) engine.Link {
	t.Helper()
	l, err := eng.Attach(p, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// wire records what a device sends and delivers.
type wire struct {
	*embedded.Device

	mu   sync.Mutex
	sent [][]byte
	up   [][]byte
}

func device(t testing.TB, eng *embedded.Engine, cfg embedded.DeviceConfig) *wire {
	t.Helper()
	w := &wire{}
	keep := func(list *[][]byte) func([]byte) {
		return func(frame []byte) {
			w.mu.Lock()
			defer w.mu.Unlock()
			*list = append(*list, bytes.Clone(frame))
		}
	}
	cfg.Send, cfg.Deliver = keep(&w.sent), keep(&w.up)
	d, err := eng.AddDevice(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	w.Device = d
	return w
}

// take returns and forgets what was sent and delivered.
func (w *wire) take() (sent, up [][]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent, up = w.sent, w.up
	w.sent, w.up = nil, nil
	return sent, up
}

// frame is an Ethernet frame of 64 bytes with a payload that tells it apart.
func frame(n byte) []byte {
	f := make([]byte, 64)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00})
	f[14] = 0x45
	f[63] = n
	return f
}

func number[T uint32 | uint64](b []byte) T {
	if len(b) == 4 {
		return T(binary.NativeEndian.Uint32(b))
	}
	return T(binary.NativeEndian.Uint64(b))
}

func counterMap(typ ebpf.MapType) *ebpf.MapSpec {
	return &ebpf.MapSpec{Name: "counts", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 4}
}

// counting adds 1 to counts[0] and returns v.
func counting(typ ebpf.ProgramType, v int32) *ebpf.ProgramSpec {
	return assemble(typ,
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.LoadMapPtr(asm.R1, 0).WithReference("counts"),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
		asm.Mov.Imm(asm.R0, v).WithSymbol("out"),
		asm.Return(),
	)
}
