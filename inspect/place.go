package inspect

import (
	"math"
	"slices"
)

// Room between vertices of a layer.
const (
	blockGap = 28
	bendGap  = 14
)

// place gives every vertex its x: four alignments of vertices with the medians
// of their neighbours (from above and below, leaning left and right), each
// packed tightly, and then the average of the middle two (Brandes, Köpf, 2002).
// Long lines come out straight.
func (s *sketch) place() {
	marked := s.conflicts()
	var all [4][]float64
	for i := range all {
		fromBelow, fromRight := i >= 2, i%2 == 1
		root := s.align(marked, fromBelow, fromRight)
		all[i] = s.compact(root, fromRight)
	}
	alignToNarrowest(s, &all)
	for v := range s.vertices {
		xs := []float64{all[0][v], all[1][v], all[2][v], all[3][v]}
		slices.Sort(xs)
		s.vertices[v].x = (xs[1] + xs[2]) / 2
	}
	s.toOrigin()
}

// conflicts marks the lines that cross a long, straight one: those are not
// aligned, so that the long one can be.
func (s *sketch) conflicts() map[[2]int]bool {
	marked := map[[2]int]bool{}
	isBend := func(v int) bool { return s.vertices[v].block < 0 }
	for l := 1; l < len(s.layers); l++ {
		left, scan := 0, 0
		layer := s.layers[l]
		for i, v := range layer {
			inner := -1
			if isBend(v) {
				for _, u := range s.up[v] {
					if isBend(u) {
						inner = s.vertices[u].place
					}
				}
			}
			if inner < 0 && i+1 < len(layer) {
				continue
			}
			right := len(s.layers[l-1])
			if inner >= 0 {
				right = inner
			}
			for ; scan <= i; scan++ {
				w := layer[scan]
				for _, u := range s.up[w] {
					if p := s.vertices[u].place; (p < left || p > right) && !(isBend(u) && isBend(w)) {
						marked[[2]int{u, w}] = true
					}
				}
			}
			left = right
		}
	}
	return marked
}

// align chains vertices with a median neighbour each, without crossings, and
// returns for each vertex the first of its chain.
func (s *sketch) align(marked map[[2]int]bool, fromBelow, fromRight bool) []int {
	root := make([]int, len(s.vertices))
	next := make([]int, len(s.vertices))
	for v := range root {
		root[v], next[v] = v, v
	}
	for i := range s.layers {
		l, beside := i, s.up
		if fromBelow {
			l, beside = len(s.layers)-1-i, s.down
		}
		last := -1 // how far across the neighbours used reach
		for j := range s.layers[l] {
			if fromRight {
				j = len(s.layers[l]) - 1 - j
			}
			v := s.layers[l][j]
			for _, u := range s.medians(beside[v], fromRight) {
				across := s.vertices[u].place
				if fromRight {
					across = len(s.layers[s.vertices[u].layer]) - 1 - across
				}
				if next[v] != v || across <= last || marked[[2]int{u, v}] || marked[[2]int{v, u}] {
					continue
				}
				next[u] = v
				root[v] = root[u]
				next[v] = root[v]
				last = across
			}
		}
	}
	return root
}

// medians are the one or two middle neighbours, in the order to try them.
func (s *sketch) medians(vs []int, fromRight bool) []int {
	if len(vs) == 0 {
		return nil
	}
	sorted := slices.Clone(vs)
	slices.SortFunc(sorted, func(a, b int) int { return s.vertices[a].place - s.vertices[b].place })
	low, high := (len(sorted)-1)/2, len(sorted)/2
	switch {
	case low == high:
		return sorted[low : low+1]
	case fromRight:
		return []int{sorted[high], sorted[low]}
	}
	return []int{sorted[low], sorted[high]}
}

// apart is the least distance between the middles of two vertices beside each
// other.
func (s *sketch) apart(a, b int) float64 {
	gap := float64(blockGap)
	if s.vertices[a].block < 0 || s.vertices[b].block < 0 {
		gap = bendGap
	}
	return (s.vertices[a].width+s.vertices[b].width)/2 + gap
}

// compact moves every chain as far to the left as its neighbours allow, and
// then back to the right where that costs nothing. From the right it does the
// same mirrored.
func (s *sketch) compact(root []int, fromRight bool) []float64 {
	type side struct {
		chain int
		apart float64
	}
	before, after := make([][]side, len(root)), make([][]side, len(root))
	waits := make([]int, len(root))
	for _, layer := range s.layers {
		for i := 1; i < len(layer); i++ {
			a, b := layer[i-1], layer[i]
			d := s.apart(a, b)
			if fromRight {
				a, b = b, a
			}
			after[root[a]] = append(after[root[a]], side{root[b], d})
			before[root[b]] = append(before[root[b]], side{root[a], d})
			waits[root[b]]++
		}
	}
	var sorted []int
	for v := range root {
		if root[v] == v && waits[v] == 0 {
			sorted = append(sorted, v)
		}
	}
	for i := 0; i < len(sorted); i++ {
		for _, n := range after[sorted[i]] {
			if waits[n.chain]--; waits[n.chain] == 0 {
				sorted = append(sorted, n.chain)
			}
		}
	}
	xs := make([]float64, len(root))
	for _, c := range sorted {
		for _, n := range before[c] {
			xs[c] = max(xs[c], xs[n.chain]+n.apart)
		}
	}
	for _, c := range slices.Backward(sorted) {
		room := math.Inf(1)
		for _, n := range after[c] {
			room = min(room, xs[n.chain]-n.apart)
		}
		if !math.IsInf(room, 1) {
			xs[c] = max(xs[c], room)
		}
	}
	out := make([]float64, len(root))
	for v := range out {
		out[v] = xs[root[v]]
		if fromRight {
			out[v] = -out[v]
		}
	}
	return out
}

// alignToNarrowest shifts the four results to the bounds of the narrowest: those
// that lean left by its left edge, the others by its right.
func alignToNarrowest(s *sketch, all *[4][]float64) {
	var lows, highs [4]float64
	narrowest := 0
	for i, xs := range all {
		lows[i], highs[i] = math.Inf(1), math.Inf(-1)
		for v, x := range xs {
			half := s.vertices[v].width / 2
			lows[i], highs[i] = min(lows[i], x-half), max(highs[i], x+half)
		}
		if highs[i]-lows[i] < highs[narrowest]-lows[narrowest] {
			narrowest = i
		}
	}
	for i, xs := range all {
		shift := lows[narrowest] - lows[i]
		if i%2 == 1 {
			shift = highs[narrowest] - highs[i]
		}
		for v := range xs {
			xs[v] += shift
		}
	}
}

// toOrigin moves the left edge to 0.
func (s *sketch) toOrigin() {
	left := math.Inf(1)
	for _, v := range s.vertices {
		left = min(left, v.x-v.width/2)
	}
	for i := range s.vertices {
		s.vertices[i].x -= left
	}
}

// span is the width of the whole sketch.
func (s *sketch) span() float64 {
	right := 0.0
	for _, v := range s.vertices {
		right = max(right, v.x+v.width/2)
	}
	return right
}
