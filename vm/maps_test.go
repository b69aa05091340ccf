package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func key32(k uint32) []byte { return binary.NativeEndian.AppendUint32(nil, k) }

func runCode(t *testing.T, m *Machine, typ abi.ProgramType, code string, maps ...*Map) TestResult {
	t.Helper()
	res, err := load(t, m, typ, assemble(t, code), maps...).TestRun(&TestInput{Data: frame()})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestTailCalls(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	jump := newMap(t, m, MapSpec{Name: "jump", Type: abi.MapProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4})
	counts := newMap(t, m, MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	// Counts its runs in the map and calls itself through slot 0.
	self := load(t, m, abi.ProgXDP, assemble(t, `
		r6 = r1
		r1 = map[idx:1][0]+0
		r0 = *(u64 *)(r1 +0)
		r0 += 1
		*(u64 *)(r1 +0) = r0
		r1 = r6
		r2 = map[idx:0]
		r3 = 0
		call helper#12
		r0 = 40
		exit
	`), jump, counts)
	if err := jump.SetProgram(key32(0), self, 0); err != nil {
		t.Fatal(err)
	}
	res, err := self.TestRun(&TestInput{Data: frame()})
	if err != nil || res.Return != 40 {
		t.Fatalf("returns %d, %v", res.Return, err)
	}
	var n [8]byte
	if err := counts.Lookup(key32(0), n[:], 0); err != nil {
		t.Fatal(err)
	}
	if got := binary.NativeEndian.Uint64(n[:]); got != 34 {
		t.Errorf("the program ran %d times; 33 tail calls make 34", got)
	}
	// A tail call from a subprogram replaces the subprogram only.
	target := load(t, m, abi.ProgXDP, assemble(t, "r0 = 5\nexit"))
	if err := jump.SetProgram(key32(1), target, 0); err != nil {
		t.Fatal(err)
	}
	res = runCode(t, m, abi.ProgXDP, "call f\nr0 += 100\nexit\nf:\nr2 = map[idx:0]\nr3 = 1\ncall helper#12\nr0 = 1\nexit", jump)
	if res.Return != 105 {
		t.Errorf("tail call from a subprogram: returns %d, want 105", res.Return)
	}
	// An empty slot, and one beyond the end, are no errors.
	for _, slot := range []string{"2", "99", "4294967295"} {
		if res = runCode(t, m, abi.ProgXDP, "r2 = map[idx:0]\nr3 = "+slot+" ll\ncall helper#12\nr0 = 7\nexit", jump); res.Return != 7 {
			t.Errorf("slot %s: returns %d, want 7", slot, res.Return)
		}
	}
	other := load(t, m, abi.ProgSchedCLS, assemble(t, "r0 = 0\nexit"))
	if err := jump.SetProgram(key32(2), other, 0); err == nil {
		t.Error("a tc program was put into an array of xdp programs")
	}
}

func TestMapsOfMaps(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	inner := &MapSpec{Name: "inner", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 2}
	outer := newMap(t, m, MapSpec{Name: "outer", Type: abi.MapArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: inner})
	const code = `
		*(u32 *)(r10 -4) = 1
		r2 = r10
		r2 += -4
		r1 = map[idx:0]
		call helper#1
		if r0 == 0 goto none
		r1 = r0
		r2 = r10
		r2 += -4
		call helper#1
		if r0 == 0 goto none
		r1 = *(u64 *)(r0 +0)
		*(u64 *)(r0 +0) = 77
		r0 = r1
		exit
	none:
		r0 = 1000
		exit
	`
	p := load(t, m, abi.ProgXDP, assemble(t, code), outer)
	run := func() uint32 {
		t.Helper()
		res, err := p.TestRun(&TestInput{Data: frame()})
		if err != nil {
			t.Fatal(err)
		}
		return res.Return
	}
	if got := run(); got != 1000 {
		t.Errorf("without an inner map: %d", got)
	}
	im, err := m.NewMap(*inner)
	if err != nil {
		t.Fatal(err)
	}
	if err := im.Update(key32(1), []byte{5, 0, 0, 0, 0, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	if err := outer.SetMap(key32(1), im, 0); err != nil {
		t.Fatal(err)
	}
	before := m.MemoryUsed()
	im.Close() // the outer map keeps it
	if got := outer.InnerMap(key32(1)); got != im {
		t.Errorf("the inner map is %v, want %v", got, im)
	}
	if a, b := run(), run(); a != 5 || b != 77 {
		t.Errorf("values %d and %d, want 5 and 77", a, b)
	}
	if err := outer.Delete(key32(1)); err != nil {
		t.Fatal(err)
	}
	if got := run(); got != 1000 {
		t.Errorf("after its deletion: %d", got)
	}
	if m.MemoryUsed() >= before {
		t.Errorf("the inner map's memory is still held: %d bytes, before %d", m.MemoryUsed(), before)
	}
	if err := im.Update(key32(1), make([]byte, 8), 0); !errors.Is(err, ErrClosed) {
		t.Errorf("update of a map that is gone: %v", err)
	}
}

func TestForEach(t *testing.T) {
	m := newMachine(t, Config{CPUs: 2})
	// Sums keys and values, and deletes what it meets; stops at key 100.
	const code = `
		*(u64 *)(r10 -8) = 0
		r1 = map[idx:0]
		r2 = subprog[f]
		r3 = r10
		r4 = 0
		call helper#164
		r1 = *(u64 *)(r10 -8)
		r0 *= 100000
		r0 += r1
		exit
	f:
		r6 = r4
		r5 = *(u32 *)(r2 +0)
		r7 = *(u64 *)(r3 +0)
		r7 += r5
		r8 = *(u64 *)(r6 -8)
		r8 += r7
		*(u64 *)(r6 -8) = r8
		r9 = r5
		call helper#3
		r0 = 0
		if r9 != 100 goto pc+1
		r0 = 1
		exit
	`
	for _, typ := range []abi.MapType{abi.MapHash, abi.MapLRUHash, abi.MapArray} {
		mp := newMap(t, m, MapSpec{Name: "m", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 10})
		for k := range uint32(10) {
			if err := mp.Update(key32(k), []byte{byte(k * 10), 0, 0, 0, 0, 0, 0, 0}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got := runCode(t, m, abi.ProgXDP, code, mp).Return; got != 10*100000+45+450 {
			t.Errorf("%s: %d, want 10 elements and a sum of 495", typ, got)
		}
	}
}

func TestRingBuffer(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	ring := newMap(t, m, MapSpec{Name: "ring", Type: abi.MapRingBuf, MaxEntries: 4096})
	r, err := ring.RingReader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	runCode(t, m, abi.ProgXDP, `
		r1 = map[idx:0]
		r2 = 16
		r3 = 0
		call helper#131
		if r0 == 0 goto out
		*(u64 *)(r0 +0) = 1
		*(u64 *)(r0 +8) = 2
		r1 = r0
		r2 = 0
		call helper#132
		r1 = map[idx:0]
		r2 = 8
		r3 = 0
		call helper#131
		if r0 == 0 goto out
		r1 = r0
		r2 = 0
		call helper#133
		*(u64 *)(r10 -8) = 9
		r1 = map[idx:0]
		r2 = r10
		r2 += -8
		r3 = 5
		r4 = 0
		call helper#130
	out:
		r0 = 0
		exit
	`, ring)
	r.SetDeadline(time.Now().Add(5 * time.Second))
	for _, want := range [][]byte{{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, {9, 0, 0, 0, 0}} {
		got, _, err := r.ReadInto(nil)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("record %v, %v, want %v", got, err, want)
		}
	}
	r.SetDeadline(time.Now().Add(-time.Second))
	if _, _, err := r.ReadInto(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a third record: %v", err)
	}
}

func TestPerfEvents(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	events := newMap(t, m, MapSpec{Name: "events", Type: abi.MapPerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	r, err := events.PerfReader(PerfOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	res := runCode(t, m, abi.ProgXDP, `
		*(u64 *)(r10 -8) = 0x1234
		r2 = map[idx:0]
		r3 = 0x6ffffffff ll
		r4 = r10
		r4 += -8
		r5 = 8
		call helper#25
		exit
	`, events)
	if res.Return != 0 {
		t.Fatalf("bpf_perf_event_output: %d", int32(res.Return))
	}
	r.SetDeadline(time.Now().Add(5 * time.Second))
	var s PerfSample
	if err := r.ReadInto(&s); err != nil {
		t.Fatal(err)
	}
	want := append([]byte{0x34, 0x12, 0, 0, 0, 0, 0, 0}, frame()[:6]...)
	if s.CPU != 0 || !bytes.HasPrefix(s.Data, want) {
		t.Errorf("sample %x on CPU %d, want %x", s.Data, s.CPU, want)
	}
}

func TestStreamsAndPerCPU(t *testing.T) {
	m := newMachine(t, Config{CPUs: 2})
	queue := newMap(t, m, MapSpec{Name: "queue", Type: abi.MapQueue, ValueSize: 8, MaxEntries: 2})
	res := runCode(t, m, abi.ProgXDP, `
		*(u64 *)(r10 -8) = 5
		r1 = map[idx:0]
		r2 = r10
		r2 += -8
		r3 = 0
		call helper#87
		*(u64 *)(r10 -8) = 6
		r1 = map[idx:0]
		r2 = r10
		r2 += -8
		r3 = 0
		call helper#87
		r1 = map[idx:0]
		r2 = r10
		r2 += -16
		call helper#88
		r0 = *(u64 *)(r10 -16)
		r6 = r0
		r1 = map[idx:0]
		r2 = r10
		r2 += -16
		call helper#89
		r0 = *(u64 *)(r10 -16)
		r0 *= 16
		r0 += r6
		exit
	`, queue)
	if res.Return != 0x65 {
		t.Errorf("queue: %#x, want 0x65", res.Return)
	}
	percpu := newMap(t, m, MapSpec{Name: "percpu", Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	vals := make([]byte, percpu.ValueBytes())
	vals[0], vals[8] = 3, 4
	if err := percpu.Update(key32(0), vals, 0); err != nil {
		t.Fatal(err)
	}
	const code = "*(u32 *)(r10 -4) = 0\nr2 = r10\nr2 += -4\nr1 = map[idx:0]\nr3 = %d\ncall helper#195\nif r0 == 0 goto pc+1\nr0 = *(u64 *)(r0 +0)\nexit"
	for cpu, want := range []uint32{3, 4, 0} {
		if got := runCode(t, m, abi.ProgXDP, fmt.Sprintf(code, cpu), percpu).Return; got != want {
			t.Errorf("value of CPU %d is %d, want %d", cpu, got, want)
		}
	}
}

// Atomic additions from many goroutines must add up, per-CPU ones too, and a
// spin lock must keep two words together.
func TestConcurrentRuns(t *testing.T) {
	m := newMachine(t, Config{CPUs: 4})
	shared := newMap(t, m, MapSpec{Name: "shared", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	percpu := newMap(t, m, MapSpec{Name: "percpu", Type: abi.MapPerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	locked := newMap(t, m, MapSpec{Name: "locked", Type: abi.MapArray, KeySize: 4, ValueSize: 24, MaxEntries: 1, SpinLock: true})
	p := load(t, m, abi.ProgXDP, assemble(t, `
		r1 = map[idx:0][0]+0
		r2 = 1
		lock *(u64 *)(r1 +0) += r2
		*(u32 *)(r10 -4) = 0
		r2 = r10
		r2 += -4
		r1 = map[idx:1]
		call helper#1
		if r0 == 0 goto out
		r1 = *(u64 *)(r0 +0)
		r1 += 1
		*(u64 *)(r0 +0) = r1
		r6 = map[idx:2][0]+0
		r1 = r6
		call helper#93
		r1 = *(u64 *)(r6 +8)
		r1 += 1
		*(u64 *)(r6 +8) = r1
		r2 = *(u64 *)(r6 +16)
		r2 += 1
		*(u64 *)(r6 +16) = r2
		r7 = r1
		r7 -= r2
		r1 = r6
		call helper#94
		r0 = r7
		exit
	out:
		r0 = 1
		exit
	`), shared, percpu, locked)
	const workers, each = 8, 2000
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			pk, err := m.NewPacket(frame())
			if err != nil {
				t.Error(err)
				return
			}
			defer pk.Release()
			for range each {
				if v, err := p.RunXDP(pk, nil); err != nil || v.Return != 0 {
					t.Errorf("returns %d, %v", v.Return, err)
					return
				}
			}
		})
	}
	wg.Wait()
	var one [8]byte
	if err := shared.Lookup(key32(0), one[:], 0); err != nil {
		t.Fatal(err)
	}
	if got := binary.NativeEndian.Uint64(one[:]); got != workers*each {
		t.Errorf("atomic sum %d, want %d", got, workers*each)
	}
	all := make([]byte, percpu.ValueBytes())
	if err := percpu.Lookup(key32(0), all, 0); err != nil {
		t.Fatal(err)
	}
	var sum uint64
	for i := 0; i < len(all); i += 8 {
		sum += binary.NativeEndian.Uint64(all[i:])
	}
	if sum != workers*each {
		t.Errorf("sum over CPUs %d, want %d", sum, workers*each)
	}
}

// Maps and programs may be closed while runs use them.
func TestCloseDuringRuns(t *testing.T) {
	m := newMachine(t, Config{CPUs: 2})
	insns := assemble(t, xdpCounter)
	stop := make(chan struct{})
	var mu sync.Mutex
	var current *Program
	swap := func() *Program {
		mp, err := m.NewMap(MapSpec{Name: "counts", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 256})
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Load(&ProgramSpec{Name: "p", Type: abi.ProgXDP, Instructions: insns, Maps: []*Map{mp}})
		if err != nil {
			t.Fatal(err)
		}
		mp.Close()
		mu.Lock()
		defer mu.Unlock()
		old := current
		current = p
		return old
	}
	swap()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			pk, err := m.NewPacket(frame())
			if err != nil {
				t.Error(err)
				return
			}
			defer pk.Release()
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				p := current
				mu.Unlock()
				if _, err := p.RunXDP(pk, nil); err != nil && !errors.Is(err, ErrClosed) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 300 {
		swap().Close()
	}
	close(stop)
	wg.Wait()
	current.Close()
}

func TestLoadErrors(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1})
	for _, c := range []struct {
		name, license string
		typ           abi.ProgramType
		code          string
		insns         []isa.Instruction
		slot          int
		is            error
		reason        string
	}{
		{name: "nothing", insns: []isa.Instruction{}, slot: -1, is: ErrInvalid, reason: "the program has no instructions"},
		{name: "no exit", code: "r0 = 0", is: ErrInvalid, reason: "control runs past the end of the function: its last instruction is neither exit nor an unconditional jump"},
		{name: "jump out", code: "r0 = 0\ngoto pc+5\nexit", slot: 1, is: ErrInvalid, reason: "jump to slot 7; the program has 3"},
		{name: "jump into lddw", code: "goto pc+1\nr1 = 5 ll\nexit", is: ErrInvalid, reason: "jump into the middle of a 64-bit immediate load, slot 2"},
		{name: "jump into a function", code: "goto pc+2\ncall f\nexit\nf:\nexit", is: ErrInvalid, reason: "jump out of its function, to slot 3"},
		{name: "opcode", insns: []isa.Instruction{{Op: 0xff}, {Op: isa.Exit}}, is: ErrInvalid, reason: "unknown instruction: opcode 0xff, src 0, offset 0, immediate 0"},
		{name: "register", insns: []isa.Instruction{{Op: isa.MovK, Dst: 12}, {Op: isa.Exit}}, is: ErrInvalid, reason: "register r12 does not exist"},
		{name: "frame pointer", code: "r10 = 0\nexit", is: ErrInvalid, reason: "the frame pointer r10 is read-only"},
		{name: "map", code: "r1 = map[idx:3]\nexit", is: ErrInvalid, reason: "map index 3; the program has 0 maps"},
		{name: "unknown helper", code: "call helper#999\nexit", is: ErrNotSupported, reason: "helper 999 does not exist"},
		{name: "missing helper", typ: abi.ProgSchedCLS, code: "call helper#109\nexit", is: ErrNotSupported, reason: "helper bpf_send_signal (id 109) is not available in the embedded engine for sched_cls programs: a signal would reach the process that runs the program"},
		{name: "another type's helper", code: "call helper#50\nexit", is: ErrInvalid, reason: "helper bpf_skb_adjust_room (id 50) is not for xdp programs"},
		{name: "GPL helper", license: "BSD", code: "call helper#6\nexit", is: ErrInvalid, reason: "helper bpf_trace_printk (id 6) is for programs with a GPL-compatible license"},
		{name: "kfunc", code: "call kfunc#7\nexit", is: ErrNotSupported, reason: "call of an unnamed kernel function (id 7)"},
		{name: "legacy load", code: "r6 = r1\nr0 = *(u8 *)skb[0]\nexit", slot: 1, is: ErrInvalid, reason: "legacy packet access is for socket filters and tc programs, not for xdp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			insns := c.insns
			if insns == nil {
				insns = assemble(t, c.code)
			}
			spec := &ProgramSpec{Name: "bad", Type: abi.ProgXDP, License: "GPL", Instructions: insns}
			if c.typ != 0 {
				spec.Type = c.typ
			}
			if c.license != "" {
				spec.License = c.license
			}
			_, err := m.Load(spec)
			var le *LoadError
			if !errors.As(err, &le) || !errors.Is(err, c.is) {
				t.Fatalf("%v", err)
			}
			if le.Instruction != c.slot || le.Reason != c.reason {
				t.Errorf("instruction %d: %q; want %d: %q", le.Instruction, le.Reason, c.slot, c.reason)
			}
		})
	}
}

func TestBudget(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 16})
	for name, code := range map[string]string{
		"jump":     "r0 = 0\ngoto pc-1\nexit",
		"calls":    "call f\ngoto pc-2\nexit\nf:\nr0 = 0\nexit",
		"callback": "r1 = 0x7fffff ll\nr2 = subprog[f]\nr3 = 0\nr4 = 0\ncall helper#181\nexit\nf:\nr0 = 0\nexit",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, m, abi.ProgXDP, assemble(t, code)).TestRun(&TestInput{Data: frame()})
			var be *BudgetError
			if !errors.As(err, &be) || !errors.Is(err, ErrBudget) || be.Limit != 1<<16 {
				t.Fatalf("%v", err)
			}
			t.Log(err)
		})
	}
}

func TestLockThatStaysTaken(t *testing.T) {
	m := newMachine(t, Config{CPUs: 1, MaxInstructions: 1 << 16})
	mp := newMap(t, m, MapSpec{Name: "lock", Type: abi.MapArray, KeySize: 4, ValueSize: 8, MaxEntries: 1, SpinLock: true})
	p := load(t, m, abi.ProgXDP, assemble(t, "r1 = map[idx:0][0]+0\n*(u32 *)(r1 +0) = 1\ncall helper#93\nr0 = 0\nexit"), mp)
	var f *Fault
	if _, err := p.TestRun(&TestInput{Data: frame()}); !errors.As(err, &f) || f.Reason != "bpf_spin_lock: the lock stays taken" {
		t.Errorf("%v", err)
	}
}
