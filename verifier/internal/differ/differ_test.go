package differ

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/gen"
)

func has(p *gen.Program, op uint8) bool {
	return slices.ContainsFunc(p.Insns, func(ins isa.Instruction) bool { return ins.Op == op })
}

// judge rejects programs with any of the opcodes, for a reason that names it.
func judge(ops ...uint8) Judge {
	return func(_ context.Context, p *gen.Program, logs bool) (Verdict, error) {
		if has(p, isa.MayGoto) {
			return Verdict{}, fmt.Errorf("%w: may_goto", ErrNoVerdict)
		}
		for _, op := range ops {
			if has(p, op) {
				v := Verdict{}
				if logs {
					v.Log = fmt.Sprintf("%d: ...\nR%d has opcode %c\nprocessed 7 insns\n", len(p.Insns), len(p.Insns), 'A'+rune(op%26))
				}
				return v, nil
			}
		}
		return Verdict{Accepted: true}, nil
	}
}

const (
	mod64 = isa.ClassALU64 | isa.OpMod
	xor64 = isa.ClassALU64 | isa.OpXor
)

// TestRun: each disagreement is found, counted once for each reason, and shrunk to
// what it is about; agreement and missing verdicts are no findings.
func TestRun(t *testing.T) {
	closed := 0
	rep, err := Run(t.Context(), Options{
		Open: func() (*Pair, error) {
			return &Pair{Ours: judge(xor64), Theirs: judge(mod64), Close: func() error { closed++; return nil }}, nil
		},
		Count: 400, Seed: 10, Jobs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Programs != 400 || rep.Undecided == 0 || rep.BothAccept == 0 || closed != 1 || len(rep.Findings) != 2 {
		t.Fatalf("%+v", rep)
	}
	for i, want := range []struct {
		accepted bool
		op       uint8
	}{{true, mod64}, {false, xor64}} {
		f := rep.Findings[i]
		if f.Accepted != want.accepted || !has(f.Program, want.op) || len(f.Program.Insns) > 3 || f.Count < 5 {
			t.Errorf("finding %d: %+v\n%s", i, f, f.Program)
		}
	}
	var b strings.Builder
	rep.Print(&b)
	for _, part := range []string{"== ours accepts, the kernel rejects, ", "== the kernel accepts, ours rejects, ", "2 kinds of disagreement"} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the text lacks %q:\n%s", part, b.String())
		}
	}
}

func TestRunEnds(t *testing.T) {
	open := func() (*Pair, error) {
		return &Pair{Ours: judge(), Theirs: judge(), Close: func() error { return nil }}, nil
	}
	start := time.Now()
	rep, err := Run(t.Context(), Options{Open: open, For: 50 * time.Millisecond})
	if err != nil || rep.Programs == 0 || time.Since(start) > 5*time.Second {
		t.Errorf("%+v %v after %v", rep, err, time.Since(start))
	}
	if _, err := Run(t.Context(), Options{Open: open}); err == nil {
		t.Error("ran without an end")
	}
	broken := errors.New("no kernel here")
	if _, err := Run(t.Context(), Options{Count: 1, Open: func() (*Pair, error) { return nil, broken }}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	fails := func(context.Context, *gen.Program, bool) (Verdict, error) { return Verdict{}, broken }
	if _, err := Run(t.Context(), Options{Count: 1, Open: func() (*Pair, error) {
		return &Pair{Ours: judge(), Theirs: fails, Close: func() error { return nil }}, nil
	}}); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestReason(t *testing.T) {
	a := reason("1: r0 = 0\nR3 invalid mem access 'scalar'\nprocessed 3 insns (limit 1)\n")
	b := reason("R10 invalid mem access 'scalar'")
	if a != b || a != "N invalid mem access 'scalar'" {
		t.Errorf("%q and %q", a, b)
	}
}
