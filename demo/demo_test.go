package demo

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/skepdev/skep/lab"
)

// worlds runs a test in both worlds, as far as they work here, at the same time.
func worlds(t *testing.T, test func(t *testing.T, l *lab.Lab)) {
	for _, w := range []lab.World{lab.Kernel, lab.Embedded} {
		t.Run(w.String(), func(t *testing.T) {
			t.Parallel()
			l, err := lab.New(lab.Config{World: w})
			if err != nil {
				t.Skipf("needs a lab in the %v world: %v", w, err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, l)
		})
	}
}

// short is a script of two seconds.
func short() *Script {
	return &Script{
		Flips:  []Flip{{700 * time.Millisecond, Drop}, {1400 * time.Millisecond, Pass}},
		Length: 2 * time.Second,
	}
}

func TestDemoKeepsItsPromise(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		var out bytes.Buffer
		r, err := Run(t.Context(), Options{Lab: l, Script: short(), Interval: 20 * time.Millisecond, Out: &out})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Errorf("%v\n%s", err, r.Text())
		}
		if len(r.Flips) != 2 || r.Flips[0].To != "DROP" || r.Flips[1].To != "PASS" {
			t.Errorf("flips %+v", r.Flips)
		}
		if r.Flips[0].ProgramID == r.Flips[1].ProgramID {
			t.Error("both flips left the same program attached")
		}
		// 700 ms at 20 ms a ping, less a margin for slow machines.
		for _, f := range r.Families {
			if f.LostInside < 15 || f.Received < 40 {
				t.Errorf("%s: %+v: too few for the windows", f.Name, f.Tally)
			}
			if len(f.Gaps) != 1 || !f.Gaps[0].Dropped || int(f.Gaps[0].Length()) != f.LostInside {
				t.Errorf("%s: gaps %+v, want one of %d", f.Name, f.Gaps, f.LostInside)
			}
		}
		if int(r.Filter.Passed) != r.Total.Received || int(r.Filter.Dropped) != r.Total.LostInside {
			t.Errorf("filter counted %+v, pings say %+v", r.Filter, r.Total)
		}
		for _, want := range []string{"engine: ", "DROP  replaced through its link", "PASS  replaced through its link", "result  good"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
	})
}

func TestDemoEndsWithItsContext(t *testing.T) {
	worlds(t, func(t *testing.T, l *lab.Lab) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		r, err := Run(ctx, Options{Lab: l, Interval: 20 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Err(); err != nil {
			t.Errorf("%v\n%s", err, r.Text())
		}
		if r.Total.Sent < 10 {
			t.Errorf("%d pings in 300 ms", r.Total.Sent)
		}
	})
}
