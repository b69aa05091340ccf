package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tools skips tests where the compiler is missing: CI has it.
func tools(t *testing.T) builder {
	t.Helper()
	b := builder{clang: "clang-19", strip: "llvm-strip-19", format: "clang-format-19"}
	for _, tool := range []string{b.clang, b.strip, b.format} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s (Debian: apt-get install clang-19 llvm-19 clang-format-19)", tool)
		}
	}
	return b
}

func TestObjectsAreUpToDate(t *testing.T) {
	if err := run(t.Context(), tools(t), true); err != nil {
		t.Fatal(err)
	}
}

// The same source in two directories gives the same bytes, and none of them
// says where it was built.
func TestBuildIsReproducible(t *testing.T) {
	b := tools(t)
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	u := unit{"bpf/src/packetofdeath.bpf.c", "packetofdeath.bpf.o"}
	var objects [][]byte
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "a", "longer", "way")} {
		if err := os.CopyFS(filepath.Join(dir, "bpf"), os.DirFS(filepath.Join(root, "bpf"))); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out", u.object)
		if err := b.compile(t.Context(), dir, u, out); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(dir)) {
			t.Errorf("object contains %s", dir)
		}
		objects = append(objects, raw)
	}
	if !bytes.Equal(objects[0], objects[1]) {
		t.Error("two directories, two objects")
	}
}

func TestCompileReportsCompilerErrors(t *testing.T) {
	b := tools(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.bpf.c"), []byte("int f(void) { return nowhere; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "bad.bpf.o")
	err := b.compile(t.Context(), dir, unit{"bad.bpf.c", "bad.bpf.o"}, out)
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("compile = %v, want the compiler's message", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.o*")); len(left) != 0 {
		t.Errorf("a failed build left %v", left)
	}
}

func TestMissingCompilerSaysWhatToInstall(t *testing.T) {
	b := builder{clang: "no-such-compiler", strip: "no-such-tool"}
	err := b.compile(t.Context(), t.TempDir(), unit{"x.bpf.c", "x.bpf.o"}, filepath.Join(t.TempDir(), "x.o"))
	if err == nil || !strings.Contains(err.Error(), "apt-get install") {
		t.Errorf("compile = %v, want advice", err)
	}
}

func TestCheckFindsAStaleObject(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for f, s := range map[string]string{a: "old", b: "new"} {
		if err := os.WriteFile(f, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := compare(a, b, unit{"s.c", "s.o"}); err == nil {
		t.Error("compare found nothing")
	}
	if err := compare(a, a, unit{"s.c", "s.o"}); err != nil {
		t.Error(err)
	}
}

func TestFormatIsChecked(t *testing.T) {
	b := tools(t)
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bpf", "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, "bpf", "src", "x.bpf.c")
	if err := os.WriteFile(source, []byte("int   f( void ){return 1;}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.formatAll(t.Context(), dir, true); err == nil || !strings.Contains(err.Error(), "x.bpf.c") {
		t.Errorf("check = %v, want the file's name", err)
	}
	if err := b.formatAll(t.Context(), dir, false); err != nil {
		t.Error(err)
	}
	if err := b.formatAll(t.Context(), dir, true); err != nil {
		t.Errorf("formatted, and still: %v", err)
	}
}
