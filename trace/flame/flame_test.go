package flame

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skepdev/skep/trace/profile"
)

func folded(t *testing.T, text string) *profile.Profile {
	t.Helper()
	p, err := profile.ReadFolded(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const before = "app;main;a;b 3\napp;main;a 1\napp;main;c;read_[k] 4\nother;x 2\n"

// dump is a graph as text: name total self (before), indented by depth.
func dump(n *Node, depth int, out *strings.Builder) {
	out.WriteString(strings.Repeat(" ", depth) + n.Name + " " + Value(n.Total, "count") + " " + Value(n.Self, "count") + " " + Value(n.Before, "count") + "\n")
	for _, c := range n.Children {
		dump(c, depth+1, out)
	}
}

func TestGraph(t *testing.T) {
	var out strings.Builder
	dump(New(folded(t, before), 0).Root, 0, &out)
	want := `all 10 0 0
 app 8 0 0
  main 8 0 0
   a 4 1 0
    b 3 3 0
   c 4 0 0
    read 4 4 0
 other 2 0 0
  x 2 2 0
`
	if out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
}

func TestDiffAndSince(t *testing.T) {
	g := Diff(folded(t, before), folded(t, "app;main;a;b 8\napp;main;a 1\nnew;y 1\n"), 0)
	var out strings.Builder
	dump(g.Root, 0, &out)
	want := `all 10 0 10
 app 9 0 8
  main 9 0 8
   a 9 1 4
    b 8 8 3
   c 0 0 4
    read 0 0 4
 new 1 0 0
  y 1 1 0
 other 0 0 2
  x 0 0 2
`
	if out.String() != want {
		t.Errorf("got:\n%s", out.String())
	}
	s := Diff(folded(t, "app;main;a 2\n"), folded(t, "app;main;a 5\nnew;y 1\n"), 0).Since()
	out.Reset()
	dump(s.Root, 0, &out)
	if want := "all 4 0 0\n app 3 0 0\n  main 3 0 0\n   a 3 3 0\n new 1 0 0\n  y 1 1 0\n"; out.String() != want {
		t.Errorf("since: got:\n%s", out.String())
	}
}

// A function that calls itself counts once per stack.
func TestFunctions(t *testing.T) {
	fs := New(folded(t, "app;f;g;f 4\napp;f 1\n"), 0).Functions()
	if fs[0] != (Function{Name: "f", Self: 5, Total: 5}) {
		t.Errorf("%+v", fs)
	}
}

// The page needs nothing else, and nothing in a profile can end its script.
func TestHTML(t *testing.T) {
	g := New(folded(t, "app;</script><b>&;main 3\n"), 0)
	g.Title = "<a&b>"
	var b bytes.Buffer
	if err := g.WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if regexp.MustCompile(`(?i)(src|href)\s*=|url\(|@import|https?://|fetch\(|XMLHttpRequest|import\(`).MatchString(page) {
		t.Errorf("the page fetches: %s", regexp.MustCompile(`(?i).*((src|href)\s*=|url\(|@import|https?://|fetch\(|import\().*`).FindString(page))
	}
	if strings.Count(page, "</script>") != 2 || strings.Contains(page, "<b>") || !strings.Contains(page, "<title>&lt;a&amp;b&gt;</title>") {
		t.Error("text of the profile is not escaped")
	}
	_, rest, _ := strings.Cut(page, `<script type="application/json" id="data">`)
	text, _, _ := strings.Cut(rest, "</script>")
	var d pageData
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	// all, app, the odd name, main: ten numbers each.
	if len(d.Nodes) != 40 || d.Strings[d.Nodes[21]] != "</script><b>&" || d.Nodes[6] != 3 || d.Nodes[37] != 3 {
		t.Errorf("%+v", d)
	}
	for _, open := range []string{"{{", "}}"} {
		if strings.Contains(page, open) {
			t.Errorf("a place was not filled: %s", open)
		}
	}
}

func TestTerminal(t *testing.T) {
	g := New(folded(t, "app;main;a 6\napp;main;b\x1b[2J 3\nz;tiny 1\n"), 0)
	out := g.Terminal(40, 3)
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines: %q", len(lines), out)
	}
	sgr := regexp.MustCompile(`\x1b\[[0-9;]*m`)
	for _, l := range lines {
		text := sgr.ReplaceAllString(l, "")
		if strings.ContainsRune(text, '\x1b') || utf8.RuneCountInString(text) > 40 {
			t.Errorf("%q", text)
		}
	}
	if text := sgr.ReplaceAllString(lines[2], ""); !strings.HasPrefix(text, "main  90.0 %") {
		t.Errorf("third line %q", text)
	}
	if got := g.Terminal(0, 5) + g.Terminal(5, 0); got != "" {
		t.Errorf("no room: %q", got)
	}
}

func TestValue(t *testing.T) {
	for _, c := range []struct {
		v    int64
		unit string
		want string
	}{{999, "nanoseconds", "999 ns"}, {1500, "nanoseconds", "1.50 µs"}, {5e9, "nanoseconds", "5.00 s"}, {2048, "bytes", "2.00 KiB"}, {7, "count", "7"}, {-3000, "nanoseconds", "-3.00 µs"}} {
		if got := Value(c.v, c.unit); got != c.want {
			t.Errorf("%d %s: %s, want %s", c.v, c.unit, got, c.want)
		}
	}
}
