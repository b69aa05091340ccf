package flame

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Terminal draws the graph with coloured bars of text, the root on top, in at
// most height lines of width columns. Boxes narrower than a column are left out.
func (g *Graph) Terminal(width, height int) string {
	if width < 1 || height < 1 || g.Root.Total <= 0 {
		return ""
	}
	rows := make([][]box, 0, height)
	var walk func(n *Node, from, to float64, depth int)
	walk = func(n *Node, from, to float64, depth int) {
		a, b := int(from+0.5), int(to+0.5)
		if depth >= height || b <= a {
			return
		}
		if depth == len(rows) {
			rows = append(rows, nil)
		}
		rows[depth] = append(rows[depth], box{n, a, b})
		at := from
		for _, c := range n.Children {
			w := (to - from) * float64(c.Total) / float64(max(n.Total, 1))
			walk(c, at, at+w, depth+1)
			at += w
		}
	}
	walk(g.Root, 0, float64(width), 0)
	var out strings.Builder
	for _, row := range rows {
		at := 0
		for _, b := range row {
			out.WriteString(strings.Repeat(" ", max(b.from-at, 0)))
			g.paint(&out, b)
			at = b.to
		}
		out.WriteString("\n")
	}
	return out.String()
}

// box is a node's place in a row, in columns.
type box struct {
	n        *Node
	from, to int
}

// paint writes a box: its name on the colour of its kind (ECMA-48, 8.3.117, and
// the 256 colours that terminals share).
func (g *Graph) paint(out *strings.Builder, b box) {
	const black, kernel, root = 16, 215, 250
	back := root
	switch {
	case b.n == g.Root:
	case b.n.Kernel:
		back = kernel
	default:
		// Warm colours, by name, so that neighbours differ.
		warm := [...]int{222, 228, 186, 150, 180, 229, 187, 151}
		h := uint32(2166136261)
		for _, c := range []byte(b.n.Name) {
			h = (h ^ uint32(c)) * 16777619
		}
		back = warm[h%uint32(len(warm))]
	}
	name := b.n.Name
	if b.n == g.Root {
		name = fmt.Sprintf("%s  %s", g.What, g.Value(b.n.Total))
	} else if w := b.to - b.from; w > utf8.RuneCountInString(name)+8 {
		name += "  " + percent(b.n.Total, g.Root.Total)
	}
	fmt.Fprintf(out, "\x1b[48;5;%d;38;5;%dm%s\x1b[0m", back, black, padded(name, b.to-b.from))
}

// padded is text in exactly so many columns, without what could control a
// terminal. The last column of a wider box stays free, so that boxes are told
// apart.
func padded(s string, columns int) string {
	var out []rune
	limit := columns
	if columns > 2 {
		limit = columns - 1
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = '?'
		}
		if len(out) == limit {
			out[limit-1] = '…'
			break
		}
		out = append(out, r)
	}
	if columns <= 2 {
		out = out[:0]
	}
	for len(out) < columns-1 {
		out = append(out, ' ')
	}
	if len(out) < columns {
		out = append(out, '▏')
	}
	return string(out)
}
