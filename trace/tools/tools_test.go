package tools

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestAll: each tool is whole, and the page about them names it.
func TestAll(t *testing.T) {
	page, err := os.ReadFile("../../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(All()) < 8 {
		t.Errorf("%d tools", len(All()))
	}
	for _, tool := range All() {
		if !strings.Contains(string(page), "| "+tool.Name+" |") {
			t.Errorf("docs/tools.md has no row about %s", tool.Name)
		}
		src, err := tool.Compose(Choice{})
		if err != nil {
			t.Errorf("%s: %v", tool.Name, err)
		}
		if strings.Contains(src.Text, "wanted(") || strings.Contains(src.Text, "of_task(") {
			t.Errorf("%s: a filter is left in\n%s", tool.Name, src.Text)
		}
		if tool.Sort != "" && !slices.ContainsFunc(tool.Columns, func(c Column) bool { return c.Name == tool.Sort }) {
			t.Errorf("%s: sorted by %s, which is no column", tool.Name, tool.Sort)
		}
	}
}

func TestCompose(t *testing.T) {
	uid := uint32(7)
	tool := &Tool{
		Name: "x", Script: "a / wanted() / { }\nb { if (of_task($next)) { } }\ninterval:ms:1000 { }\n",
		Options: []Option{{Name: "n", Kind: "number"}, {Name: "min", Kind: "duration", Default: "10ms"}, {Name: "interval", Kind: "interval", Default: "1s"}, {Name: "failed", Kind: "bool"}},
	}
	for _, c := range []struct {
		name string
		c    Choice
		want []string
	}{
		{"nothing", Choice{}, []string{"/ 1 /", "if (1)", "interval:ms:1000 "}},
		{"pid", Choice{PID: 12}, []string{"/ (pid == 12) /", "((uint64)$next->tgid == 12)"}},
		{"all", Choice{TID: 3, UID: &uid, Comm: "sh"}, []string{`(tid == 3 && uid == 7 && comm == "sh")`, `$next->cred->uid.val == 7`}},
		{"family", Choice{Family: true}, []string{"@family[pid]", "@family[(uint32)$next->tgid]", "begin {"}},
		{"cgroup", Choice{Cgroups: []Cgroup{{ID: 9, Level: 2}}}, []string{"cgroup_ancestor(2) == 9", "ancestors[2]"}},
		{"duration", Choice{Duration: 1500 * time.Millisecond}, []string{"interval:ms:1500 { exit(); }"}},
		{"interval", Choice{Values: map[string]string{"interval": "5s"}}, []string{"interval:ms:5000 { }"}},
	} {
		src, err := tool.Compose(c.c)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(src.Text, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, src.Text)
			}
		}
		if src.Named["min"] != "10000000" {
			t.Errorf("%s: min is %q", c.name, src.Named["min"])
		}
	}
	for name, c := range map[string]Choice{
		"number": {Values: map[string]string{"n": "x"}}, "duration": {Values: map[string]string{"min": "fast"}},
		"interval": {Values: map[string]string{"interval": "1us"}}, "quote": {Comm: `a" ==`}, "long": {Comm: "sixteen letters."},
	} {
		if _, err := tool.Compose(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no example": "// x: y\n", "option": "// x: y\n// option: a b\n// example: x", "width": "// x: y\n// columns: A:b\n// example: x",
		"format": "// x: y\n// columns: A/ell\n// example: x",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestRows: what a session writes, however it is cut, as a table and as JSON.
func TestRows(t *testing.T) {
	tool := &Tool{Name: "x", Columns: []Column{
		{Name: "TIME", Width: 8},
		{Name: "CGROUP"},
		{Name: "PID", Width: 7},
		{Name: "LAT(ms)", Format: "ms", Width: 8},
		{Name: "SIG", Format: "signal", Width: 8},
		{Name: "ARGS", Format: "words", Width: 6},
	}}
	in := `{"type": "attached_probes", "data": {"probes": 1}}` + "\n" +
		`{"type": "value", "data": ["10:00:00", 5, 12, 1500000, 10, ["sh", "-c", "a\u001bb c", ""]]}` + "\n" +
		`{"type": "lost_events", "count": 3}` + "\n"
	for _, c := range []struct {
		name string
		d    Display
		want string
	}{
		{"table", Display{}, "PID     LAT(ms)  SIG      ARGS\n12      1.500    SIGUSR1  sh -c \"a\\x1bb c\"\n"},
		{"time", Display{Time: true}, "TIME     PID     LAT(ms)  SIG      ARGS\n10:00:00 12      1.500    SIGUSR1  sh -c \"a\\x1bb c\"\n"},
		{"json", Display{JSON: true}, `{"time": "10:00:00", "cgroup": 5, "pid": 12, "lat_ms": 1.500, "sig": "SIGUSR1", "args": "sh -c \"a\\x1bb c\""}` + "\n{\"lost\": 3}\n"},
	} {
		var out, warnings strings.Builder
		c.d.Warnings = &warnings
		r := tool.Rows(&out, c.d)
		for _, b := range []byte(in) { // a byte at a time
			if _, err := r.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.End(); err != nil || out.String() != c.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, out.String(), c.want)
		}
		if !c.d.JSON && !strings.Contains(warnings.String(), "lost 3 events") {
			t.Errorf("%s: the loss is not told: %q", c.name, warnings.String())
		}
	}
	for name, bad := range map[string]string{
		"no JSON": "hello\n", "too few": `{"type": "value", "data": [1]}` + "\n", "no list": `{"type": "value", "data": 5}` + "\n",
	} {
		if _, err := tool.Rows(&strings.Builder{}, Display{}).Write([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSorted: an interval's rows come greatest first, cut to the top.
func TestSorted(t *testing.T) {
	tool := &Tool{Name: "x", Sort: "N", Columns: []Column{{Name: "WHAT", Width: 6}, {Name: "N", Width: 6}}}
	var out strings.Builder
	r := tool.Rows(&out, Display{Top: 2})
	for _, line := range []string{`["a", 1]`, `["b", 3]`, `["c", 2]`} {
		_, _ = r.Write([]byte(`{"type": "value", "data": ` + line + "}\n"))
	}
	if err := r.End(); err != nil || out.String() != "WHAT   N\nb      3\nc      2\n" {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(`{"type": "value", "data": ["a", 1, ["b"]]}` + "\n"))
	f.Add([]byte(`{"type": "printf", "data": "x"}` + "\n{\"type\": \"lost_events\", \"count\": 1}\n"))
	f.Add([]byte(`{"type": "value", "data": [null, 1e999, "x"]}` + "\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, d := range []Display{{}, {JSON: true}} {
			r := (&Tool{Name: "x", Columns: []Column{{Name: "A"}, {Name: "B(us)", Format: "us"}, {Name: "C", Format: "words"}}}).Rows(&strings.Builder{}, d)
			_, _ = r.Write(b)
			_ = r.End()
		}
	})
}
