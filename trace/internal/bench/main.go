//go:build linux

// Command bench measures skep trace beside bpftrace, if that is installed: time
// to the first event, resident memory, time per event by the kernel's own
// statistics, and the time to end.
//
//	go run ./trace/internal/bench -skep ./skep
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

type tool struct {
	name string
	args []string
}

var perEvent = []struct{ name, script string }{
	{"empty predicate", `rawtracepoint:sys_enter /0/ { }`},
	{"count", `rawtracepoint:sys_enter { @ = count(); }`},
	{"@[comm] = count()", `rawtracepoint:sys_enter { @[comm] = count(); }`},
	{"hist", `rawtracepoint:sys_enter { @ = hist(nsecs); }`},
	{"@[kstack] = count()", `rawtracepoint:sys_enter { @[kstack] = count(); }`},
	{"@++", `rawtracepoint:sys_enter { @++; }`},
	{"printf", `rawtracepoint:sys_enter { printf("%d\n", pid); }`},
}

func main() {
	skep := flag.String("skep", "skep", "path of skep")
	rounds := flag.Int("rounds", 5, "measurements of each; the best counts")
	flag.Parse()
	tools := []tool{{"skep", []string{*skep, "trace"}}}
	if p, err := exec.LookPath("bpftrace"); err == nil {
		tools = append(tools, tool{"bpftrace", []string{p}})
	}
	if c, err := ebpf.EnableStats(uint32(unix.BPF_STATS_RUN_TIME)); err == nil {
		defer c.Close()
	} else {
		fmt.Fprintln(os.Stderr, "kernel statistics:", err)
	}
	fmt.Printf("%-28s", "")
	for _, t := range tools {
		fmt.Printf("%16s", t.name)
	}
	fmt.Println()
	row := func(name string, f func(tool) (string, error)) {
		fmt.Printf("%-28s", name)
		for _, t := range tools {
			s, err := f(t)
			if err != nil {
				s = "-"
				fmt.Fprintf(os.Stderr, "%s, %s: %v\n", t.name, name, err)
			}
			fmt.Printf("%16s", s)
		}
		fmt.Println()
	}
	row("first event", func(t tool) (string, error) { return firstEvent(t, `BEGIN { printf("x\n"); }`, *rounds) })
	row("first event, kernel types", func(t tool) (string, error) {
		return firstEvent(t, `BEGIN { printf("%d\n", ((struct task_struct *)curtask)->pid); }`, *rounds)
	})
	for _, e := range perEvent {
		row(e.name, func(t tool) (string, error) { return eventCost(t, e.script, *rounds) })
	}
	row("resident, @[comm] = count()", func(t tool) (string, error) { return resident(t, perEvent[2].script) })
	row("sys_enter_*: attach, end", func(t tool) (string, error) { return wildcard(t) })
}

func (t tool) start(script string) (*exec.Cmd, io.ReadCloser, error) {
	args := append(append([]string{}, t.args[1:]...), "-e", script)
	c := exec.Command(t.args[0], args...)
	c.Env = append(os.Environ(), "BPFTRACE_MAX_PROBES=2000", "BPFTRACE_MAX_BPF_PROGS=2000")
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	return c, out, c.Start()
}

func (t tool) end(c *exec.Cmd) time.Duration {
	start := time.Now()
	c.Process.Signal(syscall.SIGINT)
	c.Wait()
	return time.Since(start)
}

func firstEvent(t tool, script string, rounds int) (string, error) {
	best := time.Hour
	for range rounds {
		start := time.Now()
		c, out, err := t.start(script)
		if err != nil {
			return "", err
		}
		br := bufio.NewReader(out)
		seen := false
		for !seen {
			line, err := br.ReadString('\n')
			if err != nil {
				break
			}
			seen = len(strings.TrimSpace(line)) > 0 && !strings.HasPrefix(line, "Attach")
		}
		best = min(best, time.Since(start))
		go io.Copy(io.Discard, br)
		t.end(c)
		if !seen {
			return "", errors.New("no event came")
		}
	}
	return fmt.Sprintf("%.1f ms", best.Seconds()*1000), nil
}

// programs are the ids of all loaded programs.
func programs() map[ebpf.ProgramID]bool {
	ids := map[ebpf.ProgramID]bool{}
	for id, err := ebpf.ProgramGetNextID(0); err == nil; id, err = ebpf.ProgramGetNextID(id) {
		ids[id] = true
	}
	return ids
}

// counts sums runs and time of programs that were not there before.
func counts(before map[ebpf.ProgramID]bool) (runs uint64, took time.Duration) {
	for id := range programs() {
		if before[id] {
			continue
		}
		p, err := ebpf.NewProgramFromID(id)
		if err != nil {
			continue
		}
		if st, err := p.Stats(); err == nil {
			runs += st.RunCount
			took += st.Runtime
		}
		p.Close()
	}
	return runs, took
}

const calls = 100_000

func load() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range calls {
		unix.Getppid()
	}
}

func eventCost(t tool, script string, rounds int) (string, error) {
	before := programs()
	c, out, err := t.start(script)
	if err != nil {
		return "", err
	}
	go io.Copy(io.Discard, out)
	defer t.end(c)
	deadline := time.Now().Add(10 * time.Second)
	for {
		load()
		if n, _ := counts(before); n > calls/2 {
			break
		}
		if time.Now().After(deadline) {
			return "", errors.New("no program ran")
		}
		time.Sleep(20 * time.Millisecond)
	}
	best := 1e18
	for range rounds {
		r0, t0 := counts(before)
		load()
		r1, t1 := counts(before)
		if r1 > r0 {
			best = min(best, float64(t1-t0)/float64(r1-r0))
		}
	}
	return fmt.Sprintf("%.0f ns", best), nil
}

func resident(t tool, script string) (string, error) {
	c, out, err := t.start(script)
	if err != nil {
		return "", err
	}
	go io.Copy(io.Discard, out)
	defer t.end(c)
	time.Sleep(1500 * time.Millisecond)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb := 0
			fmt.Sscan(v, &kb)
			return fmt.Sprintf("%.1f MB", float64(kb)/1024), nil
		}
	}
	return "", errors.New("no VmRSS")
}

// wildcard attaches to every system call's entry and ends.
func wildcard(t tool) (string, error) {
	start := time.Now()
	before := programs()
	c, out, err := t.start(`tracepoint:syscalls:sys_enter_* { @ = count(); }`)
	if err != nil {
		return "", err
	}
	go io.Copy(io.Discard, out)
	for {
		unix.Getppid()
		if n, _ := counts(before); n > 0 || time.Since(start) > 20*time.Second {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	attach := time.Since(start)
	return fmt.Sprintf("%.2f, %.2f s", attach.Seconds(), t.end(c).Seconds()), nil
}
