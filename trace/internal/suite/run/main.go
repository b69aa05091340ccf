//go:build linux

// Command run runs bpftrace's run-time tests with skep trace:
//
//	go run ./trace/internal/suite/run -dir bpftrace/tests -tool "./skep trace" [-only call.printf]
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/skepdev/skep/trace/internal/suite"
)

func main() {
	dir := flag.String("dir", "", "bpftrace's folder tests, its testprogs built")
	tool := flag.String("tool", "skep trace", "command that stands for bpftrace")
	only := flag.String("only", ".*", "tests to run, as a regular expression of suite.name")
	verbose := flag.Bool("v", false, "print output of tests that fail")
	jobs := flag.Int("j", 2, "tests at once")
	flag.Parse()
	files, _ := filepath.Glob(filepath.Join(*dir, "runtime", "*"))
	pattern := regexp.MustCompile(*only)
	var tests []suite.Test
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a folder
		}
		list, err := suite.Parse(filepath.Base(f), string(b))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		for _, t := range list {
			if t.Runs("x86_64") && pattern.MatchString(t.Suite+"."+t.Name) {
				tests = append(tests, t)
			}
		}
	}
	r := &suite.Runner{Tool: *tool, Dir: *dir, Features: features(*tool)}
	results := make([]suite.Result, len(tests))
	var wg sync.WaitGroup
	next := make(chan int)
	for range *jobs {
		wg.Go(func() {
			for i := range next {
				results[i] = r.Run(&tests[i])
			}
		})
	}
	for i := range tests {
		next <- i
	}
	close(next)
	wg.Wait()
	report(tests, results, *verbose)
}

func report(tests []suite.Test, results []suite.Result, verbose bool) {
	per := map[string]map[string]int{}
	total := map[string]int{}
	for i, t := range tests {
		res := results[i]
		if per[t.Suite] == nil {
			per[t.Suite] = map[string]int{}
		}
		per[t.Suite][res.Status]++
		total[res.Status]++
		if res.Status == "ok" {
			continue
		}
		fmt.Printf("%-7s %s.%s: %s\n", res.Status, t.Suite, t.Name, strings.ReplaceAll(res.Why, "\n", "⏎"))
		if verbose && res.Status != "skip" {
			fmt.Printf("    %s%s\n    %s\n", t.Run, t.Prog, strings.ReplaceAll(strings.TrimSpace(res.Output), "\n", "\n    "))
		}
	}
	var names []string
	for n := range per {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		p := per[n]
		fmt.Printf("%-15s ok %3d  fail %3d  timeout %3d  skip %3d\n", n, p["ok"], p["fail"], p["timeout"], p["skip"])
	}
	fmt.Printf("TOTAL %d: ok %d, fail %d, timeout %d, skip %d\n", len(tests), total["ok"], total["fail"], total["timeout"], total["skip"])
}

// features asks the tool what it has, as bpftrace's own runner does.
func features(tool string) map[string]bool {
	args := strings.Fields(tool)
	out, _ := exec.Command(args[0], append(args[1:], "--info")...).CombinedOutput()
	has := func(s string) bool { return strings.Contains(string(out), s+": yes") }
	return map[string]bool{
		"loop": has("Loop support"), "probe_read_kernel": has("probe_read_kernel"), "btf": has("btf"), "fentry": has("fentry"),
		"dpath": has("dpath"), "signal": has("send_signal"), "iter": has("iter"), "libpath_resolv": has("bcc library path resolution"),
		"dwarf": has("libdw (DWARF support)"), "kprobe_multi": has("kprobe_multi"), "kprobe_session": has("kprobe_session"),
		"uprobe_multi": has("uprobe_multi"), "aot": false, "skboutput": has("skboutput"), "get_tai_ns": has("get_ktime_ns"),
		"get_func_ip": has("get_func_ip"), "jiffies64": has("jiffies64"), "lookup_percpu_elem": has("lookup_percpu_elem"),
		"dwunwind": has("dwunwind (DWARF stack unwinding)"), "blazesym": has("blazesym (advanced symbolization)"),
	}
}
