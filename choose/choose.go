// Package choose opens the best engine there is on this machine and says why
// it is the best, and what the other one would need.
//
//	eng, reason, err := choose.Open(ctx, choose.Auto)
//	fmt.Println(reason) // kernel engine: it loads programs here
//
// The kernel's engine is better where it works: programs are compiled and see
// the real traffic of the machine. Whether it works is found out by loading and
// running a program.
package choose

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skepdev/skep/engine"
)

// Want says which engine is wanted.
type Want int

// Auto takes the kernel's engine where it really loads programs, else the
// embedded one.
const (
	Auto Want = iota
	Kernel
	Embedded
)

func (w Want) String() string {
	switch w {
	case Auto:
		return "auto"
	case Kernel:
		return "kernel"
	case Embedded:
		return "embedded"
	}
	return fmt.Sprintf("Want(%d)", int(w))
}

// Parse reads "auto", "kernel" or "embedded".
func Parse(s string) (Want, error) {
	for w := Auto; w <= Embedded; w++ {
		if w.String() == s {
			return w, nil
		}
	}
	return Auto, fmt.Errorf("engine %q: must be auto, kernel or embedded", s)
}

// Reason says why an engine was chosen.
type Reason struct {
	// Engine is the chosen one's name, and Why the reason.
	Engine string `json:"engine"`
	Why    string `json:"why"`
	// Other is the other engine's name, and Needs what it would need.
	Other string `json:"other"`
	Needs string `json:"needs"`
}

// String is one line: "embedded engine: … ; for the kernel engine: …".
func (r Reason) String() string {
	s := r.Engine + " engine: " + r.Why
	if r.Needs != "" {
		s += "; for the " + r.Other + " engine: " + r.Needs
	}
	return s
}

// Open opens the wanted engine. The caller closes it.
//
// A wanted engine that does not work here is an error that says what is
// missing; Auto fails only if neither works.
func Open(ctx context.Context, want Want) (engine.Engine, Reason, error) {
	return OpenWith(ctx, want, Options{})
}

// Options say how the opened engine is to be. The zero value is good.
type Options struct {
	// Interpret keeps the embedded engine from compiling programs to native
	// code; it means nothing to the kernel's.
	Interpret bool
	// Profile makes the embedded engine count how often each instruction runs.
	Profile bool
}

// OpenWith is Open with options.
func OpenWith(ctx context.Context, want Want, opts Options) (engine.Engine, Reason, error) {
	return open(ctx, want, openers{
		kernel: openKernel, works: loadsPrograms,
		embedded: func() (engine.Engine, error) { return openEmbedded(opts) },
	})
}

// openers are how engines are opened and tried; tests put others in.
type openers struct {
	kernel, embedded func() (engine.Engine, error)
	works            func(context.Context, engine.Engine) error
}

const toEmbedded = "nothing; choose it with --engine embedded"

func open(ctx context.Context, want Want, o openers) (engine.Engine, Reason, error) {
	if want == Embedded {
		eng, err := try(ctx, o.embedded, o.works)
		if err != nil {
			return nil, Reason{}, fmt.Errorf("open embedded engine: %w", err)
		}
		return eng, Reason{Engine: "embedded", Why: "it was asked for", Other: "kernel", Needs: "choose it with --engine kernel; it needs Linux and the right to load programs"}, nil
	}
	eng, err := try(ctx, o.kernel, o.works)
	switch {
	case err == nil && want == Kernel:
		return eng, Reason{Engine: "kernel", Why: "it was asked for and loads programs", Other: "embedded", Needs: toEmbedded}, nil
	case err == nil:
		return eng, Reason{Engine: "kernel", Why: "it loads and runs programs here", Other: "embedded", Needs: toEmbedded}, nil
	case want == Kernel:
		return nil, Reason{}, fmt.Errorf("open kernel engine: %w", err)
	case ctx.Err() != nil:
		return nil, Reason{}, ctx.Err()
	}
	eng, embeddedErr := try(ctx, o.embedded, o.works)
	if embeddedErr != nil {
		return nil, Reason{}, fmt.Errorf("open an engine: %w", errors.Join(err, embeddedErr))
	}
	why, needs := explain(err)
	return eng, Reason{Engine: "embedded", Why: "the kernel refuses programs here (" + why + ")", Other: "kernel", Needs: needs}, nil
}

// try opens an engine and closes it again if it does not work.
func try(ctx context.Context, open func() (engine.Engine, error), works func(context.Context, engine.Engine) error) (engine.Engine, error) {
	eng, err := open()
	if err != nil {
		return nil, err
	}
	if err := works(ctx, eng); err != nil {
		return nil, errors.Join(err, eng.Close())
	}
	return eng, nil
}

// explain takes a refusal apart: why, and what would help.
func explain(err error) (why, needs string) {
	needs = "see skep doctor"
	var missing *engine.NotSupportedError
	switch {
	case errors.As(err, &missing):
		why = missing.Reason
		if missing.Remedy != "" {
			needs = missing.Remedy
		}
	case errors.Is(err, engine.ErrPermission):
		why = "not permitted"
		needs = "run as root, or grant CAP_BPF and CAP_NET_ADMIN"
	default:
		why, _, _ = strings.Cut(err.Error(), "\n")
	}
	return why, needs
}
