package replay

import (
	"cmp"
	"slices"

	"github.com/skepdev/skep/internal/btfdump"
)

// order sorts keys as people expect: numbers by size, text by letters, structs
// by their fields in turn.
func order(a, b Value) int {
	x, okX := a.(btfdump.Value)
	y, okY := b.(btfdump.Value)
	if !okX || !okY {
		return 0
	}
	return orderTrees(x, y)
}

func orderTrees(a, b btfdump.Value) int {
	if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	c := cmp.Compare(a.Uint, b.Uint)
	if a.Kind == btfdump.Int {
		c = cmp.Compare(int64(a.Uint), int64(b.Uint))
	}
	return cmp.Or(c, cmp.Compare(a.Float64, b.Float64), cmp.Compare(a.Str, b.Str),
		slices.CompareFunc(a.Elems, b.Elems, orderTrees),
		slices.CompareFunc(a.Fields, b.Fields, func(x, y btfdump.Field) int { return orderTrees(x.Value, y.Value) }))
}
