package trace_test

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
)

// TestAbsurdScripts: scripts nobody means are refused, or compile, in good time.
func TestAbsurdScripts(t *testing.T) {
	kernelEngine(t)
	var probes strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&probes, "tracepoint:nosuch:p%d { }\n", i)
	}
	for name, c := range map[string]struct{ script, want string }{
		"parentheses": {"begin { $x = " + strings.Repeat("(", 1<<16) + "1" + strings.Repeat(")", 1<<16) + "; }", "nested too deeply"},
		"blocks":      {"begin " + strings.Repeat("{ if (1) ", 1<<14) + "{ }" + strings.Repeat(" }", 1<<14), "nested too deeply"},
		"probes":      {probes.String(), "No matches for tracepoint nosuch:p2999"},
		"string":      {`begin { printf("%s", "` + strings.Repeat("x", 1<<20) + `"); }`, ""},
		"name":        {"begin { @" + strings.Repeat("m", 1<<16) + " = 1; }", ""},
		"number":      {"begin { print(" + strings.Repeat("9", 1<<16) + "); }", "1:"},
		"unfinished":  {`begin { printf("`, "1:"},
	} {
		m := trace.Open()
		start := time.Now()
		_, err := lang.Compile(syntax.NewFile("t", c.script), m, lang.Options{})
		m.Close()
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
		text := ""
		if err != nil {
			text = syntax.FormatError(err)
		}
		if c.want != "" && !strings.Contains(text, c.want) {
			t.Errorf("%s: want %q, got %.300s", name, c.want, text)
		}
	}
}

// TestMapFull: a map that is full is named, with its place and what to do.
func TestMapFull(t *testing.T) {
	out, errs, _ := run(t, `let @m = hash(1); begin { @m[1] = 1; @m[2] = 2; }`, nil)
	for _, want := range []string{"t:1:", "Map full", "@m = hash(5000)"} {
		if !strings.Contains(errs, want) {
			t.Errorf("messages lack %q:\n%s", want, errs)
		}
	}
	if out != "@m[1]: 1" {
		t.Errorf("printed %q", out)
	}
}

// TestInterrupt: whenever a run is ended, it ends soon, and with its final output
// if begin probes ran.
func TestInterrupt(t *testing.T) {
	eng := kernelEngine(t)
	m := trace.Open()
	defer m.Close()
	for i := range 12 {
		obj, err := lang.Compile(syntax.NewFile("t", `begin { @a = 1; } tracepoint:raw_syscalls:sys_enter { @n = count(); } end { printf("the end\n"); }`), m, lang.Options{})
		if err != nil {
			t.Fatal(syntax.FormatError(err))
		}
		var out, errs bytes.Buffer
		s := &trace.Session{Object: obj, Engine: eng, Env: m, Out: &out, Err: &errs, Quiet: true}
		ctx, stop := context.WithTimeout(t.Context(), time.Duration(i*i)*time.Millisecond)
		start := time.Now()
		_, err = s.Run(ctx)
		stop()
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("after %d ms: took %v", i*i, d)
		}
		if err == nil && (!strings.Contains(out.String(), "@a: 1") || !strings.Contains(out.String(), "the end")) {
			t.Errorf("after %d ms: final output is lost:\n%s%s", i*i, out.String(), errs.String())
		}
	}
}

// TestProcessGone: attaching to a process that has ended is an error, or ends.
func TestProcessGone(t *testing.T) {
	eng := kernelEngine(t)
	c := exec.Command("true")
	if err := c.Run(); err != nil {
		t.Skip("needs true(1):", err)
	}
	m := trace.Open()
	defer m.Close()
	bin := build(t, program)
	obj, err := lang.Compile(syntax.NewFile("t", "uprobe:"+bin+":twice { print(1); }"), m, lang.Options{PID: c.Process.Pid})
	if err != nil {
		t.Fatal(syntax.FormatError(err))
	}
	var out, errs bytes.Buffer
	s := &trace.Session{Object: obj, Engine: eng, Env: m, Out: &out, Err: &errs, Quiet: true, PID: c.Process.Pid}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if _, err := s.Run(ctx); err == nil && ctx.Err() != nil {
		t.Error("still waiting for a process that is gone")
	} else if err != nil && !strings.Contains(err.Error(), "twice") {
		t.Errorf("the message does not name the probe: %v", err)
	}
}
