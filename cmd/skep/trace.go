package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/trace/picture"
	"github.com/skepdev/skep/trace/symbol"
)

const traceLong = `Trace this machine with a script of the bpftrace language.

The script is compiled here, without LLVM or headers, and attached through the
kernel. Printing stops with Ctrl-C, exit() in the script, or the end of the
command given with -c; then end probes run and maps are printed.

Settings are those of bpftrace, in the script's config block or the environment
(BPFTRACE_MAX_STRLEN=200). Words after the script are its parameters $1, $2, …;
--name=value after "--" is what getopt("name") sees.`

const traceExample = `  skep trace -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'
  skep trace -e 'profile:hz:99 { @[kstack] = count(); } interval:s:5 { exit(); }'
  skep trace -c ./app -e 'uprobe:./app:main { printf("%d\n", pid); }'
  skep trace opensnoop.bt
  skep trace -l 'tracepoint:sched:*'
  skep trace -lv tracepoint:syscalls:sys_enter_openat`

// traceFlags are the command line of skep trace.
type traceFlags struct {
	script, command, pid      string
	output, format, buffering string
	debug                     string
	list, verbose, dryRun     bool
	unsafe, info, quiet       bool
	noWarnings, failures      bool
	version                   bool
	include, headers          []string
	debugDirs                 []string
	ignored                   bool
	picture, name             string
	filter, engine            string

	// sink receives the output instead of a file or the standard output, and
	// attached is called when probes are attached; both may be nil.
	sink     io.Writer
	attached func()
}

func newTraceCommand(s *streams) *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:     "trace [-e SCRIPT | FILE] [PARAMETER…]",
		Short:   "Trace this machine with a script",
		Long:    traceLong,
		Example: traceExample,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, a []string) error {
			return f.run(cmd, s, a)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.script, "execute", "e", "", "run `SCRIPT`")
	fl.StringVarP(&f.command, "cmd", "c", "", "run `COMMAND` and trace until it ends")
	fl.StringVarP(&f.pid, "pid", "p", "", "trace process `PID` only, where the probe allows it")
	fl.StringVar(&f.engine, "engine", "auto", "kernel, embedded (processes of your own, with -c or -p), or auto: the kernel where it lets you")
	fl.StringVarP(&f.output, "output", "o", "", "write output to `FILE`")
	fl.StringVarP(&f.format, "format", "f", "text", "text or json")
	fl.StringVar(&f.picture, "picture", "", "draw histograms, their course, time series and counts, into `FILE`.html too")
	fl.StringVarP(&f.buffering, "buffering", "B", "full", "how output is buffered: line, full or none")
	fl.StringVarP(&f.debug, "debug", "d", "", "print what a pass of the compiler leaves: "+strings.Join(lang.Passes(), ", ")+" or all; compile only")
	fl.Lookup("debug").NoOptDefVal = "all"
	fl.BoolVarP(&f.list, "list", "l", false, "list probes that match a pattern, or those of a script")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "with -l: arguments too; else say what is being done")
	fl.BoolVar(&f.dryRun, "dry-run", false, "load and attach, then end")
	fl.BoolVar(&f.unsafe, "unsafe", false, "allow functions that change the traced system")
	fl.BoolVar(&f.info, "info", false, "say what this machine can trace")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "leave out messages")
	fl.BoolVar(&f.noWarnings, "no-warnings", false, "leave out warnings")
	fl.BoolVarP(&f.failures, "warn-failures", "k", false, "warn of reads that failed")
	fl.BoolVarP(&f.version, "version", "V", false, "print the version")
	fl.StringArrayVarP(&f.include, "include-dir", "I", nil, "search headers in `DIR`, too")
	fl.StringArrayVar(&f.debugDirs, "debuginfo", nil, "search `DIR` for separate debug files, too")
	fl.StringArrayVar(&f.headers, "include", nil, "include header `FILE`")
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { traceHelp(s.out, cmd) })
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		traceHelp(s.err, cmd)
		return usage(err)
	})
	// Options of bpftrace's test suite that ask nothing of a compiler without LLVM.
	fl.BoolVar(&f.ignored, "usdt-file-activation", false, "accepted and ignored: the kernel switches USDT probes on")
	fl.StringVar(&f.filter, "probe-filter", "", "attach only probes whose name matches a regular expression; begin and end always")
	fl.BoolVar(&f.ignored, "verify-llvm-ir", false, "accepted and ignored")
	fl.Lookup("verify-llvm-ir").Hidden = true
	cmd.AddCommand(newToolCommands(s)...)
	return cmd
}

func traceHelp(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "%s\n\nUSAGE:\n    skep trace [options] FILE [PARAMETER…] [-- --NAME=VALUE…]\n    skep trace [options] -e 'SCRIPT'\n    skep trace [-lv] [PATTERN]\n\nOPTIONS:\n%s\nEXAMPLES:\n%s\n",
		traceLong, cmd.Flags().FlagUsages(), traceExample)
}

func (f *traceFlags) run(cmd *cobra.Command, s *streams, args []string) error {
	params, named, err := splitParams(cmd, args)
	if err != nil {
		return err
	}
	if f.format != "text" && f.format != "json" {
		fmt.Fprintf(s.err, "ERROR: Invalid output format \"%s\"\nValid formats: 'text', 'json'\n", f.format)
		return errSilent
	}
	m := trace.Open()
	defer m.Close()
	m.Unsafe = f.unsafe
	if m.Processes, err = f.unprivileged(); err != nil {
		return err
	}
	m.IncludeDirs = f.include
	m.DebugDirs = f.debugDirs
	switch {
	case f.version:
		fmt.Fprintf(s.out, "bpftrace v0.27 (the language, as compiled by skep)\n")
		return nil
	case f.info:
		return traceInfo(cmd.Context(), s)
	}
	pid, wrong := parsePID(f.pid)
	if wrong != "" {
		fmt.Fprintf(s.err, "ERROR: %s\n", wrong)
		return errSilent
	}
	m.PID = pid
	var filter *regexp.Regexp
	if f.filter != "" {
		if filter, err = regexp.Compile(f.filter); err != nil {
			fmt.Fprintf(s.err, "ERROR: Invalid --probe-filter regex: %v\n", err)
			return errSilent
		}
		m.Filter = filter.MatchString
	}
	if f.list {
		return f.listing(s, m, params, named)
	}
	file, params, err := f.source(s, params)
	if err != nil {
		return err
	}
	return f.session(cmd.Context(), s, m, file, params, named, pid)
}

// splitParams separates positional parameters from --name=value after "--".
func splitParams(cmd *cobra.Command, args []string) (params []string, named map[string]string, err error) {
	named = map[string]string{}
	dash := cmd.ArgsLenAtDash()
	for i, a := range args {
		name, isNamed := strings.CutPrefix(a, "--")
		if dash < 0 || i < dash || !isNamed {
			params = append(params, a)
			continue
		}
		name, value, _ := strings.Cut(name, "=")
		if name == "" {
			return nil, nil, usage(fmt.Errorf("%q: want --name=value", a))
		}
		named[name] = value
	}
	return params, named, nil
}

// source is the script: -e, a file, or "-" for standard input.
func (f *traceFlags) source(s *streams, params []string) (*syntax.File, []string, error) {
	if f.script != "" {
		return syntax.NewFile("stdin", f.script), params, nil
	}
	if len(params) == 0 {
		return nil, nil, usage(withHint(errors.New("no script"), "give a file, or a script with -e 'begin { print(1); }'"))
	}
	name, rest := params[0], params[1:]
	f.name = name
	if name == "-" {
		b, err := io.ReadAll(io.LimitReader(s.in, syntax.MaxSize+1))
		return syntax.NewFile("stdin", string(b)), rest, err
	}
	b, err := os.ReadFile(name)
	if err != nil {
		var pe *os.PathError
		why := err.Error()
		if errors.As(err, &pe) {
			why = strings.ToUpper(pe.Err.Error()[:1]) + pe.Err.Error()[1:]
		}
		fmt.Fprintf(s.err, "ERROR: failed to open file '%s': %s\n", name, why)
		return nil, nil, errSilent
	}
	return syntax.NewFile(name, string(b)), rest, nil
}

// environ are the settings in the environment, by lower-case name.
func environ() map[string]string {
	out := map[string]string{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if n, ok := strings.CutPrefix(name, "BPFTRACE_"); ok {
			out[strings.ToLower(n)] = value
		}
	}
	return out
}

func (f *traceFlags) options(params []string, named map[string]string, pid int, s *streams) lang.Options {
	opt := lang.Options{
		Params: params, Named: named, Unsafe: f.unsafe, PID: pid, Environ: environ(), NoWarn: f.noWarnings, WarnFailures: f.failures, Child: f.command != "",
	}
	if f.debug != "" {
		opt.Dump = func(pass, text string) {
			if f.debug == "all" || f.debug == pass {
				fmt.Fprintf(s.out, "// %s\n%s\n", pass, text)
			}
		}
	}
	return opt
}

func (f *traceFlags) session(ctx context.Context, s *streams, m *trace.Machine, file *syntax.File, params []string, named map[string]string, pid int) error {
	var child *trace.Child
	if m.Processes && f.debug == "" {
		return f.processes(ctx, s, m, file, params, named, pid)
	}
	if f.command != "" && f.debug == "" {
		var err error
		if child, err = trace.StartChild(strings.Fields(f.command), s.out, s.err); err != nil {
			fmt.Fprintf(s.err, "ERROR: Failed to spawn child: %v\n", err)
			return errSilent
		}
		defer child.Stop()
		if pid == 0 {
			pid = child.PID
			m.PID = pid
		}
	}
	obj, err := f.compile(s, m, file, params, named, pid)
	if err != nil || f.debug != "" {
		return err
	}
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		return err
	}
	defer eng.Close()
	return f.trace(ctx, s, m, eng, obj, child, pid)
}

// compile compiles the script and prints what is to be said about it.
func (f *traceFlags) compile(s *streams, m *trace.Machine, file *syntax.File, params []string, named map[string]string, pid int) (*lang.Object, error) {
	opt := f.options(params, named, 0, s)
	opt.Include = f.headers
	if f.pid != "" {
		opt.PID = pid
	}
	m.DummyClock = opt.Environ["dummy_ts_map"] != ""
	obj, err := lang.Compile(file, m, opt)
	if errors.Is(err, lang.ErrNoProbes) {
		if !f.noWarnings {
			for _, w := range obj.Warnings {
				fmt.Fprint(s.err, w.Format())
			}
		}
		fmt.Fprintln(s.err, "No probes to attach")
		return nil, errSilent
	}
	if err != nil {
		fmt.Fprint(s.err, syntax.FormatError(err))
		return nil, errSilent
	}
	if !f.noWarnings {
		for _, w := range obj.Warnings {
			fmt.Fprint(s.err, w.Format())
		}
	}
	return obj, nil
}

func (f *traceFlags) trace(ctx context.Context, s *streams, m *trace.Machine, eng engine.Engine, obj *lang.Object, child *trace.Child, pid int) error {
	out, flush, err := f.writer(s)
	if err != nil {
		return err
	}
	defer flush()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	users := symbol.New(symbol.Options{Parameters: true, Lines: obj.Config.ShowDebugInfo && printsStacks(obj)})
	defer users.Close()
	if printsStacks(obj) {
		// Processes may be gone when their stacks are printed. Without the
		// privilege to watch, those that are there still have names.
		if w, err := symbol.Watch(users, nil); err == nil {
			defer w.Close()
		}
	}
	t := &trace.Session{
		Object: obj, Engine: eng, Env: m, Out: out, Err: s.err, JSON: f.format == "json", Quiet: f.quiet,
		NoWarnings: f.noWarnings, DryRun: f.dryRun, Child: child, PID: pid, Flush: flush, Users: users,
	}
	var page *picture.Page
	if f.picture != "" {
		page = &picture.Page{Title: f.title()}
		t.Record = page
	}
	closeSignals := sessionSignals(t)
	defer closeSignals()
	t.Attached = func() {
		if f.attached != nil {
			f.attached()
		}
		flush()
		if os.Getenv("__BPFTRACE_NOTIFY_PROBES_ATTACHED") != "" {
			fmt.Fprintln(s.out, "__BPFTRACE_NOTIFY_PROBES_ATTACHED")
		}
		if f.dryRun {
			stop()
		}
	}
	code, err := t.Run(ctx)
	flush()
	if page != nil && err == nil {
		if err := writeFile(f.picture, page.WriteHTML); err != nil {
			return err
		}
	}
	if err != nil {
		fmt.Fprintf(s.err, "ERROR: %v\n", err)
		return errSilent
	}
	if code != 0 {
		return exitCode(code)
	}
	return nil
}

// title is what the picture of a run is called.
func (f *traceFlags) title() string {
	if f.script != "" {
		return "skep trace -e '" + f.script + "'"
	}
	return "skep trace " + f.name
}

// printsStacks says whether a script keeps stacks.
func printsStacks(obj *lang.Object) bool {
	for name := range obj.Spec.Maps {
		if strings.HasPrefix(name, "stacks_") {
			return true
		}
	}
	return false
}

// writer is where output goes, and what passes on what is buffered.
func (f *traceFlags) writer(s *streams) (io.Writer, func(), error) {
	w := s.out
	if f.sink != nil {
		w = f.sink
	} else if f.output != "" {
		file, err := os.Create(f.output)
		if err != nil {
			return nil, nil, err
		}
		w = file
	}
	switch f.buffering {
	case "none":
		return w, func() {}, nil
	case "line", "full":
	default:
		return nil, nil, usage(fmt.Errorf("invalid buffering mode %q: want line, full or none", f.buffering))
	}
	b := bufio.NewWriterSize(w, 64<<10)
	return b, func() { b.Flush() }, nil
}

// parsePID reads a process id, or says what is wrong with it.
func parsePID(s string) (pid int, wrong string) {
	if s == "" {
		return 0, ""
	}
	n, digits := 0, 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' && n < 1<<30 {
		n = n*10 + int(s[digits]-'0')
		digits++
	}
	const most = 1 << 22 // the kernel's PID_MAX_LIMIT
	switch {
	case digits == 0:
		return 0, "Failed to parse pid: invalid integer: " + s
	case digits < len(s):
		return 0, "Failed to parse pid: invalid trailing bytes: " + s
	case n < 1 || n > most:
		return 0, fmt.Sprintf("Pid out of range: %d", n)
	}
	return n, ""
}
