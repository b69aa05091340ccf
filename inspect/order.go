package inspect

import (
	"cmp"
	"slices"
)

// order arranges the vertices of every layer so that few lines cross: sweeps
// down and up that sort each layer by the medians of its neighbours, and swaps
// of neighbours that help (Gansner, Koutsofios, North, Vo, 1993). The best order
// met is kept.
func (s *sketch) order() {
	up, down := s.attraction()
	s.depthOrder(down)
	best, least := s.snapshot(), s.crossings()
	rounds := 24
	if len(s.vertices) > 4000 {
		rounds = 6 // the time goes with the square of a layer's length
	}
	for i := 0; i < rounds && least > 0; i++ {
		if i%2 == 0 {
			for l := 1; l < len(s.layers); l++ {
				s.sortByMedian(l, up)
			}
		} else {
			for l := len(s.layers) - 2; l >= 0; l-- {
				s.sortByMedian(l, down)
			}
		}
		s.transpose()
		if n := s.crossings(); n < least {
			best, least = s.snapshot(), n
		}
	}
	s.restore(best)
}

func (s *sketch) snapshot() [][]int {
	out := make([][]int, len(s.layers))
	for l, layer := range s.layers {
		out[l] = slices.Clone(layer)
	}
	return out
}

func (s *sketch) restore(layers [][]int) {
	s.layers = layers
	for l := range layers {
		s.renumber(l)
	}
}

func (s *sketch) renumber(l int) {
	for i, v := range s.layers[l] {
		s.vertices[v].place = i
	}
}

// depthOrder starts with the order in which a walk in depth meets the vertices:
// what belongs together stands together.
func (s *sketch) depthOrder(down [][]int) {
	met := make([]bool, len(s.vertices))
	layers := make([][]int, len(s.layers))
	for _, layer := range s.layers {
		for _, root := range layer {
			stack := []int{root}
			for len(stack) > 0 {
				v := stack[len(stack)-1]
				stack = stack[:len(stack)-1]
				if met[v] {
					continue
				}
				met[v] = true
				layers[s.vertices[v].layer] = append(layers[s.vertices[v].layer], v)
				for _, w := range slices.Backward(down[v]) {
					stack = append(stack, w)
				}
			}
		}
	}
	s.restore(layers)
}

// sortByMedian sorts a layer by the medians of the places of its vertices'
// neighbours. Vertices without neighbours keep their place.
func (s *sketch) sortByMedian(l int, beside [][]int) {
	type keyed struct {
		v   int
		key float64
	}
	layer := s.layers[l]
	var movable []keyed
	for _, v := range layer {
		if len(beside[v]) > 0 {
			movable = append(movable, keyed{v, s.median(beside[v])})
		}
	}
	slices.SortStableFunc(movable, func(a, b keyed) int { return cmp.Compare(a.key, b.key) })
	for i, v := range layer {
		if len(beside[v]) > 0 {
			layer[i] = movable[0].v
			movable = movable[1:]
		}
	}
	s.renumber(l)
}

// median of places, leaning to the denser side for an even number.
func (s *sketch) median(vs []int) float64 {
	places := s.places(vs)
	m := len(places) / 2
	high := float64(places[m])
	if len(places)%2 == 1 {
		return high
	}
	low := float64(places[m-1])
	left, right := low-float64(places[0]), float64(places[len(places)-1])-high
	if left+right == 0 {
		return (low + high) / 2
	}
	return (low*right + high*left) / (left + right)
}

// transpose swaps neighbours as long as that removes crossings.
func (s *sketch) transpose() {
	for range 4 {
		better := false
		for l, layer := range s.layers {
			for i := 0; i+1 < len(layer); i++ {
				a, b := layer[i], layer[i+1]
				now := s.pairCrossings(s.up, a, b) + s.pairCrossings(s.down, a, b)
				then := s.pairCrossings(s.up, b, a) + s.pairCrossings(s.down, b, a)
				if then < now {
					layer[i], layer[i+1] = b, a
					better = true
					s.vertices[a].place, s.vertices[b].place = i+1, i
				}
			}
			s.renumber(l)
		}
		if !better {
			return
		}
	}
}

// pairCrossings counts the crossings between the lines of a and of b on one
// side, if a stands left of b. It walks both lists of places in order, since a
// vertex may have thousands of neighbours.
func (s *sketch) pairCrossings(beside [][]int, a, b int) int {
	if len(beside[a]) == 0 || len(beside[b]) == 0 {
		return 0
	}
	as, bs := s.places(beside[a]), s.places(beside[b])
	n, j := 0, 0
	for _, x := range as {
		for j < len(bs) && bs[j] < x {
			j++
		}
		n += j
	}
	return n
}

// places are the places of vertices, in order.
func (s *sketch) places(vs []int) []int {
	out := make([]int, len(vs))
	for i, v := range vs {
		out[i] = s.vertices[v].place
	}
	slices.Sort(out)
	return out
}

// crossings counts all crossings, layer by layer, with a tree of sums.
func (s *sketch) crossings() int {
	total := 0
	for l := 1; l < len(s.layers); l++ {
		above := s.layers[l-1]
		sums := make([]int, len(s.layers[l])+1)
		seen := 0
		for _, v := range above {
			places := make([]int, 0, len(s.down[v]))
			for _, w := range s.down[v] {
				places = append(places, s.vertices[w].place)
			}
			// Lines from one vertex do not cross each other: count all before
			// adding any.
			for _, p := range places {
				total += seen - prefixSum(sums, p+1)
			}
			for _, p := range places {
				for i := p + 1; i < len(sums); i += i & -i {
					sums[i]++
				}
				seen++
			}
		}
	}
	return total
}

func prefixSum(sums []int, i int) int {
	n := 0
	for ; i > 0; i -= i & -i {
		n += sums[i]
	}
	return n
}
