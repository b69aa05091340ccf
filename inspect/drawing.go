package inspect

import (
	"bufio"
	"fmt"
	"unicode/utf8"
)

// drawing is a function's sketch with everything in its place.
type drawing struct {
	*sketch
	boxes         []box
	tops, bottoms []float64 // of the layers
	ways          *ways
	width, height float64
	// ports are the x of the lines that leave a block below, by edge kind, and
	// loops the blocks that loops lead back to.
	loops map[int]bool
	exits map[int]bool
}

// box is what a block shows.
type box struct {
	title  string
	source string
	code   []string
	width  float64
	height float64
}

func newBox(i int, b *Block) box {
	x := box{title: fmt.Sprintf("%s  %d–%d", blockName(i), b.Start, b.End-1), code: b.Code}
	if b.Source != nil {
		x.source = b.Source.short()
	}
	chars := max(utf8.RuneCountInString(x.title), min(utf8.RuneCountInString(x.source), maxChars))
	for _, line := range x.code {
		chars = max(chars, min(utf8.RuneCountInString(line), maxChars))
	}
	lines := 1 + len(x.code)
	if x.source != "" {
		lines++
	}
	x.width = max(float64(chars)*charWidth+2*padX, 90)
	x.height = float64(lines)*lineHeight + 2*padY
	return x
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

// write draws title, lines and blocks, so that blocks cover lines.
func (d *drawing) write(b *bufio.Writer) {
	title := d.part.Prototype
	if title == "" {
		title = d.part.Function
	}
	fmt.Fprintf(b, `<text class="title" x="0" y="14">%s</text>`+"\n", escape(shorten(title, 160)))
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
	fmt.Fprintf(b, `<rect class="head" x=".5" y=".5" width="%s" height="%d" rx="3.5"/>`, num(x.width-1), lineHeight+padY)
	name := blockName(i)
	fmt.Fprintf(b, `<text class="name" x="%d" y="%d">%s</text>`, padX, fontSize+padY-1, name)
	fmt.Fprintf(b, `<text class="slots" x="%s" y="%d">%s</text>`,
		num(padX+float64(len(name)+2)*charWidth), fontSize+padY-1, escape(x.title[len(name)+2:]))
	y := float64(fontSize + 2*padY + lineHeight - 2)
	if x.source != "" {
		writeText(b, "src", x.source, y)
		y += lineHeight
	}
	for _, line := range x.code {
		writeText(b, "", line, y)
		y += lineHeight
	}
	b.WriteString("</g>\n")
}

// writeText writes one line of a block; what does not fit shows on hovering.
func writeText(b *bufio.Writer, class, text string, y float64) {
	attr := ""
	if class != "" {
		attr = fmt.Sprintf(` class="%s"`, class)
	}
	cut := shorten(text, maxChars)
	fmt.Fprintf(b, `<text%s x="%d" y="%s">%s`, attr, padX, num(y), escape(cut))
	if cut != text {
		fmt.Fprintf(b, "<title>%s</title>", escape(text))
	}
	b.WriteString("</text>")
}
