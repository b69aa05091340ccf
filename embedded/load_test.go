package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/embedded"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/object"
)

// run runs a program of a collection on a frame.
func run(t testing.TB, coll *engine.Collection, name string) uint32 {
	t.Helper()
	p, err := coll.Program(name)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Run(&engine.RunInput{Data: frame(1)})
	if err != nil {
		t.Fatal(err)
	}
	return res.Return
}

func variable(t testing.TB, coll *engine.Collection, name string) []byte {
	t.Helper()
	v, err := coll.Variable(name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, v.Size())
	if err := v.Get(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestCalls: subprograms, callbacks, constants set before loading, variables
// set while live.
func TestCalls(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	spec := open(t, "calls", nil)
	if err := spec.Variables["step"].Set(uint64(7)); err != nil {
		t.Fatal(err)
	}
	coll := load(t, eng, spec, nil)
	sum := func() uint64 {
		t.Helper()
		if v := run(t, coll, "sum_xdp"); v != 2 {
			t.Fatalf("verdict %d", v)
		}
		value := make([]byte, 8)
		if err := coll.Maps["sums"].Lookup([]byte{1, 0, 0, 0}, value, 0); err != nil {
			t.Fatal(err)
		}
		return number[uint64](value)
	}
	if got := sum(); got != 2*(0+1+2)*7 {
		t.Errorf("three rounds gave %d, want 42", got)
	}
	rounds, err := coll.Variable("rounds")
	if err != nil {
		t.Fatal(err)
	}
	if err := rounds.Set(binary.NativeEndian.AppendUint32(nil, 5)); err != nil {
		t.Fatal(err)
	}
	if got := sum(); got != 2*(0+1+2+3+4)*7 {
		t.Errorf("five rounds gave %d, want 140", got)
	}
	if got := number[uint64](variable(t, coll, "step")); got != 7 {
		t.Errorf("step is %d", got)
	}
	step := coll.Variables["step"]
	if err := step.Set(make([]byte, 8)); !step.ReadOnly() || !errors.Is(err, engine.ErrReadOnly) || !errors.Is(err, syscall.EPERM) {
		t.Errorf("setting a constant: %v", err)
	}
	if err := rounds.Set(make([]byte, 3)); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("setting 3 bytes of 4: %v", err)
	}
	if got := run(t, coll, "sum_tc"); got != 128 {
		t.Errorf("sum_tc returned %d, want twice 64", got)
	}
}

// TestMapValues: tail calls and inner maps that the object itself names.
func TestMapValues(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	coll := load(t, eng, open(t, "mapvalues", nil), nil)
	for want := range uint32(3) {
		if got := run(t, coll, "caller"); got != want+1 {
			t.Errorf("run %d returned %d", want, got)
		}
	}
	inner := make([]byte, 4)
	if err := coll.Maps["inner"].Lookup(make([]byte, 4), inner, 0); err != nil || inner[0] != 3 {
		t.Errorf("inner map holds %v, %v", inner, err)
	}
}

func TestKconfig(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	coll := load(t, eng, open(t, "kversion", &object.Options{KernelVersion: 0x060c05}), nil)
	if got := run(t, coll, "version"); got != 0x060c05 {
		t.Errorf("LINUX_KERNEL_VERSION is %#x", got)
	}
	if err := coll.Maps[object.KconfigMap].Update(make([]byte, 4), make([]byte, 8), 0); !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("kconfig variables can be changed: %v", err)
	}
}

// A spec that cilium/ebpf's own reader made loads too, and says what is missing
// where it has kconfig variables.
func TestForeignSpec(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	spec, err := ebpf.LoadCollectionSpec("../object/testdata/calls.bpf.o")
	if err != nil {
		t.Fatal(err)
	}
	load(t, eng, spec, nil)
	p := assemble(ebpf.XDP, asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R0, Src: asm.PseudoMapValue}, asm.Return())
	_, err = eng.Load(context.Background(), &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": p}}, nil)
	if err == nil || !strings.Contains(err.Error(), "open the object with package object") {
		t.Errorf("got %v", err)
	}
}

// coreTypes are a kernel's types, laid out unlike the object's and unlike any
// real kernel's.
func coreTypes(t testing.TB) *btf.Spec {
	t.Helper()
	u8, s32 := &btf.Int{Name: "unsigned char", Size: 1}, &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	index := &btf.Int{Name: "__ARRAY_SIZE_TYPE__", Size: 4}
	task := &btf.Struct{Name: "task_struct", Size: 96}
	task.Members = []btf.Member{
		{Name: "pid", Type: s32, Offset: 8 * 8},
		{Name: "tgid", Type: s32, Offset: 24 * 8},
		{Name: "real_parent", Type: &btf.Pointer{Target: task}, Offset: 32 * 8},
		{Name: "comm", Type: &btf.Array{Index: index, Type: &btf.Int{Name: "char", Size: 1, Encoding: btf.Char}, Nelems: 32}, Offset: 40 * 8},
	}
	skb := &btf.Struct{Name: "sk_buff", Size: 64, Members: []btf.Member{
		{Name: "len", Type: u32, Offset: 0},
		{Name: "pkt_type", Type: u8, Offset: 40*8 + 2, BitfieldSize: 3},
		{Name: "data", Type: &btf.Pointer{Target: u8}, Offset: 48 * 8},
	}}
	types := &btf.Enum{Name: "bpf_map_type", Size: 4, Values: []btf.EnumValue{{Name: "BPF_MAP_TYPE_HASH", Value: 41}}}
	b, err := btf.NewBuilder([]btf.Type{task, skb, types}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := object.ReadTypes(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// answers of core.bpf.c, in order.
const (
	pidOffset = iota
	tgidOffset
	commSize
	parentOffset
	pidExists
	noneExists
	otherExists
	taskExists
	taskSize
	noTypeExists
	pktTypeLeft
	pktTypeRight
	pktTypeSigned
	pktTypeOffset
	hashValue
	hashExists
	noValueExists
	localID
	targetID
	deadCode
)

func coreAnswers(t *testing.T, coll *engine.Collection) (out [20]uint64) {
	t.Helper()
	run(t, coll, "relocated")
	raw := variable(t, coll, "answer")
	for i := range out {
		out[i] = binary.NativeEndian.Uint64(raw[8*i:])
	}
	return out
}

func TestCORESupplied(t *testing.T) {
	eng := newEngine(t, embedded.Config{Verify: embedded.VerifyLenient}) // one of the programs runs into what rests unresolved
	coll := load(t, eng, open(t, "core", nil), &engine.LoadOptions{KernelTypes: coreTypes(t)})
	got := coreAnswers(t, coll)
	want := map[int]uint64{
		pidOffset: 8, tgidOffset: 24, commSize: 32, parentOffset: 32,
		pidExists: 1, noneExists: 0, otherExists: 0, taskExists: 1, taskSize: 96, noTypeExists: 0,
		pktTypeLeft: 59, pktTypeRight: 61, pktTypeSigned: 0, pktTypeOffset: 40,
		hashValue: 41, hashExists: 1, noValueExists: 0, deadCode: 0,
	}
	for i, w := range want {
		if got[i] != w {
			t.Errorf("answer %d is %d, want %d", i, got[i], w)
		}
	}
	if got[localID] == 0 || got[targetID] == 0 {
		t.Errorf("type ids %d and %d, want some", got[localID], got[targetID])
	}
	p, err := coll.Program("poisoned")
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Run(&engine.RunInput{Data: frame(1)})
	var fault *engine.FaultError
	if !errors.As(err, &fault) || !strings.Contains(fault.Source.Text, "task_struct") {
		t.Errorf("poisoned code: %v", err)
	}
}

// TestCOREMachine compares with this kernel's types, read another way.
func TestCOREMachine(t *testing.T) {
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Skipf("needs the types of the running kernel: %v", err)
	}
	eng := newEngine(t, embedded.Config{Verify: embedded.VerifyLenient})
	got := coreAnswers(t, load(t, eng, open(t, "core", nil), nil))
	var task *btf.Struct
	if err := types.TypeByName("task_struct", &task); err != nil {
		t.Fatal(err)
	}
	for _, m := range task.Members {
		switch m.Name {
		case "pid":
			if got[pidOffset] != uint64(m.Offset.Bytes()) {
				t.Errorf("pid at %d, want %d", got[pidOffset], m.Offset.Bytes())
			}
		case "tgid":
			if got[tgidOffset] != uint64(m.Offset.Bytes()) {
				t.Errorf("tgid at %d, want %d", got[tgidOffset], m.Offset.Bytes())
			}
		}
	}
	if got[taskSize] != uint64(task.Size) || got[hashValue] != 1 {
		t.Errorf("size %d, want %d; hash is %d, want 1", got[taskSize], task.Size, got[hashValue])
	}
}

func TestKernelSymbols(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	spec := open(t, "ksyms", nil)
	_, err := eng.Load(context.Background(), spec, nil)
	if !errors.Is(err, engine.ErrNotSupported) || !strings.Contains(err.Error(), "init_task") {
		t.Errorf("a strong symbol: %v", err)
	}
	delete(spec.Programs, "addresses")
	if _, err := eng.Load(context.Background(), spec, nil); !errors.Is(err, engine.ErrNotSupported) || !strings.Contains(err.Error(), "bpf_cast_to_kern_ctx") {
		t.Errorf("a strong kfunc: %v", err)
	}
	delete(spec.Programs, "strong_kfunc")
	coll := load(t, eng, spec, nil)
	if got := run(t, coll, "weak_kfunc"); got != 1 {
		t.Errorf("without a weak kfunc the program returned %d, want 1", got)
	}
}

// TestLoadRefuses: errors name what is missing and where.
func TestLoadRefuses(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	prog := func(p *ebpf.ProgramSpec) *ebpf.CollectionSpec {
		return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"main": p}}
	}
	maps := func(m *ebpf.MapSpec) *ebpf.CollectionSpec {
		return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{m.Name: m}}
	}
	array := counterMap(ebpf.Array)
	for name, c := range map[string]struct {
		spec *ebpf.CollectionSpec
		opts *engine.LoadOptions
		is   error
		want string
	}{
		"helper": {prog(assemble(ebpf.XDP, asm.FnSkbStoreBytes.Call(), asm.Return().WithSource(asm.Comment("")))), nil, engine.ErrRejected, "is not for xdp programs"},
		"helper that does not exist": {
			prog(assemble(ebpf.XDP, asm.Mov.Imm(asm.R0, 0), asm.BuiltinFunc(9999).Call().WithSource(asm.Comment("the_helper(x);")), asm.Return())), nil,
			engine.ErrNotSupported, "the_helper(x);",
		},
		"jump out":      {prog(assemble(ebpf.XDP, asm.Instruction{OpCode: asm.OpCode(asm.JumpClass), Offset: 70}, asm.Return())), nil, engine.ErrRejected, ""},
		"no exit":       {prog(assemble(ebpf.XDP, asm.Mov.Imm(asm.R0, 0))), nil, engine.ErrRejected, ""},
		"empty":         {prog(assemble(ebpf.XDP)), nil, nil, "no instructions"},
		"program type":  {prog(verdict(ebpf.LircMode2, 0)), nil, engine.ErrNotSupported, "the kernel engine"},
		"tracing":       {prog(&ebpf.ProgramSpec{Type: ebpf.Tracing, AttachTo: "do_unlinkat", Instructions: asm.Instructions{asm.Return()}}), nil, engine.ErrNotSupported, "do_unlinkat"},
		"no map":        {prog(counting(ebpf.XDP, 0)), nil, asm.ErrUnsatisfiedMapReference, "counts"},
		"no function":   {prog(assemble(ebpf.XDP, asm.Call.Label("gone"), asm.Return())), nil, asm.ErrUnsatisfiedProgramReference, "calls gone"},
		"map type":      {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.StructOpsMap, KeySize: 4, ValueSize: 4, MaxEntries: 1}), nil, engine.ErrNotSupported, "map m"},
		"unknown type":  {maps(&ebpf.MapSpec{Name: "m", Type: 250, KeySize: 4, ValueSize: 4, MaxEntries: 1}), nil, engine.ErrNotSupported, "map m"},
		"map size":      {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.Array, KeySize: 8, ValueSize: 4, MaxEntries: 1}), nil, syscall.EINVAL, `"m"`},
		"no template":   {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.ArrayOfMaps, KeySize: 4, MaxEntries: 1}), nil, syscall.EINVAL, "template"},
		"contents size": {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(0), Value: uint64(1)}}}), nil, nil, "8 bytes instead of 4"},
		"contents full": {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(1), Value: uint32(1)}}}), nil, engine.ErrFull, "fill map m"},
		"no program":    {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []ebpf.MapKV{{Key: uint32(0), Value: "gone"}}}), nil, engine.ErrNotExist, "program gone"},
		"nested maps": {
			maps(&ebpf.MapSpec{Name: "m", Type: ebpf.ArrayOfMaps, KeySize: 4, MaxEntries: 1, InnerMap: &ebpf.MapSpec{Type: ebpf.ArrayOfMaps}}), nil,
			syscall.EINVAL, "cannot hold maps itself",
		},
		"nil map spec":      {&ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{"m": nil}}, nil, syscall.EINVAL, "map m"},
		"nil program spec":  {prog(nil), nil, syscall.EINVAL, "program main"},
		"nil variable spec": {&ebpf.CollectionSpec{Variables: map[string]*ebpf.VariableSpec{"v": nil}}, nil, syscall.EINVAL, "variable v"},
		"variable nowhere":  {&ebpf.CollectionSpec{Variables: map[string]*ebpf.VariableSpec{"v": {Name: "v", SectionName: ".bss"}}}, nil, engine.ErrNotExist, "variable v"},
		"byte order":        {&ebpf.CollectionSpec{ByteOrder: foreignOrder()}, nil, syscall.EINVAL, "machines"},
		"pin path":          {maps(&ebpf.MapSpec{Name: "m", Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1, Pinning: ebpf.PinByName}), nil, nil, "no pin path"},
		"replacement":       {maps(array), &engine.LoadOptions{Maps: map[string]engine.Map{"other": nil}}, engine.ErrNotExist, "other"},
		"nil map":           {maps(array), &engine.LoadOptions{Maps: map[string]engine.Map{"counts": nil}}, syscall.EINVAL, "counts"},
		"attach to":         {prog(verdict(ebpf.XDP, 0)), &engine.LoadOptions{AttachTo: map[string]engine.Program{"main": nil}}, engine.ErrNotSupported, "main"},
		"no types":          {open(t, "core", nil), &engine.LoadOptions{KernelTypes: emptyTypes(t)}, engine.ErrRejected, "is not in the target's types"},
	} {
		t.Run(name, func(t *testing.T) {
			before := eng.MemoryUsed()
			coll, err := eng.Load(context.Background(), c.spec, c.opts)
			if err == nil {
				coll.Close()
				t.Fatal("it loaded")
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %v with %q", err, c.is, c.want)
			}
			if n := eng.MemoryUsed(); n != before {
				t.Errorf("%d bytes stayed behind", n-before)
			}
		})
	}
	if _, err := eng.Load(context.Background(), nil, nil); err == nil {
		t.Error("a nil spec loaded")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := eng.Load(ctx, prog(verdict(ebpf.XDP, 0)), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: %v", err)
	}
}

func foreignOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func emptyTypes(t testing.TB) *btf.Spec {
	t.Helper()
	b, err := btf.NewBuilder([]btf.Type{&btf.Int{Name: "int", Size: 4}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := object.ReadTypes(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// TestReplaceMap: a live map stands in, and stays the caller's.
func TestReplaceMap(t *testing.T) {
	eng := newEngine(t, embedded.Config{})
	m, err := eng.NewMap(counterMap(ebpf.Array))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	spec := &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"main": counting(ebpf.XDP, 2)},
		Maps:     map[string]*ebpf.MapSpec{"counts": counterMap(ebpf.Array)},
	}
	opts := &engine.LoadOptions{Maps: map[string]engine.Map{"counts": m}}
	for range 2 {
		coll, err := eng.Load(context.Background(), spec, opts)
		if err != nil {
			t.Fatal(err)
		}
		run(t, coll, "main")
		if err := coll.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := lookup(t, m); n != 2 {
		t.Errorf("two collections counted %d, want 2", n)
	}
	spec.Maps["counts"].MaxEntries = 5
	if _, err := eng.Load(context.Background(), spec, opts); !errors.Is(err, ebpf.ErrMapIncompatible) {
		t.Errorf("another size: %v", err)
	}
	other := newEngine(t, embedded.Config{})
	if _, err := other.Load(context.Background(), spec, opts); !errors.Is(err, engine.ErrWrongEngine) {
		t.Errorf("another engine's map: %v", err)
	}
}
