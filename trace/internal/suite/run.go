//go:build linux

package suite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Runner runs tests.
type Runner struct {
	// Tool is the command that stands for bpftrace: "/path/skep trace".
	Tool string
	// Dir is the folder that paths in tests are relative to (bpftrace's tests).
	Dir string
	// Features that the tool has, as its --info says them.
	Features map[string]bool
}

// Result of a test.
type Result struct {
	// Status is "ok", "fail", "timeout" or "skip".
	Status string
	// Why, and what was printed.
	Why, Output string
}

const attachTimeout = 10 * time.Second

const attachedLine = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"

func (r *Runner) shell(cmd string, env []string) *exec.Cmd {
	c := exec.Command("/bin/sh", "-c", cmd)
	if _, err := os.Stat("/bin/bash"); err == nil {
		c = exec.Command("/bin/bash", "-c", cmd)
	}
	c.Dir = r.Dir
	c.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

func killGroup(c *exec.Cmd, sig syscall.Signal) {
	if c != nil && c.Process != nil {
		syscall.Kill(-c.Process.Pid, sig)
	}
}

// Run runs one test.
func (r *Runner) Run(t *Test) (res Result) {
	if why := r.unmet(t); why != "" {
		return Result{Status: "skip", Why: why}
	}
	if t.Setup != "" {
		if out, err := r.shell(t.Setup, nil).CombinedOutput(); err != nil {
			return Result{Status: "fail", Why: "setup: " + err.Error(), Output: string(out)}
		}
	}
	if t.Cleanup != "" {
		defer r.shell(t.Cleanup, nil).Run()
	}
	var befores []*exec.Cmd
	defer func() {
		for _, b := range befores {
			killGroup(b, syscall.SIGKILL)
			b.Wait()
		}
	}()
	for _, cmd := range t.Before {
		b := r.shell("exec "+cmd, nil)
		if err := b.Start(); err != nil {
			return Result{Status: "fail", Why: "before: " + err.Error()}
		}
		befores = append(befores, b)
	}
	if len(befores) > 0 {
		time.Sleep(150 * time.Millisecond)
	}
	cmd := r.command(t)
	if len(befores) > 0 {
		cmd = strings.ReplaceAll(cmd, "{{BEFORE_PID}}", strconv.Itoa(befores[0].Process.Pid))
	}
	out, code, timeout := r.execute(t, cmd)
	res = Result{Output: out}
	for _, e := range t.Expects {
		if !r.holds(t, e, out) {
			res.Status, res.Why = "fail", e.Mode+" "+e.Text
			if timeout {
				res.Status = "timeout"
			}
			return res
		}
	}
	switch {
	case timeout && len(t.Expects) > 0:
	case timeout:
		return Result{Status: "timeout", Output: out}
	case t.WillFail && code == 0:
		return Result{Status: "fail", Why: "exit code 0, expected another", Output: out}
	case !t.WillFail && code != t.ReturnCode:
		return Result{Status: "fail", Why: fmt.Sprintf("exit code %d", code), Output: out}
	}
	res.Status = "ok"
	return res
}

// unmet says which requirement is not met.
func (r *Runner) unmet(t *Test) string {
	if t.NewPIDNS {
		return "a PID namespace of its own"
	}
	for _, f := range t.Features {
		name, no := strings.CutPrefix(f, "!")
		if r.Features[name] == no {
			return "feature " + f
		}
	}
	for _, req := range t.Requires {
		if r.shell(req, nil).Run() != nil {
			return req
		}
	}
	return ""
}

func (r *Runner) command(t *Test) string {
	if t.Run != "" {
		return strings.ReplaceAll(t.Run, "{{BPFTRACE}}", r.Tool+" --verify-llvm-ir")
	}
	jsonFlags := ""
	if len(t.Expects) > 0 && t.Expects[0].Mode == "EXPECT_JSON" {
		jsonFlags = "-q -f json"
	}
	return fmt.Sprintf("%s %s --verify-llvm-ir -e '%s'", r.Tool, jsonFlags, strings.ReplaceAll(t.Prog, "'", `'\''`))
}

// execute runs the tool; AFTER starts when probes are attached.
func (r *Runner) execute(t *Test, cmd string) (out string, code int, timeout bool) {
	c := r.shell(cmd, append([]string{"__BPFTRACE_NOTIFY_PROBES_ATTACHED=1", "test=" + t.Name}, t.Env...))
	pr, pw, err := os.Pipe()
	if err != nil {
		return err.Error(), -1, false
	}
	defer pr.Close()
	c.Stdout, c.Stderr = pw, pw
	if err := c.Start(); err != nil {
		pw.Close()
		return err.Error(), -1, false
	}
	pw.Close()
	var mu sync.Mutex
	var buf bytes.Buffer
	attached := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		seen := false
		br := bufio.NewReader(pr)
		for {
			line, err := br.ReadString('\n')
			mu.Lock()
			buf.WriteString(line)
			if !seen && line == attachedLine+"\n" {
				seen = true
				if t.Exact() {
					buf.Reset()
				}
				close(attached)
			}
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	var after *exec.Cmd
	defer func() {
		killGroup(after, syscall.SIGKILL)
		if after != nil {
			after.Wait()
		}
	}()
	limit := time.After(attachTimeout)
	for ended := false; !ended; {
		select {
		case <-attached:
			attached = nil
			limit = time.After(time.Duration(t.Timeout) * time.Second)
			if t.After != "" {
				after = r.shell(t.After, nil)
				after.Start()
			}
		case <-read:
			ended = true
		case <-limit:
			timeout, ended = true, true
			killGroup(c, syscall.SIGTERM)
			select {
			case <-read:
			case <-time.After(2 * time.Second):
				killGroup(c, syscall.SIGKILL)
				<-read
			}
		}
	}
	c.Wait()
	mu.Lock()
	defer mu.Unlock()
	return buf.String(), c.ProcessState.ExitCode(), timeout
}

// holds checks one expectation.
func (r *Runner) holds(t *Test, e Expect, out string) bool {
	switch e.Mode {
	case "EXPECT", "EXPECT_NONE":
		re := regexp.MustCompile(`(?m)^\s*` + regexp.QuoteMeta(e.Text) + `\s*$`)
		return re.MatchString(out) == (e.Mode == "EXPECT")
	case "EXPECT_REGEX", "EXPECT_REGEX_NONE":
		re, err := regexp.Compile("(?m)" + expandRepeats(e.Text))
		return err == nil && re.MatchString(out) == (e.Mode == "EXPECT_REGEX")
	case "EXPECT_FILE":
		b, err := os.ReadFile(filepath.Join(r.Dir, e.Text))
		want := strings.TrimSpace(string(b))
		if t.Localize {
			want = strings.ReplaceAll(want, "%H", time.Unix(0, 0).Format("15"))
		}
		return err == nil && strings.TrimSpace(out) == want
	case "EXPECT_JSON":
		return r.jsonHolds(e, out)
	}
	return false
}

// expandRepeats writes X{5555} out: Go's expressions repeat 1000 times at most.
func expandRepeats(s string) string {
	return regexp.MustCompile(`(\w)\{(\d{4,})\}`).ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.Atoi(m[2 : len(m)-1])
		return strings.Repeat(m[:1], n)
	})
}

func (r *Runner) jsonHolds(e Expect, out string) bool {
	b, err := os.ReadFile(filepath.Join(r.Dir, e.Text))
	if err != nil {
		return false
	}
	got, want := []string{strings.TrimSpace(out)}, []string{string(b)}
	if strings.HasSuffix(e.Text, ".ndjson") {
		got = strings.Split(got[0], "\n")
		want = strings.Split(strings.TrimSpace(want[0]), "\n")
	}
	if len(got) != len(want) {
		return false
	}
	for i := range got {
		var g, w any
		if json.Unmarshal([]byte(got[i]), &g) != nil || json.Unmarshal([]byte(want[i]), &w) != nil || !reflect.DeepEqual(g, w) {
			return false
		}
	}
	return true
}
