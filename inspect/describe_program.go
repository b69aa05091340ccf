package inspect

import (
	"fmt"
	"slices"

	"github.com/cilium/ebpf"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

func hex(n uint32) string { return fmt.Sprintf("0x%x", n) }

func describeProgram(p *ebpf.ProgramSpec, coll *ebpf.CollectionSpec) (Program, []Relocation) {
	out := Program{
		Name: clean(p.Name), Section: clean(p.SectionName), Type: abi.ProgramType(p.Type).String(),
		AttachType: attachName(p), AttachTo: clean(p.AttachTo), License: clean(p.License),
		Flags: flagNames(p.Flags, programFlags), Functions: []Function{}, Helpers: []Use{}, Maps: []string{},
	}
	code, err := decode(p, coll)
	if err != nil {
		out.Problem = clean(err.Error())
		return out, nil
	}
	out.Instructions = len(code.code.Instructions)
	for i, f := range code.funcs {
		out.Functions = append(out.Functions, code.describeFunction(i, f))
	}
	out.Stack = deepest(out.Functions)
	out.Helpers, out.Kfuncs = code.calls()
	out.Maps = append(out.Maps, code.code.Maps...)
	slices.Sort(out.Maps)
	for _, k := range code.code.Ksyms {
		out.KernelSymbols = append(out.KernelSymbols, clean(k.Name))
	}
	slices.Sort(out.KernelSymbols)
	out.KernelSymbols = slices.Compact(out.KernelSymbols)
	for _, l := range code.code.Lines {
		if l.File != "" {
			out.Files = append(out.Files, clean(l.File))
		}
	}
	slices.Sort(out.Files)
	out.Files = slices.Compact(out.Files)
	return out, code.relocations()
}

// attachName is the attach type where the program is loaded with one. Its first
// value is 0 and looks like none, except for the programs it is made for.
func attachName(p *ebpf.ProgramSpec) string {
	if p.AttachType == 0 {
		if s, _, ok := abi.SectionOf(p.SectionName); !ok || s.Name != "cgroup_skb/ingress" {
			return ""
		}
	}
	return abi.AttachType(p.AttachType).String()
}

func (p *program) describeFunction(i int, f function) Function {
	out := Function{
		Name: clean(f.name), Prototype: f.prototype, Start: f.start, Instructions: f.end - f.start,
		Stack: stackUse(p.code.Instructions[f.start:f.end]),
	}
	g := p.flow(i)
	out.Blocks = len(g.Blocks)
	for _, e := range g.Edges {
		if e.Back {
			out.Loops++
		}
	}
	for at := range p.slots(f) {
		ins := p.code.Instructions[at]
		if ins.IsSubprogCall() || ins.Op == isa.LdImm64 && ins.Src == isa.PseudoFunc {
			if name := p.functionAt(at + 1 + int(ins.Imm)); name != "" {
				out.Calls = append(out.Calls, clean(name))
			}
		}
	}
	slices.Sort(out.Calls)
	out.Calls = slices.Compact(out.Calls)
	return out
}

// calls counts the helpers and kfuncs a program calls.
func (p *program) calls() (helpers, kfuncs []Use) {
	helpers = []Use{}
	byID, byName := map[uint32]int{}, map[string]int{}
	for _, f := range p.funcs {
		for i := range p.slots(f) {
			ins := p.code.Instructions[i]
			switch {
			case ins.IsHelperCall():
				byID[uint32(ins.Imm)]++
			case ins.IsKfuncCall():
				byName[clean(p.code.Kfuncs[ins.Imm].Name)]++
			}
		}
	}
	for id, n := range byID {
		helpers = append(helpers, Use{
			Name: abi.HelperID(id).String(), ID: id, Calls: n,
			Problem: helperProblem(abi.HelperID(id), abi.ProgramType(p.spec.Type), p.spec.License),
		})
	}
	slices.SortFunc(helpers, func(a, b Use) int { return int(int64(a.ID) - int64(b.ID)) })
	for _, name := range sortedNames(byName) {
		kfuncs = append(kfuncs, Use{Name: name, Calls: byName[name]})
	}
	return helpers, kfuncs
}

// helperProblem is what the tables of Linux 6.18 hold against a call. Programs
// without a type, and those that borrow their target's, are not judged.
func helperProblem(id abi.HelperID, t abi.ProgramType, license string) string {
	h := abi.HelperByID(id)
	if h == nil {
		return "no such helper in Linux 6.18"
	}
	if t == abi.ProgUnspec || t == abi.ProgExtension {
		return ""
	}
	_, flags, ok := h.Prototype(t)
	switch {
	case !ok:
		return fmt.Sprintf("not for %v programs", t)
	case flags&abi.HelperGPL != 0 && !gplCompatible(license):
		return fmt.Sprintf("for programs with a GPL-compatible license only; this one's is %q", clean(license))
	}
	return ""
}

// gplCompatible tells as Linux does (include/linux/license.h).
func gplCompatible(license string) bool {
	switch license {
	case "GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL":
		return true
	}
	return false
}
