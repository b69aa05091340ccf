// Vmtest runs the tests of packages, or a static binary, on other kernels in
// virtual machines:
//
//	go run ./internal/vmtest/cmd/vmtest -kernel 6.1,6.12 ./kernel
//	go run ./internal/vmtest/cmd/vmtest -kernel 6.12 -- ./prog args
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/skepdev/skep/internal/vmtest"
)

type options struct {
	kernels, run, skip string
	verbose            bool
	timeout            time.Duration
	packages           []string
	binary             []string
}

func main() {
	opts, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmtest:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code, err := run(ctx, opts, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("vmtest", flag.ContinueOnError)
	fs.StringVar(&o.kernels, "kernel", "6.1,6.12", "kernel versions, with commas between")
	fs.StringVar(&o.run, "run", "", "tests to run (-test.run)")
	fs.StringVar(&o.skip, "skip", "", "tests to leave out (-test.skip)")
	fs.BoolVar(&o.verbose, "v", false, "show all output, not only what failed and what was skipped")
	fs.DurationVar(&o.timeout, "timeout", 10*time.Minute, "time for one machine")
	before, after := args, []string(nil)
	for i, a := range args {
		if a == "--" {
			before, after = args[:i], args[i+1:]
			break
		}
	}
	if err := fs.Parse(before); err != nil {
		return o, err
	}
	o.packages, o.binary = fs.Args(), after
	if len(o.packages) == 0 && len(o.binary) == 0 {
		return o, fmt.Errorf("name packages, or a binary after --")
	}
	return o, nil
}

func run(ctx context.Context, o options, out io.Writer) (int, error) {
	cache, err := vmtest.CacheDir()
	if err != nil {
		return 1, err
	}
	tmp, err := os.MkdirTemp("", "skep-vmtest-jobs-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(tmp)
	jobs, err := makeJobs(ctx, o, tmp)
	if err != nil {
		return 1, err
	}
	worst := 0
	for _, version := range strings.Split(o.kernels, ",") {
		code, err := runOn(ctx, strings.TrimSpace(version), cache, o, jobs, out)
		if err != nil {
			return 1, err
		}
		worst = max(worst, code)
	}
	return worst, nil
}

func makeJobs(ctx context.Context, o options, tmp string) ([]vmtest.Job, error) {
	var jobs []vmtest.Job
	for i, pkg := range o.packages {
		dir, err := packageDir(ctx, pkg)
		if err != nil {
			return nil, err
		}
		bin := filepath.Join(tmp, fmt.Sprintf("%d.test", i))
		if err := vmtest.Build(ctx, "test", pkg, bin); err != nil {
			return nil, err
		}
		args := []string{"-test.v", "-test.timeout=" + o.timeout.String()}
		if o.run != "" {
			args = append(args, "-test.run="+o.run)
		}
		if o.skip != "" {
			args = append(args, "-test.skip="+o.skip)
		}
		jobs = append(jobs, vmtest.Job{Name: pkg, Binary: bin, Args: args, Dir: dir})
	}
	if len(o.binary) > 0 {
		jobs = append(jobs, vmtest.Job{Name: filepath.Base(o.binary[0]), Binary: o.binary[0], Args: o.binary[1:]})
	}
	return jobs, nil
}

func packageDir(ctx context.Context, pkg string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", pkg)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	b, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go list %s: %w: %s", pkg, err, stderr.String())
	}
	return strings.TrimSpace(string(b)), nil
}

// runOn runs the jobs on one kernel and prints a summary line.
func runOn(ctx context.Context, version, cache string, o options, jobs []vmtest.Job, out io.Writer) (int, error) {
	start := time.Now()
	k, err := vmtest.Fetch(ctx, version, cache)
	if err != nil {
		return 1, err
	}
	fmt.Fprintf(out, "== Linux %s\n", k.Release)
	sum := vmtest.Summary{Out: out, Verbose: o.verbose || len(o.binary) > 0}
	res, err := vmtest.Machine{Kernel: k, Timeout: o.timeout}.Run(ctx, jobs, &sum)
	sum.Flush()
	if err != nil {
		return 1, err
	}
	worst := 0
	for i, code := range res.Codes {
		if code != 0 {
			fmt.Fprintf(out, "%s: exit code %d\n", jobs[i].Name, code)
			worst = 1
		}
	}
	if worst != 0 {
		fmt.Fprintf(out, "console:\n%s\n", strings.TrimSpace(res.Console))
	}
	fmt.Fprintf(out, "== Linux %s: %s in %.0f s\n", k.Release, sum.String(), time.Since(start).Seconds())
	return worst, nil
}
