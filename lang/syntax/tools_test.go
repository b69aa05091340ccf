package syntax_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/skepdev/skep/lang/syntax"
)

// TestTools parses bpftrace's own tools.
func TestTools(t *testing.T) {
	files, err := filepath.Glob("testdata/tools/*.bt")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d tools: %v", len(files), err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := syntax.Parse(syntax.NewFile(filepath.Base(name), string(text))); err != nil {
			t.Error(syntax.FormatError(err))
		}
	}
}
