// Command testsum reads the output of go test -json from standard input, prints
// what a person wants of it (packages, failures with their output, every skip
// with its reason) and closes with "N passed, N failed, N skipped".
//
// With -allow FILE a skip whose reason matches none of the file's regular
// expressions counts as a failure: on CI a test that silently stopped running
// must not pass for a test that passed. Lines starting with # are comments.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
	// FailedBuild and ImportPath come with build failures.
	ImportPath string
}

type testID struct{ pkg, test string }

type summary struct {
	w       io.Writer
	allowed []*regexp.Regexp
	output  map[testID][]string
	skips   []string

	passed, failed, skipped int
}

func main() {
	allow := flag.String("allow", "", "file of regular expressions of permitted skip reasons")
	flag.Parse()
	s := &summary{w: os.Stdout, output: map[testID][]string{}}
	if *allow != "" {
		f, err := os.ReadFile(*allow)
		if err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(2)
		}
		if s.allowed, err = parseAllowed(string(f)); err != nil {
			fmt.Fprintln(os.Stderr, "testsum:", err)
			os.Exit(2)
		}
	}
	if err := s.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(2)
	}
	if !s.finish() {
		os.Exit(1)
	}
}

func parseAllowed(text string) ([]*regexp.Regexp, error) {
	list := []*regexp.Regexp{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		re, err := regexp.Compile(line)
		if err != nil {
			return nil, fmt.Errorf("parse permitted skip reason: %w", err)
		}
		list = append(list, re)
	}
	return list, nil
}

func (s *summary) read(r io.Reader) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			// go vet and the linker print plain lines between the events.
			fmt.Fprintln(s.w, sc.Text())
			continue
		}
		s.handle(e)
	}
	return sc.Err()
}

func (s *summary) handle(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.w, e.Output)
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "pass":
		if e.Test == "" {
			fmt.Fprintf(s.w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
		} else {
			s.passed++
		}
		delete(s.output, id)
	case "fail":
		s.failed++
		fmt.Fprintf(s.w, "FAIL  %s %s\n%s", e.Package, e.Test, strings.Join(s.output[id], ""))
		delete(s.output, id)
	case "skip":
		s.skip(e, s.output[id])
		delete(s.output, id)
	}
}

func (s *summary) skip(e event, output []string) {
	if e.Test == "" {
		return // no test files
	}
	reason := skipReason(output)
	line := fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason)
	if s.allowed != nil && !slices.ContainsFunc(s.allowed, func(re *regexp.Regexp) bool { return re.MatchString(reason) }) {
		s.failed++
		fmt.Fprintf(s.w, "FAIL  %s (a skip that is not permitted here)\n", line)
		return
	}
	s.skipped++
	s.skips = append(s.skips, line)
}

var location = regexp.MustCompile(`^\s*\S+\.go:\d+: `)

// skipReason is the text given to t.Skip: the last line that begins with a
// source location.
func skipReason(output []string) string {
	for _, l := range slices.Backward(output) {
		if loc := location.FindString(l); loc != "" {
			return strings.TrimSpace(strings.TrimPrefix(l, loc))
		}
	}
	return "no reason given"
}

func (s *summary) finish() bool {
	if len(s.skips) > 0 {
		fmt.Fprintf(s.w, "\nskipped:\n  %s\n", strings.Join(s.skips, "\n  "))
	}
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	return s.failed == 0 && s.passed > 0
}
