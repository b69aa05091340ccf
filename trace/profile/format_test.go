package profile

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func example() *Profile {
	mainFrame := Frame{Name: "main", Module: "/bin/app", File: "app.c", Line: 10, Address: 0x1000}
	return &Profile{
		Kind: "cpu", Types: [2]ValueType{{"samples", "count"}, {"cpu", "nanoseconds"}},
		Start: time.Unix(1000, 0), Duration: time.Second, Period: 1e7,
		Samples: []Sample{
			{PID: 7, Comm: "app", Values: [2]int64{3, 3e7}, Stack: []Frame{mainFrame, {Name: "in;lined", Inlined: true}, {Name: "work", Module: "/bin/app"}}},
			{PID: 7, Comm: "app", Values: [2]int64{1, 1e7}, Stack: []Frame{mainFrame, {Name: "read", Module: "[kernel]", Kernel: true}}},
			{PID: 8, Comm: "idle\n", Values: [2]int64{2, 2e7}},
		},
	}
}

func TestFolded(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteFolded(&b, 0); err != nil {
		t.Fatal(err)
	}
	want := "app;main;in:lined_[i];work 3\napp;main;read_[k] 1\nidle  2\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	p, err := ReadFolded(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Samples) != 3 || p.Total(0) != 6 || !p.Samples[1].Stack[1].Kernel || p.Samples[1].Stack[1].Name != "read" || !p.Samples[0].Stack[1].Inlined {
		t.Errorf("read back: %+v", p.Samples)
	}
	for _, bad := range []string{"a;b", "a;b x", "a;b -1", "a 99999999999999999999"} {
		if _, err := ReadFolded(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestPprof(t *testing.T) {
	var b bytes.Buffer
	if err := example().WritePprof(&b); err != nil {
		t.Fatal(err)
	}
	p, err := ReadPprof(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if p.Types[1] != (ValueType{"cpu", "nanoseconds"}) || p.Total(1) != 6e7 || p.Period != 1e7 {
		t.Errorf("read back: %+v", p)
	}
	s := p.Samples[0]
	if s.Comm != "app" || len(s.Stack) != 3 || s.Stack[0].Name != "main" || s.Stack[0].Line != 10 || s.Stack[0].File != "app.c" || s.Stack[2].Name != "work" {
		t.Errorf("read back: %+v", s)
	}
	if !p.Samples[1].Stack[1].Kernel {
		t.Errorf("the kernel's frame is none: %+v", p.Samples[1])
	}
	if _, err := ReadPprof(strings.NewReader("no gzip")); err == nil {
		t.Error("text was read")
	}
}

// Indexes in the two JSON forms lead somewhere, and weights add up.
func TestSpeedscope(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteSpeedscope(&b, 1); err != nil {
		t.Fatal(err)
	}
	var f struct {
		Schema   string `json:"$schema"`
		Shared   struct{ Frames []struct{ Name, File string } }
		Profiles []struct {
			Type, Name, Unit     string
			StartValue, EndValue int64
			Samples              [][]int
			Weights              []int64
		}
	}
	if err := json.Unmarshal(b.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(f.Schema, "speedscope") || len(f.Profiles) != 2 || f.Profiles[0].Name != "app (7)" || f.Profiles[0].Unit != "nanoseconds" {
		t.Fatalf("%+v", f)
	}
	for _, p := range f.Profiles {
		sum := int64(0)
		for i, s := range p.Samples {
			sum += p.Weights[i]
			for _, n := range s {
				if n < 0 || n >= len(f.Shared.Frames) {
					t.Errorf("frame %d of %d", n, len(f.Shared.Frames))
				}
			}
		}
		if sum != p.EndValue || p.Type != "sampled" || len(p.Samples) != len(p.Weights) {
			t.Errorf("%+v: weights sum to %d", p, sum)
		}
	}
	if got := f.Shared.Frames[f.Profiles[0].Samples[0][0]].Name; got != "main" {
		t.Errorf("the outermost frame is %s", got)
	}
}

func TestFirefox(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteFirefox(&b, 1); err != nil {
		t.Fatal(err)
	}
	type table struct {
		Length                           int
		Frame, Prefix, Func, Name, Stack []*int
		Weight                           []float64
		Time                             []float64
	}
	var f struct {
		Meta struct {
			PreprocessedProfileVersion int
			Categories                 []any
		}
		Threads []struct {
			Pid, Name                                  string
			StringArray                                []string
			Samples, StackTable, FrameTable, FuncTable table
		}
	}
	if err := json.Unmarshal(b.Bytes(), &f); err != nil {
		t.Fatal(err)
	}
	if f.Meta.PreprocessedProfileVersion != 47 || len(f.Threads) != 2 || f.Threads[0].Pid != "7" {
		t.Fatalf("%+v", f)
	}
	th := f.Threads[0]
	var stacks []string
	for i, at := range th.Samples.Stack {
		name := ""
		for n := at; n != nil; n = th.StackTable.Prefix[*n] {
			fn := th.FuncTable.Name[*th.FrameTable.Func[*th.StackTable.Frame[*n]]]
			name = th.StringArray[*fn] + ";" + name
		}
		stacks = append(stacks, name)
		if th.Samples.Weight[i] <= 0 {
			t.Errorf("weight %v", th.Samples.Weight[i])
		}
	}
	if got := strings.Join(stacks, " "); got != "main;in;lined;work; main;read;" {
		t.Errorf("stacks %q", got)
	}
	if th.Samples.Weight[0] != 30 || th.Samples.Time[1] != 30 {
		t.Errorf("samples %+v", th.Samples)
	}
}

func FuzzReadFolded(f *testing.F) {
	f.Add([]byte("a;b;c_[k] 3\n# comment\n\nd 1\n"))
	f.Add([]byte("a;b x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadFolded(bytes.NewReader(b))
		if err != nil {
			return
		}
		// What was read can be written, and says the same.
		var out bytes.Buffer
		if err := p.WriteFolded(&out, 0); err != nil {
			t.Fatal(err)
		}
		q, err := ReadFolded(&out)
		if err != nil {
			t.Fatalf("%v: %q", err, out.String())
		}
		if p.Total(0) != q.Total(0) {
			t.Fatalf("%d became %d", p.Total(0), q.Total(0))
		}
	})
}

func FuzzReadPprof(f *testing.F) {
	var b bytes.Buffer
	if err := example().WritePprof(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadPprof(bytes.NewReader(b))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := p.WriteFolded(&out, 0); err != nil {
			t.Fatal(err)
		}
	})
}
