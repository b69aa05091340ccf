package differ

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/verifier"
	"github.com/skepdev/skep/verifier/internal/corpus"
	"github.com/skepdev/skep/verifier/internal/gen"
)

// Verdict of a judge.
type Verdict struct {
	Accepted bool
	// Log in the kernel's format; its last words are the reason.
	Log string
}

// ErrNoVerdict is what judges return, wrapped, for programs they cannot decide on.
var ErrNoVerdict = errors.New("no verdict")

// Judge decides on a program. It is used by one goroutine.
type Judge func(ctx context.Context, p *gen.Program, withLog bool) (Verdict, error)

// TypesFor are the types of generated programs that a user may load.
func TypesFor(p verifier.Privilege) []abi.ProgramType {
	switch p {
	case verifier.NoPerfmon:
		return slices.DeleteFunc(gen.Types(), func(t abi.ProgramType) bool { return t == abi.ProgRawTracepoint })
	case verifier.Unprivileged:
		return []abi.ProgramType{abi.ProgSocketFilter, abi.ProgCgroupSKB}
	}
	return gen.Types()
}

// Pair are the two to compare.
type Pair struct {
	Ours, Theirs Judge
	Close        func() error
}

// Options of a run.
type Options struct {
	// Open makes the judges for one goroutine.
	Open func() (*Pair, error)
	// Seed of the first program; the following have the following ones.
	Seed uint64
	// Count of programs and time; 0 means no limit, but not for both.
	Count int
	For   time.Duration
	// Jobs run at once; 0 means one for each processor.
	Jobs int
	// Tries to shrink a finding; 0 means 600.
	Tries int
	Gen   gen.Options
}

// Finding is a kind of disagreement.
type Finding struct {
	// Accepted by ours, and so not by theirs; or the reverse.
	Accepted bool
	// Reason of the one that rejects, without its numbers.
	Reason string
	Count  int
	Seed   uint64 // of the program that Program was made of
	// Program is the smallest one found.
	Program      *gen.Program
	Ours, Theirs Verdict
}

// Report of a run.
type Report struct {
	Programs, Undecided int
	BothAccept          int
	Findings            []*Finding // what ours alone accepts first, then by count
	Elapsed             time.Duration
}

// Run compares until count or time is over or ctx ends.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Count <= 0 && o.For <= 0 {
		return nil, errors.New("differ: neither a count nor a time is given")
	}
	if o.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.For)
		defer cancel()
	}
	if o.Jobs <= 0 {
		o.Jobs = runtime.GOMAXPROCS(0)
	}
	if o.Tries <= 0 {
		o.Tries = 600
	}
	r := &run{Options: o, next: o.Seed, found: map[string]*Finding{}}
	start := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, o.Jobs)
	for i := range o.Jobs {
		wg.Go(func() { errs[i] = r.work(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("differ: %w", err)
	}
	r.rep.Elapsed = time.Since(start)
	for _, f := range r.found {
		r.rep.Findings = append(r.rep.Findings, f)
	}
	slices.SortFunc(r.rep.Findings, func(a, b *Finding) int {
		if a.Accepted != b.Accepted {
			if a.Accepted {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Reason, b.Reason))
	})
	return &r.rep, nil
}

type run struct {
	Options

	mu    sync.Mutex // guards what follows
	next  uint64
	rep   Report
	found map[string]*Finding
}

// take is the next seed.
func (r *run) take() (uint64, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.Count > 0 && r.next-r.Seed >= uint64(r.Count) {
		return 0, false
	}
	r.next++
	return r.next - 1, true
}

func (r *run) work(ctx context.Context) (err error) {
	p, err := r.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	for ctx.Err() == nil {
		seed, ok := r.take()
		if !ok {
			return nil
		}
		if err := r.one(ctx, p, seed); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// one compares on one program.
func (r *run) one(ctx context.Context, pair *Pair, seed uint64) error {
	p := gen.New(gen.Rand(seed), r.Gen)
	ours, theirs, err := pair.ask(ctx, p, false)
	r.mu.Lock()
	r.rep.Programs++
	switch {
	case errors.Is(err, ErrNoVerdict):
		r.rep.Undecided++
	case err == nil && ours.Accepted && theirs.Accepted:
		r.rep.BothAccept++
	}
	r.mu.Unlock()
	if errors.Is(err, ErrNoVerdict) {
		return nil
	}
	if err != nil || ours.Accepted == theirs.Accepted {
		return err
	}
	f, err := pair.finding(ctx, p)
	if err != nil || f == nil {
		return err
	}
	f.Seed = seed
	r.mu.Lock()
	seen := r.found[f.key()] != nil
	r.mu.Unlock()
	if !seen {
		f = r.shrink(ctx, pair, f)
	}
	r.keep(f)
	return nil
}

func (r *run) keep(f *Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.found[f.key()]
	if known == nil {
		f.Count = 1
		r.found[f.key()] = f
		return
	}
	count := known.Count + 1
	if len(f.Program.Insns) < len(known.Program.Insns) {
		*known = *f
	}
	known.Count = count
}

// shrink makes a finding's program small while it stays the same finding.
func (r *run) shrink(ctx context.Context, pair *Pair, f *Finding) *Finding {
	small := gen.Minimise(f.Program, func(p *gen.Program) bool {
		if ctx.Err() != nil {
			return false
		}
		g, err := pair.finding(ctx, p)
		return err == nil && g != nil && g.key() == f.key()
	}, r.Tries)
	g, err := pair.finding(ctx, small)
	if err != nil || g == nil {
		return f
	}
	g.Seed = f.Seed
	return g
}

func (f *Finding) key() string { return fmt.Sprint(f.Accepted, f.Reason) }

func (p *Pair) ask(ctx context.Context, prog *gen.Program, logs bool) (ours, theirs Verdict, err error) {
	if theirs, err = p.Theirs(ctx, prog, logs); err != nil {
		return ours, theirs, err
	}
	ours, err = p.Ours(ctx, prog, logs)
	return ours, theirs, err
}

// finding describes a disagreement; nil if there is none.
func (p *Pair) finding(ctx context.Context, prog *gen.Program) (*Finding, error) {
	ours, theirs, err := p.ask(ctx, prog, true)
	if errors.Is(err, ErrNoVerdict) {
		return nil, nil
	}
	if err != nil || ours.Accepted == theirs.Accepted {
		return nil, err
	}
	f := &Finding{Accepted: ours.Accepted, Program: prog, Ours: ours, Theirs: theirs, Reason: reason(theirs.Log)}
	if theirs.Accepted {
		f.Reason = reason(ours.Log)
	}
	return f, nil
}

// reason is the last line of a log, without its numbers.
func reason(log string) string {
	return regexp.MustCompile(`-?\b(?:0x)?[0-9a-f]*\d[0-9a-f]*\b|R\d+`).ReplaceAllString(corpus.LastWords(log, 1), "N")
}

// Print writes the findings.
func (r *Report) Print(w io.Writer) {
	for _, f := range r.Findings {
		who, why := "ours accepts, the kernel rejects", f.Theirs.Log
		if !f.Accepted {
			who, why = "the kernel accepts, ours rejects", f.Ours.Log
		}
		fmt.Fprintf(w, "== %s, %d times (seed %d): %s\n%s", who, f.Count, f.Seed, f.Reason, f.Program)
		fmt.Fprintf(w, "    %s\n\n", strings.ReplaceAll(corpus.LastWords(why, 12), "\n", "\n    "))
	}
	fmt.Fprintf(w, "%d programs in %.0f s (%.0f a second), both accept %d, undecided %d; %d kinds of disagreement\n",
		r.Programs, r.Elapsed.Seconds(), float64(r.Programs)/r.Elapsed.Seconds(), r.BothAccept, r.Undecided, len(r.Findings))
}
