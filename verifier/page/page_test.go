package page

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
)

func TestReadSteps(t *testing.T) {
	const log = `0: R1=ctx() R10=fp0
; if (x) @ a.c:1
0: (61) r1 = *(u32 *)(r1 +16)         ; R1=scalar()
1: (15) if r1 == 0x0 goto pc+1
2: R1=scalar(umin=1)
2: (b4) w0 = 2                       ; R0=2
3: (95) exit

from 1 to 3: R1=0 R10=fp0
3: R1=0 R10=fp0
3: (95) exit
99: (95) exit
processed 5 insns
`
	got := readSteps(log, 4)
	if !slices.Equal(got[0].states, []string{"R1=scalar()"}) || !slices.Equal(got[1].states, []string{"R1=scalar(umin=1)"}) {
		t.Errorf("states %q and %q", got[0].states, got[1].states)
	}
	if got[3].visits != 2 {
		t.Errorf("exit visited %d times, want 2", got[3].visits)
	}
	if diff := cmp.Diff(map[int]int{2: 1, 3: 1}, got[1].next); diff != "" {
		t.Error(diff)
	}
}

func verified(t *testing.T, file string) []Program {
	t.Helper()
	coll, err := object.OpenFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []Program
	for _, name := range slices.Sorted(maps.Keys(coll.Programs)) {
		p, err := verifier.FromSpec(coll, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := verifier.Verify(context.Background(), p, verifier.Options{LogLevel: 2})
		pg := Program{Object: "memory.bpf.o", Section: coll.Programs[name].SectionName, Verified: p, Report: rep}
		var r *verifier.Rejection
		if errors.As(err, &r) {
			pg.Explanation = r.Explain()
		}
		out = append(out, pg)
	}
	return out
}

// TestWrite: everything a reader looks for is on the page, and nothing that
// would be fetched from elsewhere.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, "memory & more", verified(t, "../testdata/mistakes/memory.bpf.o")); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for _, want := range []string{
		"memory &amp; more", "<div>R1=1</div>", "off_by_one", "index is from 0 to 64", `class="bad" open`, "return bytes[index] ? XDP_DROP : XDP_PASS;",
		"R0=map_value(map=table,ks=4,vs=64)", "call bpf_map_lookup_elem#1", "jumps 1×, goes on 1×",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	for _, no := range []string{"http://", "https://", "<script", "url("} {
		if strings.Contains(page, no) {
			t.Errorf("%q on the page", no)
		}
	}
	if n := strings.Count(page, "<section"); n != len(verified(t, "../testdata/mistakes/memory.bpf.o")) {
		t.Errorf("%d sections", n)
	}
}

// FuzzReadSteps: logs have text of the object's sources in them.
func FuzzReadSteps(f *testing.F) {
	f.Add("0: (61) r1 = *(u32 *)(r1 +16)         ; R1=scalar()\nfrom 1 to 3: R1=0\n", 4)
	f.Add("18446744073709551616: (95) exit\n-1: (95) exit", 1)
	f.Fuzz(func(_ *testing.T, log string, slots int) {
		readSteps(log, max(0, min(slots, 1000)))
	})
}
