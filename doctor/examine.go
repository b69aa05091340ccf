package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/engine"
)

// Options say what to examine.
type Options struct {
	// Engines to try; the report keeps their order. Nil entries are left out.
	Engines []engine.Engine
	// Unavailable are engines that could not even be opened, by name.
	Unavailable map[string]error
	// AllHelpers tries the helpers of every program type that loads, and not
	// only of those most used.
	AllHelpers bool
	// Progress, if not nil, is told how far the examination is; it may be
	// called from several goroutines, but one at a time.
	Progress func(done, total int, what string)
}

// Examine tries everything. It returns an error only if ctx ends.
func Examine(ctx context.Context, opts Options) (*Report, error) {
	start := time.Now()
	x := &examination{opts: opts, report: &Report{Facts: facts()}}
	x.report.Features = features()
	for _, e := range opts.Engines {
		if e != nil {
			x.engines = append(x.engines, e)
		}
	}
	x.total = len(x.engines) * (len(x.report.Features) + helperTrials(opts.AllHelpers))
	for i := range x.report.Features {
		x.report.Features[i].Answers = make([]Answer, len(x.engines))
	}
	x.report.Engines = make([]Engine, len(x.engines))
	helpers := make([][]HelperCount, len(x.engines))

	var wg sync.WaitGroup
	for i, eng := range x.engines {
		wg.Go(func() {
			x.report.Engines[i] = state(ctx, eng)
			x.tryFeatures(ctx, i, eng)
			helpers[i] = x.tryHelpers(ctx, eng)
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return x.report, fmt.Errorf("examine: %w", context.Cause(ctx))
	}
	for _, h := range helpers {
		x.report.Helpers = append(x.report.Helpers, h...)
	}
	for _, name := range []string{"kernel", "embedded"} {
		if err := opts.Unavailable[name]; err != nil {
			why, remedy := explain(err)
			x.report.Engines = append(x.report.Engines, Engine{Name: name, Why: why, Remedy: remedy})
		}
	}
	x.report.Took = time.Since(start)
	return x.report, nil
}

type examination struct {
	opts    Options
	engines []engine.Engine
	report  *Report
	total   int

	mu   sync.Mutex
	done int
}

func (x *examination) progress(n int, what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.done += n
	if x.opts.Progress != nil {
		x.opts.Progress(x.done, x.total, what)
	}
}

// state says whether an engine works: whether it loads an XDP program.
func state(ctx context.Context, eng engine.Engine) Engine {
	e := Engine{Name: eng.Name(), Works: true}
	if err := eng.Supports(ctx, engine.Feature{Program: ebpf.XDP}); err != nil {
		e.Works = false
		e.Why, e.Remedy = explain(err)
	}
	return e
}

func (x *examination) tryFeatures(ctx context.Context, i int, eng engine.Engine) {
	for n := range x.report.Features {
		f := &x.report.Features[n]
		f.Answers[i] = answer(eng, eng.Supports(ctx, question(f)))
		x.progress(1, eng.Name()+" "+f.Name)
		if ctx.Err() != nil {
			return
		}
	}
}

func answer(eng engine.Engine, err error) Answer {
	if err == nil {
		return Answer{Engine: eng.Name(), Works: true}
	}
	why, remedy := explain(err)
	return Answer{Engine: eng.Name(), Why: why, Remedy: remedy}
}

// explain takes an engine's refusal apart.
func explain(err error) (why, remedy string) {
	var missing *engine.NotSupportedError
	if errors.As(err, &missing) {
		why = missing.Reason
		if missing.Err != nil {
			if why != "" {
				why += ": "
			}
			why += missing.Err.Error()
		}
		return why, missing.Remedy
	}
	// Permission errors carry their remedy behind the last semicolon.
	why = err.Error()
	if errors.Is(err, engine.ErrPermission) {
		if before, after, ok := strings.Cut(why, "; "); ok {
			return before, after
		}
	}
	return why, ""
}

// tryHelpers calls each helper from the program types that may call it.
func (x *examination) tryHelpers(ctx context.Context, eng engine.Engine) []HelperCount {
	var out []HelperCount
	for _, t := range helperTypes(x.opts.AllHelpers) {
		known := helpersOf(t)
		if len(known) == 0 {
			continue
		}
		c := HelperCount{Program: t.String(), Engine: eng.Name(), Known: len(known)}
		if err := eng.Supports(ctx, engine.Feature{Program: ebpf.ProgramType(t)}); err != nil {
			c.Why, _ = explain(err)
			x.progress(len(known), "")
			out = append(out, c)
			continue
		}
		for _, id := range known {
			err := eng.Supports(ctx, engine.Feature{Program: ebpf.ProgramType(t), Helper: asm.BuiltinFunc(id)})
			x.progress(1, eng.Name()+" "+id.String())
			if ctx.Err() != nil {
				return out
			}
			if err == nil {
				c.Works++
				continue
			}
			if len(c.Missing) == 0 {
				c.Why, _ = explain(err)
			}
			c.Missing = append(c.Missing, id.String())
		}
		out = append(out, c)
	}
	return out
}

func helpersOf(t abi.ProgramType) []abi.HelperID {
	var out []abi.HelperID
	for _, h := range abi.Helpers() {
		if h.Programs.Has(t) {
			out = append(out, h.ID)
		}
	}
	return out
}

func helperTypes(all bool) []abi.ProgramType {
	if !all {
		return []abi.ProgramType{
			abi.ProgXDP, abi.ProgSchedCLS, abi.ProgSocketFilter, abi.ProgCgroupSKB, abi.ProgCgroupSockAddr,
			abi.ProgSockOps, abi.ProgSkLookup, abi.ProgTracepoint, abi.ProgRawTracepoint, abi.ProgKprobe,
		}
	}
	var out []abi.ProgramType
	for t := abi.ProgSocketFilter; t <= abi.ProgNetfilter; t++ {
		if t != abi.ProgExtension { // may call what its target may
			out = append(out, t)
		}
	}
	return out
}

func helperTrials(all bool) (n int) {
	for _, t := range helperTypes(all) {
		n += len(helpersOf(t))
	}
	return n
}
