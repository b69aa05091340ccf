package lb

import (
	"fmt"
	"slices"
	"time"

	"github.com/skepdev/skep/bpf"
)

// span is a range of lines of the Maglev slab.
type span struct{ at, lines uint32 }

// slab hands out room for tables, first fit. What is given back can be used
// again after a while, when no run of a program can still read it.
type slab struct {
	free    []span // by at, never touching
	waiting []struct {
		span
		until time.Time
	}
	lines, used uint32
}

// grace is longer than any program runs.
const grace = 100 * time.Millisecond

func newSlab(lines uint32) *slab {
	return &slab{free: []span{{0, lines}}, lines: lines}
}

func linesFor(entries uint32) uint32 { return (entries + bpf.LBLine - 1) / bpf.LBLine }

// take returns room for a table, as an index of entries.
func (s *slab) take(entries uint32, now time.Time) (uint32, error) {
	want := linesFor(entries)
	if at, ok := s.first(want); ok {
		return at * bpf.LBLine, nil
	}
	s.settle(now)
	if at, ok := s.first(want); ok {
		return at * bpf.LBLine, nil
	}
	return 0, fmt.Errorf("no room for a table of %d entries: %d of %d entries of the slab are in use", entries, s.used*bpf.LBLine, s.lines*bpf.LBLine)
}

func (s *slab) first(want uint32) (uint32, bool) {
	for i := range s.free {
		f := &s.free[i]
		if f.lines < want {
			continue
		}
		at := f.at
		f.at, f.lines = f.at+want, f.lines-want
		if f.lines == 0 {
			s.free = slices.Delete(s.free, i, i+1)
		}
		s.used += want
		return at, true
	}
	return 0, false
}

// claim takes the room of a table that is there already; false if part of it
// is in use.
func (s *slab) claim(index, entries uint32) bool {
	at, want := index/bpf.LBLine, linesFor(entries)
	for i, f := range s.free {
		if at < f.at || at+want > f.at+f.lines {
			continue
		}
		var rest []span
		if at > f.at {
			rest = append(rest, span{f.at, at - f.at})
		}
		if end := f.at + f.lines; end > at+want {
			rest = append(rest, span{at + want, end - at - want})
		}
		s.free = slices.Replace(s.free, i, i+1, rest...)
		s.used += want
		return true
	}
	return false
}

// give returns a table's room.
func (s *slab) give(index, entries uint32, now time.Time) {
	if entries == 0 {
		return
	}
	s.waiting = append(s.waiting, struct {
		span
		until time.Time
	}{span{index / bpf.LBLine, linesFor(entries)}, now.Add(grace)})
	s.used -= linesFor(entries)
}

// settle frees what waited long enough.
func (s *slab) settle(now time.Time) {
	keep := s.waiting[:0]
	for _, w := range s.waiting {
		if now.Before(w.until) {
			keep = append(keep, w)
			continue
		}
		i, _ := slices.BinarySearchFunc(s.free, w.at, func(f span, at uint32) int { return int(f.at) - int(at) })
		s.free = slices.Insert(s.free, i, w.span)
	}
	s.waiting = keep
	joined := s.free[:0]
	for _, f := range s.free {
		if n := len(joined); n > 0 && joined[n-1].at+joined[n-1].lines == f.at {
			joined[n-1].lines += f.lines
			continue
		}
		joined = append(joined, f)
	}
	s.free = joined
}
