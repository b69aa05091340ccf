package verifier_test

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
)

// TestOwnObjects holds skep's own objects against the verifier: those made to
// be refused are, all others are accepted.
func TestOwnObjects(t *testing.T) {
	files, err := filepath.Glob("../engine/enginetest/testdata/*.bpf.o")
	if err != nil || len(files) == 0 {
		t.Fatalf("no objects: %v", err)
	}
	own, err := filepath.Glob("../bpf/objects/*.o")
	if err != nil || len(own) == 0 {
		t.Fatalf("no objects of package bpf: %v", err)
	}
	types, err := btf.LoadKernelSpec()
	if err != nil {
		t.Logf("without the types of a kernel, what needs them is left out: %v", err)
	}
	halves := []string{"../engine/enginetest/testdata/link_a.bpf.o", "../engine/enginetest/testdata/link_b.bpf.o"}
	open := func(t *testing.T, file string) *ebpf.CollectionSpec {
		if slices.Contains(halves, file) { // of one program
			t.Logf("linked with the other half")
			data, err := object.LinkFiles(halves...)
			if err != nil {
				t.Fatal(err)
			}
			coll, err := object.Open(bytes.NewReader(data), int64(len(data)), nil)
			if err != nil {
				t.Fatal(err)
			}
			return coll
		}
		coll, err := object.OpenFile(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		return coll
	}
	for _, file := range append(files, own...) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			coll := open(t, file)
			for name := range coll.Programs {
				p, err := verifier.FromSpec(coll, name, nil)
				if err != nil {
					t.Logf("%s: %v", name, err)
					continue
				}
				rep, err := verifier.Verify(context.Background(), p, verifier.Options{LogLevel: 1, KernelTypes: types})
				if types == nil && verifier.NeedsTypes(err) {
					continue
				}
				if bad := filepath.Base(file) == "bad.bpf.o"; bad && err == nil {
					t.Errorf("%s is accepted", name)
				} else if !bad && err != nil {
					t.Errorf("%s is refused: %v\n%s", name, err, rep.Log)
				}
			}
		})
	}
}
