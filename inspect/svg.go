package inspect

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Measures of the drawing, in units of an SVG pixel. Characters are those of a
// monospaced font of 11 units, whose width is 0.6 of its size within a few
// percent in all common ones.
const (
	fontSize   = 11
	charWidth  = 6.65
	lineHeight = 14
	padX       = 8
	padY       = 6
	headHeight = lineHeight + padY
	margin     = 24
	titleSpace = 34
	titleWidth = 8.6 // of a character
	maxTitle   = 100
	partGap    = 48
	corner     = 7
	arrow      = 6
	maxChars   = 64 // of a line of code
	maxSource  = 42 // of a source line in a block whose code is narrower
)

// SVG draws the graph: functions in order, from left to right and row by row; in
// each the blocks in layers from the top to the bottom. Blocks show their first source line and their
// instructions; green lines are branches taken, red ones those not taken, grey
// ones the rest; dashed blue lines close loops, on their way up. Colours follow the
// viewer's dark or light scheme. The drawing needs no fonts, scripts or network.
//
// A function too large to be drawn is an error.
func (g *Graph) SVG(w io.Writer) error {
	var parts []*drawing
	for i := range g.Functions {
		d, err := newDrawing(&g.Functions[i])
		if err != nil {
			return err
		}
		parts = append(parts, d)
	}
	places, width, height := shelves(parts)
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s">`+"\n",
		num(width), num(height), num(width), num(height))
	fmt.Fprintf(b, "<title>%s</title>\n", escape(g.Program))
	b.WriteString(svgStyle)
	fmt.Fprintf(b, `<rect class="page" width="%s" height="%s"/>`+"\n", num(width), num(height))
	for i, d := range parts {
		fmt.Fprintf(b, `<g transform="translate(%s %s)">`+"\n", num(places[i][0]), num(places[i][1]))
		d.write(b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Flush()
}

// shelves puts the functions into rows, about as wide together as they are high,
// and returns where each stands and the size of the page.
func shelves(parts []*drawing) (places [][2]float64, width, height float64) {
	area, row := 0.0, 0.0
	for _, d := range parts {
		area += (d.partWidth() + partGap) * (d.partHeight() + partGap)
		row = max(row, d.partWidth())
	}
	row = max(row, math.Sqrt(area))
	x, y, tallest := 0.0, 0.0, 0.0
	for _, d := range parts {
		if x > 0 && x+d.partWidth() > row {
			x, y, tallest = 0, y+tallest+partGap, 0
		}
		places = append(places, [2]float64{margin + x, margin + y})
		width = max(width, x+d.partWidth())
		tallest = max(tallest, d.partHeight())
		height = max(height, y+tallest)
		x += d.partWidth() + partGap
	}
	return places, width + 2*margin, height + 2*margin
}

const svgStyle = `<style>
.page{fill:#fbfbfa}
.title{font:600 14px system-ui,sans-serif;fill:#1f2328}
.block rect{fill:#fff;stroke:#b6bcc4;stroke-width:1}
.block .head{fill:#eceef1;stroke:none}
.block.loop .head{fill:#dbe7f7}
.block.end .head{fill:#e4e1dc}
.block.dead{opacity:.55}
.block text{font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328;white-space:pre}
.block .name{font-weight:700}
.block .slots{fill:#6b7280}
.block .src{fill:#57606a;font-style:italic}
.edge{fill:none;stroke-width:1.3}
.tip{stroke:none}
.taken{stroke:#2c8a57}.taken.tip{fill:#2c8a57}
.not_taken{stroke:#b5524a}.not_taken.tip{fill:#b5524a}
.next,.jump{stroke:#7d848d}.next.tip,.jump.tip{fill:#7d848d}
.back{stroke:#2f6fc4;stroke-dasharray:5 3}.back.tip{fill:#2f6fc4}
@media (prefers-color-scheme:dark){
.page{fill:#15181c}
.title,.block text{fill:#dde1e6}
.block rect{fill:#1e2227;stroke:#474e57}
.block .head{fill:#2a3037}
.block.loop .head{fill:#24374f}
.block.end .head{fill:#36322b}
.block .slots{fill:#8b939d}
.block .src{fill:#a3abb5}
.taken{stroke:#56b886}.taken.tip{fill:#56b886}
.not_taken{stroke:#d97f77}.not_taken.tip{fill:#d97f77}
.next,.jump{stroke:#8b939d}.next.tip,.jump.tip{fill:#8b939d}
.back{stroke:#6ba4ec}.back.tip{fill:#6ba4ec}
}
</style>
`

// num writes a coordinate with at most one decimal.
func num(v float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
}

// escape makes text safe between tags and in attributes.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(clean(s))
}

// shorten cuts text to n characters.
func shorten(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
