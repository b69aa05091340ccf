package check

import (
	"errors"

	"github.com/skepdev/skep/isa"
)

// A processor may run on beyond a comparison before it knows its outcome. For
// users without CAP_PERFMON the kernel follows those paths as well, and masks
// offsets so that they stay inside their object whatever the processor guesses
// (Spectre; sanitize_ptr_alu, sanitize_speculative_path). Since Linux 6.17 it
// stops the guessing with a barrier where masks cannot help.

// masking is how an addition to a pointer is kept inside its object. One
// instruction can have one masking only.
type masking struct {
	set                           bool
	number                        bool // both operands are numbers: no mask
	negative, constant, ptrSource bool
	limit                         uint32
}

// speculate queues the path that a processor may take by mistake.
func (c *Checker) speculate(ins isa.Instruction, to, from int) error {
	s, err := c.push(to, from, true)
	if err != nil {
		return err
	}
	c.setUnknown(&s.regs()[ins.Dst])
	if ins.Source() == isa.SrcX {
		c.setUnknown(&s.regs()[ins.Src])
	}
	return nil
}

// barrier ends a speculative path that did what no program may do: the kernel
// keeps the processor from getting there.
func (c *Checker) barrier(err error) bool {
	if !c.cur.Speculative || !c.opts.since(6, 17) {
		return false
	}
	var r *Rejection
	if !errors.As(err, &r) {
		return false
	}
	switch r.Errno {
	case EPERM, EACCES, EINVAL:
	default:
		return false
	}
	a := &c.aux[c.insn]
	a.barrier, a.mask = true, masking{}
	return true
}

func masks(ins isa.Instruction) bool {
	op := ins.ALUOp()
	return (op == isa.OpAdd || op == isa.OpSub) && ins.Source() == isa.SrcX
}

// maskNumber notes that an addition is one of numbers.
func (c *Checker) maskNumber(ins isa.Instruction) error {
	if c.opts.bypassSpec() || !masks(ins) || c.aux[c.insn].barrier {
		return nil
	}
	return c.setMask(ins, masking{set: true, number: true})
}

func (c *Checker) setMask(ins isa.Instruction, m masking) error {
	a := &c.aux[c.insn]
	if a.mask.set && a.mask != m {
		return c.unmaskable(ins, "R%d tried to %s from different maps, paths or scalars", ins.Dst, addOrSub(ins))
	}
	a.mask = m
	return nil
}

func addOrSub(ins isa.Instruction) string {
	if ins.ALUOp() == isa.OpAdd {
		return "add"
	}
	return "sub"
}

func (c *Checker) unmaskable(ins isa.Instruction, format string, args ...any) error {
	return c.rejectReg(int(ins.Dst), RuleSpeculation, EACCES, format+", pointer arithmetic with it prohibited for !root", args...)
}

// maskPointer decides on the masking of ptr += off before it is done. It gives
// the limit so far, and whether the pointer moves towards the object's start.
func (c *Checker) maskPointer(ins isa.Instruction, ptr, off *Reg) (limit uint32, left bool, err error) {
	dst := &c.cur.regs()[ins.Dst]
	if c.opts.bypassSpec() || !masks(ins) || c.aux[c.insn].barrier {
		return 0, false, nil
	}
	known, neg := off.IsConst(), off.SMin < 0
	if !c.cur.Speculative {
		if !known && neg != (off.SMax < 0) {
			reg := ins.Src
			if dst == off {
				reg = ins.Dst
			}
			return 0, false, c.unmaskable(ins, "R%d has unknown scalar with mixed signed bounds", reg)
		}
		left = neg == (ins.ALUOp() == isa.OpAdd)
		limit, err = c.pointerLimit(ins, ptr, left)
		if err != nil || c.aux[c.insn].barrier {
			return 0, false, err
		}
		if !known {
			c.exploreALU = true
		}
	}
	if known {
		return limit, left, nil
	}
	// The mask may turn the offset into 0: follow that, with the pointer as it
	// is, on the next instruction.
	saved := *dst
	*dst = *ptr
	_, err = c.push(c.insn+1, c.insn, true)
	*dst = saved
	return limit, left, err
}

// pointerLimit is how far a pointer may move before it leaves its object
// (retrieve_ptr_limit).
func (c *Checker) pointerLimit(ins isa.Instruction, ptr *Reg, left bool) (uint32, error) {
	var most, limit uint32
	switch {
	case ptr.Kind == Stack && ptr.Flags == 0:
		most = maxStack
		if left {
			most++
		}
		limit = uint32(-(int64(ptr.Value()) + int64(ptr.Off)))
	case ptr.Kind == MapValue && ptr.Flags == 0:
		most = c.mapOf(ptr).ValueSize
		limit = uint32(int64(ptr.UMax) + int64(ptr.Off))
		if left {
			limit = uint32(ptr.SMin + int64(ptr.Off))
		}
	default:
		return 0, c.unmaskable(ins, "R%d has pointer with unsupported alu operation", ins.Dst)
	}
	if limit >= most {
		return 0, c.unmaskable(ins, "R%d tried to %s beyond pointer bounds", ins.Dst, addOrSub(ins))
	}
	return limit, nil
}

// commitMask notes the masking after the pointer moved: it may move as far as it
// was seen to.
func (c *Checker) commitMask(ins isa.Instruction, ptrWasDst bool, off *Reg, before uint32, left bool) error {
	if c.opts.bypassSpec() || !masks(ins) || c.cur.Speculative || c.aux[c.insn].barrier {
		return nil
	}
	after, err := c.pointerLimit(ins, &c.cur.regs()[ins.Dst], left)
	if err != nil || c.aux[c.insn].barrier {
		return err
	}
	limit := before - after
	if int32(limit) < 0 {
		limit = -limit
	}
	return c.setMask(ins, masking{
		set: true, negative: off.SMin < 0, constant: off.IsConst(), ptrSource: !ptrWasDst, limit: limit,
	})
}

// fenceSpill notes that a store to the stack needs a barrier behind it: a load
// that ran ahead of it would see what was there before, a pointer in place of a
// number or nothing at all (Spectre variant 4, check_stack_write_fixed_off).
func (c *Checker) fenceSpill(s *Slot, r *Reg, size int) {
	if c.opts.bypassSpec() {
		return
	}
	fence := r != nil && r.Kind.spillable()
	for _, t := range s.Types[:size] {
		fence = fence || t != SlotMisc && t != SlotZero
	}
	if fence {
		c.aux[c.insn].spill = true
	}
}

// hardened lists the slots of sums that the kernel masks, and those that it puts
// a barrier at.
func (c *Checker) hardened() (masked, fenced []int) {
	for i := range c.aux {
		a := &c.aux[i]
		if a.mask.set && !a.mask.number && !a.barrier {
			masked = append(masked, i)
		}
		if a.barrier || a.spill {
			fenced = append(fenced, i)
		}
	}
	return masked, fenced
}
