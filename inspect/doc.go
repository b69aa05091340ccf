// Package inspect says what a compiled object holds, without loading it:
// programs, maps, global variables, types, relocations; the code, with its
// source between the lines; and the flow of control, as a drawing.
//
//	spec, err := object.OpenFile("prog.o", &object.Options{AllowUnresolved: true})
//	report := inspect.Describe(spec)              // plain data, ready for JSON
//	listing, err := inspect.List(spec, "filter")  // listing.WriteText(os.Stdout)
//	graph, err := inspect.Flow(spec, "filter")    // graph.SVG(w), graph.DOT(w)
//
// Nothing here asks the kernel or writes to the spec, so objects of other
// machines can be inspected anywhere. Specs may be hostile: what makes no sense
// is reported as a problem of the program, map or type it stands in.
//
// # For maintainers
//
// A program is looked at through object.Instructions (code.go): 8-byte slots,
// functions, lines. Listing and graph print them with one isa.Printer, so that
// names are the same everywhere. A graph is built (flow.go), put into layers,
// ordered and placed (layers.go, order.go, place.go), and only then drawn
// (svg.go); each step is a function over plain slices.
package inspect
