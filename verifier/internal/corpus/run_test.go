package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/verifier/internal/corpus/selftests"
)

const testLog = "func#0 @0\n0: (b7) r0 = 0\n1: (95) exit\nR0 invalid mem access 'map_value_or_null'\n" +
	"verification time 34 usec\nstack depth 4+0\nprocessed 7 insns (limit 1000000) max_states_per_insn 0 total_states 3 peak_states 2 mark_read 1\n"

func TestStats(t *testing.T) {
	want := Stats{Time: 34 * time.Microsecond, Insns: 7, TotalStates: 3, PeakStates: 2, Stack: "4+0"}
	if got := ParseStats(testLog); got != want {
		t.Errorf("%+v", got)
	}
	if got := ParseStats("processed x insns"); got != (Stats{}) {
		t.Errorf("%+v", got)
	}
	if got := LastWords(testLog, 1); got != "R0 invalid mem access 'map_value_or_null'" {
		t.Errorf("%q", got)
	}
}

// byName accepts programs whose names do not say that they are bad.
func byName(_ context.Context, c *Case, spec *ebpf.CollectionSpec, prog string) Verdict {
	switch {
	case spec.Programs[prog].Flags != c.Flags:
		return Verdict{Err: errors.New("the flags are not set")}
	case c.Mode == Unprivileged:
		return Verdict{NotSupported: "one mode only"}
	case strings.HasPrefix(prog, "unchecked"):
		return Verdict{Err: errors.New("permission denied"), Log: testLog}
	case prog == "silent":
		panic("a judge that falls")
	}
	return Verdict{Accepted: true, Stats: Stats{Time: time.Millisecond}}
}

// fakeKernel stands for the kernel: it accepts all but one.
func fakeKernel(_ context.Context, _ *Case, _ *ebpf.CollectionSpec, prog string) Verdict {
	if prog == "other_words" {
		return Verdict{Err: errors.New("permission denied"), Log: testLog}
	}
	return Verdict{Accepted: true, Stats: Stats{Time: 4 * time.Millisecond}}
}

func TestRun(t *testing.T) {
	files, err := Files("testdata")
	if err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.o")
	if err := os.WriteFile(broken, []byte("no object"), 0o644); err != nil {
		t.Fatal(err)
	}
	var progress strings.Builder
	rep, err := Run(t.Context(), append(files, broken), Options{
		Judges:   []Named{{KernelName, fakeKernel}, {"ours", byName}},
		Only:     func(c *Case) bool { return c.Program != "elsewhere" },
		Progress: &progress,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := rep.Agreements()
	want := []Agreement{
		{Judge: KernelName, Reference: Expectation, Success: Count{3, 3}, Failure: Count{5, 1}, Messages: Count{1, 0}},
		{Judge: "ours", Reference: Expectation, Success: Count{3, 2}, Failure: Count{4, 2}, Messages: Count{2, 2}, CannotSay: 1},
		{Judge: "ours", Reference: KernelName, Success: Count{8, 5}, Failure: Count{1, 0}, CannotSay: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if rep.NotOpened[broken] == "" || len(rep.NotOpened) != 1 {
		t.Errorf("not opened: %v", rep.NotOpened)
	}
	var list strings.Builder
	if err := rep.List(&list, 5); err != nil {
		t.Fatal(err)
	}
	rep.CannotSay(&list)
	for _, part := range []string{
		"expect/other_words (socket): ours accepts, against the kernel",
		"expect/other_words (socket): kernel rejects: permission denied, without the message \"no such words\"",
		"expect/wrong (socket): ours accepts, expected to fail",
		"BUG: the judge panicked: a judge that falls",
		"ours cannot say, 1 programs: one mode only",
		"not opened: broken: ",
	} {
		if !strings.Contains(list.String(), part) {
			t.Errorf("the list lacks %q:\n%s", part, list.String())
		}
	}
	if s := rep.Speeds(); len(s) != 1 || s[0].Ratio < 0.2499 || s[0].Ratio > 0.2501 || s[0].Worst != s[0].Ratio && s[0].Programs != 5 {
		t.Errorf("speeds %+v", s)
	}
	if !strings.Contains(progress.String(), "3 of 3 objects") {
		t.Errorf("progress %q", progress.String())
	}
	checkOutput(t, rep)
}

func checkOutput(t *testing.T, rep *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := rep.JSON(&b, true); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Results []struct {
			Program  string
			Verdicts map[string]struct {
				Accepted bool
				Log      string
				Matched  int `json:"messages_matched"`
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range back.Results {
		if r.Program == "unchecked" {
			v := r.Verdicts["ours"]
			found = v.Matched == 2 && v.Log == testLog && !v.Accepted
		}
	}
	if !found {
		t.Errorf("the JSON lacks a result:\n%s", b.String())
	}
	var table strings.Builder
	if err := errors.Join(rep.Table(&table), rep.PerFile(&table)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "ours") || !strings.Contains(table.String(), "4/7") {
		t.Errorf("table\n%s", table.String())
	}
}

func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, []string{"testdata/plain.bpf.o"}, Options{Judges: Judges()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestCache: the kernel is asked once.
func TestCache(t *testing.T) {
	cache, err := OpenCache(t.TempDir())
	if err != nil {
		t.Skipf("needs Linux: %v", err)
	}
	asked := 0
	kernel := func(ctx context.Context, c *Case, spec *ebpf.CollectionSpec, prog string) Verdict {
		asked++
		return byName(ctx, c, spec, prog)
	}
	var last *Report
	for range 2 {
		rep, err := Run(t.Context(), []string{"testdata/expect.bpf.o"}, Options{Judges: []Named{{KernelName, kernel}}, Jobs: 1, Cache: cache})
		if err != nil {
			t.Fatal(err)
		}
		if last != nil {
			for i := range rep.Results {
				a, b := save(last.Results[i].Verdicts[0]), save(rep.Results[i].Verdicts[0])
				if diff := cmp.Diff(a, b); diff != "" {
					t.Errorf("%s (-first +second)\n%s", rep.Results[i].Case.Name(), diff)
				}
			}
		}
		last = rep
	}
	if asked != len(last.Results) {
		t.Errorf("asked %d times about %d programs", asked, len(last.Results))
	}
}

func TestFiles(t *testing.T) {
	if _, err := Files(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if _, err := Files(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// TestSelftests holds the running kernel against what its authors expect of an
// earlier one, and so this room against them.
func TestSelftests(t *testing.T) {
	needBPF(t)
	dir, err := selftests.CacheDir()
	if err != nil {
		t.Skipf("needs make verifier-corpus: %v", err)
	}
	tree, err := selftests.Cached("6.12", dir)
	if err != nil {
		t.Skipf("needs make verifier-corpus: %v", err)
	}
	build, err := tree.Build(t.Context(), selftests.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(build.Objects) < 700 {
		t.Errorf("%d objects; not compiled: %v", len(build.Objects), build.Failed)
	}
	cache, err := OpenCache("")
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Run(t.Context(), build.Objects, Options{Judges: []Named{{KernelName, Kernel}}, Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	a := rep.Agreements()[0]
	var out strings.Builder
	if err := rep.Table(&out); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + out.String())
	if a.All().Of < 1400 || a.All().Percent() < 98.5 {
		var list strings.Builder
		if err := rep.List(&list, 0); err != nil {
			t.Fatal(err)
		}
		t.Errorf("the kernel agrees in %d of %d programs\n%s", a.All().Same, a.All().Of, list.String())
	}
}

func TestCompleteMap(t *testing.T) {
	for _, c := range []struct {
		typ        ebpf.MapType
		have, want uint32
	}{
		{ebpf.Array, 0, 1},
		{ebpf.Array, 7, 7},
		{ebpf.RingBuf, 0, 4096},
		{ebpf.RingBuf, 10485760, 16 << 20},
		{ebpf.RingBuf, 1<<32 - 1, 1 << 30},
		{ebpf.PerfEventArray, 0, 0},
		{ebpf.TaskStorage, 0, 0},
	} {
		m := &ebpf.MapSpec{Type: c.typ, MaxEntries: c.have, Pinning: ebpf.PinByName, Extra: bytes.NewReader([]byte{1})}
		m.InnerMap = &ebpf.MapSpec{Type: ebpf.RingBuf}
		inner := m.InnerMap
		completeMap(m)
		if m.MaxEntries != c.want || m.Pinning != ebpf.PinNone || m.Extra != nil || m.InnerMap.MaxEntries != 4096 || inner.MaxEntries != 0 {
			t.Errorf("%s of %d became %+v", c.typ, c.have, m)
		}
	}
}

// TestOtherKernel: ours that judges as another version is held to that version.
func TestOtherKernel(t *testing.T) {
	rep, err := Run(t.Context(), []string{"testdata/plain.bpf.o"}, Options{Judges: []Named{
		{KernelName, fakeKernel}, {OursAs("6.1"), fakeKernel}, {OtherKernel("6.1"), byName}, {OtherKernel("6.12"), byName},
	}})
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, a := range rep.Agreements() {
		if a.Judge == OursAs("6.1") && a.Reference == OtherKernel("6.1") {
			found++
		}
		if a.Judge == OursAs("6.1") && a.Reference == OtherKernel("6.12") {
			t.Error("compared with another version")
		}
	}
	if found != 1 {
		t.Errorf("compared %d times", found)
	}
}
