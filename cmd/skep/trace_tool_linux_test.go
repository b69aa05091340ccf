package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTraceTools runs each tool over a command whose doings are known.
func TestTraceTools(t *testing.T) {
	if !kernelWorks(t) {
		t.Skip("needs the kernel's engine: tools attach to tracepoints")
	}
	dir := t.TempDir()
	script := filepath.Join(dir, "work.sh")
	text := "#!/bin/sh\ncat " + dir + "/missing 2>/dev/null\ntest -e " + dir + "/nothing\nsh -c 'trap : USR1; kill -USR1 $$; true'\nexit 3\n"
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string // parts of one line
		not  string
	}{
		{"execsnoop", nil, []string{"cat", " 0 ", "cat " + dir + "/missing"}, ""},
		{"exitsnoop", nil, []string{"work.sh", " 3 "}, ""},
		{"opensnoop", []string{"-x"}, []string{"cat", "-1", "2", dir + "/missing"}, dir + "/work.sh"},
		{"opensnoop", []string{"-x", "--path", dir, "-o", "json"}, []string{`"comm": "cat"`, `"err": 2`, `"path": "` + dir + `/missing"`}, "/etc/ld.so.cache"},
		{"opensnoop", []string{"--comm", "cat"}, []string{"cat", dir + "/missing"}, "work.sh"},
		{"statsnoop", []string{"-x"}, []string{"work.sh", "2", dir + "/nothing"}, ""},
		{"killsnoop", nil, []string{"sh", "SIGUSR1", " 0"}, ""},
		{"signals", []string{"-s", "10"}, []string{"sh", "SIGUSR1", " 2"}, "SIGCHLD"},
		{"syscount", []string{"-o", "json"}, []string{`"syscall": "openat"`}, ""},
		{"runqlat", nil, []string{"@usecs"}, ""},
	} {
		t.Run(strings.Join(append([]string{c.name}, c.args...), " "), func(t *testing.T) {
			var out, errs strings.Builder
			s := &streams{in: strings.NewReader(""), out: &out, err: &errs}
			if code := run(t.Context(), s, append(append([]string{"trace", c.name}, c.args...), "-c", script)); code != 0 {
				t.Fatalf("exit code %d: %s", code, errs.String())
			}
			found := false
			for line := range strings.Lines(out.String()) {
				all := true
				for _, w := range c.want {
					all = all && strings.Contains(line, w)
				}
				found = found || all
			}
			if !found {
				t.Errorf("no line with %q:\n%s%s", c.want, out.String(), errs.String())
			}
			if c.not != "" && strings.Contains(out.String(), c.not) {
				t.Errorf("%q is in the output:\n%s", c.not, out.String())
			}
		})
	}
}

// TestTraceToolFilters: each tool compiles with each filter.
func TestTraceToolFilters(t *testing.T) {
	if !kernelWorks(t) {
		t.Skip("needs the kernel's engine: tools attach to tracepoints")
	}
	for _, tool := range strings.Fields("execsnoop exitsnoop killsnoop opensnoop runqlat signals statsnoop syscount") {
		var out, errs strings.Builder
		s := &streams{in: strings.NewReader(""), out: &out, err: &errs}
		args := []string{"trace", tool, "--pid", "1", "--tid", "1", "--uid", "0", "--comm", "none", "--duration", "1ms"}
		if code := run(t.Context(), s, args); code != 0 {
			t.Errorf("%s: exit code %d: %s", tool, code, errs.String())
		}
	}
	var out, errs strings.Builder
	s := &streams{in: strings.NewReader(""), out: &out, err: &errs}
	if code := run(t.Context(), s, []string{"trace", "-q", "-e", `begin { printf("%s\n", str($1)); exit(); }`, "signals"}); code != 0 || strings.TrimSpace(out.String()) != "signals" {
		t.Errorf("a tool's name as a script's parameter: exit code %d, %q: %s", code, out.String(), errs.String())
	}
	if code := run(t.Context(), s, []string{"trace", "opensnoop", "--uid", "nobody-of-that-name"}); code != 2 || !strings.Contains(errs.String(), "--uid") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
