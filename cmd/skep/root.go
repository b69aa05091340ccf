package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/internal/btfdump"
)

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const rootLong = `skep runs eBPF programs on two engines: the Linux kernel, and a runtime in this
process that needs no privilege. What it does works on either.

Exit codes: 0 it worked, 1 it did not, 2 the command line was wrong,
130 interrupted.`

const rootExample = `  skep demo                                   packets of death, live
  skep run prog.o --pcap in.pcap              a program on recorded packets
  skep inspect prog.o                         what an object holds
  skep doctor                                 what this machine can do
  skep lab up --endpoints 3                   a network to try things in`

// run executes one command line and returns the exit code.
func run(ctx context.Context, s *streams, args []string) int {
	root := newRoot(s)
	withoutTools(root, args)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return report(ctx, s, cmd, err)
}

func newRoot(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "skep",
		Short:         "eBPF on two engines: the kernel's and one in this process",
		Long:          rootLong,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
	}
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return unknownCommand(cmd, args[0])
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	root.CompletionOptions.HiddenDefaultCmd = false
	root.AddCommand(
		newDemoCommand(s),
		newRunCommand(s),
		newInspectCommand(s),
		newLinkCommand(s),
		newVerifyCommand(s),
		newLabCommand(s),
		newUpCommand(s),
		newDownCommand(s),
		newServiceCommand(s),
		newLBCommand(s),
		newDoctorCommand(s),
		newProfileCommand(s),
		newTraceCommand(s),
		newVersionCommand(s),
	)
	return root
}

func unknownCommand(cmd *cobra.Command, word string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := "there is " + strings.Join(names, ", ")
	if near := btfdump.Suggest(word, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return usage(withHint(fmt.Errorf("no command %q", word), hint))
}

// usageError is a mistake on the command line: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(err error) error { return usageError{err} }

// hintError carries the next step to take.
type hintError struct {
	error
	hint string
}

func (e hintError) Unwrap() error { return e.error }

func withHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return hintError{err, hint}
}

// silentError sets the exit code of what has been said already.
var errSilent = errors.New("said already")

// report prints an error as one line, "skep: verb object: why", the next step
// below it, and returns the exit code.
func report(ctx context.Context, s *streams, cmd *cobra.Command, err error) int {
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errSilent):
		return exitFailure
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(s.err, "skep: interrupted")
		return exitInterrupted
	}
	name := strings.TrimSpace(strings.TrimPrefix(cmd.CommandPath(), "skep"))
	if name != "" {
		name += ": "
	}
	fmt.Fprintf(s.err, "skep: %s%s\n", name, strings.TrimSpace(oneLine(err.Error())))
	var bad usageError
	if errors.As(err, &bad) {
		if !printHint(s, err) {
			fmt.Fprintf(s.err, "  see %s --help\n", cmd.CommandPath())
		}
		return exitUsage
	}
	if !printHint(s, err) && errors.Is(err, os.ErrPermission) && !errors.Is(err, engine.ErrRejected) {
		fmt.Fprintln(s.err, "  skep doctor says what this machine allows")
	}
	return exitFailure
}

func printHint(s *streams, err error) bool {
	var h hintError
	if !errors.As(err, &h) || h.hint == "" {
		return false
	}
	for line := range strings.Lines(h.hint) {
		fmt.Fprintf(s.err, "  %s\n", strings.TrimRight(line, "\n"))
	}
	return true
}

// oneLine joins the lines of joined errors.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// args checks the number of arguments and names what is missing.
func args(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		switch {
		case len(given) < len(names):
			return usage(fmt.Errorf("%s is missing", names[len(given)]))
		case len(given) > len(names):
			return usage(fmt.Errorf("unexpected %q", given[len(names)]))
		}
		return nil
	}
}
