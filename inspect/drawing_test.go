package inspect

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"pgregory.net/rapid"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

func loadGraph(t testing.TB, file, program string) *Graph {
	t.Helper()
	spec, err := object.OpenFile("testdata/"+file+".bpf.o", nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Flow(spec, program)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestDrawings(t *testing.T) {
	for _, name := range []string{"walk", "maze"} {
		g := loadGraph(t, name, name)
		var a, b bytes.Buffer
		if err := g.SVG(&a); err != nil {
			t.Fatal(err)
		}
		if err := g.SVG(&b); err != nil || a.String() != b.String() {
			t.Errorf("%s: a second drawing differs: %v", name, err)
		}
		wellFormed(t, a.Bytes())
		blocks := 0
		for i := range g.Functions {
			blocks += len(g.Functions[i].Blocks)
			d, err := newDrawing(&g.Functions[i])
			if err != nil {
				t.Fatal(err)
			}
			checkDrawing(t, d)
		}
		if n := strings.Count(a.String(), `<g class="block`); n != blocks {
			t.Errorf("%s: %d of %d blocks drawn", name, n, blocks)
		}
	}
}

func TestMazeHasLoopsAndManyBlocks(t *testing.T) {
	g := loadGraph(t, "maze", "maze")
	f := &g.Functions[0]
	back := 0
	for _, e := range f.Edges {
		if e.Back {
			back++
			if reachesWithout(f, e.From, e.To) {
				t.Errorf("%s to %s closes a loop that can be entered elsewhere", blockName(e.From), blockName(e.To))
			}
		}
	}
	if len(f.Blocks) < 100 || back < 3 {
		t.Errorf("%d blocks, %d ways back", len(f.Blocks), back)
	}
}

// reachesWithout reports a way from the entry to a block that avoids another.
// Loops that clang makes have none around their head.
func reachesWithout(f *FlowPart, block, avoid int) bool {
	met := map[int]bool{avoid: true}
	todo := []int{0}
	for len(todo) > 0 {
		b := todo[0]
		todo = todo[1:]
		if met[b] {
			continue
		}
		met[b] = true
		for _, e := range f.Edges {
			if e.From == b {
				todo = append(todo, e.To)
			}
		}
	}
	return met[block] && block != avoid
}

// The order must have fewer crossings than the one it starts from.
func TestOrderUncrosses(t *testing.T) {
	g := loadGraph(t, "maze", "maze")
	s, err := newSketch(&g.Functions[0], func(int) float64 { return 100 })
	if err != nil {
		t.Fatal(err)
	}
	before := s.crossings()
	if before != s.slowCrossings() {
		t.Errorf("%d crossings counted, there are %d", before, s.slowCrossings())
	}
	s.order()
	if after := s.crossings(); after*3 > before || after != s.slowCrossings() {
		t.Errorf("%d crossings, %d before; counted one by one %d", after, before, s.slowCrossings())
	}
}

// slowCrossings compares every pair of lines.
func (s *sketch) slowCrossings() int {
	n := 0
	for l := 1; l < len(s.layers); l++ {
		var lines [][2]int
		for _, v := range s.layers[l-1] {
			for _, w := range s.down[v] {
				lines = append(lines, [2]int{s.vertices[v].place, s.vertices[w].place})
			}
		}
		for i, a := range lines {
			for _, b := range lines[:i] {
				if (a[0]-b[0])*(a[1]-b[1]) < 0 {
					n++
				}
			}
		}
	}
	return n
}

func wellFormed(t testing.TB, svg []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(svg))
	for {
		if _, err := dec.Token(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("the drawing is not XML: %v", err)
			}
			return
		}
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkDrawing: blocks lie inside the drawing and apart from each other, in
// layers below all that lead to them, and straight lines keep away from blocks.
func checkDrawing(t failer, d *drawing) {
	t.Helper()
	if len(d.vertices) == 0 {
		return
	}
	for l, layer := range d.layers {
		right := math.Inf(-1)
		for _, v := range layer {
			x, w := d.vertices[v].x, d.vertices[v].width
			if math.IsNaN(x) || x-w/2 < -0.01 || x+w/2 > d.width+0.01 {
				t.Fatalf("layer %d: vertex at %g, %g wide, in a drawing of %g", l, x, w, d.width)
			}
			if x-w/2 < right+bendGap-0.01 {
				t.Fatalf("layer %d: vertices overlap: one begins at %g, the one before ends at %g", l, x-w/2, right)
			}
			right = x + w/2
		}
		if d.bottoms[l] < d.tops[l] || l > 0 && d.tops[l] < d.bottoms[l-1] || d.bottoms[l] > d.height {
			t.Fatalf("layer %d lies from %g to %g", l, d.tops[l], d.bottoms[l])
		}
	}
	for i, e := range d.part.Edges {
		if from, to := d.vertices[e.From], d.vertices[e.To]; !e.Back && to.layer <= from.layer {
			t.Fatalf("edge %d leads from layer %d to layer %d", i, from.layer, to.layer)
		}
	}
	drawn := make([]int, len(d.part.Edges))
	for _, seg := range d.segments {
		if d.vertices[seg.from].layer+1 != d.vertices[seg.to].layer {
			t.Fatalf("a segment skips layers")
		}
		for _, e := range seg.edges {
			drawn[e]++
		}
	}
	for _, r := range d.returns {
		for _, e := range r.edges {
			drawn[e]++
		}
	}
	for i, n := range drawn {
		if n == 0 {
			t.Fatalf("edge %d is not drawn", i)
		}
	}
}

// randomProgram draws a program of jumps.
func randomProgram(t *rapid.T) *ebpf.ProgramSpec {
	n := rapid.IntRange(1, 60).Draw(t, "length")
	insns := make(asm.Instructions, 0, n+1)
	for i := range n {
		to := int16(rapid.IntRange(-i-2, n-i+1).Draw(t, "to"))
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0, 1:
			insns = append(insns, asm.Instruction{OpCode: isa.ClassJMP | isa.OpJEQ, Dst: asm.R1, Offset: to})
		case 2:
			insns = append(insns, asm.Instruction{OpCode: isa.JA, Offset: to})
		case 3:
			insns = append(insns, asm.Return())
		case 4:
			insns = append(insns, asm.LoadImm(asm.R2, 1<<40, asm.DWord))
		default:
			insns = append(insns, asm.Mov.Imm(asm.R0, int32(i)))
		}
	}
	return &ebpf.ProgramSpec{Name: "p", Type: ebpf.XDP, Instructions: append(insns, asm.Return())}
}

func TestRandomPrograms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := randomProgram(t)
		coll := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": spec}}
		code, err := decode(spec, coll)
		if err != nil {
			t.Skip("a random program that is none; rapid draws another")
		}
		g, err := Flow(coll, "p")
		if err != nil {
			t.Fatal(err)
		}
		checkFlow(t, code, &g.Functions[0])
		d, err := newDrawing(&g.Functions[0])
		if err != nil {
			t.Fatal(err)
		}
		checkDrawing(t, d)
		if err := g.SVG(io.Discard); err != nil {
			t.Fatal(err)
		}
		l, err := List(coll, "p")
		if err != nil || len(l.Functions[0].Lines) == 0 {
			t.Fatalf("%+v, %v", l, err)
		}
	})
}

// checkFlow: blocks cut the code without gaps, jumps stand at their ends only,
// and every way the code can go is an edge.
func checkFlow(t *rapid.T, p *program, f *FlowPart) {
	at := 0
	var starts []int
	for i, b := range f.Blocks {
		if b.Start != at || b.End <= b.Start {
			t.Fatalf("block %d is [%d, %d), expected to start at %d", i, b.Start, b.End, at)
		}
		at = b.End
		starts = append(starts, b.Start)
	}
	if at != len(p.code.Instructions) {
		t.Fatalf("blocks end at %d of %d", at, len(p.code.Instructions))
	}
	for i, b := range f.Blocks {
		for s := b.Start; s < b.End; s += p.code.Instructions[s].Width() {
			ins := p.code.Instructions[s]
			last := s+ins.Width() == b.End
			if !last && (ins.IsJump() || ins.Op == isa.Exit) {
				t.Fatalf("slot %d leaves block %d in its middle", s, i)
			}
			if ins.IsJump() {
				if to := slices.Index(starts, s+1+ins.Displacement()); to >= 0 &&
					!slices.ContainsFunc(f.Edges, func(e Edge) bool { return e.From == i && e.To == to }) {
					t.Fatalf("the jump from block %d to block %d is no edge", i, to)
				}
			}
		}
	}
	// Without the ways back nothing goes in circles: layers exist for all.
	layers := longestPaths(f)
	for _, e := range f.Edges {
		if !e.Back && layers[e.To] <= layers[e.From] {
			t.Fatalf("blocks %d and %d are in a circle", e.From, e.To)
		}
	}
}

// A program as long and tangled as they come is drawn, or refused, in time.
func TestLargePrograms(t *testing.T) {
	for _, n := range []int{60, 2_000, 50_000} {
		var insns asm.Instructions
		for i := range n {
			to := int16((i*7919)%min(n-i, 30_000) + 1)
			if i > 100 && i%50 == 0 {
				to = -90
			}
			insns = append(insns, asm.Instruction{OpCode: isa.ClassJMP | isa.OpJEQ, Dst: asm.R1, Offset: min(to, int16(min(n-i-1, 30_000)))})
		}
		insns = append(insns, asm.Mov.Imm(asm.R0, 0), asm.Return())
		coll := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Instructions: insns}}}
		start := time.Now()
		g, err := Flow(coll, "p")
		if err != nil {
			t.Fatal(err)
		}
		err = g.SVG(io.Discard)
		t.Logf("%d blocks: %v, %v", len(g.Functions[0].Blocks), time.Since(start), err)
		if err != nil && !strings.Contains(err.Error(), "too many for a drawing") {
			t.Error(err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%d instructions took %v", n, took)
		}
	}
}

// A block that thousands of blocks lead to, out of a tree as wide.
func TestWidePrograms(t *testing.T) {
	const leaves = 8192
	var insns asm.Instructions
	for i := 1; i < leaves; i++ { // inner vertices of a heap, two slots each
		insns = append(insns,
			asm.Instruction{OpCode: isa.ClassJMP | isa.OpJEQ, Dst: asm.R1, Offset: int16(i*2 - 1)},
			asm.Instruction{OpCode: isa.JA32, Constant: int64(2 * i)})
	}
	for i := range leaves {
		insns = append(insns, asm.Mov.Imm(asm.R0, int32(i)), asm.Instruction{OpCode: isa.JA32, Constant: int64(2 * (leaves - i - 1))})
	}
	insns = append(insns, asm.Return())
	coll := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Instructions: insns}}}
	start := time.Now()
	g, err := Flow(coll, "p")
	if err != nil {
		t.Fatal(err)
	}
	err = g.SVG(io.Discard)
	if err != nil && !strings.Contains(err.Error(), "too many for a drawing") {
		t.Error(err)
	}
	t.Logf("%d blocks: %v, %v", len(g.Functions[0].Blocks), time.Since(start), err)
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestStackUse(t *testing.T) {
	for text, want := range map[string]int{
		"exit":                   0,
		"*(u64 *)(r10 -8) = 1":   8,
		"*(u8 *)(r10 -9) = 1":    16,
		"r1 = *(u32 *)(r10 -20)": 24,
		"r2 = r10\nr2 += -40":    40,
		"r2 = r10\nr3 = r2\nr3 += -16\n*(u64 *)(r3 -8) = 1": 24,
		"r2 = r10\nr2 = 0\nr2 += -40":                       0,
		"r2 = r10\ncall helper#1\nr2 += -40":                0,
		"r6 = r10\ncall helper#1\nr6 += -40":                40,
		"lock *(u64 *)(r10 -32) += r1":                      32,
		"*(u64 *)(r1 -8) = 1":                               0,
	} {
		insns, err := isa.Assemble(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := stackUse(insns); got != want {
			t.Errorf("%q uses %d bytes, want %d", text, got, want)
		}
	}
	chain := []Function{
		{Name: "a", Stack: 8, Calls: []string{"b", "c"}},
		{Name: "b", Stack: 16, Calls: []string{"c", "a"}},
		{Name: "c", Stack: 32},
		{Name: "d", Stack: 512},
	}
	if got := deepest(chain); got != 56 {
		t.Errorf("the deepest chain uses %d bytes, want 56", got)
	}
}

func ExampleFlow() {
	insns := asm.Instructions{
		asm.Mov.Imm(asm.R0, 1),
		asm.JEq.Imm(asm.R1, 0, "out"),
		asm.Mov.Imm(asm.R0, 2),
		asm.Return().WithSymbol("out"),
	}
	coll := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Instructions: insns}}}
	g, _ := Flow(coll, "p")
	for _, e := range g.Functions[0].Edges {
		fmt.Println(e.From, e.To, e.Kind)
	}
	// Output:
	// 0 1 not_taken
	// 0 2 taken
	// 1 2 next
}
