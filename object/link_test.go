package object

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

func linkHalves(t *testing.T, names ...string) []byte {
	t.Helper()
	out, err := LinkFiles(names...)
	if err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("SKEP_LINK_OUT"); path != "" {
		if err := os.WriteFile(path, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

const (
	halfA = "../engine/enginetest/testdata/link_a.bpf.o"
	halfB = "../engine/enginetest/testdata/link_b.bpf.o"
)

// TestLink: the halves become a whole in either order, which can be linked again.
func TestLink(t *testing.T) {
	for _, order := range [][]string{{halfA, halfB}, {halfB, halfA}} {
		out := linkHalves(t, order...)
		again, err := Link(Part{"whole", out})
		if err != nil {
			t.Fatal(err)
		}
		for _, data := range [][]byte{out, again} {
			spec, err := Open(bytes.NewReader(data), int64(len(data)), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"first", "second"} {
				p := spec.Programs[name]
				if p == nil {
					t.Fatalf("no program %s", name)
				}
				code, err := Instructions(p, spec)
				if err != nil {
					t.Fatal(err)
				}
				if len(code.Lines) < 10 || code.Funcs[0].Type == nil || code.Funcs[0].Type.Name != name {
					t.Errorf("%s: %d lines, functions %+v", name, len(code.Lines), code.Funcs)
				}
			}
			if len(spec.Maps) < 3 || spec.Maps["counts"] == nil || spec.Maps["counts"].Type != ebpf.Hash {
				t.Errorf("maps: %v", spec.Maps)
			}
			seen, limit := spec.Variables["seen"], spec.Variables["limit"]
			if seen == nil || limit == nil || seen.Value[0] != 5 || limit.Value[0] != 20 {
				t.Errorf("variables: %v", spec.Variables)
			}
			types, err := spec.Types.AnyTypesByName("pair")
			if err != nil || len(types) != 1 {
				t.Errorf("struct pair is there %d times: %v", len(types), err)
			}
			var f *btf.Func
			if err := spec.Types.TypeByName("twice", &f); err != nil || f.Linkage != btf.GlobalFunc {
				t.Errorf("twice: %v, %v", f, err)
			}
		}
	}
}

func TestLinkErrors(t *testing.T) {
	a, err := os.ReadFile(halfA)
	if err != nil {
		t.Fatal(err)
	}
	for want, parts := range map[string][]Part{
		"no objects are given":               nil,
		"symbol first: is defined here and ": {{"a", a}, {"b", a}},
		"the file is empty":                  {{"a", nil}},
		"truncated":                          {{"a", a[:len(a)/2]}},
		"license: is":                        {{"a", a}, {"b", bytes.Replace(a, []byte("Dual BSD/GPL\x00"), []byte("Dual MIT/GPL\x00"), 1)}},
	} {
		if _, err := Link(parts...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	// The parts are not changed.
	if b, err := os.ReadFile(halfA); err != nil || !bytes.Equal(a, b) {
		t.Error("changed", err)
	}
	if _, err := LinkFiles("testdata/none.o"); err == nil {
		t.Error("a file that is not there")
	}
}

// FuzzLink: damaged objects give errors.
func FuzzLink(f *testing.F) {
	for _, name := range []string{halfA, halfB, "testdata/core.bpf.o"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	b, err := os.ReadFile(halfB)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := Link(Part{"a", data}, Part{"b", b})
		if err != nil {
			return
		}
		if _, err := readImage(out, true); err != nil {
			t.Errorf("linked, and is no object: %v", err)
		}
	})
}

// TestHalf: a half alone says what it lacks.
func TestHalf(t *testing.T) {
	for file, lacks := range map[string]string{halfA: "refers to limit", halfB: "refers to counts"} {
		coll, err := OpenFile(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range coll.Programs {
			_, err := Instructions(p, coll)
			if err == nil || !strings.Contains(err.Error(), lacks) || !strings.Contains(err.Error(), "skep link") {
				t.Errorf("%s, program %s: %v", file, name, err)
			}
		}
	}
}
