package inspect_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/inspect"
	"github.com/skepdev/skep/object"
)

var update = flag.Bool("update", false, "rewrite testdata/golden")

func open(t testing.TB, name string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := object.OpenFile(filepath.Join("testdata", name+".bpf.o"), &object.Options{AllowUnresolved: true, AnyByteOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// golden compares with a file of testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, diff)
	}
}

func TestDescribe(t *testing.T) {
	r := inspect.Describe(open(t, "walk"))
	golden(t, "walk.h", []byte(r.Types+"\n"))
	r.Types = ""
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(r); err != nil {
		t.Fatal(err)
	}
	golden(t, "walk.json", b.Bytes())
}

func TestListing(t *testing.T) {
	spec := open(t, "walk")
	for _, c := range []struct {
		program, file string
		opts          inspect.TextOptions
	}{
		{"walk", "walk.txt", inspect.TextOptions{}},
		{"task", "task.txt", inspect.TextOptions{Opcodes: true}},
		{"task", "task_bare.txt", inspect.TextOptions{NoSource: true}},
	} {
		l, err := inspect.List(spec, c.program)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := l.WriteText(&b, c.opts); err != nil {
			t.Fatal(err)
		}
		golden(t, c.file, b.Bytes())
	}
}

func TestDOT(t *testing.T) {
	g, err := inspect.Flow(open(t, "walk"), "walk")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := g.DOT(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "walk.dot", b.Bytes())
	dot, err := exec.LookPath("dot")
	if err != nil {
		t.Skip("needs graphviz to see whether it reads the rest")
	}
	cmd := exec.Command(dot, "-Tplain")
	cmd.Stdin = &b
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("Error")) {
		t.Errorf("dot: %v\n%s", err, out)
	}
}

// A C compiler must take the types, and find the sizes that are noted.
func TestTypesCompile(t *testing.T) {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		if clang, err = exec.LookPath("clang"); err != nil {
			t.Skip("needs clang")
		}
	}
	for _, name := range []string{"walk", "maze"} {
		text := inspect.Types(open(t, name).Types)
		src := "typedef unsigned char __u8; typedef unsigned short __u16; typedef unsigned int __u32; typedef unsigned long long __u64;\n" + text + "\n"
		for line := range strings.Lines(text) {
			if size, ok := strings.CutPrefix(line, "}; /* "); ok {
				src += "_Static_assert(sizeof(" + head(text, line) + ") == " + strings.Fields(size)[0] + ", \"\");\n"
			}
		}
		cmd := exec.Command(clang, "-fsyntax-only", "-Wno-visibility", "-x", "c", "-")
		cmd.Stdin = strings.NewReader(src)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, out, src)
		}
		if strings.Count(src, "_Static_assert") == 0 {
			t.Errorf("%s: no sizes checked in\n%s", name, text)
		}
	}
}

// head is the name of the type that ends with the given line.
func head(text, line string) string {
	before := text[:strings.Index(text, line)]
	i := strings.LastIndex("\n"+before, "\nstruct ")
	name, _, _ := strings.Cut(before[i:], " {")
	return name
}

func TestFindProgram(t *testing.T) {
	spec := open(t, "walk")
	for name, want := range map[string]string{"": "name one of task, walk", "nope": "the object has task, walk"} {
		if _, err := inspect.List(spec, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
	if _, err := inspect.Flow(open(t, "maze"), ""); err != nil {
		t.Errorf("the only program: %v", err)
	}
	if _, err := inspect.Flow(nil, "x"); err == nil {
		t.Error("a program was found in no collection")
	}
}

// What a report says of specs that make no sense.
func TestHostileSpecs(t *testing.T) {
	spec := &ebpf.CollectionSpec{
		Programs: map[string]*ebpf.ProgramSpec{"nil": nil, "empty": {Name: "empty\x1b[31m"}},
		Maps: map[string]*ebpf.MapSpec{
			"nil": nil,
			"odd": {Name: "odd", Type: 99, Flags: 1 << 31, InnerMap: &ebpf.MapSpec{}},
		},
		Variables: map[string]*ebpf.VariableSpec{"nil": nil, "v": {Name: "v", Value: []byte{1, 2}}},
	}
	spec.Maps["odd"].InnerMap.InnerMap = spec.Maps["odd"]
	r := inspect.Describe(spec)
	if len(r.Programs) != 1 || r.Programs[0].Problem == "" || strings.Contains(r.Programs[0].Name, "\x1b") {
		t.Errorf("programs: %+v", r.Programs)
	}
	if len(r.Maps) != 1 || r.Maps[0].Type != "MapType(99)" || cmp.Diff(r.Maps[0].Flags, []string{"0x80000000"}) != "" {
		t.Errorf("maps: %+v", r.Maps)
	}
	if len(r.Globals) != 1 || r.Globals[0].Value.String() != "0x0102" {
		t.Errorf("globals: %+v", r.Globals)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	if _, err := json.Marshal(inspect.Describe(nil)); err != nil {
		t.Error(err)
	}
}
