//go:build linux

package kernel

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/engine"
	objects "github.com/skepdev/skep/object"
)

// TestPoison: code for types that this kernel lacks is refused with the name of
// what is missing, at its line, not with the loader's stand-in for it.
func TestPoison(t *testing.T) {
	eng := newEngine(t)
	for _, tc := range []struct{ program, want, line string }{
		{"field", "no field inner.wanted of struct skep_not_in_any_kernel", "s->inner.wanted"},
		{"value", "no value SKEP_WANTED of enum skep_not_in_any_kernel_either", "__builtin_preserve_enum_value"},
	} {
		t.Run(tc.program, func(t *testing.T) {
			spec, err := objects.OpenFile(filepath.Join("testdata", "poison.bpf.o"), nil)
			if err != nil {
				t.Fatal(err)
			}
			spec.Programs = map[string]*ebpf.ProgramSpec{tc.program: spec.Programs[tc.program]}
			coll, err := eng.Load(t.Context(), spec, nil)
			if err == nil {
				coll.Close()
			}
			var rejected *engine.VerifierError
			if !errors.As(err, &rejected) {
				t.Fatalf("load: %v; want a rejection", err)
			}
			if !strings.Contains(rejected.Reason, tc.want) || !strings.Contains(rejected.Source.Text, tc.line) {
				t.Errorf("reason %q at %q; want %q at %q", rejected.Reason, rejected.Source.Text, tc.want, tc.line)
			}
		})
	}
}
