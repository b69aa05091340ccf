package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/replay"
)

const runLong = `Run a program of a compiled object on recorded packets and count its verdicts.

Each packet of the capture is given to the program once, in order; maps keep
their contents from packet to packet. Only the chosen program is loaded, with
the maps it uses and the programs it can tail call.

Values are read by the object's types: numbers in any base, true and false,
enumerators by name, addresses, text for char arrays, JSON for structs. A map's
file is JSON or YAML: [{"key": …, "value": …}, …], or {"key": value, …}, or for
arrays the list of values.

--compare runs both engines in lockstep and reports the first packet, verdict,
map entry or ring buffer record that differs; it exits with 1 if one does.

--profile prints the program's code, its source between the lines, with how
often each instruction ran.

Packets that go on are written to --out as the program left them, with their
time stamps. What programs print with bpf_printk goes to standard error.`

const runExample = `  skep run prog.o --pcap in.pcap
  skep run prog.o --pcap in.pcapng --program filter --set blocked_port=23 --out out.pcap
  skep run prog.o --pcap in.pcap --map blocked=blocked.json --dump-maps -o json
  skep run prog.o --pcap in.pcap --compare --ignore-map last_seen
  tcpdump -i eth0 -c 100 -w - | skep run prog.o --pcap -`

// runFlags are the command line of skep run.
type runFlags struct {
	pcap, out, program, engine, jit, btf string
	set, fill, kconfig, sizes            []string
	dumpMaps, ignoreMaps                 []string
	compare, each, context, log, profile bool
	repeat, every                        int
	format                               format
}

func newRunCommand(s *streams) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:     "run OBJECT --pcap FILE",
		Short:   "Run a program on recorded packets",
		Long:    runLong,
		Example: runExample,
		Args:    args("an object file"),
		RunE: func(cmd *cobra.Command, a []string) error {
			return f.run(cmd.Context(), s, a[0])
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.pcap, "pcap", "", "packets to run on: a pcap or pcapng file, - for standard input")
	fl.StringVar(&f.program, "program", "", "program to run, if the object has several")
	fl.StringArrayVar(&f.set, "set", nil, "set a global variable: `NAME=VALUE` (repeatable)")
	fl.StringArrayVar(&f.fill, "map", nil, "fill a map before the run: `NAME=FILE` (repeatable)")
	fl.StringArrayVar(&f.sizes, "max-entries", nil, "size of a map: `NAME=N` (repeatable)")
	fl.StringArrayVar(&f.kconfig, "kconfig", nil, "value of a CONFIG_ variable: `NAME=VALUE` (repeatable)")
	fl.StringVar(&f.out, "out", "", "write packets that go on to a pcap file, or pcapng if it is called so")
	fl.StringSliceVar(&f.dumpMaps, "dump-maps", nil, "print maps after the run: all, or --dump-maps=`NAME,NAME`")
	fl.Lookup("dump-maps").NoOptDefVal = allMaps
	fl.BoolVar(&f.compare, "compare", false, "run both engines and report the first difference")
	fl.StringSliceVar(&f.ignoreMaps, "ignore-map", nil, "with --compare: map that holds times or chance (repeatable)")
	fl.IntVar(&f.every, "every", 0, "with --compare: compare maps after every `N` packets, not only at the end")
	fl.IntVar(&f.repeat, "repeat", 1, "run each packet `N` times, each time as captured")
	fl.BoolVar(&f.each, "each", false, "print a line for each packet")
	fl.BoolVar(&f.context, "context", false, "hand interface, time and length of the capture to tc and socket programs")
	fl.StringVar(&f.btf, "btf", "", "types to relocate against instead of the running kernel's: a BTF or ELF `FILE`")
	fl.BoolVar(&f.log, "verifier-log", false, "print the verifier's log")
	fl.BoolVar(&f.profile, "profile", false, "print the code with how often each instruction ran (embedded engine)")
	addChoice(cmd, &f.engine, "engine", "", "auto", "engine to run on", "auto", "kernel", "embedded")
	addChoice(cmd, &f.jit, "jit", "", "on", "whether the embedded engine compiles programs to native code", "on", "off")
	addFormat(cmd, &f.format)
	return cmd
}

// check finds mistakes that need no file.
func (f *runFlags) check() error {
	switch {
	case f.pcap == "":
		return usage(withHint(errors.New("no packets to run on"), "give a capture with --pcap FILE"))
	case f.repeat < 1:
		return usage(fmt.Errorf("--repeat %d: must be at least 1", f.repeat))
	case f.every < 0:
		return usage(fmt.Errorf("--every %d: must not be negative", f.every))
	case f.compare && f.engine != "auto":
		return usage(errors.New("--compare runs both engines and takes no --engine"))
	case f.jit == "off" && f.engine != "embedded" && !f.compare:
		return usage(errors.New("--jit off is for the embedded engine: give --engine embedded too"))
	case f.profile && (f.engine != "embedded" || f.jit == "off"):
		return usage(errors.New("--profile is for native code of the embedded engine: give --engine embedded, and no --jit off"))
	case !f.compare && (len(f.ignoreMaps) > 0 || f.every > 0):
		return usage(errors.New("--ignore-map and --every belong to --compare"))
	case f.compare && f.pcap == "-":
		return usage(errors.New("--compare may read the packets twice and takes no standard input"))
	case f.each && f.format != formatTable && f.compare:
		return usage(errors.New("--each with --compare prints as a table only"))
	}
	for _, list := range [][]string{f.set, f.fill, f.kconfig, f.sizes} {
		for _, s := range list {
			if name, value, ok := strings.Cut(s, "="); !ok || name == "" || value == "" {
				return usage(fmt.Errorf("%q: want NAME=VALUE", s))
			}
		}
	}
	return nil
}

func (f *runFlags) run(ctx context.Context, s *streams, object string) error {
	if err := f.check(); err != nil {
		return err
	}
	inputs := []string{object, f.pcap, f.btf}
	for _, m := range f.fill {
		_, file, _ := strings.Cut(m, "=")
		inputs = append(inputs, file)
	}
	if err := keepInputs(f.out, inputs...); err != nil {
		return err
	}
	p, err := f.prepare(object)
	if err != nil {
		return err
	}
	if f.log {
		p.log = s.err
	}
	if f.compare {
		return f.runCompare(ctx, s, object, p)
	}
	eng, reason, err := openEngine(ctx, f.engine, f.options())
	if err != nil {
		return err
	}
	defer eng.Close()
	coll, err := p.load(ctx, eng)
	if err != nil {
		return fmt.Errorf("%s: %w", object, err)
	}
	defer coll.Close()
	if f.log {
		fmt.Fprintln(s.err, coll.Programs[p.program].Info().VerifierLog)
	}
	result := &runResult{Object: object, Reason: reason}
	runErr := f.replay(ctx, s, eng, coll, p, result)
	// What happened up to an error is of use too.
	if err := f.dump(coll, result); err != nil && runErr == nil {
		runErr = err
	}
	if f.profile {
		if result.Profile, err = hitListing(p.spec, coll, p.program); err != nil && runErr == nil {
			runErr = err
		}
	}
	if err := result.print(s, f); err != nil && runErr == nil {
		runErr = err
	}
	if runErr != nil {
		return fmt.Errorf("%s: %w", object, runErr)
	}
	return nil
}

func (f *runFlags) options() choose.Options {
	return choose.Options{Interpret: f.jit == "off", Profile: f.profile}
}

// openEngine opens an engine by the flag's word.
func openEngine(ctx context.Context, word string, opts choose.Options) (engine.Engine, choose.Reason, error) {
	want, err := choose.Parse(word)
	if err != nil {
		return nil, choose.Reason{}, usage(err)
	}
	eng, reason, err := choose.OpenWith(ctx, want, opts)
	if err != nil && want == choose.Kernel {
		err = withHint(err, "--engine embedded needs no privilege; skep doctor says what is missing")
	}
	return eng, reason, err
}

func (f *runFlags) replay(ctx context.Context, s *streams, eng engine.Engine, coll *engine.Collection, p *prepared, result *runResult) (err error) {
	src, err := openCapture(s, f.pcap)
	if err != nil {
		return err
	}
	defer src.Close()
	opts := replay.Options{Program: p.program, Repeat: f.repeat, Context: f.context}
	if f.out != "" {
		out, err := createCapture(f.out, src)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, out.Close()) }()
		opts.Out = out
	}
	if f.each {
		opts.Each = result.each(s, f.format)
	}
	lines, err := openPrintk(eng, coll, p, s, f.format == formatTable)
	if err != nil {
		fmt.Fprintf(s.err, "skep: run: no bpf_printk output: %v\n", err)
	}
	result.Report, err = replay.Run(ctx, eng, coll, src, opts)
	result.Printk = lines.finish()
	result.Notes = append(result.Notes, src.notes()...)
	return err
}

// dump reads the maps that were asked for.
func (f *runFlags) dump(coll *engine.Collection, result *runResult) error {
	if len(f.dumpMaps) == 0 {
		return nil
	}
	var names []string
	for name := range coll.Maps {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Contains(f.dumpMaps, allMaps) {
		for _, name := range f.dumpMaps {
			if _, err := coll.Map(name); err != nil {
				return fmt.Errorf("dump: %w", err)
			}
		}
		names = f.dumpMaps
	}
	for _, name := range names {
		d, err := replay.DumpMap(coll.Maps[name], replay.DumpOptions{})
		if err != nil {
			return err
		}
		d.Name = name // the kernel cuts names at 15 bytes
		result.Maps = append(result.Maps, d)
	}
	return nil
}

const allMaps = "all"

// verifierHint prints the whole log of a refusal where it was asked for.
func verifierHint(err error, w io.Writer) error {
	var refused *engine.VerifierError
	if !errors.As(err, &refused) {
		return err
	}
	if w == nil {
		return withHint(err, "the whole log: --verifier-log")
	}
	for _, line := range refused.Log {
		fmt.Fprintln(w, line)
	}
	if refused.Truncated {
		fmt.Fprintln(w, "(log truncated)")
	}
	return err
}
