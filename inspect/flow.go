package inspect

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/isa"
)

// Graph is the flow of control of a program, one part for each function.
type Graph struct {
	Program   string     `json:"program"`
	Functions []FlowPart `json:"functions"`
}

// FlowPart is the flow of control in one function.
type FlowPart struct {
	Function  string  `json:"function"`
	Prototype string  `json:"prototype,omitempty"`
	Blocks    []Block `json:"blocks"`
	Edges     []Edge  `json:"edges"`
}

// Block is a stretch of instructions that are entered at the first and left
// after the last. Blocks are numbered in the order of their slots; block 0 is
// the entry.
type Block struct {
	// Start is the first slot, End the slot after the last.
	Start int `json:"start"`
	End   int `json:"end"`
	// Source is the line the block begins with, if the object says.
	Source *Source `json:"source,omitempty"`
	// Code is the text of the instructions, one a line.
	Code []string `json:"code"`
	// Unreachable blocks are on no way from the entry.
	Unreachable bool `json:"unreachable,omitempty"`
}

// EdgeKind says why control goes from one block to another.
type EdgeKind string

const (
	// EdgeTaken is where a condition that holds leads, EdgeNotTaken where one
	// leads that does not.
	EdgeTaken    EdgeKind = "taken"
	EdgeNotTaken EdgeKind = "not_taken"
	// EdgeNext falls through to a block that is entered from elsewhere too.
	EdgeNext EdgeKind = "next"
	// EdgeJump is unconditional.
	EdgeJump EdgeKind = "jump"
)

// Edge is a way from one block to another, by their numbers.
type Edge struct {
	From int      `json:"from"`
	To   int      `json:"to"`
	Kind EdgeKind `json:"kind"`
	// Back edges close a loop.
	Back bool `json:"back,omitempty"`
}

// Flow builds the graph of a program of a collection; an empty name means the
// only one.
func Flow(coll *ebpf.CollectionSpec, name string) (*Graph, error) {
	spec, err := find(coll, name)
	if err != nil {
		return nil, err
	}
	p, err := decode(spec, coll)
	if err != nil {
		return nil, err
	}
	g := &Graph{Program: clean(spec.Name)}
	for i := range p.funcs {
		g.Functions = append(g.Functions, p.flow(i))
	}
	for i := range g.Functions {
		p.fill(&g.Functions[i], p.funcs[i])
	}
	return g, nil
}

// flow cuts a function into blocks and connects them. Jumps out of the function
// end in no block.
func (p *program) flow(fn int) FlowPart {
	f := p.funcs[fn]
	part := FlowPart{Function: clean(f.name), Prototype: f.prototype, Blocks: []Block{}, Edges: []Edge{}}
	starts := p.leaders(f)
	index := make(map[int]int, len(starts))
	for i, start := range starts {
		index[start] = i
		end := f.end
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		part.Blocks = append(part.Blocks, Block{Start: start, End: end})
	}
	for i := range part.Blocks {
		for _, e := range p.exits(part.Blocks[i]) {
			if to, ok := index[e.slot]; ok {
				part.Edges = append(part.Edges, Edge{From: i, To: to, Kind: e.kind})
			}
		}
	}
	part.markBackEdges()
	return part
}

// leaders are the slots that begin a block, in order.
func (p *program) leaders(f function) []int {
	starts := []int{f.start}
	real := map[int]bool{}
	for i := range p.slots(f) {
		real[i] = true
		ins := p.code.Instructions[i]
		if ins.IsJump() {
			starts = append(starts, i+1+ins.Displacement())
		}
		if ins.IsJump() || ins.Op == isa.Exit {
			starts = append(starts, i+ins.Width())
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	// What lies outside the function or inside a 64-bit load begins nothing.
	return slices.DeleteFunc(starts, func(slot int) bool { return !real[slot] })
}

type exit struct {
	slot int
	kind EdgeKind
}

// exits are where control goes after a block.
func (p *program) exits(b Block) []exit {
	last := b.Start
	for i := b.Start; i < b.End; i += p.code.Instructions[i].Width() {
		last = i
	}
	ins := p.code.Instructions[last]
	next := exit{b.End, EdgeNext}
	switch {
	case ins.Op == isa.Exit:
		return nil
	case ins.IsConditional():
		taken := exit{last + 1 + ins.Displacement(), EdgeTaken}
		if taken.slot == next.slot {
			return []exit{next}
		}
		next.kind = EdgeNotTaken
		return []exit{next, taken}
	case ins.IsJump():
		return []exit{{last + 1 + ins.Displacement(), EdgeJump}}
	}
	return []exit{next}
}

// markBackEdges walks the blocks in depth and marks the edges that lead to a
// block the walk is inside of. Blocks it does not reach are walked afterwards
// and marked unreachable.
func (g *FlowPart) markBackEdges() {
	out := make([][]int, len(g.Blocks)) // edges by their source
	for i, e := range g.Edges {
		out[e.From] = append(out[e.From], i)
	}
	const fresh, open, done = 0, 1, 2
	state := make([]uint8, len(g.Blocks))
	type frame struct{ block, next int }
	for root := range g.Blocks {
		if state[root] != fresh {
			continue
		}
		state[root] = open
		g.Blocks[root].Unreachable = root != 0
		stack := []frame{{block: root}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(out[top.block]) {
				state[top.block] = done
				stack = stack[:len(stack)-1]
				continue
			}
			e := &g.Edges[out[top.block][top.next]]
			top.next++
			switch state[e.To] {
			case open:
				e.Back = true
			case fresh:
				state[e.To] = open
				g.Blocks[e.To].Unreachable = root != 0
				stack = append(stack, frame{block: e.To})
			}
		}
	}
}

// fill writes the text of a function's blocks. Jumps name the block they lead
// to.
func (p *program) fill(g *FlowPart, f function) {
	names := map[int]string{}
	for i, b := range g.Blocks {
		names[b.Start] = blockName(i)
	}
	printer := p.printer(func(slot int) string {
		if slot >= f.start && slot < f.end {
			if name := names[slot]; name != "" {
				return name
			}
		}
		return p.functionAt(slot)
	})
	for i := range g.Blocks {
		b := &g.Blocks[i]
		b.Source = p.firstLine(b.Start, b.End)
		for at := b.Start; at < b.End; {
			text, width := printer.Text(p.code.Instructions, at)
			b.Code = append(b.Code, clean(text))
			at += width
		}
	}
}

// firstLine is the line a stretch of slots begins with: one that starts there,
// or else the one still going on.
func (p *program) firstLine(start, end int) *Source {
	for _, l := range p.code.Lines {
		if l.Slot >= start && l.Slot < end {
			return p.lineAt(l.Slot, start)
		}
	}
	return p.lineAt(start, 0)
}

func blockName(i int) string { return fmt.Sprintf("b%d", i) }
