package selftests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Options change how objects are built. The zero value is good.
type Options struct {
	// CPU is the version of the instruction set: "v3" (the default), "v2" or "v4".
	CPU string
	// Clang is the compiler; "" means clang-19.
	Clang string
	// BTF is the file whose types the programs see; "" means the running kernel's.
	BTF string
	// Jobs run at once; 0 means one for each processor.
	Jobs int
	// Progress gets a line now and then; nil means nobody.
	Progress io.Writer
}

// Build is a folder of objects.
type Build struct {
	Dir     string
	Objects []string // full names, sorted
	Failed  []Failure
}

// Failure is a source that did not compile.
type Failure struct {
	Source string `json:"source"`
	Reason string `json:"reason"`
}

// Build compiles every program of the tree that is not compiled yet. Sources that
// do not compile are no error: the result lists them.
func (t *Tree) Build(ctx context.Context, o Options) (*Build, error) {
	b, err := t.plan(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("selftests: %w", err)
	}
	out, err := b.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("selftests: compile: %w", err)
	}
	return out, nil
}

// failedFile lists, in a finished folder, the sources that did not compile.
const failedFile = "failed.json"

// builder compiles into one folder.
type builder struct {
	clang, dir string
	sources    string // folder of the programs
	args       []string
	jobs       int
	progress   io.Writer
}

func (b *builder) run(ctx context.Context) (*Build, error) {
	if done, err := finished(b.dir); err == nil {
		return done, nil
	}
	sources, err := filepath.Glob(filepath.Join(b.sources, "*.c"))
	if err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, fmt.Errorf("no programs in %s", b.sources)
	}
	failed, err := b.compileAll(ctx, sources)
	if err != nil {
		return nil, err
	}
	list, err := json.MarshalIndent(failed, "", "  ")
	if err != nil {
		return nil, err
	}
	// Written last: a folder that has it is complete.
	if err := os.WriteFile(filepath.Join(b.dir, failedFile), list, 0o644); err != nil {
		return nil, err
	}
	return finished(b.dir)
}

func finished(dir string) (*Build, error) {
	list, err := os.ReadFile(filepath.Join(dir, failedFile))
	if err != nil {
		return nil, err
	}
	out := &Build{Dir: dir}
	if err := json.Unmarshal(list, &out.Failed); err != nil {
		return nil, err
	}
	out.Objects, err = filepath.Glob(filepath.Join(dir, "*.bpf.o"))
	return out, err
}

func (b *builder) compileAll(ctx context.Context, sources []string) ([]Failure, error) {
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		done   int
		failed = []Failure{}
		errs   []error
	)
	next := make(chan string)
	for range b.jobs {
		wg.Go(func() {
			for src := range next {
				reason, err := b.compile(ctx, src)
				mu.Lock()
				if err != nil {
					errs = append(errs, err)
				} else if reason != "" {
					failed = append(failed, Failure{filepath.Base(src), reason})
				}
				if done++; b.progress != nil && (done%50 == 0 || done == len(sources)) {
					fmt.Fprintf(b.progress, "compiled %d of %d, %d failed\n", done, len(sources), len(failed))
				}
				mu.Unlock()
			}
		})
	}
	for _, src := range sources {
		if ctx.Err() != nil {
			break
		}
		next <- src
	}
	close(next)
	wg.Wait()
	slices.SortFunc(failed, func(a, b Failure) int { return strings.Compare(a.Source, b.Source) })
	return failed, errors.Join(append(errs, ctx.Err())...)
}

// compile makes one object unless it is there. Reason says why the compiler
// refused; an error is anything else.
func (b *builder) compile(ctx context.Context, src string) (reason string, err error) {
	name := strings.TrimSuffix(filepath.Base(src), ".c")
	out := filepath.Join(b.dir, name+".bpf.o")
	if _, err := os.Stat(out); err == nil {
		return "", nil
	}
	// Under another name first: a compiler that is ended leaves half a file.
	tmp := out + ".tmp"
	defer os.Remove(tmp)
	args := append(slices.Clone(b.args), fileFlags(name)...)
	cmd := exec.CommandContext(ctx, b.clang, append(args, "-c", filepath.Base(src), "-o", tmp)...)
	cmd.Dir = b.sources
	msg, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &exit):
		return firstError(string(msg)), nil
	case err != nil:
		return "", err
	}
	return "", os.Rename(tmp, out)
}

// fileFlags are the Makefile's exceptions for single files.
func fileFlags(name string) []string {
	switch name {
	case "bind4_prog", "bind6_prog", "dynptr_fail", "linked_list_fail", "map_kptr_fail", "syscall",
		"test_pkt_md_access", "test_sk_lookup", "timer_crash", "test_global_func9", "verifier_nocsr":
		return []string{"-fno-strict-aliasing"} // they pun types
	case "test_l4lb_noinline", "test_xdp_noinline":
		return []string{"-fno-inline"}
	}
	return nil
}

// firstError is the compiler's first complaint.
func firstError(out string) string {
	if m := regexp.MustCompile(`(?m)^.*(?:fatal )?error: .*$`).FindString(out); m != "" {
		return m
	}
	return strings.TrimSpace(out)
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

func jobs(n int) int { return orElse(n, runtime.GOMAXPROCS(0)) }
