package choose

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/skepdev/skep/engine"
)

type fake struct {
	engine.Engine
	name   string
	closed *int
}

func (f fake) Name() string { return f.name }
func (f fake) Close() error { *f.closed++; return nil }

func TestOpen(t *testing.T) {
	noRights := fmt.Errorf("load program try: %w", engine.ErrPermission)
	noLinux := &engine.NotSupportedError{Feature: "kernel engine", Reason: "plan9 is not Linux", Remedy: "use the embedded engine"}
	rows := []struct {
		name                     string
		want                     Want
		openKernel, kernelWorks  error
		embeddedWorks            error
		engine, why, other, need string
		fails                    bool
		closed                   int
	}{
		{name: "kernel works", want: Auto, engine: "kernel", why: "it loads and runs programs here", other: "embedded", need: "nothing; choose it with --engine embedded"},
		{name: "kernel wanted", want: Kernel, engine: "kernel", why: "it was asked for and loads programs", other: "embedded", need: "nothing; choose it with --engine embedded"},
		{name: "embedded wanted", want: Embedded, engine: "embedded", why: "it was asked for", other: "kernel", need: "choose it with --engine kernel; it needs Linux and the right to load programs"},
		{name: "no rights", want: Auto, kernelWorks: noRights, engine: "embedded", why: "the kernel refuses programs here (not permitted)", other: "kernel", need: "run as root, or grant CAP_BPF and CAP_NET_ADMIN", closed: 1},
		{name: "no linux", want: Auto, openKernel: noLinux, engine: "embedded", why: "the kernel refuses programs here (plan9 is not Linux)", other: "kernel", need: "use the embedded engine"},
		{name: "kernel wanted, no rights", want: Kernel, kernelWorks: noRights, fails: true, closed: 1},
		{name: "nothing works", want: Auto, kernelWorks: noRights, embeddedWorks: errors.New("no memory"), fails: true, closed: 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			closed := 0
			eng, reason, err := open(t.Context(), row.want, openers{
				kernel: func() (engine.Engine, error) {
					if row.openKernel != nil {
						return nil, row.openKernel
					}
					return fake{name: "kernel", closed: &closed}, nil
				},
				embedded: func() (engine.Engine, error) { return fake{name: "embedded", closed: &closed}, nil },
				works: func(_ context.Context, eng engine.Engine) error {
					if eng.Name() == "kernel" {
						return row.kernelWorks
					}
					return row.embeddedWorks
				},
			})
			if closed != row.closed {
				t.Errorf("%d engines were closed, want %d", closed, row.closed)
			}
			if row.fails {
				if err == nil || eng != nil {
					t.Errorf("got %v, %v, want an error and no engine", eng, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := Reason{Engine: row.engine, Why: row.why, Other: row.other, Needs: row.need}
			if reason != want || eng.Name() != row.engine {
				t.Errorf("got %s, %+v\nwant %+v", eng.Name(), reason, want)
			}
		})
	}
}

// TestOpenHere opens what there is on this machine: the embedded engine always
// works.
func TestOpenHere(t *testing.T) {
	for _, want := range []Want{Auto, Embedded} {
		eng, reason, err := Open(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if eng.Name() != reason.Engine {
			t.Errorf("%s: engine %s, reason %s", want, eng.Name(), reason)
		}
		if err := eng.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestParse(t *testing.T) {
	for w := Auto; w <= Embedded; w++ {
		if got, err := Parse(w.String()); got != w || err != nil {
			t.Errorf("%s: %v, %v", w, got, err)
		}
	}
	if _, err := Parse("qemu"); err == nil {
		t.Error("qemu was taken for an engine")
	}
}
