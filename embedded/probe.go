package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
)

// probes remembers what was tried.
type probes struct {
	mu    sync.Mutex
	known map[engine.Feature]error
}

// Supports tries f once and remembers the answer.
func (e *Engine) Supports(ctx context.Context, f engine.Feature) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.acquire("probe " + f.String()); err != nil {
		return err
	}
	defer func() { _ = e.release() }() // the last hold only after Close
	e.probes.mu.Lock()
	defer e.probes.mu.Unlock()
	if err, ok := e.probes.known[f]; ok {
		return err
	}
	err := e.probe(f)
	if e.probes.known == nil {
		e.probes.known = map[engine.Feature]error{}
	}
	e.probes.known[f] = err
	return err
}

// probe tries one feature.
func (e *Engine) probe(f engine.Feature) error {
	switch {
	case f.Helper != 0:
		return e.probeHelper(f)
	case f.Program != ebpf.UnspecifiedProgram:
		return e.probeLoad(f, pass())
	case f.Map != ebpf.UnspecifiedMap:
		return e.probeMap(f)
	case f.Attach != "":
		return e.probeAttach(f)
	}
	try, ok := e.others()[f.Other]
	if !ok {
		return notSupported(f.String(), "no feature of that name is known", "")
	}
	return try(f)
}

// pass is the program r0 = 0; exit.
func pass() []isa.Instruction {
	return []isa.Instruction{{Op: isa.MovK, Dst: isa.R0}, {Op: isa.Exit}}
}

func (e *Engine) probeLoad(f engine.Feature, code []isa.Instruction) error {
	p, err := e.machine.Load(&vm.ProgramSpec{
		Name: "probe", Type: abi.ProgramType(f.Program), License: "Dual BSD/GPL", Instructions: code,
	})
	if err != nil {
		return e.missing(f, err)
	}
	return p.Close()
}

// missing words why a probe failed.
func (e *Engine) missing(f engine.Feature, err error) error {
	reason := err.Error()
	var l *vm.LoadError
	var n *vm.NotSupportedError
	switch {
	case errors.As(err, &l):
		reason = l.Reason
	case errors.As(err, &n):
		reason = n.Reason
	}
	return notSupported(f.String(), reason, askKernel)
}

func (e *Engine) probeHelper(f engine.Feature) error {
	if f.Program == ebpf.UnspecifiedProgram {
		return fmt.Errorf("probe %s: the feature names no program type", f.Helper)
	}
	call := isa.Instruction{Op: isa.Call, Imm: int32(f.Helper)}
	return e.probeLoad(f, append([]isa.Instruction{call}, pass()...))
}

func (e *Engine) probeMap(f engine.Feature) error {
	if holdsSockets(f.Map) {
		// Programs with such a map load and find it empty: not what it is for.
		return notSupported(f.String(), "sockets are the kernel's: it stays empty", askKernel)
	}
	m, err := e.machine.NewMap(probeSpec(abi.MapType(f.Map)))
	if err != nil {
		return e.missing(f, err)
	}
	return m.Close()
}

// probeSpec is the smallest map of a type.
func probeSpec(t abi.MapType) vm.MapSpec {
	s := vm.MapSpec{Name: "probe", Type: t, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	switch t {
	case abi.MapQueue, abi.MapStack, abi.MapBloomFilter:
		s.KeySize = 0
	case abi.MapRingBuf, abi.MapUserRingBuf:
		s.KeySize, s.ValueSize, s.MaxEntries = 0, 0, 1<<16
	case abi.MapLPMTrie:
		s.KeySize, s.Flags = 8, abi.FlagNoPrealloc
	case abi.MapArrayOfMaps, abi.MapHashOfMaps:
		s.Inner = &vm.MapSpec{Name: "inner", Type: abi.MapArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	}
	return s
}

// probeAttach attaches to a device of its own making.
func (e *Engine) probeAttach(f engine.Feature) (err error) {
	targets := map[engine.AttachKind]struct {
		program ebpf.ProgramType
		target  func(engine.Device) engine.Target
	}{
		engine.KindXDP: {ebpf.XDP, func(d engine.Device) engine.Target { return engine.XDP{Device: d} }},
		engine.KindTCX: {ebpf.SchedCLS, func(d engine.Device) engine.Target { return engine.TCX{Device: d} }},
	}
	t, ok := targets[f.Attach]
	if !ok {
		return notSupported(f.String(), noHook(f.Attach), askKernel)
	}
	d, err := e.AddDevice(DeviceConfig{Name: "probe", NetNS: "skep probe of " + string(f.Attach)})
	if err != nil {
		return fmt.Errorf("probe %s: %w", f, err)
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	coll, err := e.Load(context.Background(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{
		"probe": {Name: "probe", Type: t.program, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}},
	}}, nil)
	if err != nil {
		return fmt.Errorf("probe %s: %w", f, err)
	}
	defer func() { err = errors.Join(err, coll.Close()) }()
	l, err := e.Attach(coll.Programs["probe"], t.target(d.Target()))
	if err != nil {
		return fmt.Errorf("probe %s: %w", f, err)
	}
	return l.Close()
}

// others are the features without a number of their own.
func (e *Engine) others() map[string]func(engine.Feature) error {
	run := func(f engine.Feature, want uint32, code ...isa.Instruction) error { return e.probeRun(f, want, code) }
	return map[string]func(engine.Feature) error{
		engine.FeatureBTF: func(f engine.Feature) error {
			if _, err := e.kernelTypes(); err != nil {
				return &engine.NotSupportedError{Feature: f.String(), Reason: "the machine has no types of its kernel", Remedy: "give those of one in the configuration", Err: err}
			}
			return nil
		},
		engine.FeatureNativeXDP: func(engine.Feature) error { return e.probeAttach(engine.Feature{Attach: engine.KindXDP}) },
		// for (r0 = 0; r0 < 9; r0++);
		engine.FeatureBoundedLoops: func(f engine.Feature) error {
			return run(f, 9, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.ClassALU64 | isa.OpAdd, Imm: 1},
				isa.Instruction{Op: isa.ClassJMP | isa.OpJLT, Imm: 9, Off: -2}, isa.Instruction{Op: isa.Exit})
		},
		engine.FeatureLargePrograms: func(f engine.Feature) error {
			const limit = 4096 // of Linux before 5.2
			code := make([]isa.Instruction, limit, limit+2)
			for i := range code {
				code[i] = isa.Instruction{Op: isa.MovK}
			}
			return run(f, 0, append(code, pass()...)...)
		},
		engine.FeaturePins: func(f engine.Feature) error {
			return notSupported(f.String(), "pins of the embedded engine end with it", askKernel)
		},
		engine.FeatureBatch: e.probeBatch,
		// w0 = 7; if w0 > 8 …: 32-bit jumps
		engine.FeatureISAv3: func(f engine.Feature) error {
			return run(f, 7, isa.Instruction{Op: isa.Mov32K, Imm: 7},
				isa.Instruction{Op: isa.ClassJMP32 | isa.OpJLT, Imm: 8, Off: 1}, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
		},
		// gotol, and a signed division
		engine.FeatureISAv4: func(f engine.Feature) error {
			return run(f, 3, isa.Instruction{Op: isa.MovK, Imm: -9}, isa.Instruction{Op: isa.ClassALU64 | isa.OpDiv, Imm: -3, Off: 1},
				isa.Instruction{Op: isa.JA32, Imm: 1}, isa.Instruction{Op: isa.MovK}, isa.Instruction{Op: isa.Exit})
		},
	}
}

// probeRun runs a program and compares what it returns.
func (e *Engine) probeRun(f engine.Feature, want uint32, code []isa.Instruction) error {
	p, err := e.machine.Load(&vm.ProgramSpec{Name: "probe", Type: abi.ProgSchedCLS, Instructions: code})
	if err != nil {
		return e.missing(f, err)
	}
	res, err := p.TestRun(&vm.TestInput{Data: make([]byte, minFrame+50)})
	if err == nil && res.Return != want {
		err = fmt.Errorf("a program returned %d instead of %d", res.Return, want)
	}
	if err != nil {
		return errors.Join(e.missing(f, err), p.Close())
	}
	return p.Close()
}

func (e *Engine) probeBatch(f engine.Feature) error {
	m, err := e.machine.NewMap(probeSpec(abi.MapHash))
	if err != nil {
		return e.missing(f, err)
	}
	if _, err := m.UpdateBatch(make([]byte, 4), make([]byte, 4), 0); err != nil {
		return errors.Join(e.missing(f, err), m.Close())
	}
	return m.Close()
}
