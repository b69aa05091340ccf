package verifier

import (
	"fmt"
	"path"
	"strings"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

// Explanation is a rejection in words for whoever wrote the program.
type Explanation struct {
	// Rule that is broken, and Summary what it says.
	Rule    string `json:"rule"`
	Summary string `json:"summary"`
	// Place of the offending instruction in the source, empty without line
	// information, and the instruction itself.
	Place       Place  `json:"place"`
	Slot        int    `json:"slot"`
	Instruction string `json:"instruction,omitempty"`
	Function    string `json:"function,omitempty"`
	// Variable is the C expression that the rule is about, where it is known.
	Variable string `json:"variable,omitempty"`
	// Known is what was known of the operand that the rule is about.
	Known string `json:"known,omitempty"`
	// Cause says how that came to be, where it can be told.
	Cause string `json:"cause,omitempty"`
	// Path lists the branches on the way that the operand depends on, first one
	// first.
	Path []Branch `json:"path,omitempty"`
	// Advice is a change that would help.
	Advice string `json:"advice,omitempty"`
	// Kernel is the kernel's own message.
	Kernel string `json:"kernel_message"`
}

// Place is a line of the source. Line and Column count from 1; 0 is unknown.
type Place struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text,omitempty"`
}

func (p Place) String() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", path.Base(p.File), p.Line)
}

// Branch is a comparison on the way to the offending instruction.
type Branch struct {
	Place     Place  `json:"place"`
	Slot      int    `json:"slot"`
	Condition string `json:"condition"` // in assembly
	Taken     bool   `json:"taken"`     // the jump of that instruction
	// Holds is what was true after it, with the names of C where they are known.
	Holds string `json:"holds"`
}

// Explain puts the rejection into words.
func (r *Rejection) Explain() *Explanation {
	e := &Explanation{Rule: r.Rule, Slot: r.Slot, Kernel: r.Message}
	if r.Slot >= 0 && r.Slot < len(r.code.Instructions) {
		e.Place = PlaceOf(r.code, r.Slot)
		e.Function = funcOf(r.code, r.Slot)
	}
	t := newTrace(r)
	if t.reg >= 0 && len(t.run) > 0 {
		e.Variable = t.variable(t.last(), t.reg)
	}
	e.Path = t.branches()
	st := &story{Explanation: e, r: r, trace: t}
	if e.Function != "" {
		e.Instruction = st.text(r.Slot)
	}
	rule := rules[r.Rule]
	if rule.explain != nil {
		rule.explain(st)
	}
	st.refine()
	if e.Summary == "" {
		e.Summary = rule.summary
	}
	if e.Advice == "" {
		e.Advice = rule.advice
	}
	if e.Known == "" {
		e.Known = st.known()
	}
	return e
}

// Text is the explanation for a terminal, without colours; lines end in "\n".
func (e *Explanation) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", e.Summary)
	if e.Place.Line > 0 {
		at := e.Place.String()
		fmt.Fprintf(&b, "  at %s in %s()\n", at, e.Function)
		fmt.Fprintf(&b, "    %d | %s\n", e.Place.Line, strings.TrimSpace(e.Place.Text))
		if col := e.Place.Column; col > 0 {
			indent := len(e.Place.Text) - len(strings.TrimLeft(e.Place.Text, " \t"))
			if col-1-indent >= 0 && col-1 < len(e.Place.Text) {
				fmt.Fprintf(&b, "    %s | %s^\n", strings.Repeat(" ", len(fmt.Sprint(e.Place.Line))), strings.Repeat(" ", col-1-indent))
			}
		}
	}
	if e.Instruction != "" {
		fmt.Fprintf(&b, "  instruction %d: %s\n", e.Slot, e.Instruction)
	}
	if e.Known != "" {
		fmt.Fprintf(&b, "  known: %s\n", e.Known)
	}
	if e.Cause != "" {
		fmt.Fprintf(&b, "  why: %s\n", e.Cause)
	}
	for i, p := range e.Path {
		head := "        "
		if i == 0 {
			head = "  path: "
		}
		at := p.Place.String()
		if at == "" {
			at = fmt.Sprintf("instruction %d", p.Slot)
		}
		fmt.Fprintf(&b, "%s%s %s goes on with %s\n", head, at, orCondition(p), p.Holds)
	}
	if e.Advice != "" {
		fmt.Fprintf(&b, "  try: %s\n", e.Advice)
	}
	fmt.Fprintf(&b, "  the kernel says: %s\n", strings.ReplaceAll(e.Kernel, "\n", "\n                   "))
	return b.String()
}

// orCondition is the source of a branch, or its assembly.
func orCondition(p Branch) string {
	if s := strings.TrimSpace(p.Place.Text); s != "" && !isAssembly(s) {
		return s
	}
	return p.Condition
}

// PlaceOf is the source line of a slot, the zero Place without line information.
func PlaceOf(c *object.Code, slot int) Place {
	var p Place
	for _, l := range c.Lines {
		if l.Slot > slot {
			break
		}
		p = Place{File: l.File, Line: l.Line, Column: l.Column, Text: l.Text}
	}
	return p
}

func funcOf(c *object.Code, slot int) string {
	name := ""
	for _, f := range c.Funcs {
		if f.Slot > slot {
			break
		}
		name = f.Name
	}
	return name
}

// Printer prints instructions of a program with the names of what they refer to.
func Printer(c *object.Code) *isa.Printer {
	return &isa.Printer{
		Helper: helperName,
		Kfunc:  func(ins isa.Instruction) string { return c.Kfuncs[ins.Imm].Name },
		Load: func(_ int, lo, hi isa.Instruction) string {
			switch lo.Src {
			case isa.PseudoMapIdx:
				if int(lo.Imm) < len(c.Maps) {
					return "map[" + c.Maps[lo.Imm] + "]"
				}
			case isa.PseudoMapIdxValue:
				if int(lo.Imm) < len(c.Maps) {
					return fmt.Sprintf("map[%s][0]+%d", c.Maps[lo.Imm], uint32(hi.Imm))
				}
			}
			return ""
		},
	}
}
