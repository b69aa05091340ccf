package lang

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/lang/internal/codegen"
	"github.com/skepdev/skep/lang/internal/ir"
	"github.com/skepdev/skep/lang/internal/types"
	"github.com/skepdev/skep/lang/syntax"
)

// declKinds are the kinds of maps that may be declared.
var declKinds = map[string]ebpf.MapType{
	"hash": ebpf.Hash, "lruhash": ebpf.LRUHash, "percpuhash": ebpf.PerCPUHash, "percpulruhash": ebpf.LRUCPUHash,
}

const defaultRing = 4 << 20

// generate turns units into programs and gathers the collection.
func (c *compiler) generate(*syntax.Program) {
	c.obj.Spec = &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}}
	scratch := 0
	for i, u := range c.units {
		ins, size, err := c.program(u, i)
		if err != nil {
			c.errorf(u.body, "", "%s: %v", u.places[0], err)
			return
		}
		if len(c.errs) > 0 {
			return
		}
		scratch = max(scratch, size)
		c.addProgram(u, ins)
	}
	c.mapSpecs(scratch)
}

// program compiles one unit. If the stack does not hold its objects, smaller
// ones go to scratch too.
func (c *compiler) program(u *unit, index int) (asm.Instructions, int, error) {
	limits := []int{c.cfg.OnStackLimit, 16, 8, 0}
	kept := 0
	for try := 0; ; {
		for _, v := range u.vars {
			v.home = home{}
		}
		events := len(c.obj.Events)
		g := &gen{c: c, u: u, limit: limits[try], unitIndex: index, top: kept}
		funcs := g.unit()
		if g.failed != nil {
			return nil, 0, g.failed
		}
		if len(c.errs) > 0 {
			return nil, 0, nil
		}
		if g.kept > kept {
			kept = g.kept
			c.obj.Events = c.obj.Events[:events]
			c.dropFailEvent(events)
			continue
		}
		ins, err := c.assemble(u, funcs)
		var stack *codegen.StackError
		if errors.As(err, &stack) && try+1 < len(limits) {
			try++
			c.obj.Events = c.obj.Events[:events]
			c.dropFailEvent(events)
			continue
		}
		return ins, max(g.most, kept), err
	}
}

func (c *compiler) dropFailEvent(events int) {
	if c.failEvent >= events {
		c.failEvent = -1
	}
}

// unit writes the program's functions.
func (g *gen) unit() []*ir.Func {
	g.main = g.push(g.u.name, 1, false)
	g.main.ctxParam = g.f.Param(0)
	g.dispatchFilter()
	g.pidFilter()
	g.exitFilter()
	if g.u.pred != nil {
		run, skip := g.f.NewBlock(), g.f.NewBlock()
		m := g.mark()
		g.at = g.u.pred
		g.branch(g.u.pred, run, skip)
		g.release(m)
		g.f.Start(skip)
		g.f.Return(ir.Imm(0))
		g.f.Start(run)
	}
	g.effect(g.u.body)
	g.f.Return(ir.Imm(0))
	g.seal(g.main)
	return g.funcs
}

// pidFilter leaves at once for other processes than the one asked for, where
// attaching does not do it.
func (g *gen) pidFilter() {
	if g.c.opt.PID == 0 {
		return
	}
	switch g.u.provider() {
	case "tracepoint", "rawtracepoint", "kprobe", "kretprobe", "fentry", "fexit":
	default:
		return
	}
	run, skip := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JEq, g.pid(), ir.Imm(int64(g.c.opt.PID)), run, skip)
	g.f.Start(skip)
	g.f.Return(ir.Imm(0))
	g.f.Start(run)
}

// exitFilter leaves timers at once when exit() was called: a short one would
// fire many times until user space has heard of it.
func (g *gen) exitFilter() {
	if !g.c.exits || g.u.provider() != "interval" && g.u.provider() != "profile" {
		return
	}
	run, skip := g.f.NewBlock(), g.f.NewBlock()
	g.f.Branch(asm.JEq, g.f.Load(8, ir.MapValue(DataMap, DataExited), 0), ir.Imm(0), run, skip)
	g.f.Start(skip)
	g.f.Return(ir.Imm(0))
	g.f.Start(run)
}

// assemble emits functions one after the other; the program comes first.
func (c *compiler) assemble(u *unit, funcs []*ir.Func) (asm.Instructions, error) {
	var out asm.Instructions
	for _, f := range funcs {
		f.Clean()
		c.dump("ir", f.String)
		ins, err := codegen.Emit(f, funcType(f))
		if err != nil {
			return nil, err
		}
		out = append(out, ins...)
	}
	c.dump("asm", func() string { return fmt.Sprintf("%s\n%v\n", u.name, out) })
	return out, nil
}

// funcType describes a function to the kernel, which wants that of callbacks.
func funcType(f *ir.Func) *btf.Func {
	i64 := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	ptr := &btf.Pointer{Target: (*btf.Void)(nil)}
	p := &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}}
	for i := range f.Params {
		var t btf.Type = ptr
		if len(f.Params) == 2 && i == 0 {
			t = i64
		}
		p.Params = append(p.Params, btf.FuncParam{Name: "a" + itoa(i), Type: t})
	}
	if len(f.Params) > 1 {
		p.Return = i64
	}
	return &btf.Func{Name: f.Name, Type: p, Linkage: btf.StaticFunc}
}

// addProgram adds a program and the probes it serves.
func (c *compiler) addProgram(u *unit, ins asm.Instructions) {
	spec := &ebpf.ProgramSpec{Name: u.name, Instructions: ins, License: c.cfg.License}
	a := u.places[0]
	switch a.Provider {
	case "kprobe", "kretprobe", "uprobe", "uretprobe", "usdt":
		spec.Type = ebpf.Kprobe
		if len(u.places) > 1 && a.Provider != "kprobe" && a.Provider != "kretprobe" {
			spec.AttachType = ebpf.AttachTraceUprobeMulti
		} else if len(u.places) > 1 {
			spec.AttachType = ebpf.AttachTraceKprobeMulti
		}
	case "tracepoint":
		spec.Type = ebpf.TracePoint
		if u.raw != "" {
			spec.Type = ebpf.RawTracepoint
		}
	case "profile", "interval", "software", "hardware", "watchpoint", "asyncwatchpoint":
		spec.Type = ebpf.PerfEvent
	case "fentry":
		spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFEntry, a.Func
	case "fexit":
		spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFExit, a.Func
	case "iter":
		spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceIter, a.Func
	default:
		spec.Type = ebpf.RawTracepoint
	}
	c.obj.Spec.Programs[u.name] = spec
	for _, p := range u.places {
		name := p.String()
		c.obj.ProbeNames = append(c.obj.ProbeNames, name)
		i := len(c.obj.ProbeNames) - 1
		c.obj.Probes = append(c.obj.Probes, Probe{Program: u.name, Attach: p, Name: name, Index: i, Cookie: uint64(i), Raw: u.raw})
	}
}

// preallocLimit is how many bytes of elements a hash map takes at once; larger
// ones take them as they come.
const preallocLimit = 32 << 20

func (c *compiler) mapSpecs(scratch int) {
	add := func(m *ebpf.MapSpec) { c.obj.Spec.Maps[m.Name] = m }
	for _, name := range c.order {
		add(c.scriptMap(c.maps[name]))
	}
	ring := c.opt.RingBytes
	if ring == 0 {
		ring = defaultRing
		if c.cfg.RingPages > 0 {
			ring = c.cfg.RingPages * os.Getpagesize()
		}
	}
	size := os.Getpagesize()
	for size < ring {
		size *= 2
	}
	add(&ebpf.MapSpec{Name: RingMap, Type: ebpf.RingBuf, MaxEntries: uint32(size)})
	array := func(name string, value, n int) {
		add(&ebpf.MapSpec{Name: name, Type: ebpf.Array, KeySize: 4, ValueSize: uint32((value + 7) &^ 7), MaxEntries: uint32(n)})
	}
	array(LostMap, 8, 1)
	array(DataMap, DataSize, 1)
	if len(c.obj.Places) > 0 {
		array(ErrorMap, 8*len(c.obj.Places), 1)
	}
	if c.zeroSize > 0 {
		array(zeroMap, c.zeroSize, 1)
	}
	if scratch > 0 {
		add(&ebpf.MapSpec{Name: scratchMap, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: uint32((scratch + 7) &^ 7), MaxEntries: uint32(len(c.units))})
	}
	if c.probeTable > 0 {
		c.probeNames()
	}
	c.dispatchMaps()
	for name, frames := range c.stacks {
		c.obj.Stacks = append(c.obj.Stacks, name)
		value, flags := 8*frames, uint32(0)
		if strings.HasPrefix(name, "stacks_build_id") {
			value, flags = 32*frames, 1<<5 // BPF_F_STACK_BUILD_ID
		}
		add(&ebpf.MapSpec{Name: name, Type: ebpf.StackTrace, KeySize: 4, ValueSize: uint32(value), MaxEntries: 16384, Flags: flags})
	}
	sortStrings(c.obj.Stacks)
}

// probeNames fills the table of names by cookie.
func (c *compiler) probeNames() {
	m := &ebpf.MapSpec{Name: probeMap, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(c.probeTable), MaxEntries: uint32(len(c.obj.ProbeNames))}
	for i, n := range c.obj.ProbeNames {
		v := make([]byte, c.probeTable)
		copy(v[:len(v)-1], n)
		m.Contents = append(m.Contents, ebpf.MapKV{Key: uint32(i), Value: v})
	}
	c.obj.Spec.Maps[probeMap] = m
}

// scriptMap is the collection's map for one of the script's.
func (c *compiler) scriptMap(m *mapInfo) *ebpf.MapSpec {
	agg := m.val.Aggregate()
	out := &Map{Name: m.name, Spec: m.spec, Key: m.key, Value: m.val, PerCPU: agg, ValueSize: stride(m.val), Min: m.lo, Max: m.hi, Step: m.step}
	switch m.val.Kind {
	case types.Hist:
		out.Bits = m.val.Frames
	case types.TSeries:
		out.Interval, out.Intervals, out.Agg = int64(m.val.Len), int64(m.val.Frames), m.val.Mode
	}
	spec := &ebpf.MapSpec{Name: m.spec, KeySize: 4, ValueSize: uint32(stride(m.val)), MaxEntries: 1}
	switch {
	case m.key == nil && agg:
		spec.Type = ebpf.PerCPUArray
	case m.key == nil:
		spec.Type = ebpf.Array
	default:
		spec.KeySize, spec.MaxEntries = uint32(stride(m.key)), uint32(c.cfg.MaxMapKeys)
		spec.Type = ebpf.Hash
		if agg {
			spec.Type = ebpf.PerCPUHash
		}
		if m.decl != nil {
			spec.MaxEntries = uint32(m.decl.Entries)
			spec.Type = declKinds[m.decl.Kind]
			if agg && spec.Type == ebpf.Hash {
				spec.Type = ebpf.PerCPUHash
			}
			if agg && spec.Type == ebpf.LRUHash {
				spec.Type = ebpf.LRUCPUHash
			}
			out.PerCPU = spec.Type == ebpf.PerCPUHash || spec.Type == ebpf.LRUCPUHash
		}
		cpus := 1
		if agg {
			cpus = c.env.CPUs()
		}
		if lru := spec.Type == ebpf.LRUHash || spec.Type == ebpf.LRUCPUHash; !lru && int(spec.MaxEntries)*(int(spec.KeySize)+cpus*int(spec.ValueSize)) > preallocLimit {
			spec.Flags = 1 // BPF_F_NO_PREALLOC
		}
	}
	out.KeySize = int(spec.KeySize)
	if m.key == nil {
		out.KeySize = 4
	}
	c.obj.Maps[m.name] = out
	c.obj.MapOrder = append(c.obj.MapOrder, m.name)
	return spec
}
