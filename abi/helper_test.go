package abi_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/skepdev/skep/abi"
)

func TestEveryHelperHasAPrototype(t *testing.T) {
	all := abi.Helpers()
	if len(all) != int(abi.FnCgrpStorageDelete) {
		t.Fatalf("%d helpers, want %d", len(all), abi.FnCgrpStorageDelete)
	}
	for i, h := range all {
		if h.ID != abi.HelperID(i+1) {
			t.Errorf("helper %d carries number %d: it has no row", i+1, h.ID)
		}
		if h.Programs == 0 {
			t.Errorf("%v: no program type may call it", h.ID)
		}
		checkArgs(t, h.ID, h.Args)
		for _, v := range h.Variants {
			checkArgs(t, h.ID, v.Args)
			if v.Programs&^h.Programs&^(1<<abi.ProgSyscall|1<<abi.ProgLSM) != 0 {
				t.Errorf("%v: a variant is for program types that may not call it: %v", h.ID, (v.Programs &^ h.Programs).Types())
			}
		}
	}
}

// A size stands right after the memory it measures.
func checkArgs(t *testing.T, id abi.HelperID, args []abi.Arg) {
	t.Helper()
	if len(args) > 5 {
		t.Errorf("%v: %d arguments", id, len(args))
	}
	for i, a := range args {
		sized := a.Kind == abi.ArgConstSize || a.Kind == abi.ArgConstSizeOrZero
		if sized && (i == 0 || args[i-1].Kind != abi.ArgMem) {
			t.Errorf("%v: argument %d is a size without memory", id, i+1)
		}
		if a.Kind == abi.ArgMem && (i+1 == len(args) || args[i+1].Kind != abi.ArgConstSize && args[i+1].Kind != abi.ArgConstSizeOrZero) {
			t.Errorf("%v: memory in argument %d has no size", id, i+1)
		}
		if (a.Kind == abi.ArgFixedMem) != (a.Size > 0) {
			t.Errorf("%v: argument %d: %v", id, i+1, a)
		}
	}
}

// The header documents every helper with its C prototype: the number of
// arguments must agree.
func TestArgumentCountsOfTheHeader(t *testing.T) {
	b, err := os.ReadFile(headerPath)
	if err != nil {
		t.Skipf("needs the kernel's user-space headers: %v", err)
	}
	// One has a variable tail; of the other the kernel leaves the flags
	// unchecked.
	except := map[string]bool{"bpf_trace_printk": true, "bpf_get_branch_snapshot": true}
	compared := 0
	for _, m := range regexp.MustCompile(`(?m)^ \* [\w ]+[ *](bpf_\w+)\((.*)\)$`).FindAllStringSubmatch(string(b), -1) {
		h := abi.HelperByName(m[1])
		if h == nil || except[m[1]] {
			continue
		}
		want := len(strings.Split(m[2], ","))
		if m[2] == "void" {
			want = 0
		}
		ok := len(h.Args) == want
		for _, v := range h.Variants {
			ok = ok || len(v.Args) == want
		}
		if !ok {
			t.Errorf("%s takes %d arguments here: %s", m[1], len(h.Args), m[0])
		}
		compared++
	}
	if compared < 150 {
		t.Errorf("only %d prototypes compared", compared)
	}
}

func TestHelperLookup(t *testing.T) {
	for _, name := range []string{"bpf_map_lookup_elem", "map_lookup_elem"} {
		if h := abi.HelperByName(name); h == nil || h.ID != abi.FnMapLookupElem {
			t.Errorf("%s: %+v", name, h)
		}
	}
	for _, id := range []abi.HelperID{0, 212, 1 << 31} {
		if h := abi.HelperByID(id); h != nil {
			t.Errorf("%d: %+v", id, h)
		}
	}
	if h := abi.HelperByName("bpf_no_such"); h != nil {
		t.Errorf("%+v", h)
	}
	h := abi.HelperByID(abi.FnSkAssign)
	args, _, ok := h.Prototype(abi.ProgSkLookup)
	if !ok || args[1].String() != "socket|null" {
		t.Errorf("sk_assign of sk_lookup: %v, %v", args, ok)
	}
	if _, _, ok := h.Prototype(abi.ProgXDP); ok {
		t.Error("xdp may call sk_assign")
	}
}
