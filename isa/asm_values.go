package isa

import (
	"fmt"
	"strings"
)

// swapName reads "le16", "be32", "bswap64".
func swapName(word string) (op uint8, bits int32, ok bool) {
	for _, s := range []struct {
		name string
		op   uint8
	}{{"le", ToLE}, {"be", ToBE}, {"bswap", Bswap}} {
		if digits, found := strings.CutPrefix(word, s.name); found {
			switch digits {
			case "16":
				return s.op, 16, true
			case "32":
				return s.op, 32, true
			case "64":
				return s.op, 64, true
			}
		}
	}
	return 0, 0, false
}

func (p *parser) swap(to target, op uint8, bits int32) (Instruction, error) {
	ins := Instruction{Op: op, Dst: to.n, Imm: bits}
	if to.letter != 'r' {
		return ins, fmt.Errorf("byte order is changed in 64-bit registers: r%d", to.n)
	}
	return ins, p.same(to)
}

// fetch reads "atomic64_fetch_add((u64 *)(r1 +0), r2)" and the exchanges, after
// their name.
func (p *parser) fetch(to target, name string) (ins Instruction, err error) {
	long := strings.HasPrefix(name, "atomic64_")
	op, err := fetchOp(name)
	if err == nil {
		err = p.expect("(")
	}
	if err != nil {
		return ins, err
	}
	m, err := p.place()
	if err != nil {
		return ins, err
	}
	if long != (m.size == SizeDW) {
		return ins, fmt.Errorf("%s does not go with that type", name)
	}
	if err = p.expect(","); err == nil && op == AtomicCmpXchg {
		err = p.expect("r0", ",")
	}
	if err != nil {
		return ins, err
	}
	if ins, err = p.atomic(m, op); err != nil {
		return ins, err
	}
	want := ins.Src
	if op == AtomicCmpXchg {
		want = R0
	}
	if to.n != want {
		return ins, fmt.Errorf("%s gives its result in r%d", name, want)
	}
	return ins, p.expect(")")
}

func fetchOp(name string) (int32, error) {
	_, op, _ := strings.Cut(name, "_")
	switch op {
	case "xchg":
		return AtomicXchg, nil
	case "cmpxchg":
		return AtomicCmpXchg, nil
	}
	if op, ok := strings.CutPrefix(op, "fetch_"); ok && op != "" {
		for i, text := range atomicText {
			if text == op {
				return int32(i)<<4 | AtomicFetch, nil
			}
		}
	}
	return 0, fmt.Errorf("unknown atomic operation %s", name)
}

// valueLoadAcquire reads "((u64 *)(r1 +0))".
func valueLoadAcquire(p *parser, to target) (ins Instruction, err error) {
	if err = p.expect("("); err != nil {
		return ins, err
	}
	m, err := p.place()
	if err != nil {
		return ins, err
	}
	if m.signed {
		return ins, fmt.Errorf("atomic operations have unsigned types: u8 to u64")
	}
	ins = Instruction{Op: ClassSTX | ModeATOMIC | m.size, Dst: to.n, Src: m.base, Off: m.off, Imm: AtomicLoadAcq}
	return ins, p.expect(")")
}

// valueCast reads "(r1, 0, 1)".
func valueCast(p *parser, to target) (ins Instruction, err error) {
	if err = p.expect("("); err != nil {
		return ins, err
	}
	src, err := p.reg64()
	if err != nil {
		return ins, err
	}
	var space [2]int64
	for i := range space {
		if err = p.expect(","); err != nil {
			return ins, err
		}
		if space[i], err = p.number(17); err != nil || space[i] < 0 || space[i] > 0xffff {
			return ins, fmt.Errorf("address spaces are 0 to 65535")
		}
	}
	ins = Instruction{Op: MovX, Dst: to.n, Src: src, Off: OffAddrSpaceCast, Imm: int32(uint32(space[0])<<16 | uint32(space[1]))}
	if why := checkMove(ins); why != "" {
		return ins, fmt.Errorf("%s", why)
	}
	return ins, p.expect(")")
}

func (p *parser) imm64(to target, kind uint8, lo, hi int32) (Instruction, error) {
	p.wide, p.hi = true, hi
	ins := Instruction{Op: LdImm64, Dst: to.n, Src: kind, Imm: lo}
	if to.letter != 'r' {
		return ins, fmt.Errorf("64-bit loads go to 64-bit registers: r%d", to.n)
	}
	return ins, nil
}

// valueMap reads "[fd:3]", "[idx:3]" and either with "[0]+8".
func valueMap(p *parser, to target) (ins Instruction, err error) {
	if err = p.expect("["); err != nil {
		return ins, err
	}
	kind, value := uint8(PseudoMapFD), uint8(PseudoMapValue)
	if p.accept("idx") {
		kind, value = PseudoMapIdx, PseudoMapIdxValue
	} else if err = p.expect("fd"); err != nil {
		return ins, err
	}
	if err = p.expect(":"); err != nil {
		return ins, err
	}
	n, err := p.imm()
	if err == nil {
		err = p.expect("]")
	}
	if err != nil || !p.accept("[") {
		ins, err2 := p.imm64(to, kind, n, 0)
		if err == nil {
			err = err2
		}
		return ins, err
	}
	if t := p.next(); t.kind != tokNumber || t.value != 0 {
		return ins, fmt.Errorf("expected element 0, found %s", t)
	}
	if err = p.expect("]"); err != nil {
		return ins, err
	}
	off, err := p.imm()
	if err != nil {
		return ins, err
	}
	return p.imm64(to, value, n, off)
}

// valueBTF reads "[id:3]" and "[id:3,fd:4]".
func valueBTF(p *parser, to target) (ins Instruction, err error) {
	if err = p.expect("[", "id", ":"); err != nil {
		return ins, err
	}
	id, err := p.imm()
	if err != nil {
		return ins, err
	}
	object := int32(0)
	if p.accept(",") {
		if err = p.expect("fd", ":"); err == nil {
			object, err = p.imm()
		}
	}
	if err == nil {
		err = p.expect("]")
	}
	if err != nil {
		return ins, err
	}
	return p.imm64(to, PseudoBTFID, id, object)
}

// valueSubprog reads "[pc+3]", "[+3]" (as bpftool prints it) and "[label]".
func valueSubprog(p *parser, to target) (ins Instruction, err error) {
	if err = p.expect("["); err != nil {
		return ins, err
	}
	d, err := p.to(32)
	if err == nil {
		err = p.expect("]")
	}
	if err != nil {
		return ins, err
	}
	return p.imm64(to, PseudoFunc, int32(d), 0)
}
