package verifier_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestMistakes holds the explanations of common mistakes, from C to message,
// against golden text, and shows for each that the change it suggests helps: the
// program of the same name with _mended behind it is accepted. Rewrite with
// go test ./verifier -run Mistakes -update.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.bpf.o")
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	n := 0
	for _, file := range files {
		base := strings.TrimSuffix(filepath.Base(file), ".bpf.o")
		o := verifier.Options{}
		if base == "unprivileged" {
			o.Privilege = verifier.Unprivileged
		}
		var got strings.Builder
		coll, err := object.OpenFile(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(coll.Programs)) {
			p, err := verifier.FromSpec(coll, name, nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = verifier.Verify(context.Background(), p, o)
			if strings.HasSuffix(name, "_mended") {
				if err != nil {
					t.Errorf("%s: %s is refused: %v", base, name, err)
				}
				continue
			}
			var r *verifier.Rejection
			if !errors.As(err, &r) {
				t.Errorf("%s: %s: %v, want a rejection", base, name, err)
				continue
			}
			if coll.Programs[name+"_mended"] == nil {
				t.Errorf("%s: %s has no mended twin", base, name)
			}
			e := r.Explain()
			if e.Place.Line == 0 || e.Function == "" || e.Summary == "" || e.Advice == "" {
				t.Errorf("%s: %s: line %d, function %q, summary %q, advice %q", base, name, e.Place.Line, e.Function, e.Summary, e.Advice)
			}
			fmt.Fprintf(&got, "== %s (%s)\n%s\n", name, e.Rule, e.Text())
			n++
		}
		golden := strings.TrimSuffix(file, ".bpf.o") + ".golden"
		if *update {
			if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-golden +now):\n%s", base, diff)
		}
	}
	if n < 30 {
		t.Errorf("only %d mistakes", n)
	}
}
