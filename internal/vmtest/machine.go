package vmtest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/skepdev/skep/internal/vmtest/guest"
)

// Machine is a kernel and how to run it. The zero value of the rest is good.
type Machine struct {
	Kernel *Kernel
	// Modules to load; nil means DefaultModules.
	Modules []string
	// MemoryMB; 0 means 1024.
	MemoryMB int
	// Timeout for everything; 0 means ten minutes.
	Timeout time.Duration
	// Mitigations of processor flaws stay on. It is slower, and the verifier judges
	// unprivileged programs by them.
	Mitigations bool
}

// DefaultModules are what the tests of this house use and Debian builds as
// modules.
func DefaultModules() []string {
	return []string{
		"veth", "dummy", "sch_ingress", "cls_bpf", "act_bpf", "netkit",
		"nf_defrag_ipv4", "nf_defrag_ipv6", "tcp_bbr",
	}
}

// Job is a static binary to run in the machine.
type Job struct {
	Name string
	// Binary is a file of this machine, built with CGO_ENABLED=0 for amd64.
	Binary string
	Args   []string
	// Env is its whole environment besides PATH, HOME and TMPDIR.
	Env []string
	// Dir is copied to where the job runs; "" means an empty directory. Only
	// its testdata goes along.
	Dir string
}

// Result is what came of a run.
type Result struct {
	// Codes are the jobs' exit codes in their order.
	Codes []int
	// Console is what the kernel and init said.
	Console string
}

// qemu is the emulator. Hardware support would be faster and is often absent.
const qemu = "qemu-system-x86_64"

// Run boots the machine, runs the jobs one after another and copies their
// output to out. An error means that the machine itself failed.
func (m Machine) Run(ctx context.Context, jobs []Job, out io.Writer) (*Result, error) {
	if _, err := exec.LookPath(qemu); err != nil {
		return nil, fmt.Errorf("vmtest: %s is missing: install it (Debian: apt-get install qemu-system-x86): %w", qemu, err)
	}
	ctx, cancel := context.WithTimeout(ctx, orElse(m.Timeout, 10*time.Minute))
	defer cancel()
	tmp, err := os.MkdirTemp("", "skep-vmtest-")
	if err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	defer os.RemoveAll(tmp)
	initrd := filepath.Join(tmp, "initrd")
	if err := m.writeInitrd(ctx, initrd, tmp, jobs); err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	return m.boot(ctx, tmp, initrd, out)
}

func (m Machine) writeInitrd(ctx context.Context, file, tmp string, jobs []Job) error {
	initBin := filepath.Join(tmp, "init")
	if err := Build(ctx, "build", "github.com/skepdev/skep/internal/vmtest/cmd/init", initBin); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	err = m.fill(newArchive(w), initBin, jobs)
	return errors.Join(err, w.Flush(), f.Close())
}

func (m Machine) fill(a *archive, initBin string, jobs []Job) error {
	want := m.Modules
	if want == nil {
		want = DefaultModules()
	}
	modules, err := moduleOrder(m.Kernel.Modules, want)
	if err != nil {
		return err
	}
	a.device("dev/console", 5, 1)
	a.device("dev/null", 1, 3)
	a.dir("root")
	if err := a.copyFile("init", initBin, 0o755); err != nil {
		return err
	}
	var plan guest.Plan
	for _, src := range modules {
		name := "/modules/" + filepath.Base(src)
		if err := a.copyFile(name, src, 0o644); err != nil {
			return err
		}
		plan.Modules = append(plan.Modules, name)
	}
	for i, j := range jobs {
		dir := fmt.Sprintf("/jobs/%d", i)
		a.dir(dir)
		if err := a.copyFile(dir+"/run", j.Binary, 0o755); err != nil {
			return err
		}
		if j.Dir != "" {
			if err := a.copyTree(dir+"/testdata", filepath.Join(j.Dir, "testdata")); err != nil {
				return err
			}
		}
		env := append([]string{"PATH=/bin", "HOME=/root", "TMPDIR=/tmp"}, j.Env...)
		plan.Jobs = append(plan.Jobs, guest.Job{Name: j.Name, Path: dir + "/run", Args: j.Args, Dir: dir, Env: env})
	}
	b, err := plan.Marshal()
	if err != nil {
		return err
	}
	a.file(guest.PlanPath, 0o644, b)
	return a.close()
}

func (a *archive) copyFile(name, src string, perm fs.FileMode) error {
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	a.file(name, perm, b)
	return a.err
}

// copyTree copies a directory if it is there.
func (a *archive) copyTree(name, src string) error {
	err := filepath.WalkDir(src, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, p)
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		return a.copyFile(path.Join(name, filepath.ToSlash(rel)), p, info.Mode())
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// processors gives the machine one processor that runs and a second one that is
// only possible, which is enough for per-CPU values to differ from plain ones.
// Kernels patch their own code while other processors run it, and with two
// running ones the emulator was seen to execute half-patched instructions.
const processors = "1,maxcpus=2"

// boot runs the emulator until the machine switches itself off.
func (m Machine) boot(ctx context.Context, tmp, initrd string, out io.Writer) (*Result, error) {
	console := filepath.Join(tmp, "console")
	mitigations := "off"
	if m.Mitigations {
		mitigations = "auto"
	}
	cmd := exec.CommandContext(ctx, qemu,
		"-accel", "tcg", "-cpu", "max", "-nodefaults", "-no-user-config", "-display", "none",
		"-m", fmt.Sprintf("%dM", orElse(m.MemoryMB, 1024)), "-smp", processors,
		"-no-reboot", "-serial", "file:"+console, "-serial", "stdio",
		"-kernel", m.Kernel.Image, "-initrd", initrd,
		// Security modules are named because the BPF one is off by default.
		"-append", "console=ttyS0 panic=-1 loglevel=4 lsm=landlock,lockdown,bpf nokaslr tsc=reliable mitigations="+mitigations,
	)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("vmtest: %w", err)
	}
	codes, rerr := relay(pipe, out)
	werr := cmd.Wait()
	text, _ := os.ReadFile(console) // absent if the emulator did not come that far
	res := &Result{Codes: codes, Console: string(text)}
	switch {
	case codes != nil:
		return res, nil
	case ctx.Err() != nil:
		return res, fmt.Errorf("vmtest: kernel %s did not finish in time: %w\n%s", m.Kernel.Release, ctx.Err(), lastLines(res.Console, 20))
	}
	return res, fmt.Errorf("vmtest: kernel %s ended without an answer: %w\n%s\n%s",
		m.Kernel.Release, errors.Join(rerr, werr), strings.TrimSpace(stderr.String()), strings.ReplaceAll(lastLines(res.Console, 20), "; ", "\n"))
}

// relay copies the jobs' output and returns the codes that end it, or nil.
func relay(r io.Reader, out io.Writer) ([]int, error) {
	br := bufio.NewReader(r)
	var codes []int
	for {
		line, err := br.ReadString('\n')
		if c, ok := guest.ParseEndLine(line); ok {
			codes = c
		} else if _, _, ok := guest.ParseJobLine(line); !ok && line != "" {
			if _, err := io.WriteString(out, line); err != nil {
				return codes, err
			}
		}
		if errors.Is(err, io.EOF) {
			return codes, nil
		}
		if err != nil {
			return codes, err
		}
	}
}

// Build builds a package for the machine: verb is "build" for commands and
// "test" for test binaries.
func Build(ctx context.Context, verb, pkg, output string) error {
	args := []string{"build", "-o", output, pkg}
	if verb == "test" {
		args = []string{"test", "-c", "-o", output, pkg}
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	b, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, b)
	}
	return nil
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
