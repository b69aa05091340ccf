package isa

import (
	"fmt"
	"strings"
)

// Assemble reads the text that [Disassemble] writes, one instruction a line,
// and gives back the slots.
//
// Besides that text it takes labels ("loop:", alone on a line) in the place of
// distances ("goto loop", "call loop", "r1 = subprog[loop]"), comments from ";"
// or "//" to the end of the line, blank lines, hexadecimal numbers wherever a
// decimal one may stand, "r1 = 5 ll" for a 64-bit load, and the index and
// opcode with which bpftool starts a line ("12: (b7) r1 = 0"). A plain
// hexadecimal number moved to a 64-bit register is a 64-bit load, as the kernel
// prints it; a decimal one is a move. LLVM's text is taken too where it differs
// only in spaces and in saying w for the registers of 32-bit accesses.
//
// Names of helpers are not looked up: "call NAME#1" calls helper 1.
// Errors name the line.
func Assemble(text string) ([]Instruction, error) {
	a := assembler{labels: map[string]int{}}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := a.line(line, n); err != nil {
			return nil, fmt.Errorf("assemble line %d: %w", n, err)
		}
	}
	if err := a.resolve(); err != nil {
		return nil, err
	}
	return a.out, nil
}

type assembler struct {
	out    []Instruction
	labels map[string]int
	fixups []fixup
}

// fixup is a reference to a label that may be defined later.
type fixup struct {
	slot  int
	line  int
	label string
	long  bool // the distance goes to Imm, not Off
}

func (a *assembler) line(text string, n int) error {
	toks, err := scan(text)
	if err != nil {
		return err
	}
	if len(toks) == 3 && toks[0].kind == tokWord && toks[1].is(":") {
		name := toks[0].text
		if _, dup := a.labels[name]; dup {
			return fmt.Errorf("label %s is defined twice", name)
		}
		a.labels[name] = len(a.out)
		return nil
	}
	if toks[0].kind == tokEnd {
		return nil
	}
	p := &parser{toks: skipListingPrefix(toks)}
	ins, err := p.statement()
	if err == nil {
		err = p.end()
	}
	if err != nil {
		return err
	}
	if p.label != "" {
		a.fixups = append(a.fixups, fixup{len(a.out), n, p.label, p.long})
	}
	a.out = append(a.out, ins)
	if p.wide {
		a.out = append(a.out, Instruction{Imm: p.hi})
	}
	return nil
}

// skipListingPrefix drops "12: (b7)" in front of an instruction.
func skipListingPrefix(toks []token) []token {
	if len(toks) > 5 && toks[0].kind == tokNumber && toks[1].is(":") {
		toks = toks[2:]
		if toks[0].is("(") && toks[2].is(")") && !toks[1].is("(") {
			toks = toks[3:]
		}
	}
	return toks
}

func (a *assembler) resolve() error {
	for _, f := range a.fixups {
		to, ok := a.labels[f.label]
		if !ok {
			return fmt.Errorf("assemble line %d: label %s is not defined", f.line, f.label)
		}
		d := to - f.slot - 1
		ins := &a.out[f.slot]
		switch {
		case f.long && int(int32(d)) == d:
			ins.Imm = int32(d)
		case !f.long && int(int16(d)) == d:
			ins.Off = int16(d)
		default:
			return fmt.Errorf("assemble line %d: label %s is %d slots away: too far for this instruction", f.line, f.label, d)
		}
	}
	return nil
}
