// Command build compiles the project's BPF sources to the objects that are
// committed beside them.
//
//	go run ./bpf/internal/build          # format the sources, rewrite the objects
//	go run ./bpf/internal/build -check   # rebuild elsewhere and compare; check the format
//
// The objects hold no absolute path and no DWARF, so they are the same bytes
// whatever directory the tree lies in. They are those of clang 19; another
// version may generate other code, which -check then reports.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "compare with the committed objects instead of writing them")
	clang := flag.String("clang", "clang-19", "the compiler")
	strip := flag.String("strip", "llvm-strip-19", "the tool that removes DWARF")
	format := flag.String("format", "clang-format-19", "the tool that formats sources; empty leaves them alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := builder{clang: *clang, strip: *strip, format: *format}
	if err := run(ctx, b, *check); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, b builder, check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	units, err := sources(root)
	if err != nil {
		return err
	}
	if err := b.formatAll(ctx, root, check); err != nil {
		return err
	}
	out := root
	if check {
		if out, err = os.MkdirTemp("", "skep-bpf-"); err != nil {
			return err
		}
		defer os.RemoveAll(out)
	}
	var errs []error
	for _, u := range units {
		if err := b.compile(ctx, root, u, filepath.Join(out, u.object)); err != nil {
			return err
		}
		if check {
			errs = append(errs, compare(filepath.Join(root, u.object), filepath.Join(out, u.object), u))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Printf("%d objects\n", len(units))
	return nil
}

// unit is one source and the object made from it, relative to the module.
type unit struct{ source, object string }

// rooms are the folders with sources, and where their objects go.
var rooms = [][2]string{
	{"bpf/src", "bpf/objects"},
	{"engine/enginetest/testdata", "engine/enginetest/testdata"},
	{"object/testdata", "object/testdata"},
	{"inspect/testdata", "inspect/testdata"},
	{"kernel/probeobj", "kernel/probeobj"},
	{"kernel/testdata", "kernel/testdata"},
	{"net/lb/testdata", "net/lb/testdata"},
	{"cmd/bench/testdata", "cmd/bench/testdata"},
	{"docs/examples", "docs/examples"},
	{"verifier/internal/corpus/testdata", "verifier/internal/corpus/testdata"},
	{"verifier/testdata/mistakes", "verifier/testdata/mistakes"},
}

func sources(root string) ([]unit, error) {
	var units []unit
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(root, room[0], "*.bpf.c"))
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			name := strings.TrimSuffix(filepath.Base(f), ".bpf.c") + ".bpf.o"
			units = append(units, unit{room[0] + "/" + filepath.Base(f), room[1] + "/" + name})
		}
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("find sources: none under %s", root)
	}
	return units, nil
}

type builder struct{ clang, strip, format string }

// formatAll formats sources and headers in the style of .clang-format, or
// checks that they are.
func (b builder) formatAll(ctx context.Context, root string, check bool) error {
	if b.format == "" {
		return nil
	}
	args := []string{"-i"}
	if check {
		args = []string{"--dry-run", "-Werror"}
	}
	patterns := []string{"bpf/lib/*.h"}
	for _, room := range rooms {
		patterns = append(patterns, room[0]+"/*.bpf.c")
	}
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		args = append(args, files...)
	}
	cmd := exec.CommandContext(ctx, b.format, args...)
	cmd.Dir = root
	return try(cmd, "format sources")
}

// compile builds one object. The compiler runs in the module's root and sees
// relative names only; what it would still write of the directory is mapped away.
func (b builder) compile(ctx context.Context, root string, u unit, out string) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	// Written beside its final name first: a compiler that fails leaves the
	// old object alone.
	tmp := out + ".tmp"
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, b.clang,
		"-target", "bpfel", "-mcpu=v3", "-std=gnu11", "-O2", "-g",
		"-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", // a hook gives its parameters
		"-nostdinc", "-fno-ident", "-I.",
		"-ffile-prefix-map="+root+"=.", "-fdebug-compilation-dir=.",
		"-c", u.source, "-o", tmp)
	cmd.Dir = root
	if err := try(cmd, "compile "+u.source); err != nil {
		return err
	}
	if err := try(exec.CommandContext(ctx, b.strip, "--strip-debug", tmp), "strip "+u.object); err != nil {
		return err
	}
	return os.Rename(tmp, out)
}

func try(cmd *exec.Cmd, what string) error {
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%s: %w (Debian: apt-get install clang-19 llvm-19 clang-format-19)", what, err)
	}
	return fmt.Errorf("%s: %w\n%s", what, err, out)
}

func compare(committed, rebuilt string, u unit) error {
	have, err := os.ReadFile(committed)
	if err != nil {
		return err
	}
	want, err := os.ReadFile(rebuilt)
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want) {
		return fmt.Errorf("%s differs from what %s builds (%d bytes, rebuilt %d): run go run ./bpf/internal/build", u.object, u.source, len(have), len(want))
	}
	return nil
}

// moduleRoot finds the module above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		mod, err := os.ReadFile(filepath.Join(at, "go.mod"))
		if err == nil && bytes.Contains(mod, []byte("module github.com/skepdev/skep\n")) {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the module: no go.mod of skep above %s", dir)
		}
	}
}
