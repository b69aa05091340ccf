package vmtest

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// Summary is a writer that takes the output of verbose Go tests, counts, and
// passes on what matters: skipped tests with their reasons, and everything of
// failed ones. Subtests are counted, the tests that hold them are not.
type Summary struct {
	Out     io.Writer
	Verbose bool

	Ran, Skipped, Failed int

	part    []byte              // of a line that has not ended
	pending []string            // output since the last verdict
	parents map[string]struct{} // tests that hold subtests
	tests   []verdict
}

type verdict struct{ what, name string }

// Write takes output in pieces of any size.
func (s *Summary) Write(p []byte) (int, error) {
	s.part = append(s.part, p...)
	for {
		i := bytes.IndexByte(s.part, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := string(s.part[:i])
		s.part = s.part[i+1:]
		if err := s.line(line); err != nil {
			return len(p), err
		}
	}
}

// Flush passes on what is left and sets the counts.
func (s *Summary) Flush() {
	if len(s.part) > 0 {
		_ = s.line(string(s.part)) // an error of Out has been returned before
		s.part = nil
	}
	for _, v := range s.tests {
		if _, holds := s.parents[v.name]; holds && v.what != "FAIL" {
			continue
		}
		switch v.what {
		case "PASS":
			s.Ran++
		case "SKIP":
			s.Skipped++
		case "FAIL":
			s.Ran++
			s.Failed++
		}
	}
	s.tests = nil
}

func (s *Summary) line(line string) error {
	if s.Verbose {
		if _, err := fmt.Fprintln(s.Out, line); err != nil {
			return err
		}
	}
	trimmed := strings.TrimSpace(line)
	if strings.HasPrefix(trimmed, "=== ") {
		return nil
	}
	what, name, ok := parseVerdict(trimmed)
	if ok {
		if s.parents == nil {
			s.parents = map[string]struct{}{}
		}
		for i := strings.LastIndexByte(name, '/'); i > 0; i = strings.LastIndexByte(name[:i], '/') {
			s.parents[name[:i]] = struct{}{}
		}
		s.tests = append(s.tests, verdict{what, name})
		pending := s.pending
		s.pending = nil
		if what == "PASS" || s.Verbose {
			return nil
		}
		for _, l := range append(pending, line) {
			if _, err := fmt.Fprintln(s.Out, l); err != nil {
				return err
			}
		}
		return nil
	}
	s.pending = append(s.pending, line)
	if isCrash(trimmed) {
		s.Verbose = true // what follows is a stack: all of it matters
		for _, l := range s.pending {
			if _, err := fmt.Fprintln(s.Out, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// isCrash: the process is about to die.
func isCrash(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "SIG")
}

// parseVerdict reads "--- PASS: TestX/y (0.01s)".
func parseVerdict(line string) (what, name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "--- ")
	if !ok {
		return "", "", false
	}
	what, rest, ok = strings.Cut(rest, ": ")
	if !ok || what != "PASS" && what != "FAIL" && what != "SKIP" {
		return "", "", false
	}
	name, _, _ = strings.Cut(rest, " (")
	return what, name, true
}

// String is "ran 12, skipped 3, failed 0".
func (s *Summary) String() string {
	return fmt.Sprintf("ran %d, skipped %d, failed %d", s.Ran, s.Skipped, s.Failed)
}
