package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/object"
)

// Source is a line of source code.
type Source struct {
	File string `json:"file,omitempty"`
	// Line and Column count from 1; 0 means unknown.
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text,omitempty"`
}

// function is a stretch of slots.
type function struct {
	name       string
	prototype  string // in C, or ""
	start, end int
}

// program is a program as slots, with names for what the slots refer to.
type program struct {
	spec  *ebpf.ProgramSpec
	coll  *ebpf.CollectionSpec
	code  *object.Code
	funcs []function
	// labels of slots that jumps lead to, within their function.
	labels map[int]string
	ksyms  map[int]string
	vars   map[string][]*ebpf.VariableSpec // by section, in order of offsets
}

// find returns the named program of a collection; "" means the only one.
func find(coll *ebpf.CollectionSpec, name string) (*ebpf.ProgramSpec, error) {
	if coll == nil {
		return nil, fmt.Errorf("inspect program %q: there is no collection", name)
	}
	if p := coll.Programs[name]; p != nil {
		return p, nil
	}
	names := sortedNames(coll.Programs)
	if name == "" && len(names) == 1 && coll.Programs[names[0]] != nil {
		return coll.Programs[names[0]], nil
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("inspect program %q: the object has no programs", name)
	case name == "":
		return nil, fmt.Errorf("inspect program: name one of %s", strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("inspect program %q: the object has %s", name, strings.Join(names, ", "))
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// decode takes a program apart. coll may be nil.
func decode(p *ebpf.ProgramSpec, coll *ebpf.CollectionSpec) (*program, error) {
	code, err := object.Instructions(p, coll)
	if err != nil {
		return nil, err
	}
	out := &program{spec: p, coll: coll, code: code, ksyms: map[int]string{}}
	for _, k := range code.Ksyms {
		out.ksyms[k.Slot] = k.Name
	}
	out.funcs = functions(code, p.Name)
	out.findLabels()
	if coll != nil {
		out.vars = variablesBySection(coll)
	}
	return out, nil
}

// functions cuts the slots at the starts of functions. The first begins at 0.
func functions(code *object.Code, name string) []function {
	infos := slices.Clone(code.Funcs)
	slices.SortStableFunc(infos, func(a, b object.FuncInfo) int { return cmp.Compare(a.Slot, b.Slot) })
	var out []function
	for _, f := range infos {
		if f.Slot < 0 || f.Slot >= len(code.Instructions) || len(out) > 0 && f.Slot == out[len(out)-1].start {
			continue
		}
		fn := function{name: f.Name, start: f.Slot}
		if f.Type != nil {
			fn.prototype = Declaration(f.Type)
		}
		out = append(out, fn)
	}
	if len(out) == 0 || out[0].start != 0 {
		out = append([]function{{name: name}}, out...)
	}
	for i := range out {
		out[i].end = len(code.Instructions)
		if i+1 < len(out) {
			out[i].end = out[i+1].start
		}
	}
	return out
}

// findLabels numbers the slots that jumps lead to, function by function.
func (p *program) findLabels() {
	p.labels = map[int]string{}
	for _, f := range p.funcs {
		var targets []int
		for i := range p.slots(f) {
			if ins := p.code.Instructions[i]; ins.IsJump() {
				if to := i + 1 + ins.Displacement(); to >= f.start && to < f.end {
					targets = append(targets, to)
				}
			}
		}
		slices.Sort(targets)
		for n, to := range slices.Compact(targets) {
			p.labels[to] = fmt.Sprintf("L%d", n+1)
		}
	}
}

// slots iterates over the first slots of a function's instructions.
func (p *program) slots(f function) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for i := f.start; i < f.end; i += p.code.Instructions[i].Width() {
			if !yield(i) {
				return
			}
		}
	}
}

// printer names what instructions refer to. target names slots.
func (p *program) printer(target func(slot int) string) *isa.Printer {
	return &isa.Printer{
		Helper: func(id int32) string {
			if h := abi.HelperByID(abi.HelperID(id)); h != nil {
				return h.ID.String()
			}
			return ""
		},
		Kfunc:  func(ins isa.Instruction) string { return p.code.Kfuncs[ins.Imm].Name },
		Target: target,
		Load:   p.loadName,
	}
}

// targetName names jump targets by their labels and functions by their names.
func (p *program) targetName(slot int) string {
	if name := p.labels[slot]; name != "" {
		return name
	}
	return p.functionAt(slot)
}

// functionAt is the name of the function that begins at slot, or "".
func (p *program) functionAt(slot int) string {
	i, ok := slices.BinarySearchFunc(p.funcs, slot, func(f function, slot int) int { return cmp.Compare(f.start, slot) })
	if !ok {
		return ""
	}
	return p.funcs[i].name
}

// loadName names what a 64-bit load refers to: a map, a variable, a kernel
// symbol.
func (p *program) loadName(at int, lo, hi isa.Instruction) string {
	if name := p.ksyms[at]; name != "" {
		return "&" + name
	}
	switch lo.Src {
	case isa.PseudoMapIdx:
		if name := p.mapName(lo.Imm); name != "" {
			return "map[" + name + "]"
		}
	case isa.PseudoMapIdxValue:
		if name := p.mapName(lo.Imm); name != "" {
			return p.variableName(name, uint32(hi.Imm))
		}
	}
	return ""
}

func (p *program) mapName(index int32) string {
	if index < 0 || int(index) >= len(p.code.Maps) {
		return ""
	}
	return p.code.Maps[index]
}

// variableName names a place in a data section.
func (p *program) variableName(section string, offset uint32) string {
	for _, v := range p.vars[section] {
		if size := uint32(len(v.Value)); offset >= v.Offset && offset-v.Offset < max(size, 1) {
			return "&" + v.Name + plus(offset-v.Offset)
		}
	}
	return "map[" + section + "][0]" + plus(offset)
}

func plus(offset uint32) string {
	if offset == 0 {
		return ""
	}
	return fmt.Sprintf("+%d", offset)
}

func variablesBySection(coll *ebpf.CollectionSpec) map[string][]*ebpf.VariableSpec {
	out := map[string][]*ebpf.VariableSpec{}
	for _, name := range sortedNames(coll.Variables) {
		if v := coll.Variables[name]; v != nil {
			out[v.SectionName] = append(out[v.SectionName], v)
		}
	}
	for _, vars := range out {
		slices.SortStableFunc(vars, func(a, b *ebpf.VariableSpec) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	return out
}

// lineAt returns the source line that begins at or before slot within the
// function that starts at start.
func (p *program) lineAt(slot, start int) *Source {
	i, ok := slices.BinarySearchFunc(p.code.Lines, slot, func(l object.LineInfo, slot int) int { return cmp.Compare(l.Slot, slot) })
	if !ok {
		i--
	}
	if i < 0 || i >= len(p.code.Lines) || p.code.Lines[i].Slot < start {
		return nil
	}
	l := p.code.Lines[i]
	return &Source{File: l.File, Line: l.Line, Column: l.Column, Text: strings.TrimSpace(l.Text)}
}
