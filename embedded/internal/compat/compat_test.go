package compat

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestTable: the committed table is what the runtime says of itself.
func TestTable(t *testing.T) {
	want, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../../" + Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s is not what this tree does: go run ./embedded/internal/compat/cmd/compat", Path)
	}
	for _, row := range []string{
		"| xdp | yes | yes | yes | yes |",
		"| sockmap | yes | empty: sockets are the kernel's |",
		"| bpf_map_lookup_elem | 1 | all | yes |",
		"| bpf_strlen | 6.17 | yes |",
	} {
		if !strings.Contains(string(want), row+"\n") {
			t.Errorf("no row %s", row)
		}
	}
}
