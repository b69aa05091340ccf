package selftests

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// plan makes the headers and names the folder.
func (t *Tree) plan(ctx context.Context, o Options) (*builder, error) {
	clang := orElse(o.Clang, "clang-19")
	cpu := orElse(o.CPU, "v3")
	for _, tool := range []string{clang, "bpftool", "python3"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is missing (Debian: apt-get install %s)", tool, filepath.Base(tool))
		}
	}
	version, err := output(ctx, "", clang, "--version")
	if err != nil {
		return nil, err
	}
	vmlinux, err := output(ctx, "", "bpftool", "btf", "dump", "file", orElse(o.BTF, "/sys/kernel/btf/vmlinux"), "format", "c")
	if err != nil {
		return nil, err
	}
	defs, err := output(ctx, t.Dir, "python3", helpers, "--header", "--file", "tools/include/uapi/linux/bpf.h")
	if err != nil {
		return nil, err
	}
	system, err := systemIncludes(ctx, clang)
	if err != nil {
		return nil, err
	}
	flags := append([]string{
		"-g", "-w", "-D__TARGET_ARCH_x86", "-DENABLE_ATOMICS_TESTS", "-mlittle-endian",
		"-O2", "--target=bpf", "-mcpu=" + cpu, "-fdebug-compilation-dir=.",
	}, system...)
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %q %q %q", version, vmlinux, defs, flags)
	if err := hashTree(sum, t.Dir); err != nil {
		return nil, err
	}
	key := fmt.Sprintf("%x", sum.Sum(nil)[:8])
	include, err := t.writeHeaders(key, vmlinux, defs)
	if err != nil {
		return nil, err
	}
	b := &builder{
		clang: clang, sources: filepath.Join(t.Dir, progs), jobs: jobs(o.Jobs), progress: o.Progress,
		dir: filepath.Join(filepath.Dir(t.Dir), fmt.Sprintf("objects-%s-%s", cpu, key)),
		args: append([]string{
			"-I" + include, "-I" + filepath.Join(t.Dir, bpfTests), "-I" + filepath.Join(t.Dir, "tools/include/uapi"),
		}, flags...),
	}
	return b, os.MkdirAll(b.dir, 0o755)
}

// writeHeaders makes the include folder: what is generated, and the BPF library's
// headers under the name bpf/.
func (t *Tree) writeHeaders(key, vmlinux, defs string) (string, error) {
	dir := filepath.Join(filepath.Dir(t.Dir), "include-"+key)
	if err := os.MkdirAll(filepath.Join(dir, "bpf"), 0o755); err != nil {
		return "", err
	}
	files := map[string]string{"vmlinux.h": vmlinux, "bpf/bpf_helper_defs.h": defs}
	lib, err := filepath.Glob(filepath.Join(t.Dir, libbpf, "*.h"))
	if err != nil {
		return "", err
	}
	for _, f := range lib {
		b, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		files["bpf/"+filepath.Base(f)] = string(b)
	}
	for name, text := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if st, err := os.Stat(file); err == nil && st.Size() == int64(len(text)) {
			continue
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// hashTree adds all files below dir.
func hashTree(sum interface{ Write([]byte) (int, error) }, dir string) error {
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(sum, "%q %d\n%s", rel, len(b), b)
		return err
	})
}

// systemIncludes are the folders in which the compiler looks for headers of this
// machine, to come after all others, as the Makefile has it: BPF has none of its own.
func systemIncludes(ctx context.Context, clang string) ([]string, error) {
	cmd := exec.CommandContext(ctx, clang, "-v", "-E", "-")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s -v: %w", clang, err)
	}
	_, list, _ := strings.Cut(string(out), "<...> search starts here:")
	list, _, ok := strings.Cut(list, "End of search list.")
	if !ok {
		return nil, fmt.Errorf("%s -v lists no include folders", clang)
	}
	var args []string
	for line := range strings.Lines(list) {
		if dir := strings.TrimSpace(line); dir != "" {
			args = append(args, "-idirafter", dir)
		}
	}
	return args, nil
}

func output(ctx context.Context, dir, tool string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
