package demo

import (
	"errors"
	"os"
	"time"
)

// family is one address family's pings: those still open, and what became of
// the others.
type family struct {
	name  string
	index int
	sent  uint64
	open  []*ping // in order of sending
	tally Tally
	rtt   struct {
		min, max, sum time.Duration
		n             int
	}
	gaps []Gap
	gap  *Gap // the one that the last ping judged belongs to
	// marks are the last fates, oldest first, for the view.
	marks []mark
}

// mark is one ping in the view.
type mark struct {
	fate fate
	// dropping: the filter was to drop when it was met.
	dropping bool
}

// keepMarks is more than any terminal is wide; maxGaps bounds the report.
const (
	keepMarks = 512
	maxGaps   = 1000
)

func newFamily(name string, index int) family { return family{name: name, index: index} }

// next makes the next ping.
func (f *family) next(now moment) *ping {
	p := &ping{family: f.index, number: f.sent, sent: now}
	f.sent++
	f.open = append(f.open, p)
	return p
}

func (f *family) find(number uint64) *ping {
	for _, p := range f.open {
		if p.number == number {
			return p
		}
	}
	return nil
}

// findSeq finds an open ping by the 16 bits that a packet carries.
func (f *family) findSeq(seq uint16) *ping {
	for _, p := range f.open {
		if uint16(p.number) == seq {
			return p
		}
	}
	return nil
}

// settle judges open pings, in order, as far as all is known of them, and
// returns how many stay open.
func (f *family) settle(h *history, now moment, eventsLost func() bool) int {
	for len(f.open) > 0 {
		p := f.open[0]
		if !p.settled || !p.seen && now < p.settledAt+grace {
			break
		}
		f.open = f.open[1:]
		fate, inFlight := h.judge(p, !p.seen && eventsLost())
		f.note(p, fate, inFlight, h.dropping(p))
	}
	return len(f.open)
}

func (f *family) note(p *ping, fate fate, inFlight, dropping bool) {
	f.tally.add(fate, inFlight)
	if f.marks = append(f.marks, mark{fate, dropping}); len(f.marks) > keepMarks {
		f.marks = append(f.marks[:0], f.marks[len(f.marks)-keepMarks/2:]...)
	}
	if p.replied {
		f.rtt.n++
		f.rtt.sum += p.rtt
		if f.rtt.min == 0 || p.rtt < f.rtt.min {
			f.rtt.min = p.rtt
		}
		f.rtt.max = max(f.rtt.max, p.rtt)
		f.gap = nil
		return
	}
	switch {
	case f.gap != nil:
		f.gap.Last = p.number
		f.gap.Dropped = f.gap.Dropped && fate == lostInside
	case len(f.gaps) < maxGaps:
		f.gaps = append(f.gaps, Gap{First: p.number, Last: p.number, At: p.sent.Seconds(), Dropped: fate == lostInside})
		f.gap = &f.gaps[len(f.gaps)-1]
	}
}

// add remembers a replacement, and forgets those too old for open pings.
func (h *history) add(r replacement) {
	if len(h.flips) >= maxFlips {
		half := len(h.flips) / 2
		h.first = h.flips[half-1].to
		h.flips = append(h.flips[:0], h.flips[half:]...)
	}
	h.flips = append(h.flips, r)
}

// dropping says whether the filter was to drop when p met it, or was sent.
func (h *history) dropping(p *ping) bool {
	at := p.sent
	if p.seen {
		at = p.met
	}
	v := h.first
	for _, f := range h.flips {
		if at < f.began {
			break
		}
		v = f.to
	}
	return v == Drop
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
