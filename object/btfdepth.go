package object

import "encoding/binary"

// typeGraph is which type refers to which. The decoder behind follows a
// reference by calling itself unless it has met the type before, so no path
// through it is longer than the deepest way through the graph when every group
// of types that refer to each other in a circle is taken as a whole.
type typeGraph struct {
	// edges of type i (counted from 0, so one less than BTF's id) are
	// to[from[i]:from[i+1]].
	from []int32
	to   []int32
}

// addRecord takes up the references of the record b, whose sizes were checked.
func (g *typeGraph) addRecord(b []byte, order binary.ByteOrder) {
	info := order.Uint32(b[4:])
	kind, vlen := info>>24&0x1f, int(info&0xffff)
	k := btfKinds[kind]
	if k.refers {
		g.add(order.Uint32(b[8:]))
	}
	for _, at := range k.fixedRefs {
		g.add(order.Uint32(b[btfTypeSize+at:]))
	}
	if k.memberRef >= 0 && k.each > 0 {
		for i := range vlen {
			g.add(order.Uint32(b[btfTypeSize+i*k.each+k.memberRef:]))
		}
	}
	g.from = append(g.from, int32(len(g.to)))
}

func (g *typeGraph) add(id uint32) {
	if id > 0 && id <= MaxTypes {
		g.to = append(g.to, int32(id-1))
	}
}

// addTags turns a declaration tag's reference around as well: the decoder goes
// from a type to its tags.
func (g *typeGraph) addTags(tags [][2]int32) {
	if len(tags) == 0 {
		return
	}
	extra := make(map[int32][]int32)
	for _, t := range tags {
		extra[t[0]] = append(extra[t[0]], t[1])
	}
	old := *g
	g.from, g.to = make([]int32, 1, len(old.from)), make([]int32, 0, len(old.to)+len(tags))
	for i := range len(old.from) - 1 {
		g.to = append(g.to, old.to[old.from[i]:old.from[i+1]]...)
		g.to = append(g.to, extra[int32(i)]...)
		g.from = append(g.from, int32(len(g.to)))
	}
}

// depth is the length of the longest path, circles counted whole (Tarjan's
// strongly connected components, without recursion).
func (g *typeGraph) depth() int {
	n := len(g.from) - 1
	t := tarjan{
		graph: g, index: make([]int32, n), low: make([]int32, n), next: make([]int32, n),
		onStack: make([]bool, n), longest: make([]int32, n),
	}
	best := 0
	for v := range n {
		if t.index[v] == 0 {
			t.visit(int32(v))
		}
		best = max(best, int(t.longest[v]))
	}
	return best
}

type tarjan struct {
	graph      *typeGraph
	count      int32
	index, low []int32 // 0: not visited
	next       []int32 // the edge to follow next
	onStack    []bool
	stack      []int32
	path       []int32
	longest    []int32 // path from here on, once the component is finished
}

func (t *tarjan) visit(root int32) {
	t.enter(root)
	for len(t.path) > 0 {
		v := t.path[len(t.path)-1]
		if e := t.graph.from[v] + t.next[v]; e < t.graph.from[v+1] {
			t.next[v]++
			w := t.graph.to[e]
			switch {
			case int(w) >= len(t.index): // a reference to a type that does not exist
			case t.index[w] == 0:
				t.enter(w)
			case t.onStack[w]:
				t.low[v] = min(t.low[v], t.index[w])
			}
			continue
		}
		t.path = t.path[:len(t.path)-1]
		if len(t.path) > 0 {
			p := t.path[len(t.path)-1]
			t.low[p] = min(t.low[p], t.low[v])
		}
		if t.low[v] == t.index[v] {
			t.finish(v)
		}
	}
}

func (t *tarjan) enter(v int32) {
	t.count++
	t.index[v], t.low[v] = t.count, t.count
	t.stack, t.onStack[v] = append(t.stack, v), true
	t.path = append(t.path, v)
}

// finish takes the component whose root is v off the stack.
func (t *tarjan) finish(v int32) {
	i := len(t.stack) - 1
	for t.stack[i] != v {
		i--
	}
	members := t.stack[i:]
	t.stack = t.stack[:i]
	var below int32
	for _, m := range members {
		t.onStack[m] = false
		for _, w := range t.graph.to[t.graph.from[m]:t.graph.from[m+1]] {
			if int(w) < len(t.longest) {
				below = max(below, t.longest[w]) // 0 within the component
			}
		}
	}
	for _, m := range members {
		t.longest[m] = below + int32(len(members))
	}
}
