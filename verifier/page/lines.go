package page

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/skepdev/skep/object"
	"github.com/skepdev/skep/verifier"
)

// function is a function of the program as the page shows it.
type function struct {
	Name  string
	Lines []line
}

// line is a source line and the instructions that came from it.
type line struct {
	Number   int // 0: unknown
	File     string
	Text     string
	Visits   int
	Percent  int // of the visits of the line with the most
	Bad      bool
	Dead     bool // no instruction of it is ever reached
	Branches []string
	Insns    []insn
}

type insn struct {
	Slot   int
	Text   string
	Visits int
	Bad    bool
	States []string
	More   bool
}

// functionsOf puts the instructions under their lines, and those into functions.
// bad is the offending slot or -1.
func functionsOf(p *Program, bad int) []function {
	code := p.Verified.Code()
	steps := readSteps(p.Report.Log, len(code.Instructions))
	most := 0
	var out []function
	for i, f := range code.Funcs {
		end := len(code.Instructions)
		if i+1 < len(code.Funcs) {
			end = code.Funcs[i+1].Slot
		}
		fn := function{Name: f.Name, Lines: linesOf(p, steps, f.Slot, end, bad)}
		for j := range fn.Lines {
			most = max(most, fn.Lines[j].Visits)
		}
		out = append(out, fn)
	}
	for i := range out {
		for j := range out[i].Lines {
			if most > 0 {
				out[i].Lines[j].Percent = 100 * out[i].Lines[j].Visits / most
			}
		}
	}
	return out
}

func linesOf(p *Program, steps []slotSteps, from, to, bad int) []line {
	code := p.Verified.Code()
	type key struct {
		file   string
		number int
	}
	index := make(map[key]int)
	var out []line
	at := -1
	printer := verifier.Printer(code)
	for slot := from; slot < to; slot += code.Instructions[slot].Width() {
		for at+1 < len(code.Lines) && code.Lines[at+1].Slot <= slot {
			at++
		}
		var l object.LineInfo
		if at >= 0 && code.Lines[at].Slot >= from {
			l = code.Lines[at]
		}
		k := key{l.File, l.Line}
		i, ok := index[k]
		if !ok {
			i = len(out)
			index[k] = i
			out = append(out, line{Number: l.Line, File: path.Base(l.File), Text: strings.TrimRight(l.Text, " \t\n")})
		}
		text, _ := printer.Text(code.Instructions, slot)
		s := &steps[slot]
		in := insn{Slot: slot, Text: text, Bad: slot == bad, States: s.states, More: s.more}
		if slot < len(p.Report.Visits) {
			in.Visits = p.Report.Visits[slot]
		}
		ins := code.Instructions[slot]
		if ins.IsConditional() {
			if w := ways(s.next[slot+1+ins.Displacement()], s.next[slot+1]); w != "" {
				out[i].Branches = append(out[i].Branches, w)
			}
		}
		out[i].Insns = append(out[i].Insns, in)
		out[i].Visits += in.Visits
		out[i].Bad = out[i].Bad || in.Bad
	}
	for i := range out {
		out[i].Dead = out[i].Visits == 0
	}
	slices.SortStableFunc(out, func(a, b line) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Number, b.Number))
	})
	return out
}

// ways says how often a branch went either way.
func ways(taken, not int) string {
	switch {
	case taken == 0 && not == 0:
		return ""
	case not == 0:
		return fmt.Sprintf("always jumps (%d×)", taken)
	case taken == 0:
		return fmt.Sprintf("never jumps (%d×)", not)
	}
	return fmt.Sprintf("jumps %d×, goes on %d×", taken, not)
}
