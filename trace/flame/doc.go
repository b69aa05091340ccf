// Package flame draws profiles as flame graphs: as one HTML page that needs
// nothing else, and in a terminal.
//
//	g := flame.New(p, 1)                 // of the profile's second value
//	err := g.WriteHTML(w)                // search, zoom, tooltips, keyboard
//	fmt.Print(g.Terminal(width, height)) // the widest frames as coloured bars
//
//	d := flame.Diff(before, after, 1)    // coloured by what grew and what shrank
//
// In the graph a box is a function on a stack, as wide as the share of samples
// that have this stack; what it calls stands on top of it. Children are sorted by
// name: the horizontal axis is no time.
package flame
