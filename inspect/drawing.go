package inspect

import (
	"bufio"
	"fmt"
	"path"
	"strconv"
	"unicode/utf8"
)

// drawing is a function's sketch with everything in its place.
type drawing struct {
	*sketch
	boxes         []box
	tops, bottoms []float64 // of the layers
	ways          *ways
	width, height float64
	// loops are the blocks that loops lead back to, exits those that nothing
	// follows.
	loops, exits map[int]bool
}

// box is what a block shows.
type box struct {
	title  string
	source string
	code   []string
	chars  int // that fit in a line
	width  float64
	height float64
}

func newBox(i int, b *Block) box {
	x := box{title: b.place(), code: b.Code}
	x.chars = max(utf8.RuneCountInString(blockName(i)+"  "+x.title), 12)
	for _, line := range x.code {
		x.chars = max(x.chars, min(utf8.RuneCountInString(line), maxChars))
	}
	lines := len(x.code)
	if b.Source != nil && b.Source.Text != "" {
		x.source = clean(b.Source.Text)
		x.chars = max(x.chars, min(utf8.RuneCountInString(x.source), maxSource))
		lines++
	}
	x.width = float64(x.chars)*charWidth + 2*padX
	x.height = float64(lines)*lineHeight + headHeight + 2*padY
	return x
}

// place is where a block comes from: "14–19  filter.c:36".
func (b *Block) place() string {
	s := strconv.Itoa(b.Start)
	if b.End-1 > b.Start {
		s += "–" + strconv.Itoa(b.End-1)
	}
	if b.Source != nil && b.Source.Line > 0 {
		s += fmt.Sprintf("  %s:%d", shorten(path.Base(clean(b.Source.File)), 32), b.Source.Line)
	}
	return s
}

// newDrawing lays a function out.
func newDrawing(part *FlowPart) (*drawing, error) {
	d := &drawing{loops: map[int]bool{}, exits: map[int]bool{}}
	for i := range part.Blocks {
		d.boxes = append(d.boxes, newBox(i, &part.Blocks[i]))
		d.exits[i] = true
	}
	for _, e := range part.Edges {
		delete(d.exits, e.From)
		if e.Back {
			d.loops[e.To] = true
		}
	}
	var err error
	if d.sketch, err = newSketch(part, func(i int) float64 { return d.boxes[i].width }); err != nil {
		return nil, err
	}
	d.order()
	d.place()
	d.ways = newWays(d.sketch)
	y := 0.0
	for l, layer := range d.layers {
		y += d.ways.room(l)
		d.tops = append(d.tops, y)
		tallest := 0.0
		for _, v := range layer {
			if b := d.vertices[v].block; b >= 0 {
				tallest = max(tallest, d.boxes[b].height)
			}
		}
		y += tallest
		d.bottoms = append(d.bottoms, y)
	}
	d.width = d.span()
	d.height = y + d.ways.room(len(d.layers))
	return d, nil
}

// title is the function's prototype or name, as much as is shown.
func (d *drawing) title() string {
	if d.part.Prototype != "" {
		return shorten(d.part.Prototype, maxTitle)
	}
	return shorten(d.part.Function, maxTitle)
}

// partWidth and partHeight are those of the blocks and the title above.
func (d *drawing) partWidth() float64 {
	return max(d.width, float64(utf8.RuneCountInString(d.title()))*titleWidth)
}
func (d *drawing) partHeight() float64 { return titleSpace + d.height }

// write draws title, lines and blocks, so that blocks cover lines.
func (d *drawing) write(b *bufio.Writer) {
	fmt.Fprintf(b, `<text class="title" x="0" y="14">%s</text>`+"\n", escape(d.title()))
	fmt.Fprintf(b, `<g transform="translate(0 %d)">`+"\n", titleSpace)
	d.writeLines(b)
	for v := range d.vertices {
		if d.vertices[v].block >= 0 {
			d.writeBlock(b, v)
		}
	}
	b.WriteString("</g>\n")
}

func (d *drawing) writeBlock(b *bufio.Writer, v int) {
	i := d.vertices[v].block
	x, block := &d.boxes[i], &d.part.Blocks[i]
	class := "block"
	switch {
	case block.Unreachable:
		class += " dead"
	case d.loops[i]:
		class += " loop"
	case d.exits[i]:
		class += " end"
	}
	left, top := d.vertices[v].x-x.width/2, d.tops[d.vertices[v].layer]
	fmt.Fprintf(b, `<g class="%s" transform="translate(%s %s)">`, class, num(left), num(top))
	fmt.Fprintf(b, `<rect width="%s" height="%s" rx="4"/>`, num(x.width), num(x.height))
	fmt.Fprintf(b, `<rect class="head" x=".5" y=".5" width="%s" height="%d" rx="3.5"/>`, num(x.width-1), headHeight)
	name := blockName(i)
	fmt.Fprintf(b, `<text class="name" x="%d" y="%d">%s</text>`, padX, fontSize+padY-1, name)
	fmt.Fprintf(b, `<text class="slots" x="%s" y="%d">%s</text>`,
		num(padX+float64(len(name)+2)*charWidth), fontSize+padY-1, escape(x.title))
	y := float64(headHeight + padY + fontSize - 1)
	if x.source != "" {
		writeText(b, "src", x.source, x.chars, y)
		y += lineHeight
	}
	for _, line := range x.code {
		writeText(b, "", line, x.chars, y)
		y += lineHeight
	}
	b.WriteString("</g>\n")
}

// writeText writes one line of a block; what does not fit shows on hovering.
func writeText(b *bufio.Writer, class, text string, chars int, y float64) {
	attr := ""
	if class != "" {
		attr = fmt.Sprintf(` class="%s"`, class)
	}
	cut := shorten(text, chars)
	fmt.Fprintf(b, `<text%s x="%d" y="%s">%s`, attr, padX, num(y), escape(cut))
	if cut != text {
		fmt.Fprintf(b, "<title>%s</title>", escape(text))
	}
	b.WriteString("</text>")
}
