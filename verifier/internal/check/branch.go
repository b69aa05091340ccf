package check

import (
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/verifier/internal/scalar"
)

// branch follows a conditional jump: one way if the other is impossible, else
// the fall-through now and the jump later (check_cond_jmp_op).
func (c *Checker) branch(ins isa.Instruction) error {
	if err := c.readReg(ins.Dst); err != nil {
		return err
	}
	regs := c.cur.regs()
	dst := &regs[ins.Dst]
	src, err := c.branchSource(ins, dst)
	if err != nil {
		return err
	}
	is32 := ins.Class() == isa.ClassJMP32
	op := ins.JumpOp()
	target := c.insn + 1 + int(ins.Off)
	if way := c.branchTaken(dst, src, op, is32); way >= 0 {
		return c.oneWay(ins, way, dst, src, target)
	}
	c.aux[c.insn].fact.Both = true
	var links linkedRegs
	if ins.Source() == isa.SrcX && src.Kind == Scalar && src.ID != 0 {
		c.collectLinked(src.ID, &links)
	}
	if dst.Kind == Scalar && dst.ID != 0 {
		c.collectLinked(dst.ID, &links)
	}
	if links.n > 1 {
		c.pushHist(0, 0, 0, links)
	}
	other, err := c.push(target, c.insn, false)
	if err != nil {
		return err
	}
	oregs := other.regs()
	c.refine(ins, dst, src, oregs, is32, &links, other)
	c.inferNotNull(ins, regs, oregs, is32)
	if !is32 && ins.Source() == isa.SrcK && ins.Imm == 0 && (op == isa.OpJEQ || op == isa.OpJNE) && dst.maybeNull() {
		c.settleNull(c.cur, ins.Dst, op == isa.OpJNE)
		c.settleNull(other, ins.Dst, op == isa.OpJEQ)
	} else if !c.boundPacket(ins, dst, src, c.cur, other) && c.leaks(dst) {
		return c.rejectReg(int(ins.Dst), RulePointerLeak, EACCES, "R%d pointer comparison prohibited", ins.Dst)
	}
	c.log.afterBranch(c)
	return nil
}

// branchSource is what the destination is compared with.
func (c *Checker) branchSource(ins isa.Instruction, dst *Reg) (*Reg, error) {
	flags := uint8(0)
	if dst.Kind == Stack {
		flags |= histDstStack
	}
	var src *Reg
	if ins.Source() == isa.SrcX {
		if err := c.readReg(ins.Src); err != nil {
			return nil, err
		}
		src = &c.cur.regs()[ins.Src]
		if !(anyPacket(dst) && anyPacket(src)) && c.leaks(src) {
			return nil, c.rejectReg(int(ins.Src), RulePointerLeak, EACCES, "R%d pointer comparison prohibited", ins.Src)
		}
		if src.Kind == Stack {
			flags |= histSrcStack
		}
	} else {
		c.fake[0] = constReg(uint64(int64(ins.Imm)))
		src = &c.fake[0]
	}
	if flags != 0 {
		c.pushHist(flags, 0, 0, linkedRegs{})
	}
	return src, nil
}

func anyPacket(r *Reg) bool { return r.Kind.isPacket() || r.Kind == PacketEnd }

// oneWay follows the only possible branch. That it is the only one rests on the
// exact values of the operands.
func (c *Checker) oneWay(ins isa.Instruction, way int, dst, src *Reg, target int) error {
	if dst.Kind == Scalar {
		if err := c.markPrecise(int(ins.Dst)); err != nil {
			return err
		}
	}
	if ins.Source() == isa.SrcX && src.Kind == Scalar {
		if err := c.markPrecise(int(ins.Src)); err != nil {
			return err
		}
	}
	not := c.insn + 1
	if way == 0 {
		not = target
	}
	if !c.opts.bypassSpec() {
		if err := c.speculate(ins, not, c.insn); err != nil {
			return err
		}
	}
	c.log.afterBranch(c)
	if way == 1 {
		c.insn = target - 1 // the caller adds one
		c.aux[c.prev].fact.Taken = true
	} else {
		c.aux[c.prev].fact.NotTaken = true
	}
	return nil
}

// branchTaken says whether the jump is always (1), never (0) or sometimes (-1)
// taken (is_branch_taken).
func (c *Checker) branchTaken(a, b *Reg, op uint8, is32 bool) int {
	if anyPacket(a) && anyPacket(b) && !is32 {
		return packetTaken(a, b, op)
	}
	if a.Kind == Scalar && b.Kind == Scalar {
		return c.era.Outcome(op, is32, &a.Range, &b.Range)
	}
	if is32 {
		return -1
	}
	if !b.isConstScalar(false) {
		op = scalar.Flip(op)
		a, b = b, a
	}
	if !b.isConstScalar(false) || !c.notNull(a) || b.Value() != 0 {
		return -1
	}
	switch op {
	case isa.OpJEQ:
		return 0
	case isa.OpJNE:
		return 1
	}
	return -1
}

// packetTaken uses what an earlier comparison with the packet's end left.
func packetTaken(a, b *Reg, op uint8) int {
	pkt := a
	switch {
	case b.Kind == PacketEnd:
	case a.Kind == PacketEnd:
		pkt, op = b, scalar.Flip(op)
	default:
		return -1
	}
	if pkt.Aux >= 0 {
		return -1
	}
	yes := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	switch op {
	case isa.OpJLE, isa.OpJGT:
		if pkt.Aux == beyondPacketEnd {
			return yes(op == isa.OpJGT)
		}
	case isa.OpJLT, isa.OpJGE:
		return yes(op == isa.OpJGE)
	}
	return -1
}

// refine narrows the operands in both branches, and all that is linked to them.
func (c *Checker) refine(ins isa.Instruction, dst, src *Reg, oregs *[11]Reg, is32 bool, links *linkedRegs, other *State) {
	odst := &oregs[ins.Dst]
	if dst.Kind == Scalar && src.Kind == Scalar {
		osrc := &c.fake[1]
		if ins.Source() == isa.SrcX {
			osrc = &oregs[ins.Src]
		} else {
			c.fake[1] = c.fake[0]
		}
		c.era.Deny(ins.JumpOp(), is32, &dst.Range, &src.Range)
		c.era.Assume(ins.JumpOp(), is32, &odst.Range, &osrc.Range)
	}
	if ins.Source() == isa.SrcX && src.Kind == Scalar && src.ID != 0 {
		c.syncLinked(c.cur, src, links)
		c.syncLinked(other, &oregs[ins.Src], links)
	}
	if dst.Kind == Scalar && dst.ID != 0 {
		c.syncLinked(c.cur, dst, links)
		c.syncLinked(other, odst, links)
	}
}

// inferNotNull: a pointer that may be NULL is not where it equals one that is
// not. Linux 6.2 found that out.
func (c *Checker) inferNotNull(ins isa.Instruction, regs, oregs *[11]Reg, is32 bool) {
	if is32 || ins.Source() != isa.SrcX || !c.opts.since(6, 2) {
		return
	}
	a, b := &regs[ins.Dst], &regs[ins.Src]
	if a.Kind == Scalar || b.Kind == Scalar || a.Kind == BTFPtr || b.Kind == BTFPtr {
		return
	}
	var equal *[11]Reg
	switch ins.JumpOp() {
	case isa.OpJEQ:
		equal = oregs
	case isa.OpJNE:
		equal = regs
	default:
		return
	}
	aNot, bNot := c.notNull(a), c.notNull(b)
	if aNot && b.maybeNull() {
		c.clearNull(&equal[ins.Src])
	}
	if bNot && a.maybeNull() {
		c.clearNull(&equal[ins.Dst])
	}
}

// mayGoto leaves the loop now, and stays in it on a queued path.
func (c *Checker) mayGoto(ins isa.Instruction) error {
	if ins.Off == 0 && !c.opts.since(6, 14) {
		return c.reject(RuleEncoding, EINVAL, "invalid may_goto off %d imm %d", ins.Off, ins.Imm)
	}
	before := c.findEntry(c.cur.Parent, c.insn)
	queued, err := c.push(c.insn+1, c.insn, false)
	if err != nil {
		return err
	}
	queued.MayGotoDepth++
	if before != nil {
		c.widen(before, queued)
	}
	c.insn += int(ins.Off)
	return nil
}
