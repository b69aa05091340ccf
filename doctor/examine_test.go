package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
)

// fake answers Supports from a function.
type fake struct {
	engine.Engine
	name    string
	support func(engine.Feature) error

	mu    sync.Mutex
	asked map[string]int
}

func (f *fake) Name() string { return f.name }

func (f *fake) Supports(_ context.Context, q engine.Feature) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked == nil {
		f.asked = map[string]int{}
	}
	f.asked[q.String()]++
	return f.support(q)
}

func TestExamine(t *testing.T) {
	missing := &engine.NotSupportedError{Feature: "x", Reason: "CONFIG_X is off", Remedy: "build with CONFIG_X", Err: errors.New("EINVAL")}
	picky := &fake{name: "kernel", support: func(q engine.Feature) error {
		switch {
		case q.Helper != 0 && q.Program == ebpf.XDP && int(q.Helper) == int(abi.HelperByName("bpf_redirect").ID):
			return missing
		case q.Program == ebpf.Kprobe, q.Map == ebpf.Arena, q.Attach == engine.KindLSM, q.Other == engine.FeatureBTF:
			return missing
		}
		return nil
	}}
	able := &fake{name: "embedded", support: func(engine.Feature) error { return nil }}
	var last, total int
	report, err := Examine(t.Context(), Options{
		Engines:  []engine.Engine{picky, nil, able},
		Progress: func(done, all int, _ string) { last, total = done, all },
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != total || total == 0 {
		t.Errorf("progress ended at %d of %d", last, total)
	}
	var bad []string
	for _, f := range report.Features {
		if f.Gives == "" {
			t.Errorf("%s %s is good for nothing", f.Group, f.Name)
		}
		if !f.Works("embedded") {
			t.Errorf("embedded lacks %s", f.Name)
		}
		if !f.Works("kernel") {
			bad = append(bad, f.Group+"/"+f.Name)
			if a := f.Answers[0]; a.Why != "CONFIG_X is off: EINVAL" || a.Remedy != "build with CONFIG_X" {
				t.Errorf("%s: %+v", f.Name, a)
			}
		}
	}
	want := "program types/kprobe map types/arena attach kinds/lsm other features/btf"
	if got := strings.Join(bad, " "); got != want {
		t.Errorf("kernel lacks %s, want %s", got, want)
	}
	for _, h := range report.Helpers {
		switch {
		case h.Engine == "kernel" && h.Program == "xdp":
			if h.Works != h.Known-1 || len(h.Missing) != 1 || h.Missing[0] != "bpf_redirect" {
				t.Errorf("xdp helpers: %+v", h)
			}
		case h.Engine == "kernel" && h.Program == "kprobe":
			if h.Works != 0 || h.Why == "" {
				t.Errorf("kprobe helpers: %+v", h)
			}
		case h.Works != h.Known:
			t.Errorf("helpers: %+v", h)
		}
	}
	if n := picky.asked[engine.Feature{Program: ebpf.XDP}.String()]; n == 0 {
		t.Errorf("xdp was not tried")
	}
	if _, err := json.Marshal(report); err != nil {
		t.Error(err)
	}
}

func TestExamineStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	eng := &fake{name: "kernel", support: func(engine.Feature) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	}}
	if _, err := Examine(ctx, Options{Engines: []engine.Engine{eng}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if n > 20 {
		t.Errorf("%d trials after the end", n-10)
	}
}

func TestUnavailable(t *testing.T) {
	report, err := Examine(t.Context(), Options{Unavailable: map[string]error{
		"kernel": fmt.Errorf("open: %w", &engine.NotSupportedError{Feature: "kernel engine", Reason: "not Linux", Remedy: "use the other"}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Engines) != 1 || report.Engines[0].Works || report.Engines[0].Why != "not Linux" || report.Engines[0].Remedy != "use the other" {
		t.Errorf("got %+v", report.Engines)
	}
}

func TestExplainPermission(t *testing.T) {
	err := fmt.Errorf("load program: %w: this process lacks CAP_BPF; run as root", engine.ErrPermission)
	why, remedy := explain(err)
	if !strings.HasSuffix(why, "lacks CAP_BPF") || remedy != "run as root" {
		t.Errorf("got %q and %q", why, remedy)
	}
}

func TestQuestions(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range features() {
		q := question(&f).String()
		if q == "" || seen[q] {
			t.Errorf("%s/%s asks %q", f.Group, f.Name, q)
		}
		seen[q] = true
	}
}
