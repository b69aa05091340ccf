package verifier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

// BTF knows no local variables. Their names come from the source lines that it
// carries: the one that computed a register's value mostly assigns it.

// variable is the C expression whose value a register holds before step i, or
// "" if the source does not tell.
func (t *trace) variable(i, reg int) string {
	for range 16 { // moves and sums on the way
		if t.ins(i).IsCall() && reg >= 1 && reg <= 5 {
			if arg := argumentText(PlaceOf(t.code, t.run[i]).Text, t.called(i), reg-1); arg != "" {
				return arg
			}
		}
		w := t.writer(i, reg)
		if w < 0 {
			return t.parameter(i, reg)
		}
		if s := t.spill(w); s >= 0 {
			i, reg = s, int(t.ins(s).Src)
			continue // the line that loads it again says nothing of it
		}
		ins, p := t.ins(w), t.exactPlace(w)
		if name := assigned(p.Text, p.Column); name != "" {
			return name
		}
		switch {
		case isMove(ins):
			reg = int(ins.Src)
		case ins.Class() == isa.ClassLDX:
			return expressionAt(p.Text, p.Column)
		case ins.IsCall():
			if name := t.called(w); name != "" {
				return "the result of " + name
			}
			return ""
		case ins.Class() != isa.ClassALU && ins.Class() != isa.ClassALU64 || ins.ALUOp() == isa.OpMov:
			return ""
		}
		i = w
	}
	return ""
}

// exactPlace is the source line of step i, with its column if that is the
// instruction's own and not one of the line's before.
func (t *trace) exactPlace(i int) Place {
	p := PlaceOf(t.code, t.run[i])
	if _, own := slices.BinarySearchFunc(t.code.Lines, t.run[i], func(l object.LineInfo, slot int) int { return l.Slot - slot }); !own {
		p.Column = 0
	}
	if isAssembly(p.Text) {
		p.Text = "" // its operands are not named there
	}
	return p
}

// isAssembly says whether a line of C begins inline assembly.
func isAssembly(line string) bool {
	line = strings.TrimLeft(strings.TrimSpace(line), "_")
	return strings.HasPrefix(line, "asm") && (len(line) == len("asm") || !isWord(line[len("asm")]) || strings.HasPrefix(line, "asm_") || strings.HasPrefix(line, "asm__"))
}

// called is the name of the function that step i calls.
func (t *trace) called(i int) string {
	ins := t.ins(i)
	switch {
	case ins.IsHelperCall():
		return helperName(ins.Imm)
	case ins.IsKfuncCall():
		return t.code.Kfuncs[ins.Imm].Name
	case ins.IsSubprogCall():
		return funcOf(t.code, t.run[i]+1+int(ins.Imm))
	}
	return ""
}

// parameter is the name of the parameter that a register holds from the start
// of the function around step i.
func (t *trace) parameter(i, reg int) string {
	for _, f := range t.code.Funcs {
		if f.Name != funcOf(t.code, t.run[i]) || f.Type == nil {
			continue
		}
		proto, ok := f.Type.Type.(*btf.FuncProto)
		if ok && reg >= 1 && reg <= len(proto.Params) {
			return proto.Params[reg-1].Name
		}
	}
	return ""
}

// assigned is the left side of the assignment in a line of C that a column,
// counted from 1, belongs to; "" if there is none, or several and no column (0).
func assigned(line string, column int) string {
	best := ""
	for i := 1; i < len(line); i++ {
		if line[i] != '=' || i+1 < len(line) && line[i+1] == '=' || strings.IndexByte("=!<>", line[i-1]) >= 0 &&
			!(i > 1 && line[i-1] == line[i-2] && line[i-1] != '=') { // <<= and >>=
			continue
		}
		if best != "" && column == 0 {
			return ""
		}
		if best != "" && i >= column {
			break
		}
		left := strings.TrimRight(strings.TrimRight(line[:i], "+-*/%&|^<>"), " \t")
		if name := expressionBefore(left); name != "" {
			best = name
		}
	}
	return best
}

// expressionBefore is the name at the end of a text, with what it is a member
// or element of; a star before it counts unless a declaration has it.
func expressionBefore(text string) string {
	start, depth := len(text), 0
	for ; start > 0; start-- {
		c := text[start-1]
		switch {
		case c == ']':
			depth++
		case c == '[':
			depth--
		case depth > 0, isWord(c), c == '.':
		case c == '>' && start > 1 && text[start-2] == '-':
			start--
		default:
			return withStar(text[:start], text[start:])
		}
		if depth < 0 {
			return ""
		}
	}
	if depth > 0 {
		return ""
	}
	return text
}

func withStar(before, name string) string {
	stars := len(before) - len(strings.TrimRight(before, "*"))
	rest := strings.TrimRight(before[:len(before)-stars], " \t")
	if name == "" || stars == 0 || rest != "" && isWord(rest[len(rest)-1]) {
		return name
	}
	return strings.Repeat("*", stars) + name
}

// expressionAt is the name at a column, counted from 1, or the one before the
// operator there, with what it is a member of.
func expressionAt(line string, column int) string {
	if column < 1 || column > len(line) {
		return ""
	}
	end := column - 1
	for end < len(line) && isWord(line[end]) {
		end++
	}
	return expressionBefore(strings.TrimRight(line[:end], " \t"))
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// argumentText is the n-th argument, from 0, of a call in a line of C, "" if the
// line does not show it whole.
func argumentText(line, function string, n int) string {
	_, rest, ok := strings.Cut(line, function+"(")
	if function == "" || !ok {
		return ""
	}
	depth, start := 0, 0
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '(' || c == '[' || c == '{':
			depth++
		case depth > 0 && (c == ')' || c == ']' || c == '}'):
			depth--
		case depth == 0 && (c == ',' || c == ')'):
			if n == 0 {
				return strings.TrimSpace(rest[start:i])
			}
			if c == ')' {
				return ""
			}
			n--
			start = i + 1
		}
	}
	return ""
}

// opposite comparisons, by BPF's operation.
var opposite = map[uint8]uint8{
	isa.OpJEQ: isa.OpJNE, isa.OpJNE: isa.OpJEQ, isa.OpJGT: isa.OpJLE, isa.OpJLE: isa.OpJGT, isa.OpJGE: isa.OpJLT, isa.OpJLT: isa.OpJGE,
	isa.OpJSGT: isa.OpJSLE, isa.OpJSLE: isa.OpJSGT, isa.OpJSGE: isa.OpJSLT, isa.OpJSLT: isa.OpJSGE,
}

var comparisons = map[uint8]string{
	isa.OpJEQ: "==", isa.OpJNE: "!=", isa.OpJGT: ">", isa.OpJGE: ">=", isa.OpJLT: "<", isa.OpJLE: "<=",
	isa.OpJSGT: ">", isa.OpJSGE: ">=", isa.OpJSLT: "<", isa.OpJSLE: "<=",
}

// holds is what is true after the comparison of step i, in C as far as the
// variables are known.
func (t *trace) holds(i int, taken bool) string {
	ins := t.ins(i)
	name := func(reg uint8) string {
		if v := t.variable(i, int(reg)); v != "" {
			return v
		}
		return fmt.Sprintf("r%d", reg)
	}
	op := ins.JumpOp()
	left, right := name(ins.Dst), fmt.Sprint(ins.Imm)
	if ins.Source() == isa.SrcX {
		if right = name(ins.Src); right == left { // both come from one line
			left, right = fmt.Sprintf("r%d", ins.Dst), fmt.Sprintf("r%d", ins.Src)
		}
	} else if ins.Class() == isa.ClassJMP32 && unsignedOp(op) {
		right = fmt.Sprint(uint32(ins.Imm))
	}
	if op == isa.OpJSET {
		verb := "=="
		if taken {
			verb = "!="
		}
		return fmt.Sprintf("(%s & %s) %s 0", left, right, verb)
	}
	if !taken {
		op = opposite[op]
	}
	return fmt.Sprintf("%s %s %s", left, comparisons[op], right)
}

func unsignedOp(op uint8) bool {
	return op == isa.OpJGT || op == isa.OpJGE || op == isa.OpJLT || op == isa.OpJLE
}
