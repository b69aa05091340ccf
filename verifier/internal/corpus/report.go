package corpus

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Report is what came of a run.
type Report struct {
	Judges    []string
	Results   []Result // by object and program
	Objects   int
	NotOpened map[string]string // object files and why
	Notes     []string          // tags that nobody here understands
	Elapsed   time.Duration
}

// Count says in how many cases two agree.
type Count struct {
	// Of is how many cases both had a verdict on, Same where it was one.
	Of, Same int
}

// Percent of the cases that agree; 0 if there are none.
func (c Count) Percent() float64 {
	if c.Of == 0 {
		return 0
	}
	return 100 * float64(c.Same) / float64(c.Of)
}

func (c *Count) add(same bool) {
	c.Of++
	if same {
		c.Same++
	}
}

// Agreement compares a judge with a reference: "expected", or another judge.
type Agreement struct {
	Judge, Reference string
	// Success are the cases that the reference accepts, Failure those it rejects,
	// Messages those with expected messages where the verdict is right.
	Success, Failure, Messages Count
	// CannotSay are the cases on which the judge alone has no verdict.
	CannotSay int
}

// All are both verdicts together.
func (a Agreement) All() Count {
	return Count{a.Success.Of + a.Failure.Of, a.Success.Same + a.Failure.Same}
}

// Expectation is the name of the reference that cases carry themselves.
const Expectation = "expected"

// Agreements compares every judge with the expectations, and every judge but the
// kernel with the kernel, as far as there are any; and ours that judges as another
// version with that version.
func (r *Report) Agreements() []Agreement {
	var out []Agreement
	for i, name := range r.Judges {
		a := r.compare(i, Expectation, func(res *Result) (bool, bool) { return res.Case.Success, res.Case.Expected })
		if a.All().Of+a.CannotSay > 0 {
			out = append(out, a)
		}
		if k := slices.Index(r.Judges, KernelName); k >= 0 && name != KernelName {
			out = append(out, r.compare(i, KernelName, func(res *Result) (bool, bool) { return res.Verdicts[k].Says() }))
		}
		if k := slices.Index(r.Judges, asOther(name)); k >= 0 {
			out = append(out, r.compare(i, r.Judges[k], func(res *Result) (bool, bool) { return res.Verdicts[k].Says() }))
		}
	}
	return out
}

// OtherKernel is the judge that is Linux of a version, in a virtual machine.
func OtherKernel(version string) string { return "linux-" + version }

// OursAs is the judge that is ours and judges as that version.
func OursAs(version string) string { return OursName + "-" + version }

// asOther is the other kernel that a judge of ours follows; "" if none.
func asOther(judge string) string {
	if version, ok := strings.CutPrefix(judge, OursAs("")); ok {
		return OtherKernel(version)
	}
	return ""
}

func (r *Report) compare(judge int, reference string, want func(*Result) (accepts, says bool)) Agreement {
	a := Agreement{Judge: r.Judges[judge], Reference: reference}
	for i := range r.Results {
		res := &r.Results[i]
		accepts, says := want(res)
		if !says {
			continue
		}
		got, ok := res.Verdicts[judge].Says()
		switch {
		case !ok:
			a.CannotSay++
			continue
		case accepts:
			a.Success.add(got)
		default:
			a.Failure.add(!got)
		}
		if c := res.Case; c.Expected && got == accepts && got == c.Success && len(c.Messages) > 0 {
			a.Messages.add(Match(res.Verdicts[judge].Log, c.Messages) == len(c.Messages))
		}
	}
	return a
}

// Disagreement is a case where a judge does not say what it should.
type Disagreement struct {
	Result    *Result
	Judge     int // in the report's order
	Reference string
	// Missing is the first expected message that the log lacks, where the verdict
	// itself is right.
	Missing string
}

// Disagreements lists the cases where a judge differs from the expectation, or
// where there is none from the kernel; and missing messages.
func (r *Report) Disagreements() []Disagreement {
	var out []Disagreement
	k := slices.Index(r.Judges, KernelName)
	for i := range r.Results {
		res := &r.Results[i]
		c := res.Case
		for j := range r.Judges {
			got, ok := res.Verdicts[j].Says()
			if !ok {
				continue
			}
			if k >= 0 && j != k {
				ref := k
				if other := slices.Index(r.Judges, asOther(r.Judges[j])); other >= 0 {
					ref = other
				}
				if want, says := res.Verdicts[ref].Says(); says && got != want {
					out = append(out, Disagreement{Result: res, Judge: j, Reference: r.Judges[ref]})
					continue
				}
			}
			if !c.Expected {
				continue
			}
			if got != c.Success {
				out = append(out, Disagreement{Result: res, Judge: j, Reference: Expectation})
			} else if n := Match(res.Verdicts[j].Log, c.Messages); n < len(c.Messages) {
				out = append(out, Disagreement{Result: res, Judge: j, Reference: Expectation, Missing: c.Messages[n].Text})
			}
		}
	}
	return out
}

// Speed compares a judge's time with the kernel's own, over the programs that both
// accept and that the kernel's log gives a time for.
type Speed struct {
	Judge    string
	Programs int
	// Ratio is the geometric mean of ours to the kernel's, Worst the largest of the
	// programs that take the kernel a millisecond or more.
	Ratio, Worst float64
	WorstCase    string
}

// Speeds of every judge but the kernel.
func (r *Report) Speeds() []Speed {
	k := slices.Index(r.Judges, KernelName)
	if k < 0 {
		return nil
	}
	var out []Speed
	for j, name := range r.Judges {
		if j == k {
			continue
		}
		s, sum := Speed{Judge: name}, 0.0
		for i := range r.Results {
			res := &r.Results[i]
			theirs := res.Verdicts[k].Stats.Time
			if !res.Verdicts[k].Accepted || !res.Verdicts[j].Accepted || theirs <= 0 {
				continue
			}
			ratio := float64(res.time(j)) / float64(theirs)
			s.Programs++
			sum += math.Log(ratio)
			if theirs >= time.Millisecond && ratio > s.Worst {
				s.Worst, s.WorstCase = ratio, res.Case.Name()
			}
		}
		if s.Programs > 0 {
			s.Ratio = math.Exp(sum / float64(s.Programs))
			out = append(out, s)
		}
	}
	return out
}

// time is what a judge says it took, else what the call took.
func (r *Result) time(judge int) time.Duration {
	return max(1, orElse(r.Verdicts[judge].Stats.Time, r.Elapsed[judge]))
}

func orElse[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}
