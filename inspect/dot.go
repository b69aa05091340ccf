package inspect

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// DOT writes the graph in the language of Graphviz, one cluster for each
// function.
func (g *Graph) DOT(w io.Writer) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "digraph %s {\n", quote(g.Program))
	b.WriteString("\tnode [shape=box fontname=\"monospace\" fontsize=10 color=\"#8a929c\"];\n")
	b.WriteString("\tedge [fontname=\"monospace\" fontsize=9];\n")
	for i := range g.Functions {
		g.Functions[i].writeDOT(b, i)
	}
	b.WriteString("}\n")
	return b.Flush()
}

// edgeStyles are DOT attributes by kind.
var edgeStyles = map[EdgeKind]string{
	EdgeTaken: `color="#2c8a57"`, EdgeNotTaken: `color="#b5524a"`,
	EdgeNext: `color="#7d848d"`, EdgeJump: `color="#7d848d"`,
}

func (p *FlowPart) writeDOT(b *bufio.Writer, n int) {
	title := p.Prototype
	if title == "" {
		title = p.Function
	}
	fmt.Fprintf(b, "\tsubgraph cluster_%d {\n\t\tlabel=%s;\n", n, quote(title))
	for i, block := range p.Blocks {
		lines := []string{blockName(i) + "  " + block.place()}
		if block.Source != nil {
			lines = append(lines, "; "+clean(block.Source.Text))
		}
		lines = append(lines, block.Code...)
		style := ""
		if block.Unreachable {
			style = " style=dashed"
		}
		fmt.Fprintf(b, "\t\tf%d_%s [label=%s%s];\n", n, blockName(i), label(lines), style)
	}
	for _, e := range p.Edges {
		style := edgeStyles[e.Kind]
		if e.Back {
			style = `color="#2f6fc4" style=dashed`
		}
		fmt.Fprintf(b, "\t\tf%d_%s -> f%d_%s [%s];\n", n, blockName(e.From), n, blockName(e.To), style)
	}
	b.WriteString("\t}\n")
}

// quote is a DOT string.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(clean(s)) + `"`
}

// label is a DOT string of lines that start at the left.
func label(lines []string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, l := range lines {
		q := quote(l)
		b.WriteString(q[1:len(q)-1] + `\l`)
	}
	b.WriteByte('"')
	return b.String()
}
