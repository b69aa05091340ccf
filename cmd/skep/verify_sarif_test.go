package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerifySARIF holds the document against golden text, and what SARIF 2.1.0
// demands of results: a rule that is declared, a message, places that count from
// 1, and flows of at least one step.
func TestVerifySARIF(t *testing.T) {
	var out, errs bytes.Buffer
	f := verifyFlags{format: "sarif", privilege: "root"}
	var code exitCode
	if err := f.once(t.Context(), &streams{out: &out, err: &errs}, []string{"../../docs/examples/mistakes.bpf.o"}, nil); !errors.As(err, &code) {
		t.Fatalf("ended with %v: %s", err, errs.String())
	}
	const golden = "testdata/verify.sarif"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("(-golden +now)\n%s", diff)
	}
	var doc sarif
	dec := json.NewDecoder(&out)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != "2.1.0" || len(doc.Runs) != 1 || doc.Runs[0].Tool.Driver.Name == "" {
		t.Fatalf("%+v", doc)
	}
	rules := make(map[string]bool)
	for _, r := range doc.Runs[0].Tool.Driver.Rules {
		if rules[r.ID] || r.ShortDescription.Text == "" {
			t.Errorf("rule %+v", r)
		}
		rules[r.ID] = true
	}
	flows := 0
	for _, r := range doc.Runs[0].Results {
		if !rules[r.RuleID] || r.Message.Text == "" || r.Level != "error" || len(r.Locations) != 1 {
			t.Errorf("result %+v", r)
		}
		for _, l := range r.Locations {
			if l.Physical.Artifact.URI == "" || l.Physical.Region == nil || l.Physical.Region.StartLine < 1 {
				t.Errorf("location %+v", l)
			}
		}
		for _, f := range r.CodeFlows {
			flows += len(f.ThreadFlows[0].Locations)
		}
	}
	if flows == 0 {
		t.Error("no flows")
	}
}

func TestURI(t *testing.T) {
	for path, want := range map[string]string{"a b.c": "a%20b.c", "/x/y.c": "file:///x/y.c", "./m.c": "m.c", "a#b.c": "a%23b.c"} {
		if got := uri(path); got != want {
			t.Errorf("uri(%q) = %q, want %q", path, got, want)
		}
	}
}
