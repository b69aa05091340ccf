//go:build linux

package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/engine"
)

// variables is testdata/variables.bpf.c without the program that is refused.
func variables(t *testing.T) *ebpf.CollectionSpec {
	spec := fixture(t, "variables.bpf.o")
	delete(spec.Programs, "bad")
	return spec
}

func run(t *testing.T, p engine.Program, in *engine.RunInput) engine.RunResult {
	t.Helper()
	res, err := p.Run(in)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestVariables(t *testing.T) {
	e := newEngine(t)
	spec := variables(t)
	if err := spec.Variables["verdict"].Set(uint32(1)); err != nil {
		t.Fatal(err)
	}
	coll := load(t, e, spec, &engine.LoadOptions{PinPath: bpfFS(t)})
	res := run(t, coll.Programs["count"], &engine.RunInput{Data: make([]byte, 64), Repeat: 10})
	if res.Return != 1 {
		t.Errorf("verdict %d, want the constant that was set", res.Return)
	}
	runs := coll.Variables["runs"]
	b := make([]byte, runs.Size())
	if err := runs.Get(b); err != nil || binary.NativeEndian.Uint64(b) != 10 {
		t.Errorf("runs %x %v", b, err)
	}
	if err := runs.Set(u64(5)); err != nil {
		t.Fatal(err)
	}
	run(t, coll.Programs["count"], &engine.RunInput{Data: make([]byte, 64)})
	if err := runs.Get(b); err != nil || binary.NativeEndian.Uint64(b) != 6 {
		t.Errorf("runs %x %v after setting 5", b, err)
	}
	four := make([]byte, 4)
	if err := coll.Variables["initial"].Get(four); err != nil || binary.NativeEndian.Uint32(four) != 52 {
		t.Errorf("initial %x %v, want 41 and eleven runs", four, err)
	}
	verdict := coll.Variables["verdict"]
	if !verdict.ReadOnly() || runs.ReadOnly() {
		t.Error("constants and variables are mixed up")
	}
	if err := verdict.Set(four); !errors.Is(err, engine.ErrReadOnly) {
		t.Errorf("set a constant: %v", err)
	}
	if err := runs.Get(four); err == nil {
		t.Error("eight bytes fitted four")
	}
	if runs.Type() == nil || runs.Name() != "runs" {
		t.Errorf("variable %q of type %v", runs.Name(), runs.Type())
	}
	coll.Close()
	if err := runs.Get(b); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("get after close: %v", err)
	}
}

func TestInitialEntries(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, variables(t), &engine.LoadOptions{PinPath: bpfFS(t)})
	if res := run(t, coll.Programs["jump"], &engine.RunInput{Data: make([]byte, 64)}); res.Return != 1 {
		t.Errorf("the tail call returned %d, want 1", res.Return)
	}
}

func TestPinnedMaps(t *testing.T) {
	e := newEngine(t)
	dir := bpfFS(t)
	opts := &engine.LoadOptions{PinPath: dir}
	first := load(t, e, variables(t), opts)
	if err := first.Maps["pinned"].Update(u32(7), u64(1), 0); err != nil {
		t.Fatal(err)
	}
	first.Close()
	second := load(t, e, variables(t), opts)
	run(t, second.Programs["count"], &engine.RunInput{Data: make([]byte, 64)})
	v := make([]byte, 8)
	if err := second.Maps["pinned"].Lookup(u32(7), v, 0); err != nil || binary.NativeEndian.Uint64(v) != 2 {
		t.Errorf("%x %v, want what the first collection left and one run", v, err)
	}
	// A load that fails takes its pins along.
	other := t.TempDir()
	dir2 := filepath.Join(dir, "second")
	if err := os.Mkdir(dir2, 0o755); err != nil {
		t.Fatal(err)
	}
	_ = other
	if _, err := e.Load(t.Context(), fixture(t, "variables.bpf.o"), &engine.LoadOptions{PinPath: dir2}); !errors.Is(err, engine.ErrRejected) {
		t.Fatalf("load of a bad program: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir2, "pinned")); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("the pin of a failed load stays: %v", err)
	}
}

func TestReplacedMaps(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.XDP, 0, "", xdpPass)
	o := c.sibling(t, e, xdpPass)
	run(t, o.prog, &engine.RunInput{Data: make([]byte, 64)})
	if n := o.count(t); n != 1 {
		t.Errorf("%d runs counted in the given map", n)
	}
	o.coll.Close()
	if n := o.count(t); n != 1 {
		t.Errorf("the given map was closed: %d", n)
	}
	spec := counterSpec(ebpf.XDP, 0, "", 1, 2)
	for what, maps := range map[string]map[string]engine.Map{
		"unknown": {"nope": c.hits},
		"nil":     {"hits": nil},
		"wrong":   {"hits": newMap(t, e, smallestMap(ebpf.Hash))},
	} {
		if coll, err := e.Load(t.Context(), spec, &engine.LoadOptions{Maps: maps}); err == nil {
			coll.Close()
			t.Errorf("replaced with %s map", what)
		}
	}
	if _, err := e.Load(t.Context(), spec, &engine.LoadOptions{AttachTo: map[string]engine.Program{"nope": c.prog}}); !errors.Is(err, engine.ErrNotExist) {
		t.Errorf("target for an unknown program: %v", err)
	}
	if _, err := e.Load(t.Context(), nil, nil); err == nil {
		t.Error("loaded no spec")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Load(ctx, spec, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("load with a cancelled context: %v", err)
	}
}

func TestVerifierError(t *testing.T) {
	e := newEngine(t)
	_, err := e.Load(t.Context(), fixture(t, "variables.bpf.o"), &engine.LoadOptions{PinPath: bpfFS(t)})
	var v *engine.VerifierError
	if !errors.As(err, &v) {
		t.Fatalf("load: %v", err)
	}
	if v.Program != "bad" || !strings.Contains(v.Reason, "invalid access to packet") || v.Instruction < 0 ||
		!strings.Contains(v.Assembly, "r") || v.Truncated || len(v.Log) < 3 {
		t.Errorf("error %+v", v)
	}
	if !strings.Contains(v.Source.Text, "return p[3]") || v.Source.Line != 75 || !strings.HasSuffix(v.Source.File, "variables.bpf.c") {
		t.Errorf("source %+v", v.Source)
	}
	if long := fmt.Sprintf("%+v", err); !strings.Contains(long, "processed ") {
		t.Errorf("%%+v lacks the log: %s", long)
	}
	t.Log(err)
	// A program that has no line information: instruction and reason only.
	spec := counterSpec(ebpf.XDP, 0, "", 1, 2)
	spec.Programs["count"].Instructions = asm.Instructions{asm.Mov.Reg(asm.R0, asm.R7), asm.Return()}
	_, err = e.Load(t.Context(), spec, nil)
	if !errors.As(err, &v) || v.Instruction != 0 || !strings.Contains(v.Reason, "R7 !read_ok") {
		t.Errorf("error %+v", v)
	}
}

// TestVerifierLogWhole: a log far beyond the first buffer arrives whole.
func TestVerifierLogWhole(t *testing.T) {
	e := newEngine(t)
	code := asm.Instructions{asm.Mov.Imm(asm.R0, 0)}
	for range 20000 {
		code = append(code, asm.Add.Imm(asm.R0, 1))
	}
	code = append(code, asm.Mov.Reg(asm.R0, asm.R7), asm.Return())
	_, err := e.loadOne(t.Context(), &ebpf.ProgramSpec{Name: "long", Type: ebpf.SocketFilter, License: "GPL", Instructions: code})
	var v *engine.VerifierError
	if !errors.As(err, &v) {
		t.Fatal(err)
	}
	if v.Truncated || v.Instruction != 20001 || len(v.Log) < 20000 {
		t.Errorf("%d lines, truncated %v, at instruction %d", len(v.Log), v.Truncated, v.Instruction)
	}
}

func TestVerifierLogOfAccepted(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, counterSpec(ebpf.XDP, 0, "", 1, 2), &engine.LoadOptions{VerifierLog: true})
	if log := coll.Programs["count"].Info().VerifierLog; !strings.Contains(log, "processed ") {
		t.Errorf("log %q", log)
	}
	coll = load(t, e, counterSpec(ebpf.XDP, 0, "", 1, 2), nil)
	if log := coll.Programs["count"].Info().VerifierLog; log != "" {
		t.Errorf("log %q that nobody asked for", log)
	}
}

func TestProgram(t *testing.T) {
	e := newEngine(t)
	c := newCounter(t, e, ebpf.XDP, 0, "", xdpPass)
	info := c.prog.Info()
	if info.Name != "count" || info.Type != ebpf.XDP || info.ID == 0 || len(info.Tag) != 16 || info.Instructions != 11 {
		t.Errorf("info %+v", info)
	}
	data := make([]byte, 64)
	data[63] = 9
	res := run(t, c.prog, &engine.RunInput{Data: data, WantContext: true})
	if res.Return != xdpPass || len(res.Data) != 64 || res.Data[63] != 9 || len(res.Context) != xdpMDSize {
		t.Errorf("result %+v", res)
	}
	out := make([]byte, 0, 100)
	if res = run(t, c.prog, &engine.RunInput{Data: data, DataOut: out}); len(res.Data) != 64 || &res.Data[0] != &out[:1][0] {
		t.Error("the given memory was not used")
	}
	if res = run(t, c.prog, &engine.RunInput{Data: data, NoDataOut: true}); res.Data != nil {
		t.Error("data that nobody wanted")
	}
	if _, err := c.prog.Run(&engine.RunInput{Data: data, DataOut: make([]byte, 0, 10)}); err == nil {
		t.Error("64 bytes fitted 10")
	}
	if _, err := c.prog.Run(&engine.RunInput{Data: data, Repeat: -1}); err == nil {
		t.Error("ran a negative number of times")
	}
	if _, err := c.prog.Run(nil); err == nil {
		t.Error("a packet program ran without a packet")
	}
	kp := newCounter(t, e, ebpf.Kprobe, 0, "", 0)
	if _, err := kp.prog.Run(&engine.RunInput{}); !errors.Is(err, engine.ErrNotSupported) {
		t.Errorf("test run of a kprobe: %v", err)
	}
	c.prog.Close()
	if _, err := c.prog.Run(&engine.RunInput{Data: data}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("run after close: %v", err)
	}
	if err := c.prog.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

func TestStats(t *testing.T) {
	e := newEngine(t)
	closer, err := EnableStats()
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	ns := netNS(t)
	c := newCounter(t, e, ebpf.XDP, 0, "", xdpPass)
	l := attach(t, e, c.prog, engine.XDP{Device: engine.Device{Name: "vb", NetNS: ns}})
	defer l.Close()
	c.moves(t, func() { sendFrame(t, ns, "va", 64) })
	s, err := c.prog.Stats()
	if err != nil || s.Runs == 0 || s.Runtime == 0 {
		t.Errorf("stats %+v %v", s, err)
	}
}

func TestPrintk(t *testing.T) {
	e := newEngine(t)
	coll := load(t, e, variables(t), &engine.LoadOptions{PinPath: bpfFS(t)})
	data := make([]byte, 64)
	run(t, coll.Programs["print"], &engine.RunInput{Data: data}) // from before: not to be seen
	r, err := e.OpenPrintk()
	if err != nil {
		skipUnsupported(t, err)
		t.Fatal(err)
	}
	defer r.Close()
	r.SetDeadline(time.Now().Add(100 * time.Millisecond))
	if line, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %+v %v before anything was printed", line, err)
	}
	r.SetDeadline(time.Now().Add(5 * time.Second))
	for range 2 {
		run(t, coll.Programs["print"], &engine.RunInput{Data: data})
	}
	for range 2 {
		line, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if line.Text != "skep says 42" || line.PID == 0 || line.Task == "" || line.Time == 0 {
			t.Errorf("line %+v", line)
		}
	}
	r.SetDeadline(time.Time{})
	done := make(chan error)
	go func() {
		_, err := r.Read()
		done <- err
	}()
	time.Sleep(20 * time.Millisecond)
	r.Close()
	if err := <-done; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("read ended by close: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
}

// TestLeaks: what was closed is closed.
func TestLeaks(t *testing.T) {
	e := newEngine(t)
	work := func() {
		ns := netNS(t)
		coll, err := e.Load(t.Context(), counterSpec(ebpf.XDP, 0, "", 1, 2), nil)
		if err != nil {
			t.Fatal(err)
		}
		l, err := e.Attach(coll.Programs["count"], engine.XDP{Device: engine.Device{Name: "vb", NetNS: ns}})
		if err != nil {
			t.Fatal(err)
		}
		tc, err := e.Load(t.Context(), counterSpec(ebpf.SchedCLS, 0, "", 1, -1), nil)
		if err != nil {
			t.Fatal(err)
		}
		q, err := e.Attach(tc.Programs["count"], engine.TCX{Device: engine.Device{Name: "vb", NetNS: ns}, Clsact: true})
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.Attach(coll.Programs["count"], engine.XDP{Device: engine.Device{Name: "vb", NetNS: ns}})
		if err == nil {
			t.Fatal("attached twice")
		}
		l.Close()
		q.Close()
		coll.Close()
		tc.Close()
	}
	work()
	before := openFiles(t)
	for range 5 {
		work()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
