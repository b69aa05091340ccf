package main

import (
	"bytes"
	"strings"
	"testing"
)

const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: needs kprobes: run make test-vm\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0.1}
`

func run(t *testing.T, input, allow string) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	s := &summary{w: &out, output: map[testID][]string{}}
	if allow != "" {
		var err error
		if s.allowed, err = parseAllowed(allow); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	ok := s.finish()
	return out.String(), ok
}

func TestSummary(t *testing.T) {
	out, ok := run(t, events, "")
	if !ok || !strings.HasSuffix(out, "\n1 passed, 0 failed, 1 skipped\n") {
		t.Errorf("ok %v, output:\n%s", ok, out)
	}
	if !strings.Contains(out, "p TestB: needs kprobes: run make test-vm\n") {
		t.Errorf("no skip reason in:\n%s", out)
	}
}

func TestForbiddenSkipFails(t *testing.T) {
	if out, ok := run(t, events, "# comment\n^needs root"); ok {
		t.Errorf("a skip that is not permitted passed:\n%s", out)
	}
	if out, ok := run(t, events, "needs kprobes"); !ok {
		t.Errorf("a permitted skip failed:\n%s", out)
	}
}

func TestFailureShowsOutput(t *testing.T) {
	out, ok := run(t, `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:1: boom\n"}
{"Action":"fail","Package":"p","Test":"TestC"}
`, "")
	if ok || !strings.Contains(out, "boom") || !strings.Contains(out, "0 passed, 1 failed") {
		t.Errorf("ok %v, output:\n%s", ok, out)
	}
}

func TestNothingRanFails(t *testing.T) {
	if _, ok := run(t, "", ""); ok {
		t.Error("a run without tests passed")
	}
}
