package main

import (
	"context"
	"fmt"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/trace/tools"
)

// toolFlags are the command line of one tool.
type toolFlags struct {
	traceFlags
	tool     *tools.Tool
	tid      int
	uid      string
	comm     string
	top      int
	time     bool
	script   bool
	format   string
	duration time.Duration
	options  map[string]func() string
}

// newToolCommands are the tools by name, and the list of them.
func newToolCommands(s *streams) []*cobra.Command {
	out := []*cobra.Command{{
		Use:   "tools",
		Short: "List the tools that skep trace has by name",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			for _, t := range tools.All() {
				fmt.Fprintf(s.out, "%-14s %s\n", t.Name, t.Short)
			}
			return nil
		},
	}}
	for _, t := range tools.All() {
		out = append(out, newToolCommand(s, t))
	}
	return out
}

// withoutTools takes the tools from skep trace where a script is given (-e): their
// names are words for the script then, as in skep trace -e '…' signals.
func withoutTools(root *cobra.Command, args []string) {
	if len(args) == 0 || args[0] != "trace" || !slices.ContainsFunc(args[1:], func(a string) bool {
		return strings.HasPrefix(a, "-e") || a == "--execute" || strings.HasPrefix(a, "--execute=")
	}) {
		return
	}
	if trace, _, err := root.Find(args[:1]); err == nil {
		trace.RemoveCommand(trace.Commands()...)
	}
}

func newToolCommand(s *streams, t *tools.Tool) *cobra.Command {
	f := &toolFlags{tool: t, options: map[string]func() string{}}
	cmd := &cobra.Command{
		Use:     t.Name,
		Short:   t.Short,
		Long:    strings.ToUpper(t.Short[:1]) + t.Short[1:] + ".\n\n" + t.Long,
		Example: "  " + strings.Join(t.Examples, "\n  "),
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.runTool(cmd.Context(), s) },
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.pid, "pid", "p", "", "only process `PID`")
	fl.IntVar(&f.tid, "tid", 0, "only thread `TID`")
	fl.StringVarP(&f.uid, "uid", "u", "", "only processes of `USER`, a name or number")
	fl.StringVar(&f.comm, "comm", "", "only processes called `NAME`")
	fl.StringVarP(&f.command, "cmd", "c", "", "run `COMMAND`, and trace it and its children until it ends")
	fl.DurationVarP(&f.duration, "duration", "d", 0, "end after this `TIME`, such as 10s")
	addChoice(cmd, &f.format, "output", "o", "table", "how to print; json is an object a row", "table", "json")
	fl.StringVar(&f.engine, "engine", "auto", "kernel, embedded (processes of your own, with -c or -p), or auto: the kernel where it lets you")
	fl.BoolVar(&f.script, "script", false, "print the script that would run, in the bpftrace language")
	if len(t.Columns) > 0 && t.Columns[0].Name == "TIME" {
		fl.BoolVarP(&f.time, "time", "T", false, "show the time of each row")
	}
	if t.Sort != "" {
		fl.IntVar(&f.top, "top", 20, "show the first `N` rows; 0 shows all")
	}
	for _, o := range t.Options {
		addOption(fl, f.options, o)
	}
	// The parent's are about scripts.
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprintf(s.out, "%s\n\n%s", cmd.Long, cmd.UsageString()) })
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	return cmd
}

// addOption makes a flag of a tool's option.
func addOption(fl *pflag.FlagSet, values map[string]func() string, o tools.Option) {
	if o.Kind == "bool" {
		b := fl.BoolP(o.Name, o.Short, false, o.Help)
		values[o.Name] = func() string { return strconv.FormatBool(*b) }
		return
	}
	v := fl.StringP(o.Name, o.Short, o.Default, o.Help)
	values[o.Name] = func() string { return *v }
}

// choice is what the flags ask of the tool.
func (f *toolFlags) choice() (tools.Choice, error) {
	c := tools.Choice{TID: f.tid, Comm: f.comm, Duration: f.duration, Values: map[string]string{}}
	var wrong string
	if c.PID, wrong = parsePID(f.pid); wrong != "" {
		return c, fmt.Errorf("--pid: %s", wrong)
	}
	if f.uid != "" {
		n, err := strconv.ParseUint(f.uid, 10, 32)
		if err != nil {
			u, uerr := user.Lookup(f.uid)
			if uerr != nil {
				return c, fmt.Errorf("--uid %q: %w", f.uid, uerr)
			}
			if n, err = strconv.ParseUint(u.Uid, 10, 32); err != nil {
				return c, fmt.Errorf("--uid %q: %w", f.uid, err)
			}
		}
		id := uint32(n)
		c.UID = &id
	}
	for name, v := range f.options {
		c.Values[name] = v()
	}
	return c, nil
}

func (f *toolFlags) runTool(ctx context.Context, s *streams) error {
	c, err := f.choice()
	if err != nil {
		return usage(err)
	}
	m := trace.Open()
	defer m.Close()
	if m.Processes, err = f.unprivileged(); err != nil {
		return err
	}
	if m.Processes {
		// What is traced is the process or command, and nothing else.
		c.PID = 0
	} else {
		c.Family = f.command != ""
	}
	src, err := f.tool.Compose(c)
	if err != nil {
		return usage(err)
	}
	if f.script {
		fmt.Fprint(s.out, src.Text)
		return nil
	}
	pid, _ := parsePID(f.pid)
	m.PID = pid
	run := f.traceFlags
	run.quiet, run.buffering, run.name, run.output = true, "none", f.tool.Name, ""
	out := *s
	var rows *tools.Rows
	if len(f.tool.Columns) > 0 {
		rows = f.tool.Rows(s.out, tools.Display{JSON: f.format == "json", Time: f.time, Top: f.top, Warnings: s.err})
		run.format, run.sink = "json", rows
	} else if run.format = "text"; f.format == "json" {
		run.format = "json"
	}
	if rows != nil && f.tool.Sort == "" {
		run.attached = rows.Begin
	}
	err = run.session(ctx, &out, m, syntax.NewFile(f.tool.Name, src.Text), nil, src.Named, pid)
	if rows != nil && err == nil {
		err = rows.End()
	}
	return err
}
