package picture

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"
)

// curve is a line through points.
type curve struct {
	name   string
	points []point
}

// maxCurves is how many lines a picture has; those with the greatest end first.
const maxCurves = 8

// curves are the numbers of a map over its states, by key.
func (s *series) curves() []curve {
	var out []curve
	for _, e := range s.states[len(s.states)-1].keys {
		c := curve{name: e.key}
		for _, st := range s.states {
			for _, k := range st.keys {
				if k.key == e.key {
					c.points = append(c.points, point{st.at, k.value})
				}
			}
		}
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].end() > out[j].end() })
	return out[:min(len(out), maxCurves)]
}

func (c curve) end() float64 {
	if len(c.points) == 0 {
		return math.Inf(-1)
	}
	return c.points[len(c.points)-1].value
}

// lines draws curves over time.
func lines(b *strings.Builder, cs []curve) {
	var from, to time.Time
	low, high, n := 0.0, 0.0, 0
	for _, c := range cs {
		for _, p := range c.points {
			if n == 0 || p.at.Before(from) {
				from = p.at
			}
			if n == 0 || p.at.After(to) {
				to = p.at
			}
			low, high = min(low, p.value), max(high, p.value)
			n++
		}
	}
	if n == 0 {
		b.WriteString("<p>no values</p>\n")
		return
	}
	if high == low {
		high = low + 1
	}
	const tall, foot, left = 190, 20, 70
	x := func(t time.Time) float64 {
		span := to.Sub(from)
		if span <= 0 {
			return left
		}
		return left + float64(width-left-8)*float64(t.Sub(from))/float64(span)
	}
	y := func(v float64) float64 { return 8 + (tall-16)*(high-v)/(high-low) }
	open(b, width, tall+foot, fmt.Sprintf("%d lines of %d values", len(cs), n))
	for i := range 5 {
		v := low + (high-low)*float64(i)/4
		fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="dim" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			left, width, y(v), y(v), left-6, y(v)+4, number(v))
	}
	for i, c := range cs {
		var path strings.Builder
		for j, p := range c.points {
			fmt.Fprintf(&path, "%s%.1f,%.1f", map[bool]string{true: "", false: " "}[j == 0], x(p.at), y(p.value))
		}
		hue := (210 + i*137) % 360
		fmt.Fprintf(b, `<polyline class="plot" stroke="hsl(%d 65%% 50%%)" points="%s"/>`+"\n", hue, path.String())
		for _, p := range c.points {
			title := strings.TrimSpace(c.name + " " + p.at.Format("15:04:05.000") + ": " + number(p.value))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="2.5" fill="hsl(%d 65%% 50%%)"><title>%s</title></circle>`+"\n", x(p.at), y(p.value), hue, escape(title))
		}
	}
	fmt.Fprintf(b, `<text class="dim" x="%d" y="%d">%s</text><text class="dim" x="%d" y="%d" text-anchor="end">%s</text>`+"\n</svg>\n",
		left, tall+foot-5, from.Format(time.TimeOnly), width, tall+foot-5, to.Format(time.TimeOnly))
}

// bars draws numbers by key, the greatest first.
func bars(b *strings.Builder, keys []entry) {
	keys = append([]entry(nil), keys...)
	sort.SliceStable(keys, func(i, j int) bool { return keys[i].value > keys[j].value })
	keys = keys[:min(len(keys), maxKeys)]
	most := 0.0
	for _, e := range keys {
		most = max(most, math.Abs(e.value))
	}
	if most == 0 {
		most = 1
	}
	const names = 2 * labels
	open(b, width, len(keys)*rowHigh, fmt.Sprintf("%d values", len(keys)))
	for i, e := range keys {
		y := i * rowHigh
		w := float64(width-names-90) * math.Abs(e.value) / most
		fmt.Fprintf(b, `<g><title>%s: %g</title><text x="%d" y="%d" text-anchor="end">%s</text>`, escape(e.key), e.value, names-8, y+13, clip(e.key, 54))
		fmt.Fprintf(b, `<rect class="bar" x="%d" y="%d" width="%.1f" height="%d"/><text class="dim" x="%.1f" y="%d">%s</text></g>`+"\n",
			names, y+2, w, rowHigh-4, names+w+6, y+13, number(e.value))
	}
	b.WriteString("</svg>\n")
}

// statistics is a table: counts, averages and totals by key.
func statistics(b *strings.Builder, keys []entry) {
	if len(keys) == 0 {
		return
	}
	b.WriteString("<table><tr><th></th>")
	for _, f := range keys[0].fields {
		fmt.Fprintf(b, "<th>%s</th>", escape(f.name))
	}
	b.WriteString("</tr>\n")
	for _, e := range keys[:min(len(keys), maxKeys)] {
		fmt.Fprintf(b, "<tr><td>%s</td>", clip(e.key, 100))
		for _, f := range e.fields {
			fmt.Fprintf(b, "<td>%s</td>", number(f.value))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
}
