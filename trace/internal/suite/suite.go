// Package suite reads and runs run-time tests as bpftrace keeps them
// (tests/runtime): blocks of lines "DIRECTIVE text", apart by empty lines. A
// line that begins with white space continues the one before.
package suite

import (
	"fmt"
	"strconv"
	"strings"
)

// Test is one case.
type Test struct {
	Suite, Name    string
	Run, Prog      string
	Expects        []Expect
	Timeout        int // seconds
	Before         []string
	After          string
	Setup, Cleanup string
	Requires       []string
	Env            []string
	Arch           []string
	Features       []string
	WillFail       bool
	NewPIDNS       bool
	ReturnCode     int
	Localize       bool
	MinKernel      string
	MaxKernel      string
}

// Expect is an expectation of the output.
type Expect struct {
	// Mode is EXPECT, EXPECT_NONE, EXPECT_REGEX, EXPECT_REGEX_NONE,
	// EXPECT_FILE or EXPECT_JSON.
	Mode, Text string
}

// Exact says that all of the output is compared, from when probes are attached.
func (t *Test) Exact() bool {
	for _, e := range t.Expects {
		if e.Mode == "EXPECT_FILE" || e.Mode == "EXPECT_JSON" {
			return true
		}
	}
	return false
}

// Parse reads a file of tests.
func Parse(suite, text string) ([]Test, error) {
	var out []Test
	var block []string
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		t, err := parseTest(suite, block)
		block = nil
		if err != nil {
			return err
		}
		out = append(out, t)
		return nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line == "" {
			if err := flush(); err != nil {
				return nil, err
			}
			continue
		}
		block = append(block, line)
	}
	return out, flush()
}

func parseTest(suite string, lines []string) (Test, error) {
	t := Test{Suite: suite, Timeout: 5}
	last := ""
	for _, line := range lines {
		if n := len(last) + 1; last != "" && len(line) >= n && strings.TrimSpace(line[:n]) == "" {
			switch {
			case last == "PROG":
				t.Prog += "\n" + line[n:]
				continue
			case last == "EXPECT" || last == "EXPECT_REGEX":
				t.Expects[len(t.Expects)-1].Text += "\n" + line[n:]
				continue
			}
		}
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimLeft(rest, " \t")
		last = word
		if err := t.set(word, rest); err != nil {
			return t, fmt.Errorf("suite %s: %w", suite, err)
		}
	}
	if t.Name == "" || t.Run == "" && t.Prog == "" {
		return t, fmt.Errorf("suite %s: a test needs NAME, and RUN or PROG: %q", suite, lines)
	}
	return t, nil
}

func (t *Test) set(word, rest string) (err error) {
	switch word {
	case "NAME":
		t.Name = rest
	case "RUN":
		t.Run = rest
	case "PROG":
		t.Prog = rest
	case "EXPECT", "EXPECT_NONE", "EXPECT_REGEX", "EXPECT_REGEX_NONE", "EXPECT_FILE", "EXPECT_JSON":
		t.Expects = append(t.Expects, Expect{word, rest})
	case "TIMEOUT":
		t.Timeout, err = strconv.Atoi(strings.TrimSpace(rest))
	case "BEFORE":
		t.Before = append(t.Before, rest)
	case "AFTER":
		t.After = rest
	case "SETUP":
		t.Setup = rest
	case "CLEANUP":
		t.Cleanup = rest
	case "REQUIRES":
		t.Requires = append(t.Requires, rest)
	case "ENV":
		t.Env = append(t.Env, strings.Fields(rest)...)
	case "ARCH":
		for a := range strings.SplitSeq(rest, "|") {
			t.Arch = append(t.Arch, strings.TrimSpace(a))
		}
	case "REQUIRES_FEATURE":
		t.Features = append(t.Features, strings.Fields(rest)...)
	case "WILL_FAIL":
		t.WillFail = true
	case "NEW_PIDNS":
		t.NewPIDNS = true
	case "RETURN_CODE":
		t.ReturnCode, err = strconv.Atoi(strings.TrimSpace(rest))
	case "LOCALIZE_TIMESTAMPS":
		t.Localize = true
	case "MIN_KERNEL":
		t.MinKernel = rest
	case "MAX_KERNEL":
		t.MaxKernel = rest
	case "SKIP_IF_ENV_HAS":
	default:
		return fmt.Errorf("%q is no directive", word)
	}
	return err
}

// Runs says whether a test is for this architecture.
func (t *Test) Runs(arch string) bool {
	wanted, listed := false, false
	for _, a := range t.Arch {
		if no, ok := strings.CutPrefix(a, "!"); ok {
			if no == arch || no == "le" {
				return false
			}
			continue
		}
		listed = true
		wanted = wanted || a == arch || a == "le"
	}
	return wanted || !listed
}
