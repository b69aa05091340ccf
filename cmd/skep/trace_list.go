package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
)

// listing prints probes: those of a pattern, or those a script attaches to.
func (f *traceFlags) listing(s *streams, m *trace.Machine, params []string, named map[string]string) error {
	patterns := []string{"*"}
	switch {
	case f.script != "":
		return f.listScript(s, m, syntax.NewFile("stdin", f.script), params, named)
	case len(params) > 0:
		name := params[0]
		if b, err := os.ReadFile(name); err == nil {
			return f.listScript(s, m, syntax.NewFile(name, string(b)), params[1:], named)
		}
		if strings.HasSuffix(name, ".bt") {
			fmt.Fprintf(s.err, "WARNING: It appears that '%s' is a filename but the file does not exist. Treating '%s' as a search pattern.\n", name, name)
		}
		patterns = strings.Split(name, ",")
	}
	for _, p := range patterns {
		if err := m.List(s.out, strings.TrimSpace(p), f.verbose); err != nil {
			fmt.Fprintf(s.err, "ERROR: %v\n", err)
			return errSilent
		}
	}
	return nil
}

func (f *traceFlags) listScript(s *streams, m *trace.Machine, file *syntax.File, params []string, named map[string]string) error {
	prog, err := syntax.Parse(file)
	if err != nil {
		fmt.Fprint(s.err, syntax.FormatError(err))
		return errSilent
	}
	for _, pr := range prog.Probes {
		for _, ap := range pr.Attach {
			list, err := lang.ParseAttach(ap.Raw)
			if err != nil {
				fmt.Fprintf(s.err, "ERROR: %v\n", err)
				return errSilent
			}
			for _, a := range list {
				if err := m.ListAttach(s.out, a, f.verbose); err != nil {
					fmt.Fprintf(s.err, "ERROR: %v\n", err)
					return errSilent
				}
			}
		}
	}
	return nil
}

// traceInfo says what tracing this machine allows, in bpftrace's words.
func traceInfo(ctx context.Context, s *streams) error {
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		return err
	}
	defer eng.Close()
	return trace.Info(ctx, eng, s.out)
}
