package corpus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Options change how a corpus is run. The zero value asks nobody.
type Options struct {
	Judges []Named
	// Only says which cases to judge; nil means all.
	Only func(*Case) bool
	// User loads the programs, each once; nil means root, and whoever the cases ask
	// for.
	User *User
	// Jobs run at once; 0 means one for each processor. Times are good with 1.
	Jobs int
	// Repeat asks this often and keeps the shortest times; 0 means once.
	Repeat int
	// Cache keeps the kernel's verdicts from one run to the next; nil forgets them.
	Cache *Cache
	// Progress gets a line now and then; nil means nobody.
	Progress io.Writer
}

// Result is what the judges say of one case; Verdicts and Elapsed are in the
// judges' order.
type Result struct {
	Case     *Case
	Verdicts []Verdict
	// Elapsed is the wall-clock time of the call, with everything around it.
	Elapsed []time.Duration
}

// Run opens the files one after another and asks the judges about their cases. An
// object that cannot be opened is listed in the report; an error is returned only
// if ctx ends.
func Run(ctx context.Context, files []string, o Options) (*Report, error) {
	rep := &Report{Objects: len(files), NotOpened: map[string]string{}}
	for _, j := range o.Judges {
		rep.Judges = append(rep.Judges, j.Name)
	}
	r := runner{Options: o, rep: rep, files: make(chan string)}
	var wg sync.WaitGroup
	jobs := o.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	start := time.Now()
	for range jobs {
		wg.Go(func() {
			for f := range r.files {
				r.file(ctx, f, len(files))
			}
		})
	}
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		r.files <- f
	}
	close(r.files)
	wg.Wait()
	rep.Elapsed = time.Since(start)
	slices.SortFunc(rep.Results, func(a, b Result) int { return compareCases(a.Case, b.Case) })
	slices.Sort(rep.Notes)
	if err := errors.Join(append(r.errs, ctx.Err())...); err != nil {
		return nil, fmt.Errorf("corpus: %w", err)
	}
	return rep, nil
}

type runner struct {
	Options
	files chan string

	mu   sync.Mutex // guards what follows
	rep  *Report
	done int
	errs []error
}

// file judges one object.
func (r *runner) file(ctx context.Context, path string, total int) {
	obj, err := Open(path)
	var results []Result
	if err == nil {
		results, err = r.object(ctx, obj)
		if err != nil {
			r.mu.Lock()
			r.errs = append(r.errs, err)
			r.mu.Unlock()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if obj == nil {
		r.rep.NotOpened[path] = brief(err)
	} else {
		for _, n := range obj.Notes {
			r.rep.Notes = append(r.rep.Notes, ObjectName(path)+": "+n)
		}
	}
	r.rep.Results = append(r.rep.Results, results...)
	if r.done++; r.Progress != nil && (r.done%50 == 0 || r.done == total) {
		fmt.Fprintf(r.Progress, "judged %d of %d objects, %d programs\n", r.done, total, len(r.rep.Results))
	}
}

// object judges the cases of one object that are wanted.
func (r *runner) object(ctx context.Context, obj *Object) ([]Result, error) {
	known, err := r.Cache.open(obj.Path)
	if err != nil {
		return nil, err
	}
	var out []Result
	for _, c := range obj.Cases {
		if ctx.Err() != nil {
			break
		}
		if r.Only != nil && !r.Only(c) {
			continue
		}
		if r.User != nil {
			if c.Mode == Unprivileged {
				continue
			}
			c = r.User.as(c)
		}
		res := Result{Case: c}
		for _, j := range r.Judges {
			v, took := r.judge(ctx, j, obj, c, known)
			res.Verdicts = append(res.Verdicts, v)
			res.Elapsed = append(res.Elapsed, took)
		}
		out = append(out, res)
	}
	if ctx.Err() != nil {
		return out, nil // half-asked verdicts are not kept
	}
	return out, known.close()
}

func (r *runner) judge(ctx context.Context, j Named, obj *Object, c *Case, known *verdicts) (Verdict, time.Duration) {
	if j.Name == KernelName {
		if v, ok := known.get(c); ok {
			return v, 0
		}
	}
	var (
		v    Verdict
		best time.Duration
	)
	for i := range max(1, r.Repeat) {
		spec := obj.Pick(c)
		start := time.Now()
		now := ask(ctx, j.Judge, c, spec)
		took := time.Since(start)
		if i == 0 {
			v, best = now, took
			continue
		}
		best = min(best, took)
		if now.Stats.Time > 0 {
			v.Stats.Time = min(v.Stats.Time, now.Stats.Time)
		}
	}
	if j.Name == KernelName {
		known.put(c, v)
	}
	return v, best
}
