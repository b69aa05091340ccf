package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
)

// unprivileged says whether processes are to be traced without the kernel's
// leave.
func (f *traceFlags) unprivileged() (bool, error) {
	want, err := choose.Parse(f.engine)
	if err != nil {
		return false, usage(err)
	}
	return want == choose.Embedded || want == choose.Auto && !mayTraceKernel(), nil
}

// processes runs a script on the embedded engine. What it cannot do is said
// before the command is made.
func (f *traceFlags) processes(ctx context.Context, s *streams, m *trace.Machine, file *syntax.File, params []string, named map[string]string, pid int) error {
	obj, err := f.compile(s, m, file, params, named, pid)
	if err != nil {
		return err
	}
	failed := func(err error) error {
		fmt.Fprintf(s.err, "ERROR: %v\n", err)
		return errSilent
	}
	targets, err := (&trace.Session{Object: obj, Env: m, PID: pid}).Targets()
	if err != nil {
		return failed(err)
	}
	seesProcesses := false
	for _, t := range targets {
		needs, err := choose.ProcessTarget(t)
		if err != nil {
			return failed(err)
		}
		seesProcesses = seesProcesses || needs
	}
	if seesProcesses && f.command == "" && pid == 0 {
		return failed(fmt.Errorf("without privilege a process of yours can be traced: name it with -p PID, or a command with -c"))
	}
	eng, err := choose.OpenProcesses(m.CPUs(), s.err)
	if err != nil {
		return failed(err)
	}
	defer eng.Close()
	var child *trace.Child
	switch {
	case f.command != "":
		args := strings.Fields(f.command)
		if len(args) == 0 {
			return failed(fmt.Errorf("failed to spawn child: the command is empty"))
		}
		if pid, err = eng.Command(args, os.Stdin, fileOf(s.out, os.Stdout), fileOf(s.err, os.Stderr)); err != nil {
			return failed(fmt.Errorf("failed to spawn child: %w", err))
		}
	case pid != 0:
		if err := eng.Process(pid); err != nil {
			return failed(err)
		}
	}
	if pid != 0 {
		child = trace.NewChild(pid, eng.Done(), eng.Start, eng.End)
	}
	return f.trace(ctx, s, m, eng, obj, child, pid)
}

// fileOf is the file that a stream is, or another.
func fileOf(w io.Writer, other *os.File) *os.File {
	if f, ok := w.(*os.File); ok {
		return f
	}
	return other
}
