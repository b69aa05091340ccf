// Agree holds the programs of a corpus against judges and shows where they differ.
//
//	go run ./verifier/internal/corpus/cmd/agree                       # the kernel's self-tests, compiled and cached
//	go run ./verifier/internal/corpus/cmd/agree -file verifier_bounds -prog x -v
//	go run ./verifier/internal/corpus/cmd/agree -objects DIR          # any folder of objects
//	go run ./verifier/internal/corpus/cmd/agree -json out.json
//	go run ./verifier/internal/corpus/cmd/agree -as CAP_BPF,CAP_NET_ADMIN           # by a user without CAP_PERFMON
//	go run ./verifier/internal/corpus/cmd/agree -linux 6.12 -file verifier_bounds   # another kernel, in a virtual machine
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/skepdev/skep/verifier/internal/corpus"
	"github.com/skepdev/skep/verifier/internal/corpus/machine"
	"github.com/skepdev/skep/verifier/internal/corpus/selftests"
)

type options struct {
	version, cpu, objects    string
	file, prog, judges, json string
	verbose, logs, summary   bool
	per, reasons, fetch      bool
	jobs, repeat, lines      int
	noCache, unprivileged    bool
	linux, record, as        string
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err = run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "agree:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("agree", flag.ContinueOnError)
	fs.StringVar(&o.version, "kernel", "6.12", "version of the kernel whose self-tests are judged")
	fs.StringVar(&o.cpu, "cpu", "v3", "instruction set the self-tests are compiled for: v2, v3, v4")
	fs.StringVar(&o.objects, "objects", "", "judge the object files in this folder instead")
	fs.StringVar(&o.file, "file", "", "only objects whose name matches (regular expression)")
	fs.StringVar(&o.prog, "prog", "", "only programs whose name matches (regular expression)")
	fs.StringVar(&o.judges, "judges", "", "only these judges, with commas between")
	fs.StringVar(&o.json, "json", "", "write all results to this file")
	fs.BoolVar(&o.logs, "logs", false, "put the logs into -json as well")
	fs.StringVar(&o.as, "as", "", "load as a user with these capabilities only, commas between (CAP_BPF,CAP_NET_ADMIN), or none; root without")
	fs.BoolVar(&o.verbose, "v", false, "show every judged program with the ends of its logs, not only where judges differ")
	fs.BoolVar(&o.summary, "summary", false, "show the counts only, not each difference")
	fs.IntVar(&o.lines, "lines", 0, "last lines of the logs to show with each difference (with -v, 20)")
	fs.BoolVar(&o.per, "per-file", false, "add a table with a line for each object")
	fs.BoolVar(&o.reasons, "reasons", false, "list why there is no verdict")
	fs.BoolVar(&o.fetch, "fetch", true, "fetch and compile the self-tests if they are not there")
	fs.IntVar(&o.jobs, "jobs", 0, "objects judged at once (0: one for each processor; 1 for good times)")
	fs.IntVar(&o.repeat, "repeat", 1, "ask this often and keep the shortest times")
	fs.BoolVar(&o.noCache, "no-cache", false, "ask the kernel again")
	fs.StringVar(&o.linux, "linux", "", "ask these kernels as well, in virtual machines (versions with commas between: 6.1,6.12)")
	fs.StringVar(&o.record, "record", "", "write the kernel's verdicts to this file (- for lines on the output)")
	fs.BoolVar(&o.unprivileged, "unprivileged", false, "let programs be loaded without privileges on this machine, until it is started again")
	return o, fs.Parse(args)
}

func run(ctx context.Context, o options, out, progress io.Writer) error {
	files, err := o.files(ctx, out, progress)
	if err != nil {
		return err
	}
	only, err := o.filter(&files)
	if err != nil {
		return err
	}
	judges, err := o.pickJudges()
	if err != nil {
		return err
	}
	for version := range strings.SplitSeq(o.linux, ",") {
		if version == "" {
			continue
		}
		rec, err := machine.Ask(ctx, version, files, machine.Options{Progress: progress, User: o.as})
		if err != nil {
			return err
		}
		judges = append(judges, corpus.Named{Name: corpus.OtherKernel(version), Judge: rec.Judge()})
		if !slices.ContainsFunc(judges, func(j corpus.Named) bool { return j.Name == corpus.OursAs(version) }) && o.judges == "" {
			judges = append(judges, corpus.Named{Name: corpus.OursAs(version), Judge: corpus.Ours(version)})
		}
	}
	if o.unprivileged {
		if err := corpus.AllowUnprivileged(); err != nil {
			return err
		}
	}
	opts := corpus.Options{Judges: judges, Only: only, Jobs: o.jobs, Repeat: o.repeat, Progress: progress}
	if o.as != "" {
		if opts.User, err = corpus.ParseUser(o.as); err != nil {
			return err
		}
	} else if !o.noCache {
		if opts.Cache, err = corpus.OpenCache(""); err != nil {
			return err
		}
	}
	rep, err := corpus.Run(ctx, files, opts)
	if err != nil {
		return err
	}
	return o.print(rep, out)
}

// files are the objects to judge.
func (o *options) files(ctx context.Context, out, progress io.Writer) ([]string, error) {
	if o.objects != "" {
		return corpus.Files(o.objects)
	}
	cache, err := selftests.CacheDir()
	if err != nil {
		return nil, err
	}
	get := selftests.Fetch
	if !o.fetch {
		get = func(_ context.Context, version, cache string) (*selftests.Tree, error) {
			return selftests.Cached(version, cache)
		}
	}
	tree, err := get(ctx, o.version, cache)
	if err != nil {
		return nil, err
	}
	build, err := tree.Build(ctx, selftests.Options{CPU: o.cpu, Progress: progress})
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%s: %d objects in %s, %d sources did not compile\n", tree.Package, len(build.Objects), build.Dir, len(build.Failed))
	if o.reasons {
		for _, f := range build.Failed {
			fmt.Fprintf(out, "not compiled: %s: %s\n", f.Source, f.Reason)
		}
	}
	return build.Objects, nil
}

// filter narrows the files and returns which cases are wanted.
func (o *options) filter(files *[]string) (func(*corpus.Case) bool, error) {
	file, err := regexp.Compile(o.file)
	if err != nil {
		return nil, fmt.Errorf("-file: %w", err)
	}
	prog, err := regexp.Compile(o.prog)
	if err != nil {
		return nil, fmt.Errorf("-prog: %w", err)
	}
	var fit []string
	for _, f := range *files {
		if file.MatchString(corpus.ObjectName(f)) {
			fit = append(fit, f)
		}
	}
	if len(fit) == 0 {
		return nil, fmt.Errorf("no object's name matches %q", o.file)
	}
	*files = fit
	return func(c *corpus.Case) bool { return prog.MatchString(c.Program) }, nil
}

func (o *options) pickJudges() ([]corpus.Named, error) {
	all := corpus.Judges()
	if o.judges == "" {
		return all, nil
	}
	var out []corpus.Named
	for name := range strings.SplitSeq(o.judges, ",") {
		found := false
		for _, j := range all {
			if j.Name == name {
				out, found = append(out, j), true
			}
		}
		if !found {
			return nil, fmt.Errorf("no judge %q", name)
		}
	}
	return out, nil
}

func (o *options) print(rep *corpus.Report, out io.Writer) error {
	if o.verbose {
		for i := range rep.Results {
			res := &rep.Results[i]
			fmt.Fprintf(out, "%s (%s)\n%s", res.Case.Name(), res.Case.Section, rep.Describe(res, orElse(o.lines, 20)))
		}
	} else if !o.summary {
		if err := rep.List(out, o.lines); err != nil {
			return err
		}
	}
	if o.reasons {
		rep.CannotSay(out)
		for _, n := range rep.Notes {
			fmt.Fprintln(out, "not understood:", n)
		}
	}
	if o.per {
		if err := rep.PerFile(out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	if err := rep.Table(out); err != nil {
		return err
	}
	if err := o.writeJSON(rep); err != nil {
		return err
	}
	return o.writeRecord(rep, out)
}

// writeRecord keeps the kernel's verdicts for judging elsewhere.
func (o *options) writeRecord(rep *corpus.Report, out io.Writer) error {
	if o.record == "" {
		return nil
	}
	release, err := corpus.KernelRelease()
	if err != nil {
		return err
	}
	rec, err := corpus.NewRecord(release, rep)
	if err != nil {
		return err
	}
	if o.record == "-" {
		return machine.Emit(out, rec)
	}
	f, err := os.Create(o.record)
	if err != nil {
		return err
	}
	return errors.Join(rec.Write(f), f.Close())
}

func (o *options) writeJSON(rep *corpus.Report) error {
	if o.json == "" {
		return nil
	}
	f, err := os.Create(filepath.Clean(o.json))
	if err != nil {
		return err
	}
	return errors.Join(rep.JSON(f, o.logs), f.Close())
}

func orElse(v, other int) int {
	if v == 0 {
		return other
	}
	return v
}
