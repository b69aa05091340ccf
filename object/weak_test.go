package object

import (
	"testing"

	"github.com/cilium/ebpf"
)

func TestWeakDefinitions(t *testing.T) {
	spec, err := OpenFile("testdata/weak.bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := spec.Maps["shared"]; m == nil || m.Type != ebpf.Array || m.MaxEntries != 3 {
		t.Errorf("map %+v", m)
	}
	v := spec.Variables["rounds"]
	if v == nil {
		t.Fatal("no variable rounds")
	}
	var rounds uint32
	if err := v.Get(&rounds); err != nil || rounds != 7 {
		t.Errorf("rounds %d %v", rounds, err)
	}
	refs := map[string]bool{}
	for _, ins := range spec.Programs["count"].Instructions {
		refs[ins.Reference()] = true
	}
	if !refs["shared"] || !refs[".data"] {
		t.Errorf("the program refers to %v", refs)
	}
}
