//go:build linux

package trace_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/choose"
	"github.com/skepdev/skep/engine"
	"github.com/skepdev/skep/lang"
	"github.com/skepdev/skep/lang/syntax"
	"github.com/skepdev/skep/trace"
	"github.com/skepdev/skep/trace/symbol"
)

// kernelEngine opens the kernel's engine, or skips.
func kernelEngine(t *testing.T) engine.Engine {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: scripts run in the kernel")
	}
	eng, err := choose.OpenUntried(choose.Kernel)
	if err != nil {
		t.Skip("needs the kernel's engine:", err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng
}

// run runs a script for at most five seconds and returns what it printed.
func run(t *testing.T, script string, change func(*trace.Session, *lang.Options)) (out, errs string, code int) {
	t.Helper()
	eng := kernelEngine(t)
	m := trace.Open()
	defer m.Close()
	var o, e bytes.Buffer
	s := &trace.Session{Engine: eng, Env: m, Out: &o, Err: &e, Quiet: true}
	opt := lang.Options{}
	if change != nil {
		change(s, &opt)
	}
	obj, err := lang.Compile(syntax.NewFile("t", script), m, opt)
	if err != nil {
		t.Fatalf("%s\n%s", script, syntax.FormatError(err))
	}
	s.Object = obj
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	code, err = s.Run(ctx)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return strings.Trim(o.String(), "\n"), e.String(), code
}

// TestScripts: what begin probes print, by script.
func TestScripts(t *testing.T) {
	b, err := os.ReadFile("testdata/scripts.txt")
	if err != nil {
		t.Fatal(err)
	}
	for chunk := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n---\n") {
		script, want, ok := strings.Cut(chunk, "\n=>\n")
		if !ok {
			t.Fatalf("no output in %q", chunk)
		}
		t.Run(strings.Fields(script)[0]+"_"+regexp.MustCompile(`\W+`).ReplaceAllString(script, "_"), func(t *testing.T) {
			out, errs, _ := run(t, script, nil)
			out = strings.ReplaceAll(out, "\n\n\n", "\n") // maps come two lines below
			if strings.TrimSpace(out) != strings.TrimSpace(want) {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s\n%s", script, out, want, errs)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	if _, _, code := run(t, `begin { exit(7); }`, nil); code != 7 {
		t.Errorf("exit code %d", code)
	}
}

func TestJSON(t *testing.T) {
	out, _, _ := run(t, `begin { @a["x"] = count(); @h = hist(5); printf("hi\n"); print((1, "b")); }`, func(s *trace.Session, _ *lang.Options) { s.JSON = true })
	want := `{"type": "printf", "data": "hi\n"}
{"type": "value", "data": [1,"b"]}
{"type": "map", "data": {"@a": {"x": 1}}}
{"type": "hist", "data": {"@h": [{"min": 4, "max": 7, "count": 1}]}}`
	if out != want {
		t.Errorf("got:\n%s\nwant:\n%s", out, want)
	}
}

// child runs a command of our own under a script.
func child(t *testing.T, script string, args ...string) string {
	t.Helper()
	out, errs, _ := run(t, script, func(s *trace.Session, opt *lang.Options) {
		c, err := trace.StartChild(args, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.Child, s.PID, opt.Child = c, c.PID, true
		s.Env.PID = c.PID
	})
	if errs != "" {
		t.Log(errs)
	}
	return out
}

func TestTracepoint(t *testing.T) {
	out := child(t, `tracepoint:syscalls:sys_enter_openat /pid == cpid/ { @[str(args.filename)] = count(); }`, "/bin/cat", "/etc/hostname")
	if !strings.Contains(out, "@[/etc/hostname]: 1") {
		t.Errorf("got:\n%s", out)
	}
}

func TestRawTracepoint(t *testing.T) {
	out := child(t, `rawtracepoint:sys_enter /pid == cpid/ { @n = count(); }`, "/bin/true")
	if !regexp.MustCompile(`@n: \d\d`).MatchString(out) {
		t.Errorf("got:\n%s", out)
	}
}

func TestTimers(t *testing.T) {
	out, _, _ := run(t, `interval:ms:20 { @i = count(); if (@i >= 5) { exit(); } } profile:hz:99 { @p = count(); }`, nil)
	if !regexp.MustCompile(`@i: [5-9]`).MatchString(out) || !strings.Contains(out, "@p: ") {
		t.Errorf("got:\n%s", out)
	}
}

// build compiles a C program.
func build(t *testing.T, src string) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		if cc, err = exec.LookPath("clang-19"); err != nil {
			t.Skip("needs gcc or clang-19: builds a program to trace")
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "prog.c")
	if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "prog")
	if out, err := exec.Command(cc, "-O0", "-g", "-o", bin, file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

const program = `
struct point { int x; char name[8]; struct { short a : 3, b : 5; } bits; };
__attribute__((noinline)) long twice(struct point *p, const char *s) { return s[0] == 'a' ? p->x * 2 : 0; }
int main(void) {
	struct point p = { 21, "origin", { 3, 9 } };
	volatile const char *s = "argument"; // read once, so that its page is there
	long r = s[0] - 'a';
	for (int i = 0; i < 3; i++) r += twice(&p, "argument");
	return r == 126 ? 0 : 1;
}`

func TestUprobe(t *testing.T) {
	bin := build(t, program)
	script := `struct point { int x; char name[8]; struct { short a : 3, b : 5; } bits; };
uprobe:` + bin + `:twice {
	$p = (struct point *)arg0;
	printf("%d %s %s %d %d\n", $p->x, $p.name, str(arg1), $p.bits.a, $p.bits.b);
}
uretprobe:` + bin + `:twice { @[probe] = sum(retval); }`
	out := child(t, script, bin)
	want := strings.Repeat("21 origin argument 3 9\n", 3)
	if !strings.Contains(out, want) || !strings.Contains(out, "twice]: 126") {
		t.Errorf("got:\n%s", out)
	}
}

// TestLost: what was sent is what was printed and what is reported lost.
func TestLost(t *testing.T) {
	const rounds = 20000
	out, errs, _ := run(t, `begin { for ($i : 0..20000) { printf("%d\n", $i); } }`, func(_ *trace.Session, opt *lang.Options) {
		opt.RingBytes = 64 << 10
	})
	printed := strings.Count(out, "\n") + 1
	lost := 0
	for _, m := range regexp.MustCompile(`Lost (\d+) events`).FindAllStringSubmatch(errs, -1) {
		n := 0
		for _, c := range m[1] {
			n = n*10 + int(c-'0')
		}
		lost += n
	}
	if lost == 0 || printed+lost != rounds {
		t.Errorf("%d printed and %d lost of %d", printed, lost, rounds)
	}
}

// TestTools compiles and loads bpftrace's tools whose probes this kernel has.
func TestTools(t *testing.T) {
	eng := kernelEngine(t)
	files, _ := filepath.Glob("../lang/syntax/testdata/tools/*.bt")
	loaded := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m := trace.Open()
		obj, err := lang.Compile(syntax.NewFile(filepath.Base(name), string(text)), m, lang.Options{Unsafe: true})
		m.Close()
		if err != nil {
			if absent.MatchString(err.Error()) {
				t.Logf("%s: not on this kernel: %v", filepath.Base(name), err)
			} else {
				t.Errorf("%s", syntax.FormatError(err))
			}
			continue
		}
		coll, err := eng.Load(t.Context(), obj.Spec, nil)
		if err != nil {
			t.Errorf("%s: %+v", filepath.Base(name), err)
			continue
		}
		coll.Close()
		loaded++
	}
	if loaded < 20 {
		t.Errorf("only %d of %d tools were loaded", loaded, len(files))
	}
}

// absent: what a kernel or a machine may lack.
var absent = regexp.MustCompile(`No matches for|not found|does not exist|Failed to resolve kernel symbol|no function|No probes|unknown type|Cannot resolve unknown type|does not contain a field`)

// Stacks and addresses of processes have names, also when the process is gone.
func TestUserStack(t *testing.T) {
	path := callee(t)
	out, errs, _ := run(t, `uprobe:`+path+`:leaf { @[ustack(3)] = count(); @at = usym(reg("ip")); }`, func(s *trace.Session, opt *lang.Options) {
		c, err := trace.StartChild([]string{path}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		users := symbol.New(symbol.Options{})
		t.Cleanup(func() { users.Close() })
		s.Child, s.PID, s.Users, opt.Child = c, c.PID, users, true
	})
	for _, want := range []string{"leaf+0\n", "middle+", "main+", "@at: leaf"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s%s", want, out, errs)
		}
	}
}

// callee builds a program whose main calls middle, which calls leaf, for half a
// second.
func callee(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	src, path := filepath.Join(dir, "callee.c"), filepath.Join(dir, "callee")
	text := `#include <unistd.h>
__attribute__((noinline)) int leaf(int x) { usleep(20000); return x + 1; }
__attribute__((noinline)) int middle(int x) { return leaf(x) + 1; }
int main(void) { int s = 0; for (int i = 0; i < 25; i++) s += middle(i); return s == 1; }
`
	if err := os.WriteFile(src, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("needs gcc")
	}
	if out, err := exec.Command("gcc", "-O1", "-fno-omit-frame-pointer", "-o", path, src).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	return path
}
