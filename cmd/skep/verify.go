package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
)

const verifyLong = `Say whether Linux would accept the programs of compiled objects, without asking it,
and why not.

A refused program is explained: the rule, the line of C, what was known there,
the branches that lead there, and a change that would help. An accepted one gets
a report of what it costs the kernel to verify and which lines cost most.

--kernel judges as that version would; --kernels judges as several and says where
the program would load. --compare asks the running kernel as well (this needs
root) and shows where the two differ. Exits with 1 if a program is refused.`

const verifyExample = `  skep verify prog.o
  skep verify prog.o --program filter -v
  skep verify prog.o --kernel 6.1
  skep verify prog.o --kernels
  skep verify prog.o --html verify.html
  skep verify prog.o --watch
  skep verify *.o -o sarif > verify.sarif
  sudo skep verify prog.o --compare`

// kernels that --kernels judges as: the long-term ones.
var kernelsToJudge = []string{"6.1", "6.6", "6.12", "6.18"}

// verifyFlags are the command line of skep verify.
type verifyFlags struct {
	program, kernel, privilege, types string
	format, html                      string
	compare, kernels, watch           bool
	verbose                           int
	insns                             int
	timeout                           time.Duration
}

func newVerifyCommand(s *streams) *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:     "verify OBJECT…",
		Short:   "Say whether Linux would accept a program, and why not",
		Long:    verifyLong,
		Example: verifyExample,
		Args: func(_ *cobra.Command, a []string) error {
			if len(a) == 0 {
				return usage(errors.New("name an object file"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, a []string) error { return f.run(cmd.Context(), s, a) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.program, "program", "", "only this program")
	fl.StringVar(&f.kernel, "kernel", "", "judge as this version of Linux does (6.1), not as the newest known")
	fl.BoolVar(&f.kernels, "kernels", false, "judge as "+strings.Join(kernelsToJudge, ", "))
	addChoice(cmd, &f.privilege, "privilege", "", "root", "who loads the program", "root", "no-perfmon", "none")
	fl.StringVar(&f.types, "types", "", "the kernel's types as BTF, not those of the running one")
	fl.StringVar(&f.html, "html", "", "write a page of source, branches and register states to this file")
	fl.BoolVar(&f.watch, "watch", false, "verify again whenever an object changes, until interrupted")
	fl.BoolVar(&f.compare, "compare", false, "ask the running kernel too and show where it differs")
	fl.CountVarP(&f.verbose, "verbose", "v", "print the log in the kernel's form; -vv for all paths")
	fl.IntVar(&f.insns, "insns", 0, "most instructions to simulate, if not the kernel's million")
	fl.DurationVar(&f.timeout, "timeout", 0, "longest time for a program, as in 10s")
	addChoice(cmd, &f.format, "output", "o", "text", "how to print", "text", "table", "json", "yaml", "sarif")
	return cmd
}

// verdict is what skep verify prints of a program.
type verdict struct {
	Object   string `json:"object"`
	Program  string `json:"program"`
	Section  string `json:"section"`
	Accepted bool   `json:"accepted"`
	// Explanation of a refusal.
	Explanation *verifier.Explanation `json:"explanation,omitempty"`
	// Cost of the verification.
	Instructions int           `json:"simulated_instructions"`
	Limit        int           `json:"instruction_limit"`
	LongestPath  int           `json:"longest_path"`
	States       int           `json:"states"`
	Stack        int           `json:"stack_bytes"`
	Time         time.Duration `json:"time_ns"`
	Hot          []hotLine     `json:"costliest_lines,omitempty"`
	Functions    []hotFunction `json:"functions,omitempty"`
	// Spectre is what the kernel would put in, for users without CAP_PERFMON.
	Spectre *spectre `json:"spectre,omitempty"`
	// Kernels says where else the program would load, with --kernels.
	Kernels []kernelVerdict `json:"kernels,omitempty"`
	// Running is the running kernel's verdict, with --compare.
	Running *kernelVerdict `json:"running_kernel,omitempty"`
	Error   string         `json:"error,omitempty"`
	log     string
	program *verifier.Program
	report  *verifier.Report
}

// hotFunction is what a function costs.
type hotFunction struct {
	Function     string `json:"function"`
	Instructions int    `json:"simulated_instructions"`
	Stack        int    `json:"stack_bytes"`
}

// spectre lists the places that the kernel hardens: sums that it masks, and
// barriers.
type spectre struct {
	Masked []string `json:"masked"`
	Fenced []string `json:"fenced"`
}

type hotLine struct {
	Line         string `json:"line"`
	Function     string `json:"function"`
	Text         string `json:"text,omitempty"`
	Instructions int    `json:"simulated_instructions"`
}

type kernelVerdict struct {
	Kernel   string `json:"kernel"`
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"`
}

func (f *verifyFlags) check() error {
	if f.kernel != "" {
		if err := verifier.CheckVersion(f.kernel); err != nil {
			return usage(err)
		}
	}
	switch {
	case f.kernels && f.kernel != "":
		return usage(errors.New("--kernel and --kernels exclude each other"))
	case f.insns < 0:
		return usage(errors.New("--insns must not be negative"))
	case f.timeout < 0:
		return usage(errors.New("--timeout must not be negative"))
	case f.watch && f.format != "text":
		return usage(errors.New("--watch belongs to -o text"))
	case f.verbose > 0 && f.format != "text":
		return usage(errors.New("-v belongs to -o text"))
	}
	return nil
}

func (f *verifyFlags) run(ctx context.Context, s *streams, paths []string) error {
	if err := f.check(); err != nil {
		return err
	}
	types, err := f.kernelTypes()
	if err != nil {
		return err
	}
	if f.watch {
		return f.watchAll(ctx, s, paths, types)
	}
	return f.once(ctx, s, paths, types)
}

// once verifies all programs of the objects and prints what became of them.
func (f *verifyFlags) once(ctx context.Context, s *streams, paths []string, types *btf.Spec) error {
	var all []*verdict
	for _, path := range paths {
		of, err := f.object(ctx, s, path, types)
		if bad := (*unreadableError)(nil); errors.As(err, &bad) && len(paths) > 1 {
			v := &verdict{Object: path, Error: bad.Error()}
			if f.format == "text" {
				f.printText(s, v)
			}
			of = []*verdict{v}
		} else if err != nil {
			return err
		}
		all = append(all, of...)
	}
	if len(all) == 0 {
		return withHint(errors.New("there is no program to verify"), "skep inspect says what the object holds")
	}
	if err := f.print(s, all); err != nil {
		return err
	}
	if err := f.writePage(s, paths, all); err != nil {
		return err
	}
	for _, v := range all {
		if !v.Accepted || v.Running != nil && v.Running.Accepted != v.Accepted {
			return exitCode(1)
		}
	}
	return nil
}

// unreadableError says that an object is none, or has what this tool does not
// know; others can be verified all the same.
type unreadableError struct{ error }

func (e *unreadableError) Unwrap() error { return e.error }

// object verifies the programs of one object; as text, they are printed as they
// come.
func (f *verifyFlags) object(ctx context.Context, s *streams, path string, types *btf.Spec) ([]*verdict, error) {
	coll, err := object.OpenFile(path, nil)
	if err != nil {
		return nil, &unreadableError{err}
	}
	names := slices.Sorted(maps.Keys(coll.Programs))
	if f.program != "" {
		if _, err := nameProgram(coll, f.program); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		names = []string{f.program}
	}
	var all []*verdict
	for _, name := range names {
		if coll.Programs[name].Type == ebpf.UnspecifiedProgram {
			continue // loaders leave it out: its section names no type
		}
		v, err := f.verify(ctx, path, coll, name, types)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		if f.format == "text" {
			f.printText(s, v)
		}
	}
	return all, nil
}

// kernelTypes are those of --types, or of the running kernel if it shows them.
func (f *verifyFlags) kernelTypes() (*btf.Spec, error) {
	if f.types != "" {
		return object.OpenTypes(f.types)
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, nil //nolint:nilerr // programs that need them are told so
	}
	return types, nil
}

func (f *verifyFlags) options(types *btf.Spec) verifier.Options {
	o := verifier.Options{Kernel: f.kernel, KernelTypes: types, MaxInstructions: f.insns, Timeout: f.timeout}
	switch f.privilege {
	case "no-perfmon":
		o.Privilege = verifier.NoPerfmon
	case "none":
		o.Privilege = verifier.Unprivileged
	}
	o.LogLevel = uint32(min(f.verbose, 2))
	if f.html != "" {
		o.LogLevel = 2 // the page shows states
	}
	return o
}

func (f *verifyFlags) verify(ctx context.Context, path string, coll *ebpf.CollectionSpec, name string, types *btf.Spec) (*verdict, error) {
	v := &verdict{Object: path, Program: name, Section: coll.Programs[name].SectionName}
	p, err := verifier.FromSpec(coll, name, types)
	if err != nil {
		v.Error = err.Error()
		return v, nil
	}
	o := f.options(types)
	rep, err := verifier.Verify(ctx, p, o)
	var r *verifier.Rejection
	switch {
	case errors.As(err, &r):
		v.Explanation = r.Explain()
	case err != nil:
		return nil, err
	}
	v.Accepted, v.program, v.report = rep.Accepted, p, rep
	if f.verbose > 0 {
		v.log = rep.Log
	}
	v.LongestPath, v.Instructions, v.Limit, v.States, v.Stack, v.Time = rep.LongestPath, rep.Processed, rep.Limit, rep.States, rep.Stack, rep.Time
	v.Hot, v.Functions = hotLines(p, rep), hotFunctions(rep)
	if o.Privilege != verifier.Privileged && rep.Accepted {
		v.Spectre = &spectre{placesOf(p, rep.Masked), placesOf(p, rep.Fenced)}
	}
	if f.kernels {
		o.LogLevel = 0
		for _, k := range kernelsToJudge {
			o.Kernel = k
			_, err := verifier.Verify(ctx, p, o)
			v.Kernels = append(v.Kernels, kernelVerdict{Kernel: k, Accepted: err == nil, Reason: reasonOf(err)})
		}
	}
	if f.compare {
		v.Running = f.askKernel(coll, name)
	}
	return v, nil
}

// placesOf names the source lines of slots, or the slots, each once.
func placesOf(p *verifier.Program, slots []int) []string {
	out := []string{}
	for _, slot := range slots {
		at := verifier.PlaceOf(p.Code(), slot).String()
		if at == "" {
			at = fmt.Sprintf("instruction %d", slot)
		}
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

// askKernel loads the program and lets it go.
func (f *verifyFlags) askKernel(coll *ebpf.CollectionSpec, name string) *kernelVerdict {
	k := &kernelVerdict{Kernel: kernelRelease()}
	coll = coll.Copy()
	for other := range coll.Programs {
		if other != name {
			delete(coll.Programs, other)
		}
	}
	live, err := ebpf.NewCollection(coll)
	if err != nil {
		k.Reason = reasonOf(err)
		return k
	}
	live.Close()
	k.Accepted = true
	return k
}

// kernelRelease is the running kernel's version.
func kernelRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "not Linux"
	}
	return strings.TrimSpace(string(b))
}

// hotLines are the source lines whose instructions were simulated most.
func hotLines(p *verifier.Program, rep *verifier.Report) []hotLine {
	const most = 3
	var out []hotLine
	for _, h := range verifier.HotLines(p.Code(), rep.Visits) {
		if len(out) == most {
			break
		}
		out = append(out, hotLine{Line: h.Place.String(), Function: h.Function, Text: strings.TrimSpace(h.Place.Text), Instructions: h.Simulated})
	}
	return out
}

// hotFunctions are the functions, costliest first.
func hotFunctions(rep *verifier.Report) []hotFunction {
	var out []hotFunction
	for _, f := range rep.Funcs {
		out = append(out, hotFunction{Function: f.Name, Instructions: f.Processed, Stack: f.Stack})
	}
	slices.SortStableFunc(out, func(a, b hotFunction) int { return cmp.Compare(b.Instructions, a.Instructions) })
	return out
}
