package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// alu simulates arithmetic (check_alu_op).
func (c *Checker) alu(ins isa.Instruction) error {
	switch ins.ALUOp() {
	case isa.OpEnd, isa.OpNeg:
		return c.unary(ins)
	case isa.OpMov:
		if ins.Source() == isa.SrcX {
			return c.move(ins)
		}
		if err := c.writeReg(ins.Dst); err != nil {
			return err
		}
		v := uint64(int64(ins.Imm))
		if ins.Class() == isa.ClassALU {
			v = uint64(uint32(ins.Imm))
		}
		c.setConst(&c.cur.regs()[ins.Dst], v)
		return nil
	}
	return c.binary(ins)
}

func (c *Checker) unary(ins isa.Instruction) error {
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	r := &c.cur.regs()[ins.Dst]
	if c.leaks(r) {
		return c.rejectReg(int(ins.Dst), RulePointerMath, EACCES, "R%d pointer arithmetic prohibited", ins.Dst)
	}
	if err := c.writeReg(ins.Dst); err != nil {
		return err
	}
	if r.Kind != Scalar {
		c.setUnknown(r)
		return nil
	}
	switch neg := ins.ALUOp() == isa.OpNeg; {
	case neg && !c.opts.since(6, 17) || !neg && !c.opts.since(6, 18):
		// The upper half is unknown too: these kernels do not follow what
		// they write beyond "something" (check_alu_op, Linux 6.1).
		r.Range = scalar.Unknown()
	case neg:
		r.Apply(isa.OpNeg, ins.Class() == isa.ClassALU64, &r.Range)
	default:
		r.Range = scalar.Swap(ins.Op, int(ins.Imm), r.Range)
	}
	r.unlink()
	return nil
}

// move copies a register, whole or in part, with sign extension or between
// address spaces.
func (c *Checker) move(ins isa.Instruction) error {
	if err := c.readReg(ins.Src); err != nil {
		return err
	}
	if err := c.writeReg(ins.Dst); err != nil {
		return err
	}
	regs := c.cur.regs()
	src, dst := &regs[ins.Src], &regs[ins.Dst]
	if ins.Class() == isa.ClassALU {
		return c.move32(ins, src, dst)
	}
	switch {
	case ins.Off == isa.OffAddrSpaceCast:
		return c.castAddress(ins, dst)
	case ins.Off == 0:
		c.keepID(src)
		*dst = *src
	case c.leaks(src):
		return c.rejectReg(int(ins.Src), RulePointerLeak, EACCES, "R%d sign-extension part of pointer", ins.Src)
	case src.Kind != Scalar:
		c.setUnknown(dst)
	default:
		c.copyExtended(ins, src, dst)
		dst.Range.SignExtend(int(ins.Off) / 8)
	}
	return nil
}

// copyExtended copies a number that is about to be sign-extended. It keeps its
// ID only if the extension changes nothing.
func (c *Checker) copyExtended(ins isa.Instruction, src, dst *Reg) {
	same := src.UMax < 1<<(ins.Off-1)
	if same {
		c.keepID(src)
	}
	*dst = *src
	if !same {
		dst.unlink()
	}
}

func (c *Checker) move32(ins isa.Instruction, src, dst *Reg) error {
	switch {
	case c.leaks(src):
		return c.rejectReg(int(ins.Src), RulePointerLeak, EACCES, "R%d partial copy of pointer", ins.Src)
	case src.Kind != Scalar:
		c.setUnknown(dst)
	case ins.Off == 0:
		whole := src.width() <= 32 && c.opts.since(6, 6)
		if whole {
			c.keepID(src)
		}
		*dst = *src
		if !whole {
			dst.unlink()
		}
	default:
		c.copyExtended(ins, src, dst)
		dst.Range.SignExtend32(int(ins.Off) / 8)
	}
	c.era.ZeroExtend32(&dst.Range)
	return nil
}

func (c *Checker) castAddress(ins isa.Instruction, dst *Reg) error {
	if c.arena == nil {
		return c.reject(RuleEncoding, EINVAL, "addr_space_cast insn can only be used in a program that has an associated arena")
	}
	c.setUnknown(dst)
	if ins.Imm == 1 {
		*dst = Reg{Kind: Arena, Range: dst.Range}
	}
	return nil
}

// binary is all arithmetic of two operands.
func (c *Checker) binary(ins isa.Instruction) error {
	op := ins.ALUOp()
	if ins.Source() == isa.SrcX {
		if err := c.readReg(ins.Src); err != nil {
			return err
		}
	}
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	if ins.Source() == isa.SrcK {
		if (op == isa.OpDiv || op == isa.OpMod) && ins.Imm == 0 {
			return c.reject(RuleDivision, EINVAL, "div by zero")
		}
		if width := aluWidth(ins); isShift(op) && (ins.Imm < 0 || int(ins.Imm) >= width) {
			return c.reject(RuleShift, EINVAL, "invalid shift %d", ins.Imm)
		}
	}
	if err := c.writeReg(ins.Dst); err != nil {
		return err
	}
	return c.compute(ins)
}

func aluWidth(ins isa.Instruction) int {
	if ins.Class() == isa.ClassALU64 {
		return 64
	}
	return 32
}

func isShift(op uint8) bool { return op == isa.OpLsh || op == isa.OpRsh || op == isa.OpArsh }

// compute tells pointers from numbers (adjust_reg_min_max_vals).
func (c *Checker) compute(ins isa.Instruction) error {
	regs := c.cur.regs()
	dst := &regs[ins.Dst]
	var src *Reg
	if ins.Source() == isa.SrcX {
		src = &regs[ins.Src]
	}
	if dst.Kind == Arena || src != nil && src.Kind == Arena {
		*dst = Reg{Kind: Arena, Range: scalar.Unknown()}
		return nil
	}
	if src == nil {
		c.fake[0] = constReg(uint64(int64(ins.Imm)))
		src = &c.fake[0]
		if dst.Kind != Scalar {
			return c.pointerMath(ins, dst, src)
		}
		return c.numberMath(ins, dst, src)
	}
	switch {
	case src.Kind != Scalar && dst.Kind != Scalar:
		if ins.ALUOp() == isa.OpSub && c.opts.allowPtrLeaks() {
			c.setUnknown(dst)
			return nil
		}
		return c.rejectReg(int(ins.Dst), RulePointerMath, EACCES, "R%d pointer %s pointer prohibited", ins.Dst, aluText(ins.ALUOp()))
	case src.Kind != Scalar:
		if err := c.markPrecise(int(ins.Dst)); err != nil {
			return err
		}
		c.fake[0] = *dst
		return c.pointerMath(ins, src, &c.fake[0])
	case dst.Kind != Scalar:
		if err := c.markPrecise(int(ins.Src)); err != nil {
			return err
		}
		return c.pointerMath(ins, dst, src)
	case dst.Precise:
		if err := c.markPrecise(int(ins.Src)); err != nil {
			return err
		}
	}
	return c.numberMath(ins, dst, src)
}

// numberMath is arithmetic of numbers (adjust_scalar_min_max_vals), and keeps
// what "r1 = r2; r1 += K" says of the two.
func (c *Checker) numberMath(ins isa.Instruction, dst, src *Reg) error {
	op, is64 := ins.ALUOp(), ins.Class() == isa.ClassALU64
	if err := c.maskNumber(ins); err != nil {
		return err
	}
	delta, keep := scalar.Delta(op, is64, &dst.Range, &src.Range)
	keep = keep && c.opts.bpfCapable() && dst.ID != 0 && dst.ID&linked == 0 && (ins.Source() == isa.SrcK || ins.Src != ins.Dst)
	if op == isa.OpSub || delta < 0 {
		keep = keep && c.opts.since(6, 18)
	}
	keep = keep && c.opts.since(6, 11)
	if op == isa.OpAnd || op == isa.OpOr {
		if err := c.forkSign(ins, dst, src); err != nil {
			return err
		}
	}
	// Division, signed or not, leaves nothing known but its width.
	c.era.Apply(op, is64, &dst.Range, &src.Range)
	if !keep {
		dst.unlink()
		return nil
	}
	dst.Off = delta
	if is64 {
		dst.ID |= linked64
	} else {
		dst.ID |= linked32
	}
	return nil
}

// forkSign follows 0 as a path of its own where a number is a mask of all bits
// or none: compilers make those of comparisons.
func (c *Checker) forkSign(ins isa.Instruction, dst, src *Reg) error {
	zero, ones, ok := scalar.Fork(ins.ALUOp(), &dst.Range, &src.Range)
	if !ok || !c.opts.since(6, 12) {
		return nil
	}
	other, err := c.push(c.insn, c.insn, false)
	if err != nil {
		return err
	}
	other.regs()[ins.Dst].Range = zero
	dst.Range = ones
	return nil
}

func aluText(op uint8) string {
	return [...]string{"+=", "-=", "*=", "/=", "|=", "&=", "<<=", ">>=", "neg", "%=", "^=", "=", "s>>=", "endian", "", ""}[op>>4]
}
