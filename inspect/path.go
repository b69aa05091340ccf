package inspect

import (
	"fmt"
	"math"
	"strings"
)

// roundedPath is a line through points whose corners are rounded off.
type roundedPath struct{ points [][2]float64 }

// to adds a point; one on the line between its neighbours is dropped.
func (p *roundedPath) to(x, y float64) {
	n := len(p.points)
	if n > 0 && near(p.points[n-1][0], x) && near(p.points[n-1][1], y) {
		return
	}
	if n > 1 {
		a, b := p.points[n-2], p.points[n-1]
		if near(a[0], b[0]) && near(b[0], x) && (b[1]-a[1])*(y-b[1]) > 0 {
			p.points = p.points[:n-1]
		}
	}
	p.points = append(p.points, [2]float64{x, y})
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.05 }

// data is the path in SVG's language.
func (p *roundedPath) data() string {
	var b strings.Builder
	for i, at := range p.points {
		if i == 0 || i == len(p.points)-1 {
			fmt.Fprintf(&b, "%c%s %s", "ML"[min(i, 1)], num(at[0]), num(at[1]))
			continue
		}
		before, after := p.points[i-1], p.points[i+1]
		r := min(float64(corner), distance(before, at)/2, distance(at, after)/2)
		a, c := towards(at, before, r), towards(at, after, r)
		fmt.Fprintf(&b, "L%s %sQ%s %s %s %s", num(a[0]), num(a[1]), num(at[0]), num(at[1]), num(c[0]), num(c[1]))
	}
	return b.String()
}

func distance(a, b [2]float64) float64 { return math.Hypot(a[0]-b[0], a[1]-b[1]) }

// towards is the point at distance r from a on the way to b.
func towards(a, b [2]float64, r float64) [2]float64 {
	d := distance(a, b)
	if d == 0 {
		return a
	}
	return [2]float64{a[0] + (b[0]-a[0])*r/d, a[1] + (b[1]-a[1])*r/d}
}
