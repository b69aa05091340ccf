package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocs runs the examples of README.md and docs/*.md and compares what they
// print with what the page says. Examples are ```console blocks; each line that
// begins with "$ skep " is run, in the module's root, and the lines up to the
// next "$ " are its output. Times and such are compared by their form only; a
// line "…" stands for any lines. A comment "<!-- not run: why -->" before a
// block leaves it out, "<!-- needs the kernel engine -->" where that does not
// work. With -update the pages are rewritten.
func TestDocs(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	kernel := kernelWorks(t)
	t.Chdir(root)
	for _, path := range append(pages, filepath.Join(root, "README.md")) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := page(t, string(text), kernel)
			if *update && got != string(text) {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// page runs the examples of a page and returns it with their real output.
func page(t *testing.T, text string, kernel bool) string {
	var out strings.Builder
	before := ""
	for rest := text; rest != ""; {
		head, block, ok := strings.Cut(rest, "```console\n")
		out.WriteString(head)
		if !ok {
			break
		}
		body, after, ok := strings.Cut(block, "```\n")
		if !ok {
			t.Fatalf("a block has no end: %s", block)
		}
		before, rest = lastLine(head), after
		switch {
		case strings.HasPrefix(before, "<!-- not run: "):
		case strings.HasPrefix(before, "<!-- needs the kernel engine") && !kernel:
			t.Log("left out without the kernel engine:", firstLine(body))
		default:
			body = examples(t, body)
		}
		out.WriteString("```console\n" + body + "```\n")
	}
	return out.String()
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// examples runs the commands of one block.
func examples(t *testing.T, body string) string {
	var out strings.Builder
	for part := range strings.SplitSeq(body, "$ ") {
		if part == "" {
			continue
		}
		command, want, _ := strings.Cut(part, "\n")
		words, ok := splitWords(command)
		if !ok || len(words) == 0 || words[0] != "skep" {
			out.WriteString("$ " + part)
			continue
		}
		got := tryExample(t, words[1:])
		if diff := cmp.Diff(normal(want), matched(normal(got), normal(want))); diff != "" && !*update {
			t.Errorf("$ %s (-page +now):\n%s", command, diff)
		}
		if *update && !strings.Contains(want, "…\n") {
			end := ""
			if strings.HasSuffix(want, "\n\n") {
				end = "\n"
			}
			want = got + end
		}
		out.WriteString("$ " + command + "\n" + want)
	}
	return out.String()
}

// together collects what a terminal would show.
type together struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *together) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

var _ io.Writer = (*together)(nil)

func tryExample(t *testing.T, words []string) string {
	w := &together{}
	code := run(t.Context(), &streams{in: strings.NewReader(""), out: w, err: w}, words)
	if code != 0 {
		fmt.Fprintf(w, "(exit code %d)\n", code)
	}
	return w.b.String()
}

// splitWords splits a command line at blanks; single quotes keep words
// together. ok is false for what needs a shell.
func splitWords(line string) (words []string, ok bool) {
	var word strings.Builder
	quoted, any := false, false
	for _, r := range line {
		switch {
		case r == '\'':
			quoted, any = !quoted, true
		case quoted:
			word.WriteRune(r)
		case strings.ContainsRune("|<>&;$`\"\\", r):
			return nil, false
		case r == ' ':
			if any || word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(r)
		}
	}
	if any || word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, !quoted
}

// volatile is what differs from run to run: times, and the width of columns.
var volatile = []struct {
	re *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\d+(\.\d+)?( ?)(ns/packet|ns|µs|ms|s)\b`), "N $3"},
	{regexp.MustCompile(`(?m)^((?:XDP|TC|TCX|NF|BPF)_\w+|total|ALLOW|DENY|ACCEPT.*|DROP) +(\d+ .*) +\S+$`), "$1 $2 N"},
	{regexp.MustCompile(`"(ns|ns_per_packet|took_ns|ms)": [\d.]+`), `"$1": N`},
	{regexp.MustCompile(`(?m)^( *-? ?)(ns|ns_per_packet|took_ns|ms): [\d.]+`), "$1$2: N"},
	{regexp.MustCompile(`(?m) +`), " "},
	{regexp.MustCompile(`(?m) $`), ""},
}

func normal(s string) string {
	for _, v := range volatile {
		s = v.re.ReplaceAllString(s, v.as)
	}
	return strings.TrimRight(s, "\n")
}

// matched returns want if got is what it says, "…" lines standing for any.
func matched(got, want string) string {
	pattern := regexp.QuoteMeta("\n" + want + "\n")
	pattern = strings.ReplaceAll(pattern, "\n…\n", "\n(?s:.*\n)?")
	if regexp.MustCompile("^" + pattern + "$").MatchString("\n" + got + "\n") {
		return want
	}
	return got
}
