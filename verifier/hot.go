package verifier

import (
	"cmp"
	"slices"

	"github.com/skepdev/skep/object"
)

// HotLine is a source line and how many of its instructions were simulated.
type HotLine struct {
	Place     Place
	Function  string
	Simulated int
}

// HotLines lists the source lines that cost the most to verify, worst first.
// visits are those of a [Report].
func HotLines(code *object.Code, visits []int) []HotLine {
	type key struct {
		file, function string
		line           int
	}
	byLine := make(map[key]*HotLine)
	at, fn := -1, 0
	for slot, n := range visits {
		for at+1 < len(code.Lines) && code.Lines[at+1].Slot <= slot {
			at++
		}
		for fn+1 < len(code.Funcs) && code.Funcs[fn+1].Slot <= slot {
			fn++
		}
		if n == 0 || at < 0 || code.Lines[at].Line == 0 || len(code.Funcs) == 0 {
			continue
		}
		l := &code.Lines[at]
		k := key{l.File, code.Funcs[fn].Name, l.Line}
		h := byLine[k]
		if h == nil {
			h = &HotLine{Place: Place{File: l.File, Line: l.Line, Column: l.Column, Text: l.Text}, Function: k.function}
			byLine[k] = h
		}
		h.Simulated += n
	}
	out := make([]HotLine, 0, len(byLine))
	for _, h := range byLine {
		out = append(out, *h)
	}
	slices.SortFunc(out, func(a, b HotLine) int {
		return cmp.Or(cmp.Compare(b.Simulated, a.Simulated), cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line))
	})
	return out
}
