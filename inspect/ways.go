package inspect

import (
	"bufio"
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Measures of lines between layers.
const (
	bareGap  = 34 // between layers, for curves
	trackGap = 7  // between lines that run across
	portGap  = 16 // between lines that leave a block
	flatness = 60 // a curve that goes so far gets one more in height
)

// ways is where lines run: the ports at blocks, and for the ways back the
// tracks on which they cross the gaps between layers. Gap l is above layer l.
type ways struct {
	s *sketch
	// out is the x at which a segment leaves its upper vertex, in that at
	// which it arrives at its lower one.
	out, in []float64
	// leave and enter are the x of a way back at its source, and at the block
	// it leads to; tracks are the numbers of the tracks they use in their gaps.
	leave  map[int]float64 // by edge
	enter  []float64       // by trunk
	leaves map[int]int     // track, by edge
	enters []int           // track, by trunk
	below  []int           // tracks used right below the layer above a gap
	above  []int           // tracks used right above the layer below a gap
	// reach is how far across the curves in a gap go, at most.
	reach []float64
}

func newWays(s *sketch) *ways {
	w := &ways{
		s: s, out: make([]float64, len(s.segments)), in: make([]float64, len(s.segments)),
		leave: map[int]float64{}, leaves: map[int]int{},
		enter: make([]float64, len(s.returns)), enters: make([]int, len(s.returns)),
		below: make([]int, len(s.layers)+1), above: make([]int, len(s.layers)+1),
		reach: make([]float64, len(s.layers)+1),
	}
	w.ports()
	w.tracks()
	for i, seg := range s.segments {
		gap := s.vertices[seg.to].layer
		w.reach[gap] = max(w.reach[gap], math.Abs(w.out[i]-w.in[i]))
	}
	return w
}

// port is a line at the lower or upper side of a block.
type port struct {
	far float64 // where the line comes from or goes to
	set func(x float64)
}

// ports spreads the lines at each side of each block, in the order of their far
// ends. Lines that arrive from above come together in one point unless a way
// back arrives too.
func (w *ways) ports() {
	s := w.s
	lower := make([][]port, len(s.vertices))
	upper := make([][]port, len(s.vertices))
	for i, seg := range s.segments {
		from, to := &s.vertices[seg.from], &s.vertices[seg.to]
		w.out[i], w.in[i] = from.x, to.x
		if from.block >= 0 {
			lower[seg.from] = append(lower[seg.from], port{to.x, func(x float64) { w.out[i] = x }})
		}
	}
	arrivals := make([][]int, len(s.vertices)) // segments by their lower end
	for i, seg := range s.segments {
		arrivals[seg.to] = append(arrivals[seg.to], i)
	}
	for i, t := range s.returns {
		x := s.vertices[t.bends[0]].x
		arriving := arrivals[t.block]
		upper[t.block] = append(upper[t.block], port{x, func(x float64) { w.enter[i] = x }})
		if len(arriving) > 0 {
			upper[t.block] = append(upper[t.block], port{s.vertices[t.block].x, func(x float64) {
				for _, j := range arriving {
					w.in[j] = x
				}
			}})
		}
		for _, e := range t.edges {
			from := s.part.Edges[e].From
			lower[from] = append(lower[from], port{x, func(x float64) { w.leave[e] = x }})
		}
	}
	for v := range s.vertices {
		spread(s.vertices[v].x, s.vertices[v].width, lower[v])
		spread(s.vertices[v].x, s.vertices[v].width, upper[v])
	}
}

func spread(middle, width float64, ports []port) {
	slices.SortStableFunc(ports, func(a, b port) int { return cmp.Compare(a.far, b.far) })
	gap := min(portGap, (width-2*corner)/float64(max(len(ports), 1)))
	x := middle - gap*float64(len(ports)-1)/2
	for _, p := range ports {
		p.set(x)
		x += gap
	}
}

// tracks gives the horizontal runs of the ways back their heights, so that runs
// that overlap in a gap do not lie on each other.
func (w *ways) tracks() {
	type run struct {
		from, to float64
		set      func(track int)
	}
	below, above := make([][]run, len(w.below)), make([][]run, len(w.above))
	for i, t := range w.s.returns {
		gap := w.s.vertices[t.block].layer
		x := w.s.vertices[t.bends[0]].x
		above[gap] = append(above[gap], run{min(x, w.enter[i]), max(x, w.enter[i]), func(n int) { w.enters[i] = n }})
		for _, e := range t.edges {
			from := w.s.part.Edges[e].From
			gap := w.s.vertices[from].layer + 1
			x := w.s.vertices[w.bend(t, from)].x
			below[gap] = append(below[gap], run{min(x, w.leave[e]), max(x, w.leave[e]), func(n int) { w.leaves[e] = n }})
		}
	}
	assign := func(runs []run) int {
		slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.from, b.from) })
		var ends []float64 // of each track
		for _, r := range runs {
			track := slices.IndexFunc(ends, func(end float64) bool { return end+trackGap < r.from })
			if track < 0 {
				track = len(ends)
				ends = append(ends, 0)
			}
			ends[track] = r.to
			r.set(track)
		}
		return len(ends)
	}
	for gap := range below {
		w.below[gap] = assign(below[gap])
		w.above[gap] = assign(above[gap])
	}
}

// bend is the bend of a trunk beside a source.
func (w *ways) bend(t trunk, from int) int {
	return t.bends[w.s.vertices[from].layer-w.s.vertices[t.block].layer]
}

// room is the height of a gap: curves between the tracks on both sides. Far
// reaching curves get more, so as not to run flat.
func (w *ways) room(gap int) float64 {
	h := float64(w.below[gap]+w.above[gap]) * trackGap
	if h > 0 {
		h += trackGap
	}
	if gap > 0 && gap < len(w.s.layers) {
		h += bareGap + min(w.reach[gap]/flatness, bareGap)
	} else if h > 0 {
		h += arrow
	}
	return h
}

// writeLines draws all lines, the ways back last.
func (d *drawing) writeLines(b *bufio.Writer) {
	for i := range d.segments {
		d.writeSegment(b, i)
	}
	for i := range d.returns {
		d.writeReturn(b, i)
	}
	d.writeTips(b)
}

// writeSegment draws one curve down a gap, from the lower side of the upper
// vertex through its layer, and on through the layer of a bend below.
func (d *drawing) writeSegment(b *bufio.Writer, i int) {
	seg := d.segments[i]
	from, to := d.vertices[seg.from], d.vertices[seg.to]
	x1, x2 := d.ways.out[i], d.ways.in[i]
	start := d.tops[from.layer]
	if from.block >= 0 {
		start += d.boxes[from.block].height
	}
	gap := to.layer
	y1 := d.bottoms[from.layer] + float64(d.ways.below[gap])*trackGap
	y2 := d.tops[to.layer] - float64(d.ways.above[gap])*trackGap
	end := d.tops[to.layer]
	if to.block >= 0 {
		end -= arrow
	}
	y2 = min(y2, end)
	half := (y2 - y1) / 2
	fmt.Fprintf(b, `<path class="edge %s" d="M%s %sV%s`, d.kind(seg.edges), num(x1), num(start), num(y1))
	if x1 == x2 {
		fmt.Fprintf(b, `V%s`, num(end))
	} else {
		fmt.Fprintf(b, `C%s %s %s %s %s %sV%s`, num(x1), num(y1+half), num(x2), num(y2-half), num(x2), num(y2), num(end))
	}
	b.WriteString(`"/>` + "\n")
}

// kind is the common kind of the edges on a line; a trunk of different ones is
// drawn like a jump.
func (d *drawing) kind(edges []int) EdgeKind {
	kind := d.part.Edges[edges[0]].Kind
	for _, e := range edges {
		if d.part.Edges[e].Kind != kind {
			return EdgeJump
		}
	}
	return kind
}

// writeReturn draws the way back to a block: from under each source across to
// the trunk, up, and across to the block's top.
func (d *drawing) writeReturn(b *bufio.Writer, i int) {
	t := d.returns[i]
	block := d.vertices[t.block]
	top := d.tops[block.layer]
	enter := top - arrow - float64(d.ways.enters[i]+1)*trackGap
	for _, e := range t.edges {
		from := d.part.Edges[e].From
		v := d.vertices[from]
		layer := v.layer
		leave := d.bottoms[layer] + float64(d.ways.leaves[e]+1)*trackGap
		x := d.vertices[d.ways.bend(t, from)].x
		p := roundedPath{}
		p.to(d.ways.leave[e], d.tops[layer]+d.boxes[v.block].height)
		p.to(d.ways.leave[e], leave)
		p.to(x, leave)
		for l := layer; l >= block.layer; l-- {
			x = d.vertices[t.bends[l-block.layer]].x
			p.to(x, d.bottoms[l])
			p.to(x, d.tops[l])
		}
		p.to(x, enter)
		p.to(d.ways.enter[i], enter)
		p.to(d.ways.enter[i], top-arrow)
		fmt.Fprintf(b, `<path class="edge back" d="%s"/>`+"\n", p.data())
	}
}

// writeTips draws one arrow head for each point at which lines enter a block.
func (d *drawing) writeTips(b *bufio.Writer) {
	type point struct {
		block int
		x     string
	}
	kinds := map[point][]int{}
	var order []point
	for i, seg := range d.segments {
		if d.vertices[seg.to].block >= 0 {
			at := point{seg.to, num(d.ways.in[i])}
			if kinds[at] == nil {
				order = append(order, at)
			}
			kinds[at] = append(kinds[at], seg.edges...)
		}
	}
	for _, at := range order {
		d.writeTip(b, string(d.kind(kinds[at])), at.x, at.block)
	}
	for i, t := range d.returns {
		d.writeTip(b, "back", num(d.ways.enter[i]), t.block)
	}
}

func (d *drawing) writeTip(b *bufio.Writer, class, x string, block int) {
	y := d.tops[d.vertices[block].layer]
	fmt.Fprintf(b, `<path class="tip %s" d="M%s %sl-3.5 -%dh7z"/>`+"\n", class, x, num(y), arrow+1)
}
