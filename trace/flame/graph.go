package flame

import (
	"sort"
	"time"

	"github.com/skepdev/skep/trace/profile"
)

// Node is a function with the stack that leads to it.
type Node struct {
	Name, Module, File string
	Line               int
	Kernel, Inlined    bool
	// Total is the value of all samples with this stack or a deeper one, Self
	// of those that end here. Before are the same in the profile that is
	// compared with.
	Total, Self        int64
	Before, BeforeSelf int64
	Children           []*Node
	index              map[nodeKey]*Node
}

type nodeKey struct {
	name            string
	kernel, inlined bool
}

// Graph is a profile as a tree.
type Graph struct {
	// Title and Subtitle head the page.
	Title, Subtitle string
	// Unit of values: nanoseconds, bytes or count; What they are.
	Unit, What string
	Root       *Node
	// IsDiff: there is a profile to compare with. Before are values of it, as
	// they were there.
	IsDiff bool
}

// New makes a graph of the profile's value with the given index.
func New(p *profile.Profile, value int) *Graph {
	g := &Graph{Title: p.Kind + " profile", Unit: p.Types[value].Unit, What: p.Types[value].Name, Root: &Node{Name: "all"}}
	if p.Duration > 0 {
		g.Subtitle = p.Start.Format(time.DateTime) + ", " + p.Duration.Round(time.Millisecond).String()
	}
	g.add(p, value, func(n *Node, v int64) { n.Total += v }, func(n *Node, v int64) { n.Self += v })
	g.Root.finish()
	return g
}

// Diff compares two profiles. Boxes are as wide as in after.
func Diff(before, after *profile.Profile, value int) *Graph {
	g := New(after, value)
	g.IsDiff = true
	g.Title = "difference of " + after.Kind + " profiles"
	g.add(before, value, func(n *Node, v int64) { n.Before += v }, func(n *Node, v int64) { n.BeforeSelf += v })
	g.Root.finish()
	return g
}

// maxDepth bounds stacks that a file brings.
const maxDepth = 512

// add counts a profile's samples: in every node of their stacks, and in its end.
func (g *Graph) add(p *profile.Profile, value int, count, self func(n *Node, v int64)) {
	for i := range p.Samples {
		s := &p.Samples[i]
		v := s.Values[value]
		if v == 0 {
			continue
		}
		n := g.Root
		count(n, v)
		if s.Comm != "" {
			n = n.child(profile.Frame{Name: s.Comm})
			count(n, v)
		}
		for _, f := range s.Stack[:min(len(s.Stack), maxDepth)] {
			n = n.child(f)
			count(n, v)
		}
		self(n, v)
	}
}

// child is the node for a function that n calls.
func (n *Node) child(f profile.Frame) *Node {
	k := nodeKey{f.Name, f.Kernel, f.Inlined}
	c := n.index[k]
	if c == nil {
		c = &Node{Name: f.Name, Module: f.Module, File: f.File, Line: f.Line, Kernel: f.Kernel, Inlined: f.Inlined}
		if n.index == nil {
			n.index = map[nodeKey]*Node{}
		}
		n.index[k] = c
		n.Children = append(n.Children, c)
	}
	if c.Line != f.Line {
		c.Line = 0 // several places of the function
	}
	return c
}

func (n *Node) finish() {
	sort.SliceStable(n.Children, func(i, j int) bool { return n.Children[i].Name < n.Children[j].Name })
	for _, c := range n.Children {
		c.finish()
	}
}

// Function is a function's share of a graph, wherever it is called from.
type Function struct {
	Name string
	// Self and Total of the graph's value; Before of the one compared with.
	Self, Total, BeforeSelf, Before int64
}

// Functions are all functions, those with the most Self first; a function that
// calls itself is counted once per stack.
func (g *Graph) Functions() []Function {
	sums := map[string]*Function{}
	on := map[string]int{}
	var walk func(n *Node)
	walk = func(n *Node) {
		f := sums[n.Name]
		if f == nil {
			f = &Function{Name: n.Name}
			sums[n.Name] = f
		}
		f.Self += n.Self
		f.BeforeSelf += n.BeforeSelf
		if on[n.Name] == 0 {
			f.Total += n.Total
			f.Before += n.Before
		}
		on[n.Name]++
		for _, c := range n.Children {
			walk(c)
		}
		on[n.Name]--
	}
	for _, c := range g.Root.Children {
		walk(c)
	}
	out := make([]Function, 0, len(sums))
	for _, f := range sums {
		out = append(out, *f)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Self != out[j].Self {
			return out[i].Self > out[j].Self
		}
		if out[i].Total != out[j].Total {
			return out[i].Total > out[j].Total
		}
		return out[i].Name < out[j].Name
	})
	return out
}

// Value writes a value with its unit.
func (g *Graph) Value(v int64) string { return Value(v, g.Unit) }

// Since leaves of a difference what was added: for a profile that goes on,
// compared with an earlier state of itself.
func (g *Graph) Since() *Graph {
	out := *g
	out.IsDiff, out.Root = false, g.Root.since()
	return &out
}

func (n *Node) since() *Node {
	c := *n
	c.Total, c.Self, c.Before, c.BeforeSelf, c.Children, c.index = n.Total-n.Before, n.Self-n.BeforeSelf, 0, 0, nil, nil
	for _, child := range n.Children {
		if child.Total > child.Before {
			c.Children = append(c.Children, child.since())
		}
	}
	return &c
}
