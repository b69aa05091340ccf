package enginetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/engine"
)

// fake is an engine with one program, "p", whose runs return 2, give the packet
// with an X after it and a context with mark 7; one map "m" with 1 at key 1, a
// ring "r" with one record and a variable "v" of 5.
type fake struct {
	engine.Engine
	loadErr error
	closed  int
}

func (f *fake) Load(context.Context, *ebpf.CollectionSpec, *engine.LoadOptions) (*engine.Collection, error) {
	if f.loadErr != nil {
		return nil, f.loadErr
	}
	return &engine.Collection{
		Programs:  map[string]engine.Program{"p": fakeProgram{}},
		Maps:      map[string]engine.Map{"m": fakeMap{}, "r": fakeMap{}},
		Variables: map[string]engine.Variable{"v": fakeVariable{}},
		Owned:     []io.Closer{closer{f}},
	}, nil
}

func (f *fake) OpenPrintk() (engine.PrintkReader, error) { return &fakePrintk{}, nil }

type closer struct{ f *fake }

func (c closer) Close() error { c.f.closed++; return nil }

type fakeProgram struct{ engine.Program }

func (fakeProgram) Info() engine.ProgramInfo { return engine.ProgramInfo{Name: "p", Type: ebpf.XDP} }
func (fakeProgram) Close() error             { return nil }
func (fakeProgram) Run(in *engine.RunInput) (engine.RunResult, error) {
	ctx := make([]byte, 192)
	binary.NativeEndian.PutUint32(ctx[8:], 7)
	return engine.RunResult{Return: 2, Data: append(append([]byte(nil), in.Data...), 'X'), Context: ctx}, nil
}

type fakeMap struct{ engine.Map }

func (fakeMap) LookupBatch(*engine.Cursor, []byte, []byte, ebpf.MapLookupFlags) (int, error) {
	return 0, engine.ErrNotSupported
}

func (fakeMap) Close() error { return nil }
func (fakeMap) Info() engine.MapInfo {
	return engine.MapInfo{Name: "m", Type: ebpf.PerCPUHash, KeySize: 4, ValueSize: 8, ValueBytes: 16, MaxEntries: 4}
}

func (fakeMap) Lookup(key, value []byte, _ ebpf.MapLookupFlags) error {
	if key[0] != 1 {
		return engine.ErrKeyNotExist
	}
	copy(value, append(u64(1), u64(2)...))
	return nil
}

func (fakeMap) Update(key, _ []byte, _ ebpf.MapUpdateFlags) error {
	if key[0] == 9 {
		return engine.ErrFull
	}
	return nil
}
func (fakeMap) Delete([]byte) error { return nil }
func (fakeMap) NextKey(key, next []byte) error {
	if key != nil {
		return engine.ErrKeyNotExist
	}
	copy(next, u32(1))
	return nil
}
func (fakeMap) RingReader() (engine.RingReader, error) { return &fakeRing{}, nil }
func (fakeMap) PerfReader(engine.PerfOptions) (engine.PerfReader, error) {
	return &fakePerf{}, nil
}

type fakeRing struct {
	engine.RingReader
	read bool
}

func (*fakeRing) Close() error          { return nil }
func (*fakeRing) SetDeadline(time.Time) {}
func (r *fakeRing) AvailableBytes() int {
	if r.read {
		return 0
	}
	return 16
}

func (r *fakeRing) Read() (engine.Record, error) {
	if r.read {
		return engine.Record{}, os.ErrDeadlineExceeded
	}
	r.read = true
	return engine.Record{Data: []byte("rec")}, nil
}

type fakePerf struct{ engine.PerfReader }

func (fakePerf) Close() error          { return nil }
func (fakePerf) SetDeadline(time.Time) {}
func (fakePerf) Read() (engine.PerfRecord, error) {
	return engine.PerfRecord{Data: []byte("rec\x00")}, nil
}

type fakeVariable struct{ engine.Variable }

func (fakeVariable) Name() string     { return "v" }
func (fakeVariable) Size() int        { return 8 }
func (fakeVariable) Type() *btf.Var   { return nil }
func (fakeVariable) Set([]byte) error { return engine.ErrReadOnly }
func (fakeVariable) Get(b []byte) error {
	copy(b, u64(5))
	return nil
}

type fakePrintk struct{ n int }

func (*fakePrintk) Close() error          { return nil }
func (*fakePrintk) SetDeadline(time.Time) {}
func (p *fakePrintk) Read() (engine.PrintkLine, error) {
	if p.n++; p.n > 2 {
		return engine.PrintkLine{}, os.ErrDeadlineExceeded
	}
	return engine.PrintkLine{Text: fmt.Sprintf("line %d", p.n)}, nil
}

// judge collects what a story reports.
type judge struct{ failures []string }

func (j *judge) Helper() {}
func (j *judge) Errorf(format string, args ...any) {
	j.failures = append(j.failures, fmt.Sprintf(format, args...))
}
func (j *judge) Fatalf(format string, args ...any) { j.Errorf(format, args...) }
func (j *judge) Skipf(format string, args ...any)  { j.Errorf(format, args...) }

func tellTo(t *testing.T, eng engine.Engine, script string) []string {
	t.Helper()
	stories, err := readStories("x", "packet pkt = eth / \"hello\"\nstory s:\nobject o\n"+script)
	if err != nil {
		t.Fatal(err)
	}
	var j judge
	objects := func(string) (*ebpf.CollectionSpec, error) {
		return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: asm.Instructions{}}}}, nil
	}
	(&teller{r: &j, eng: eng, objects: objects, story: stories[0]}).tell()
	return j.failures
}

// Every expectation holds when it is right, and fails when it is wrong: a
// story that cannot fail says nothing.
func TestExpectationsCanFail(t *testing.T) {
	for _, c := range []struct{ right, wrong string }{
		{"run p\nreturn 2", "run p\nreturn 1"},
		{"run p\nreturn XDP_PASS", "run p\nreturn XDP_DROP"},
		{"in pkt\nrun p\nout pkt / \"X\"", "in pkt\nrun p\nout same"},
		{"in pkt\nrun p\nout pkt / \"X\"", "in pkt\nrun p\nout pkt / \"Y\""},
		{"run p\noutctx skb mark=7", "run p\noutctx skb mark=8"},
		{"want m u32:1 = u64:1,2", "want m u32:1 = u64:1,3"},
		{"want m u32:2 = none", "want m u32:1 = none"},
		{"want m u32:1 = any:8 u64:2", "want m u32:2 = any:16"},
		{"sum m u32:1 = u64:3", "sum m u32:1 = u64:4"},
		{"count m 1", "count m 2"},
		{"wantvar v = u64:5", "wantvar v = u64:6"},
		{"wantvar v = u8:5", "wantvar v = zero:9"},
		{"wantvar v@1 = zero:7", "wantvar v@0 = zero:7"},
		{"ring r \"rec\"", "ring r \"roc\""},
		{"ring r \"rec\"\nring r empty", "ring r empty"},
		{"perf m \"rec\"", "perf m \"roc\""},
		{"print line 2", "print line 3"},
		{"map m u32:9 = u64:1 fails ErrFull", "map m u32:9 = u64:1"},
		{"map m u32:9 = u64:1 fails ErrFull", "map m u32:9 = u64:1 fails EEXIST"},
		{"map m u32:1 = u64:1", "map m u32:1 = u64:1 fails ErrFull"},
		{"delete m u32:1", "delete m u32:1 fails ENOENT"},
		{"var v = u64:1 fails ErrReadOnly", "var v = u64:1"},
		{"run p", "run p fails EINVAL"},
		{"load", "load fails ErrRejected"},
		{"run p", "refuse p"},
		{"run p", "run q"},
		{"count m 1", "count nowhere 1"},
		{"run p", "dance p"},
		{"object o p", "object o q"},
	} {
		if f := tellTo(t, &fake{}, c.right); len(f) != 0 {
			t.Errorf("%q fails: %v", c.right, f)
		}
		if f := tellTo(t, &fake{}, c.wrong); len(f) == 0 {
			t.Errorf("%q does not fail", c.wrong)
		}
	}
}

func TestStoriesCloseWhatTheyLoaded(t *testing.T) {
	for _, script := range []string{"run p", "run p\nreturn 1"} {
		f := &fake{}
		tellTo(t, f, script)
		if f.closed != 1 {
			t.Errorf("%q: closed %d times", script, f.closed)
		}
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	rejected := &fake{loadErr: &engine.VerifierError{Program: "p", Instruction: -1}}
	other := &fake{loadErr: engine.ErrPermission}
	if f := tellTo(t, rejected, "refuse p"); len(f) != 0 {
		t.Errorf("a rejection is no refusal: %v", f)
	}
	if f := tellTo(t, other, "refuse p"); len(f) == 0 {
		t.Error("any error is a refusal")
	}
	if f := tellTo(t, rejected, "load fails ErrRejected"); len(f) != 0 {
		t.Error(f)
	}
	if f := tellTo(t, rejected, "run p"); len(f) == 0 || !strings.Contains(f[0], "x:4: run p: load: ") {
		t.Errorf("failure %v does not say where", f)
	}
}

func TestFaultyCountsAndPretends(t *testing.T) {
	f := NewFaulty(&fake{}, FailNth("Program.Run", 2, engine.ErrPermission))
	coll, err := f.Load(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, engine.ErrPermission, nil} {
		if _, err := coll.Programs["p"].Run(&engine.RunInput{}); err != want {
			t.Errorf("run %d: %v, want %v", i+1, err, want)
		}
	}
	lie := NewFaulty(&fake{}, FailNth("Variable.Set", 1, ErrSkip))
	coll, err = lie.Load(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := coll.Variables["v"]
	if err := v.Set(u64(1)); err != nil {
		t.Errorf("pretended set: %v", err)
	}
	if err := v.Set(u64(1)); err == nil {
		t.Error("the second set did not happen")
	}
}
