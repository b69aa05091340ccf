//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A profile of a command, in each form, and live.
func TestProfileCommand(t *testing.T) {
	if !kernelWorks(t) {
		t.Skip("needs the kernel's engine: stacks are sampled there")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs sh")
	}
	dir := t.TempDir()
	busy := []string{"--", "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"}
	profiled := func(terminal bool, args ...string) (string, string) {
		t.Helper()
		var out, errs strings.Builder
		s := &streams{in: strings.NewReader(""), out: &out, err: &errs, terminal: terminal}
		if code := run(t.Context(), s, append(append([]string{"profile", "-F", "997"}, args...), busy...)); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		return out.String(), errs.String()
	}
	out, _ := profiled(false, "--top", "200")
	if !strings.HasPrefix(out, "cpu profile: ") || !strings.Contains(out, "FUNCTION") || !strings.Contains(out, "sh") {
		t.Errorf("table:\n%s", out)
	}
	for name, head := range map[string]string{"p.html": "<!DOCTYPE html>", "p.pb.gz": "\x1f\x8b", "p.folded": "sh;", "p.speedscope.json": "{", "p.json": "{"} {
		_, errs := profiled(false, "-o", dir+"/"+name)
		b, err := os.ReadFile(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(b), head) || !strings.Contains(errs, " samples, ") {
			t.Errorf("%s begins %.40q; said %q", name, b, errs)
		}
	}
	busy[3] = "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done"
	out, _ = profiled(true, "--live", "-d", "2300ms")
	if !strings.Contains(out, "cpu profile, the last 2s") || !strings.Contains(out, "\x1b[?1049l") {
		t.Errorf("live:\n%q", out)
	}
}
