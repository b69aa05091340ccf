package demo

import (
	"fmt"
	"time"

	"github.com/skepdev/skep/bpf"
)

// snapshot is what views show. Its slices are good until the loop goes on.
type snapshot struct {
	engine, why, other string
	elapsed            time.Duration
	verdict            Verdict
	program            string
	families           [2]familyView
	filter             Counted
	flips              int
	last               FlipReport // if flips > 0
	events             []eventView
}

type familyView struct {
	name, from, to string
	tally          Tally
	open           int // pings under way
	rtt            time.Duration
	marks          []mark
	// pending are the pings under way; one that the filter dropped is not
	// waited for to be shown.
	pending []Verdict
}

// dropping is how many of the pings under way the filter has dropped already.
func (f *familyView) dropping() int {
	n := 0
	for _, v := range f.pending {
		if v == Drop {
			n++
		}
	}
	return n
}

type eventView struct {
	at moment
	bpf.DeathEvent
}

func (r *run) snapshot() *snapshot {
	s := &snapshot{
		engine: r.opts.Engine.Name(), why: r.opts.Why, other: r.opts.Other,
		elapsed: r.now(), verdict: r.filter.now, program: r.filter.attached().Name,
		filter: r.counted, flips: r.flipped, last: r.lastFlip,
	}
	for i := range r.families {
		f := &r.families[i]
		v := familyView{
			name: f.name, from: r.sources[i].String(), to: r.targets[i].String(),
			tally: f.tally, open: len(f.open), marks: f.marks,
		}
		if f.rtt.n > 0 {
			v.rtt = f.rtt.sum / time.Duration(f.rtt.n)
		}
		for _, p := range f.open {
			verdict := Pass
			if p.seen && p.verdict == Drop {
				verdict = Drop
			}
			v.pending = append(v.pending, verdict)
		}
		s.families[i] = v
	}
	for _, e := range r.recent {
		s.events = append(s.events, eventView{r.clock.moment(e.Time), e})
	}
	return s
}

func counted(rules [2]bpf.DeathCounters, totals bpf.DeathTotals, read uint64) Counted {
	c := Counted{Met: totals.Packets, EventsReported: totals.Reported, EventsLost: totals.Lost, EventsRead: read}
	for _, r := range rules {
		c.Passed += r.Passed
		c.PassedBytes += r.PassedBytes
		c.Dropped += r.Dropped
		c.DroppedBytes += r.DroppedBytes
	}
	return c
}

// report closes the books. All pings are settled.
func (r *run) report() *Report {
	rep := &Report{
		Engine: r.opts.Engine.Name(), Why: r.opts.Why, Other: r.opts.Other,
		Started: r.start, Seconds: r.ended.Seconds(),
		Flips: r.flips, Filter: r.counted,
		ClockSlackMicroseconds: float64(r.clock.slack) / 1e3,
		Problems:               append([]string{}, r.problems...),
	}
	for i := range r.families {
		f := &r.families[i]
		fr := Family{Name: f.name, Target: r.targets[i].String(), Tally: f.tally, Gaps: append([]Gap{}, f.gaps...)}
		if f.rtt.n > 0 {
			micros := func(d time.Duration) float64 { return float64(d) / 1e3 }
			fr.RTT = RTT{micros(f.rtt.min), micros(f.rtt.sum) / float64(f.rtt.n), micros(f.rtt.max)}
		}
		rep.Families = append(rep.Families, fr)
		rep.Total.addAll(f.tally)
		rep.Problems = append(rep.Problems, f.problems()...)
	}
	rep.Problems = append(rep.Problems, rep.Filter.problems(rep.Total)...)
	rep.OK = len(rep.Problems) == 0
	return rep
}

// problems are the promises that a family's pings saw broken.
func (f *family) problems() []string {
	var out []string
	for _, p := range []struct {
		n    int
		what string
	}{
		{f.tally.LostOutside, "lost outside the DROP window"},
		{f.tally.PassedInside, "got through inside the DROP window"},
		{f.tally.Unseen, "came back without meeting the filter"},
	} {
		if p.n > 0 {
			out = append(out, fmt.Sprintf("%s: %d of %d pings %s", f.name, p.n, f.tally.Sent, p.what))
		}
	}
	if f.tally.Sent == 0 {
		out = append(out, f.name+": no pings were sent")
	}
	return out
}

// problems are disagreements between the filter's counters, its events and the
// pings: each ping meets the filter once, and each meeting is an event that is
// read here or counted as lost.
func (c Counted) problems(t Tally) []string {
	var out []string
	if c.EventsRead != c.EventsReported {
		out = append(out, fmt.Sprintf("the filter reported %d events, %d were read", c.EventsReported, c.EventsRead))
	}
	if met := c.Passed + c.Dropped; met != c.EventsReported+c.EventsLost {
		out = append(out, fmt.Sprintf("the filter counted %d pings but %d events and %d lost ones", met, c.EventsReported, c.EventsLost))
	}
	if met := c.Passed + c.Dropped; met > uint64(t.Sent) {
		out = append(out, fmt.Sprintf("the filter counted %d pings, %d were sent", met, t.Sent))
	}
	return out
}
