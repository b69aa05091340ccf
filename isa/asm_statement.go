package isa

import "fmt"

// keywords start the instructions that do not start with a register or place.
var keywords = map[string]func(*parser) (Instruction, error){
	"exit":          func(*parser) (Instruction, error) { return Instruction{Op: Exit}, nil },
	"goto":          parseGoto,
	"gotol":         parseGotol,
	"may_goto":      parseMayGoto,
	"call":          parseCall,
	"callx":         parseCallX,
	"if":            parseIf,
	"lock":          parseLock,
	"store_release": parseStoreRelease,
	".insn":         parseRaw,
}

func (p *parser) statement() (Instruction, error) {
	t := p.peek()
	if t.kind == tokWord {
		if f := keywords[t.text]; f != nil {
			p.pos++
			return f(p)
		}
	}
	if p.accept("*") {
		return p.store()
	}
	if p.isReg() {
		return p.assignment()
	}
	return Instruction{}, fmt.Errorf("expected an instruction, found %s", t)
}

func parseGoto(p *parser) (Instruction, error) {
	d, err := p.to(16)
	return Instruction{Op: JA, Off: int16(d)}, err
}

func parseGotol(p *parser) (Instruction, error) {
	d, err := p.to(32)
	return Instruction{Op: JA32, Imm: int32(d)}, err
}

func parseMayGoto(p *parser) (Instruction, error) {
	d, err := p.to(16)
	return Instruction{Op: MayGoto, Off: int16(d)}, err
}

// parseCall reads "call NAME#5", "call kfunc#5 btf#2", "call pc+5" and "call
// label"; also "call 5", as LLVM prints helpers.
func parseCall(p *parser) (Instruction, error) {
	ins := Instruction{Op: Call}
	if p.peek().kind == tokNumber {
		id, err := p.imm()
		ins.Imm = id
		return ins, err
	}
	if p.toks[p.pos].kind != tokWord || !p.toks[p.pos+1].is("#") {
		d, err := p.to(32)
		ins.Src, ins.Imm = PseudoCall, int32(d)
		return ins, err
	}
	kfunc := p.next().text == "kfunc"
	p.pos++
	id, err := p.imm()
	ins.Imm = id
	if err != nil || !kfunc {
		return ins, err
	}
	ins.Src = PseudoKfuncCall
	if p.accept("btf") {
		if err = p.expect("#"); err == nil {
			ins.Off, err = p.offset()
		}
	}
	return ins, err
}

func parseCallX(p *parser) (Instruction, error) {
	r, err := p.reg64()
	return Instruction{Op: CallX, Dst: r}, err
}

// jumpOps is the inverse of jumpText.
var jumpOps = inverse(&jumpText)

// aluOps is the inverse of aluText.
var aluOps = inverse(&aluText)

func inverse(t *[16]string) map[string]uint8 {
	m := map[string]uint8{}
	for i, text := range t {
		if text != "" {
			m[text] = uint8(i) << 4
		}
	}
	return m
}

// parseIf reads "if r1 s> 0x5 goto pc+2" and "if w1 == w2 goto label".
func parseIf(p *parser) (ins Instruction, err error) {
	letter, dst, err := p.reg()
	if err != nil {
		return ins, err
	}
	sign := p.next()
	op, ok := jumpOps[sign.text]
	if !ok || sign.kind != tokSign {
		return ins, fmt.Errorf("expected a comparison, found %s", sign)
	}
	ins = Instruction{Op: ClassJMP | op, Dst: dst}
	if letter == 'w' {
		ins.Op = ClassJMP32 | op
	}
	if p.isReg() {
		other, src, _ := p.reg()
		if other != letter {
			return ins, fmt.Errorf("cannot compare %c%d with %c%d: one has 32 bits, the other 64", letter, dst, other, src)
		}
		ins.Op |= SrcX
		ins.Src = src
	} else if ins.Imm, err = p.imm(); err != nil {
		return ins, err
	}
	if err = p.expect("goto"); err != nil {
		return ins, err
	}
	d, err := p.to(16)
	ins.Off = int16(d)
	return ins, err
}

// store reads what follows the star of "*(u32 *)(r1 +4) = r2".
func (p *parser) store() (ins Instruction, err error) {
	m, err := p.place()
	if err == nil {
		err = p.expect("=")
	}
	if err != nil {
		return ins, err
	}
	if m.signed {
		return ins, fmt.Errorf("stores have unsigned types: u8 to u64")
	}
	ins = Instruction{Op: ClassST | ModeMEM | m.size, Dst: m.base, Off: m.off}
	if p.isReg() {
		// LLVM calls the register of a 32-bit store w.
		_, src, _ := p.reg()
		ins.Op, ins.Src = ClassSTX|ModeMEM|m.size, src
		return ins, nil
	}
	ins.Imm, err = p.imm()
	return ins, err
}

// parseLock reads "lock *(u64 *)(r1 +0) += r2".
func parseLock(p *parser) (ins Instruction, err error) {
	if err = p.expect("*"); err != nil {
		return ins, err
	}
	m, err := p.place()
	if err != nil {
		return ins, err
	}
	sign := p.next()
	op, ok := aluOps[sign.text]
	if !ok || atomicText[op>>4] == "" {
		return ins, fmt.Errorf("expected +=, |=, &= or ^=, found %s", sign)
	}
	return p.atomic(m, int32(op))
}

// atomic reads the source register and puts the instruction together.
func (p *parser) atomic(m place, op int32) (ins Instruction, err error) {
	_, src, err := p.reg()
	if err != nil {
		return ins, err
	}
	if m.signed {
		return ins, fmt.Errorf("atomic operations have unsigned types: u8 to u64")
	}
	ins = Instruction{Op: ClassSTX | ModeATOMIC | m.size, Dst: m.base, Src: src, Off: m.off, Imm: op}
	if why := checkAtomic(ins); why != "" {
		return ins, fmt.Errorf("%s", why)
	}
	return ins, nil
}

// parseStoreRelease reads "store_release((u64 *)(r1 +0), r2)".
func parseStoreRelease(p *parser) (ins Instruction, err error) {
	if err = p.expect("("); err != nil {
		return ins, err
	}
	m, err := p.place()
	if err == nil {
		err = p.expect(",")
	}
	if err == nil {
		ins, err = p.atomic(m, AtomicStoreRel)
	}
	if err == nil {
		err = p.expect(")")
	}
	return ins, err
}

// parseRaw reads ".insn opcode, dst, src, off, imm".
func parseRaw(p *parser) (ins Instruction, err error) {
	limits := [5][2]int64{{0, 255}, {0, 15}, {0, 15}, {-1 << 15, 1<<15 - 1}, {-1 << 31, 1<<31 - 1}}
	var v [5]int64
	for i := range v {
		if i > 0 {
			if err = p.expect(","); err != nil {
				return ins, err
			}
		}
		if v[i], err = p.number(33); err != nil {
			return ins, err
		}
		if v[i] < limits[i][0] || v[i] > limits[i][1] {
			return ins, fmt.Errorf("%d is not in %d to %d", v[i], limits[i][0], limits[i][1])
		}
	}
	return Instruction{Op: uint8(v[0]), Dst: uint8(v[1]), Src: uint8(v[2]), Off: int16(v[3]), Imm: int32(v[4])}, nil
}
