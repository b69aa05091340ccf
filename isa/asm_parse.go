package isa

import "fmt"

// parser reads one instruction.
type parser struct {
	toks []token // ends with tokEnd, which is never passed
	pos  int

	label string // the distance is to this label
	long  bool   // and goes to Imm
	wide  bool   // a second slot follows
	hi    int32  // with this immediate
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEnd {
		p.pos++
	}
	return t
}

// accept passes a sign or word if it stands there.
func (p *parser) accept(text string) bool {
	if t := p.peek(); t.is(text) || t.word(text) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(texts ...string) error {
	for _, text := range texts {
		if !p.accept(text) {
			return fmt.Errorf("expected %q, found %s", text, p.peek())
		}
	}
	return nil
}

func (p *parser) end() error {
	if t := p.peek(); t.kind != tokEnd {
		return fmt.Errorf("unexpected %s after the instruction", t)
	}
	return nil
}

// number reads an optionally signed number that fits bits bits, signed or
// unsigned.
func (p *parser) number(bits int) (int64, error) {
	neg := p.accept("-")
	if !neg {
		p.accept("+")
	}
	t := p.next()
	if t.kind != tokNumber {
		return 0, fmt.Errorf("expected a number, found %s", t)
	}
	limit := uint64(1)<<(bits-1) - 1 // largest positive
	switch {
	case neg && t.value <= limit+1:
		return -int64(t.value), nil
	case !neg && t.value <= limit*2+1:
		// 0xffffffff is how the kernel prints -1.
		return int64(t.value<<(64-bits)) >> (64 - bits), nil
	}
	return 0, fmt.Errorf("%s does not fit in %d bits", t.text, bits)
}

func (p *parser) imm() (int32, error) {
	v, err := p.number(32)
	return int32(v), err
}

// offset reads a number that must fit as it is written: 0x8000 is no offset.
func (p *parser) offset() (int16, error) {
	v, err := p.number(32)
	if err == nil && int64(int16(v)) != v {
		err = fmt.Errorf("%d does not fit in 16 bits", v)
	}
	return int16(v), err
}

// reg reads a register: letter 'r' or 'w', 0 to 10.
func (p *parser) reg() (letter byte, n uint8, err error) {
	t := p.next()
	if letter, n, ok := register(t); ok {
		return letter, n, nil
	}
	return 0, 0, fmt.Errorf("expected a register, found %s", t)
}

func register(t token) (letter byte, n uint8, ok bool) {
	if t.kind != tokWord || len(t.text) < 2 || len(t.text) > 3 || t.text[0] != 'r' && t.text[0] != 'w' {
		return 0, 0, false
	}
	switch digits := t.text[1:]; {
	case digits == "10":
		return t.text[0], 10, true
	case len(digits) == 1 && digits[0] >= '0' && digits[0] <= '9':
		return t.text[0], digits[0] - '0', true
	}
	return 0, 0, false
}

// reg64 reads a register that must be called r.
func (p *parser) reg64() (uint8, error) {
	letter, n, err := p.reg()
	if err == nil && letter != 'r' {
		err = fmt.Errorf("expected a 64-bit register, found w%d", n)
	}
	return n, err
}

// isReg reports whether a register is next.
func (p *parser) isReg() bool {
	_, _, ok := register(p.peek())
	return ok
}

// sizes by the name of the C type.
var sizes = map[string]uint8{"8": SizeB, "16": SizeH, "32": SizeW, "64": SizeDW}

// ctype reads "u32" or "s16".
func (p *parser) ctype() (size uint8, signed bool, err error) {
	t := p.next()
	if t.kind == tokWord && len(t.text) > 1 && (t.text[0] == 'u' || t.text[0] == 's') {
		if size, ok := sizes[t.text[1:]]; ok {
			return size, t.text[0] == 's', nil
		}
	}
	return 0, false, fmt.Errorf("expected a type (u8 to u64, s8 to s32), found %s", t)
}

// place is an operand in memory: "(u32 *)(r1 +4)".
type place struct {
	size   uint8
	signed bool
	base   uint8
	off    int16
}

func (p *parser) place() (m place, err error) {
	if err = p.expect("("); err != nil {
		return m, err
	}
	if m.size, m.signed, err = p.ctype(); err != nil {
		return m, err
	}
	if err = p.expect("*", ")", "("); err != nil {
		return m, err
	}
	if m.base, err = p.reg64(); err != nil {
		return m, err
	}
	if m.off, err = p.offset(); err != nil {
		return m, err
	}
	return m, p.expect(")")
}

// to reads where a jump or call goes: "pc+3", "+3" as LLVM prints it, or a
// label. bits is the width of the distance.
func (p *parser) to(bits int) (int64, error) {
	t := p.next()
	if t.is("+") || t.is("-") {
		p.pos--
		return p.distance(bits)
	}
	if t.kind != tokWord {
		return 0, fmt.Errorf("expected a target (pc+1 or a label), found %s", t)
	}
	if next := p.peek(); t.text == "pc" && (next.is("+") || next.is("-")) {
		return p.distance(bits)
	}
	p.label, p.long = t.text, bits == 32
	return 0, nil
}

func (p *parser) distance(bits int) (int64, error) {
	v, err := p.number(32)
	if err == nil && bits == 16 && int64(int16(v)) != v {
		err = fmt.Errorf("distance %d does not fit in 16 bits", v)
	}
	return v, err
}
