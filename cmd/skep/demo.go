package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/demo"
	"github.com/skepdev/skep/lab"
)

const demoLong = `Watch packets of death: two endpoints ping each other over IPv4 and IPv6 through
an eBPF filter, and the filter is replaced while they do, from one that lets the
packets pass to one that drops them and back. No packet is lost outside of the
window in which they are to be dropped, and none gets through inside it.

In a terminal the space bar flips the filter and q ends. Elsewhere, and with
--script, it flips by itself. --once is a short script; it exits with 1 if a
promise was broken.`

const demoExample = `  skep demo
  skep demo --once
  skep demo --engine embedded
  skep demo --script 2s:drop,4s:pass,6s:end -o json`

func newDemoCommand(s *streams) *cobra.Command {
	var f format
	var engineName, script string
	var once, plainView bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Watch packets of death, live",
		Long:    demoLong,
		Example: demoExample,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if once && script != "" {
				return usage(errors.New("--once and --script exclude each other"))
			}
			opts := demo.Options{Interval: interval, Plain: plainView, NoColor: !s.colour}
			switch {
			case once:
				opts.Script = demo.Once()
			case script != "":
				parsed, err := parseScript(script)
				if err != nil {
					return usage(err)
				}
				opts.Script = parsed
			}
			return runDemo(cmd.Context(), s, f, engineName, opts)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "a short run that exits with 1 if a promise was broken")
	cmd.Flags().StringVar(&script, "script", "", "flips at times after the start: `2s:drop,4s:pass,6s:end`")
	cmd.Flags().DurationVar(&interval, "interval", 0, "`TIME` between two pings (default 200ms)")
	cmd.Flags().BoolVar(&plainView, "plain", false, "print lines even in a terminal")
	addChoice(cmd, &engineName, "engine", "", "auto", "engine to run on", "auto", "kernel", "embedded")
	addFormat(cmd, &f)
	return cmd
}

func runDemo(ctx context.Context, s *streams, f format, engineName string, opts demo.Options) (err error) {
	eng, reason, err := openEngine(ctx, engineName, choose.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, eng.Close()) }()
	opts.Why, opts.Other = reason.Why, reason.Needs
	opts.Lab, err = lab.New(lab.Config{Engine: eng})
	if err != nil && engineName == "auto" && eng.Name() == "kernel" {
		// Programs load, but networks cannot be built: the other world can.
		kernelErr := err
		other, _, openErr := openEngine(ctx, "embedded", choose.Options{})
		if openErr != nil {
			return errors.Join(err, openErr)
		}
		defer func() { err = errors.Join(err, other.Close()) }()
		opts.Why = "the kernel loads programs, but networks cannot be built: " + oneLine(kernelErr.Error())
		opts.Lab, err = lab.New(lab.Config{Engine: other})
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opts.Lab.Close()) }()

	opts.Out = s.demoView(f)
	if in, ok := s.in.(*os.File); ok && f == formatTable {
		opts.In = in
	}
	if f != formatTable && opts.Script == nil {
		opts.Script = demo.Once()
	}
	report, err := demo.Run(ctx, opts)
	if err != nil {
		return err
	}
	if f != formatTable {
		if err := s.print(f, report); err != nil {
			return err
		}
	}
	return report.Err()
}

// demoView is where the live view goes: not to where data goes.
func (s *streams) demoView(f format) io.Writer {
	if f != formatTable {
		return nil
	}
	return s.out
}
