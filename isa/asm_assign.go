package isa

import (
	"fmt"
	"strings"
)

// target is the register an assignment writes.
type target struct {
	letter byte
	n      uint8
	class  uint8
}

// assignment reads everything that starts with a register.
func (p *parser) assignment() (ins Instruction, err error) {
	letter, n, err := p.reg()
	if err != nil {
		return ins, err
	}
	to := target{letter, n, ClassALU64}
	if letter == 'w' {
		to.class = ClassALU
	}
	sign := p.next()
	if sign.is("=") {
		return p.value(to)
	}
	text, signed := sign.text, false
	if text == "s/=" || text == "s%=" {
		text, signed = text[1:], true
	}
	op, ok := aluOps[text]
	if !ok || sign.kind != tokSign {
		return ins, fmt.Errorf("expected an assignment, found %s", sign)
	}
	ins, err = p.operand(to, op)
	if signed {
		ins.Off = 1
	}
	return ins, err
}

// operand reads the right side of an operation: a register or a number.
func (p *parser) operand(to target, op uint8) (ins Instruction, err error) {
	ins = Instruction{Op: to.class | op, Dst: to.n}
	if !p.isReg() {
		ins.Imm, err = p.imm()
		return ins, err
	}
	letter, src, _ := p.reg()
	if letter != to.letter {
		return ins, fmt.Errorf("%c%d and %c%d: one has 32 bits, the other 64", to.letter, to.n, letter, src)
	}
	ins.Op |= SrcX
	ins.Src = src
	return ins, nil
}

// values are the right sides that start with a word.
var values = map[string]func(*parser, target) (Instruction, error){
	"load_acquire":    valueLoadAcquire,
	"addr_space_cast": valueCast,
	"map":             valueMap,
	"btf":             valueBTF,
	"subprog":         valueSubprog,
}

// value reads what may follow "r1 = ".
func (p *parser) value(to target) (Instruction, error) {
	t, after := p.peek(), token{}
	if t.kind != tokEnd {
		after = p.toks[p.pos+1]
	}
	switch {
	case t.kind == tokNumber, t.is("-") && after.kind == tokNumber, t.is("+"):
		return p.constant(to)
	case t.is("-"):
		p.pos++
		return p.negation(to)
	case t.is("("):
		return p.signExtension(to)
	case t.is("*"):
		p.pos++
		return p.load(to)
	case t.is("&"):
		return p.perCPU(to)
	case p.isReg():
		return p.operand(to, OpMov)
	}
	if t.kind == tokWord {
		if f := values[t.text]; f != nil {
			p.pos++
			return f(p, to)
		}
		if op, bits, ok := swapName(t.text); ok {
			p.pos++
			return p.swap(to, op, bits)
		}
		if strings.HasPrefix(t.text, "atomic") {
			p.pos++
			return p.fetch(to, t.text)
		}
	}
	return Instruction{}, fmt.Errorf("expected a value, found %s", t)
}

// constant reads a number: a move of 32 bits, or a 64-bit load if it is written
// in hexadecimal or ends with "ll".
func (p *parser) constant(to target) (ins Instruction, err error) {
	start, hex := p.pos, p.peek().hex
	v, err := p.number(64)
	if err != nil {
		return ins, err
	}
	if ll := p.accept("ll"); to.letter == 'r' && (hex || ll) {
		p.wide, p.hi = true, int32(v>>32)
		return Instruction{Op: LdImm64, Dst: to.n, Imm: int32(v)}, nil
	}
	p.pos = start
	return p.operand(to, OpMov)
}

func (p *parser) negation(to target) (ins Instruction, err error) {
	return Instruction{Op: to.class | OpNeg, Dst: to.n}, p.same(to)
}

// same reads the target register once more.
func (p *parser) same(to target) error {
	letter, n, err := p.reg()
	if err == nil && (letter != to.letter || n != to.n) {
		err = fmt.Errorf("expected %c%d again, found %c%d", to.letter, to.n, letter, n)
	}
	return err
}

// signExtension reads "(s8)r2".
func (p *parser) signExtension(to target) (ins Instruction, err error) {
	if err = p.expect("("); err != nil {
		return ins, err
	}
	size, signed, err := p.ctype()
	if err == nil {
		err = p.expect(")")
	}
	if err != nil {
		return ins, err
	}
	if ins, err = p.operand(to, OpMov); err != nil {
		return ins, err
	}
	ins.Off = int16(8 * sizeBytes(size))
	if !signed || ins.Source() != SrcX || checkMove(ins) != "" {
		return ins, fmt.Errorf("no move converts to that type")
	}
	return ins, nil
}

// load reads what follows the star of "*(u32 *)(r1 +4)" or "*(u16 *)skb[4]".
func (p *parser) load(to target) (ins Instruction, err error) {
	// "( u32 * ) skb"
	if p.pos+4 < len(p.toks) && p.toks[p.pos+4].word("skb") {
		return p.packetLoad(to)
	}
	m, err := p.place()
	if err != nil {
		return ins, err
	}
	mode := uint8(ModeMEM)
	if m.signed {
		mode = ModeMEMSX
	}
	ins = Instruction{Op: ClassLDX | mode | m.size, Dst: to.n, Src: m.base, Off: m.off}
	if why := invalid(ins); why != "" {
		return ins, fmt.Errorf("no load of that type: %s", why)
	}
	// LLVM calls the register of a load of at most 32 bits w; it means the same.
	return ins, nil
}

// packetLoad reads "(u16 *)skb[4]" and "(u16 *)skb[r1 + 4]".
func (p *parser) packetLoad(to target) (ins Instruction, err error) {
	if err = p.expect("("); err != nil {
		return ins, err
	}
	size, signed, err := p.ctype()
	if err == nil {
		err = p.expect("*", ")", "skb", "[")
	}
	if err != nil {
		return ins, err
	}
	ins = Instruction{Op: ClassLD | ModeABS | size}
	if p.isReg() {
		ins.Op = ClassLD | ModeIND | size
		if ins.Src, err = p.reg64(); err != nil {
			return ins, err
		}
	}
	p.accept("+") // the number has its own sign: "r1 + -4"
	if ins.Imm, err = p.imm(); err == nil {
		err = p.expect("]")
	}
	if err == nil && (signed || size == SizeDW || to.n != 0) {
		err = fmt.Errorf("packet loads go to r0 and have the types u8, u16 or u32")
	}
	return ins, err
}

// perCPU reads "&(void __percpu *)(r2)".
func (p *parser) perCPU(to target) (ins Instruction, err error) {
	if err = p.expect("&", "(", "void", "__percpu", "*", ")", "("); err != nil {
		return ins, err
	}
	src, err := p.reg64()
	if err == nil && to.letter != 'r' {
		err = fmt.Errorf("per-CPU addresses have 64 bits")
	}
	if err == nil {
		err = p.expect(")")
	}
	return Instruction{Op: MovX, Dst: to.n, Src: src, Off: OffAddrPerCPU}, err
}
