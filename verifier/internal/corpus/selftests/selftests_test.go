package selftests

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeep(t *testing.T) {
	for name, want := range map[string]string{
		"linux-source-6.12/scripts/bpf_doc.py":                          "scripts/bpf_doc.py",
		"./linux-source-6.12/tools/testing/selftests/bpf/progs/b.c":     "tools/testing/selftests/bpf/progs/b.c",
		"linux-source-6.12/tools/testing/selftests/bpf/progs/a.c":       "tools/testing/selftests/bpf/progs/a.c",
		"linux-source-6.12/tools/testing/selftests/bpf/progs/a.h":       "tools/testing/selftests/bpf/progs/a.h",
		"linux-source-6.12/tools/testing/selftests/bpf/prog_tests/a.c":  "",
		"linux-source-6.12/tools/testing/selftests/bpf/bpf_testmod/x.h": "tools/testing/selftests/bpf/bpf_testmod/x.h",
		"linux-source-6.12/tools/lib/bpf/bpf_helpers.h":                 "tools/lib/bpf/bpf_helpers.h",
		"linux-source-6.12/tools/lib/bpf/libbpf.c":                      "",
		"linux-source-6.12/tools/include/uapi/linux/bpf.h":              "tools/include/uapi/linux/bpf.h",
		"linux-source-6.12/include/linux/bpf.h":                         "",
		"linux-source-6.12/tools/include/../../../../etc/x.h":           "",
		"../../etc/tools/testing/selftests/bpf/progs/a.c":               "",
		"/tools/lib/bpf/x.h": "tools/lib/bpf/x.h",
		"linux-source-6.12/../../../../tools/testing/selftests/bpf/progs/a.c/": "",
	} {
		got, ok := keep(name)
		if got != want || ok != (want != "") {
			t.Errorf("%s is kept as %q %v, want %q", name, got, ok, want)
		}
	}
}

// source is an archive of a tree as the package has it.
func source(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpack(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skip("needs xz (Debian: apt-get install xz-utils)")
	}
	inner := source(t, map[string]string{"linux-source-6.12/" + progs + "/a.c": "int x;", "linux-source-6.12/MAINTAINERS": "no"})
	xz := exec.Command("xz", "-c")
	xz.Stdin = bytes.NewReader(inner)
	packed, err := xz.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	outer := source(t, map[string]string{"./usr/src/linux-source-6.12.tar.xz": string(packed)})
	if err := unpackPackage(t.Context(), bytes.NewReader(outer), dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, progs, "a.c")); err != nil || string(b) != "int x;" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "MAINTAINERS")); err == nil {
		t.Error("too much was kept")
	}
	for name, bad := range map[string][]byte{
		"empty":     source(t, nil),
		"truncated": outer[:700],
		"not xz":    source(t, map[string]string{"./usr/src/linux-source-6.12.tar.xz": "nonsense"}),
	} {
		if err := unpackPackage(t.Context(), bytes.NewReader(bad), t.TempDir()); err == nil {
			t.Errorf("%s: unpacked", name)
		}
	}
}

func FuzzKeep(f *testing.F) {
	f.Add("linux-source-6.12/tools/include/../../x.h")
	f.Add("/" + progs + "/a.c")
	f.Fuzz(func(t *testing.T, name string) {
		if got, ok := keep(name); ok && (!filepath.IsLocal(got) || got == "") {
			t.Errorf("%q is kept as %q", name, got)
		}
	})
}

func TestFetchRefusesNonsense(t *testing.T) {
	for _, v := range []string{"", "6", "6.12.1", "../6.12"} {
		if _, err := Fetch(t.Context(), v, t.TempDir()); err == nil {
			t.Errorf("fetched %q", v)
		}
	}
	if _, err := Cached("6.12", t.TempDir()); !errors.Is(err, ErrNotFetched) {
		t.Errorf("error %v", err)
	}
}

func TestCached(t *testing.T) {
	cache := t.TempDir()
	for _, name := range []string{"linux-source-6.12_6.12.107-1", "linux-source-6.12_6.12.117-1", "linux-source-6.12_6.12.118-1"} {
		dir := filepath.Join(cache, name)
		if name != "linux-source-6.12_6.12.118-1" { // half of it
			dir = filepath.Join(dir, progs)
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := Fetch(t.Context(), "6.12", cache)
	if err != nil || tree.Package != "linux-source-6.12_6.12.117-1" {
		t.Errorf("%+v %v", tree, err)
	}
}

func TestMissingTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := (&Tree{Dir: t.TempDir()}).Build(t.Context(), Options{})
	if err == nil || !strings.Contains(err.Error(), "apt-get install clang-19") {
		t.Errorf("error %v", err)
	}
}

// TestCompile: what compiles is kept, what does not is listed, and nothing is
// compiled twice.
func TestCompile(t *testing.T) {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("needs clang-19")
	}
	src, dir := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"good.c": "int f(void *c) { return 0; }\n", "bad.c": "int f( {\n", "bind4_prog.c": "int f(void *c) { return 1; }\n",
	} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var progress strings.Builder
	b := &builder{clang: clang, dir: dir, sources: src, args: []string{"-g", "-O2", "--target=bpf"}, jobs: 2, progress: &progress}
	out, err := b.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Objects) != 2 || len(out.Failed) != 1 || out.Failed[0].Source != "bad.c" || !strings.Contains(out.Failed[0].Reason, "bad.c:1:") {
		t.Errorf("%+v", out)
	}
	if !strings.Contains(progress.String(), "compiled 3 of 3, 1 failed") {
		t.Errorf("progress %q", progress.String())
	}
	b.clang = "no-such-compiler"
	if again, err := b.run(t.Context()); err != nil || len(again.Objects) != 2 || len(again.Failed) != 1 {
		t.Errorf("%+v %v", again, err)
	}
}
