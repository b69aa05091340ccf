package picture

import (
	"fmt"
	"strings"
	"time"
)

// Sizes in pixels.
const (
	labels  = 190 // room for names at the left
	width   = 900
	rowHigh = 18
)

// label names a bucket: [min, max].
func (k bucket) label() string {
	switch {
	case k.Min == nil && k.Max == nil:
		return "all"
	case k.Min == nil:
		return fmt.Sprintf("≤ %s", number(float64(*k.Max)))
	case k.Max == nil:
		return fmt.Sprintf("≥ %s", number(float64(*k.Min)))
	case *k.Min == *k.Max:
		return number(float64(*k.Min))
	}
	return fmt.Sprintf("%s … %s", number(float64(*k.Min)), number(float64(*k.Max)))
}

// same says whether two buckets have the same bounds.
func (k bucket) same(o bucket) bool {
	eq := func(a, b *whole) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
	return eq(k.Min, o.Min) && eq(k.Max, o.Max)
}

// histogram draws buckets as bars.
func histogram(b *strings.Builder, bs []bucket) {
	most, total := whole(1), whole(0)
	for _, k := range bs {
		most = max(most, k.Count)
		total += k.Count
	}
	open(b, width, len(bs)*rowHigh, fmt.Sprintf("histogram of %d values", total))
	for i, k := range bs {
		y := i * rowHigh
		w := float64(width-labels-90) * float64(k.Count) / float64(most)
		fmt.Fprintf(b, `<g><title>%s: %d of %d</title><text x="%d" y="%d" text-anchor="end">%s</text>`,
			escape(k.label()), k.Count, total, labels-8, y+13, escape(k.label()))
		fmt.Fprintf(b, `<rect class="bar" x="%d" y="%d" width="%.1f" height="%d"/><text class="dim" x="%.1f" y="%d">%d</text></g>`+"\n",
			labels, y+2, w, rowHigh-4, labels+w+6, y+13, k.Count)
	}
	b.WriteString("</svg>\n")
}

// heatMap draws what was added between the states of a key's histogram: time to
// the right, buckets upwards.
func (s *series) heatMap(b *strings.Builder, key string) {
	last := s.at(len(s.states)-1, key)
	rows := merged(s, key)
	if len(rows) == 0 || last == nil {
		return
	}
	columns := len(s.states)
	cell := float64(width-labels) / float64(columns)
	most := whole(1)
	added := make([][]whole, columns)
	for c := range columns {
		added[c] = make([]whole, len(rows))
		for r, k := range rows {
			now, before := count(s.at(c, key), k), whole(0)
			if c > 0 {
				before = count(s.at(c-1, key), k)
			}
			if now >= before {
				now -= before
			} // else the map was cleared in between
			added[c][r] = now
			most = max(most, now)
		}
	}
	const foot = 18
	high := len(rows)*rowHigh + foot
	open(b, width, high, fmt.Sprintf("heat map of %d histograms", columns))
	for r, k := range rows {
		y := (len(rows) - 1 - r) * rowHigh
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labels-8, y+13, escape(k.label()))
		for c := range columns {
			n := added[c][r]
			if n == 0 {
				continue
			}
			fmt.Fprintf(b, `<rect class="heat" x="%.1f" y="%d" width="%.1f" height="%d" fill-opacity="%.3f"><title>%s, %s: %d</title></rect>`+"\n",
				labels+float64(c)*cell, y+1, max(cell-0.5, 0.5), rowHigh-1, 0.12+0.88*float64(n)/float64(most),
				s.states[c].at.Format(time.TimeOnly), escape(k.label()), n)
		}
	}
	fmt.Fprintf(b, `<text class="dim" x="%d" y="%d">%s</text><text class="dim" x="%d" y="%d" text-anchor="end">%s</text>`+"\n</svg>\n",
		labels, high-4, s.states[0].at.Format(time.TimeOnly), width, high-4, s.states[columns-1].at.Format(time.TimeOnly))
}

// at is a key's buckets in a state; nil if it was not there.
func (s *series) at(i int, key string) []bucket {
	for _, e := range s.states[i].keys {
		if e.key == key {
			return e.buckets
		}
	}
	return nil
}

func count(bs []bucket, k bucket) whole {
	for _, b := range bs {
		if b.same(k) {
			return b.Count
		}
	}
	return 0
}

// merged are all buckets that a key ever had, in order: histograms begin and end
// where there are values.
func merged(s *series, key string) (out []bucket) {
	low := func(k bucket) whole {
		if k.Min == nil {
			return -1 << 63
		}
		return *k.Min
	}
	for i := range s.states {
	next:
		for _, k := range s.at(i, key) {
			at := len(out)
			for j, have := range out {
				if have.same(k) {
					continue next
				}
				if low(have) > low(k) {
					at = j
					break
				}
			}
			if len(out) < maxBucket {
				out = append(out[:at], append([]bucket{k}, out[at:]...)...)
			}
		}
	}
	return out
}
