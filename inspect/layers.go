package inspect

import (
	"fmt"
	"slices"
)

// maxVertices bounds a drawing: blocks and the bends of long edges.
const maxVertices = 60_000

// sketch is a function's graph on its way to a drawing: vertices in layers from
// top to bottom. Edges that skip layers run over bends, one for each layer; all
// edges to one block share their bends, so that they join into one trunk.
type sketch struct {
	part     *FlowPart
	vertices []vertex
	layers   [][]int // vertices by layer, from left to right
	// segments connect vertices of neighbouring layers, each once.
	segments []segment
	// trunks of back edges, one for each block that closes loops.
	returns []trunk
	// up and down are a vertex's neighbours in the layers beside its own.
	up, down [][]int
}

// vertex is a block or a bend.
type vertex struct {
	block int // -1 for a bend
	layer int
	place int // in its layer, from the left
	width float64
	x     float64 // middle
}

// segment leads one layer down.
type segment struct {
	from, to int
	edges    []int // the edges that run over it
}

// trunk is the way up of the edges back to one block: a bend in every layer
// from the block's own to that of the lowest source.
type trunk struct {
	block int
	bends []int // from the top
	edges []int
}

// newSketch puts the blocks of a function into layers: below all blocks that
// lead to them, except over back edges.
func newSketch(part *FlowPart, width func(block int) float64) (*sketch, error) {
	s := &sketch{part: part}
	layers := longestPaths(part)
	for i := range part.Blocks {
		s.add(i, layers[i], width(i))
	}
	if err := s.connect(); err != nil {
		return nil, err
	}
	s.neighbours()
	return s, nil
}

func (s *sketch) add(block, layer int, width float64) int {
	for len(s.layers) <= layer {
		s.layers = append(s.layers, nil)
	}
	id := len(s.vertices)
	s.vertices = append(s.vertices, vertex{block: block, layer: layer, place: len(s.layers[layer]), width: width})
	s.layers[layer] = append(s.layers[layer], id)
	return id
}

// longestPaths is each block's distance from the top, along the longest way
// that uses no back edge.
func longestPaths(part *FlowPart) []int {
	out := make([][]int, len(part.Blocks))
	waits := make([]int, len(part.Blocks))
	for _, e := range part.Edges {
		if !e.Back {
			out[e.From] = append(out[e.From], e.To)
			waits[e.To]++
		}
	}
	layers := make([]int, len(part.Blocks))
	var ready []int
	for i, n := range waits {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		b := ready[0]
		ready = ready[1:]
		for _, to := range out[b] {
			layers[to] = max(layers[to], layers[b]+1)
			if waits[to]--; waits[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	return layers
}

// bendWidth is the room a line takes between blocks.
const bendWidth = 8

// connect makes the bends and segments of all edges.
func (s *sketch) connect() error {
	incoming := make([][]int, len(s.part.Blocks))
	for i, e := range s.part.Edges {
		incoming[e.To] = append(incoming[e.To], i)
	}
	seen := map[[2]int]int{}
	link := func(from, to, edge int) {
		key := [2]int{from, to}
		i, ok := seen[key]
		if !ok {
			i = len(s.segments)
			seen[key] = i
			s.segments = append(s.segments, segment{from: from, to: to})
		}
		s.segments[i].edges = append(s.segments[i].edges, edge)
	}
	for block, edges := range incoming {
		if err := s.connectDown(block, edges, link); err != nil {
			return err
		}
		if err := s.connectBack(block, edges); err != nil {
			return err
		}
	}
	return nil
}

func (s *sketch) connectDown(block int, edges []int, link func(from, to, edge int)) error {
	layer := s.vertices[block].layer
	bends := map[int]int{} // by layer
	for _, i := range edges {
		e := s.part.Edges[i]
		if e.Back {
			continue
		}
		at := e.From
		for l := s.vertices[e.From].layer + 1; l < layer; l++ {
			bend, ok := bends[l]
			if !ok {
				bend = s.add(-1, l, bendWidth)
				bends[l] = bend
			}
			link(at, bend, i)
			at = bend
		}
		link(at, block, i)
		if len(s.vertices) > maxVertices {
			return s.tooLarge()
		}
	}
	return nil
}

func (s *sketch) connectBack(block int, edges []int) error {
	t := trunk{block: block}
	lowest := -1
	for _, i := range edges {
		if e := s.part.Edges[i]; e.Back {
			t.edges = append(t.edges, i)
			lowest = max(lowest, s.vertices[e.From].layer)
		}
	}
	if len(t.edges) == 0 {
		return nil
	}
	for l := s.vertices[block].layer; l <= lowest; l++ {
		t.bends = append(t.bends, s.add(-1, l, bendWidth))
	}
	s.returns = append(s.returns, t)
	if len(s.vertices) > maxVertices {
		return s.tooLarge()
	}
	return nil
}

func (s *sketch) tooLarge() error {
	return fmt.Errorf("draw function %s: %d blocks in %d layers are too many for a drawing; write DOT instead",
		s.part.Function, len(s.part.Blocks), len(s.layers))
}

// neighbours fills up and down. The way back counts as a line of its own.
func (s *sketch) neighbours() {
	s.up = make([][]int, len(s.vertices))
	s.down = make([][]int, len(s.vertices))
	join := func(a, b int) {
		s.down[a] = append(s.down[a], b)
		s.up[b] = append(s.up[b], a)
	}
	for _, seg := range s.segments {
		join(seg.from, seg.to)
	}
	for _, t := range s.returns {
		for i := 1; i < len(t.bends); i++ {
			join(t.bends[i-1], t.bends[i])
		}
	}
}

// attraction is neighbours with pulls that keep the ends of a way back near the
// blocks it connects; it serves the order, not the placing.
func (s *sketch) attraction() (up, down [][]int) {
	up, down = slices.Clone(s.up), slices.Clone(s.down)
	for _, t := range s.returns {
		top := t.bends[0]
		up[top] = append(slices.Clone(up[top]), s.up[t.block]...)
		for _, i := range t.edges {
			from := s.part.Edges[i].From
			bend := t.bends[s.vertices[from].layer-s.vertices[t.block].layer]
			down[bend] = append(slices.Clone(down[bend]), s.down[from]...)
		}
	}
	return up, down
}
