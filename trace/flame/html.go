package flame

import (
	_ "embed"
	"encoding/json"
	"html"
	"io"
	"strings"
)

//go:embed page/page.html
var pageHTML string

//go:embed page/page.css
var pageCSS string

//go:embed page/page.js
var pageJS string

// pageData is what the page's script draws. Nodes are in the order of a walk
// from the root, each as the numbers of one row.
type pageData struct {
	Unit    string   `json:"unit"`
	What    string   `json:"what"`
	Diff    bool     `json:"diff"`
	Strings []string `json:"strings"`
	// Nodes: depth, name, module, file, line, flags, total, self, before, before's
	// self; nine numbers and one each. Names are indexes into Strings.
	Nodes []int64 `json:"nodes"`
}

// Flags of nodes.
const (
	flagKernel = 1 << iota
	flagInlined
)

// WriteHTML writes the graph as one page that fetches nothing: open it in any
// browser.
func (g *Graph) WriteHTML(w io.Writer) error {
	d := pageData{Unit: g.Unit, What: g.What, Diff: g.IsDiff, Strings: []string{""}}
	index := map[string]int64{"": 0}
	str := func(s string) int64 {
		i, ok := index[s]
		if !ok {
			i = int64(len(d.Strings))
			index[s] = i
			d.Strings = append(d.Strings, s)
		}
		return i
	}
	var walk func(n *Node, depth int64)
	walk = func(n *Node, depth int64) {
		flags := int64(0)
		if n.Kernel {
			flags |= flagKernel
		}
		if n.Inlined {
			flags |= flagInlined
		}
		d.Nodes = append(d.Nodes, depth, str(n.Name), str(n.Module), str(n.File), int64(n.Line), flags, n.Total, n.Self, n.Before, n.BeforeSelf)
		for _, c := range n.Children {
			walk(c, depth+1)
		}
	}
	walk(g.Root, 0)
	var data strings.Builder
	enc := json.NewEncoder(&data) // escapes <, > and &, so that nothing ends the script
	if err := enc.Encode(d); err != nil {
		return err
	}
	_, err := strings.NewReplacer(
		"{{title}}", html.EscapeString(g.Title), "{{subtitle}}", html.EscapeString(g.Subtitle),
		"{{style}}", pageCSS, "{{script}}", pageJS, "{{data}}", data.String(),
	).WriteString(w, pageHTML)
	return err
}
