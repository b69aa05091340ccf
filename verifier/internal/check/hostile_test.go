package check

import (
	"path/filepath"
	"testing"
)

// TestHostile: verifiers of past years were led to accept programs like these. All
// must be refused, for the reason that makes them dangerous.
func TestHostile(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	w := &kernelWorld{}
	w.kernel, w.prog = smallKernel(t)
	seen := make(map[string]bool)
	for _, file := range files {
		for _, tc := range readCases(t, file) {
			if seen[tc.name] || tc.want == "ok" || tc.want == "" {
				t.Errorf("%s:%d: %q comes twice, or is not to be refused", tc.file, tc.line, tc.name)
			}
			seen[tc.name] = true
			t.Run(tc.name, func(t *testing.T) { w.run(t, &tc) })
		}
	}
}
