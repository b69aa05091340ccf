package isa

import "fmt"

// Disassemble returns the text of the instruction at insns[i], as the kernel's
// verifier log and bpftool print it ("r1 = *(u32 *)(r1 +4)"), and how many
// slots it takes. [Assemble] reads that text back.
//
// Where the kernel's text leaves something out, so that two encodings would
// read alike, more is said: "call helper#1" and "call kfunc#1", "map[fd:3]".
// What is not a valid instruction reads as ".insn opcode, dst, src, off, imm".
// An index out of range gives "" and 0.
func Disassemble(insns []Instruction, i int) (text string, width int) {
	return (*Printer)(nil).Text(insns, i)
}

// Printer puts names where the encoding has numbers. Each function may be nil
// and may return "" for what it does not know. A nil Printer is fine.
type Printer struct {
	// Helper names a helper by its number: "call NAME#1".
	Helper func(id int32) string
	// Kfunc names a kernel function, given the calling instruction. The text
	// is the kernel's ("call NAME#1234"), which reads like a helper's.
	Kfunc func(ins Instruction) string
	// Target names the slot a jump goes to, or the start of a subprogram:
	// "goto NAME", "call NAME".
	Target func(slot int) string
	// Load names what a 64-bit immediate load refers to (a map, a variable):
	// "r1 = NAME".
	Load func(at int, lo, hi Instruction) string
}

// Text is [Disassemble] with names.
func (p *Printer) Text(insns []Instruction, i int) (text string, width int) {
	if i < 0 || i >= len(insns) {
		return "", 0
	}
	s := site{Instruction: insns[i], at: i}
	f := forms[s.Op]
	if f == nil || invalid(s.Instruction) != "" && !isPerCPUMove(s.Instruction) && !isCallX(s.Instruction) {
		return printRaw(s.Instruction), 1
	}
	if s.Width() == 2 {
		if i+1 == len(insns) || invalidHalf(s.Instruction, insns[i+1]) != "" {
			return printRaw(s.Instruction), 1
		}
		s.hi = insns[i+1]
	}
	return f.print(p, s), s.Width()
}

func printRaw(ins Instruction) string {
	return fmt.Sprintf(".insn 0x%02x, %d, %d, %d, %d", ins.Op, ins.Dst, ins.Src, ins.Off, ins.Imm)
}

// target is the text of a place in the program.
func (p *Printer) target(at, displacement int) string {
	if p != nil && p.Target != nil {
		if name := p.Target(at + 1 + displacement); name != "" {
			return name
		}
	}
	return fmt.Sprintf("pc%+d", displacement)
}

var aluText = [16]string{
	OpAdd >> 4: "+=", OpSub >> 4: "-=", OpMul >> 4: "*=", OpDiv >> 4: "/=",
	OpOr >> 4: "|=", OpAnd >> 4: "&=", OpLsh >> 4: "<<=", OpRsh >> 4: ">>=",
	OpMod >> 4: "%=", OpXor >> 4: "^=", OpMov >> 4: "=", OpArsh >> 4: "s>>=",
}

var jumpText = [16]string{
	OpJEQ >> 4: "==", OpJGT >> 4: ">", OpJGE >> 4: ">=", OpJSET >> 4: "&",
	OpJNE >> 4: "!=", OpJSGT >> 4: "s>", OpJSGE >> 4: "s>=", OpJLT >> 4: "<",
	OpJLE >> 4: "<=", OpJSLT >> 4: "s<", OpJSLE >> 4: "s<=",
}

var atomicText = [16]string{
	AtomicAdd >> 4: "add", AtomicOr >> 4: "or", AtomicAnd >> 4: "and", AtomicXor >> 4: "xor",
}

// bits is the width of a memory access: 8 to 64.
func (s site) bits() int { return 8 * s.Bytes() }

// letter is how registers are called: r for 64 bits, w for their lower half.
func (s site) letter() byte {
	if c := s.Class(); c == ClassALU || c == ClassJMP32 {
		return 'w'
	}
	return 'r'
}
