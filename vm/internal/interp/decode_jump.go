package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// jumpCodes gives, by operation, the code for 64 bits with an immediate; that
// with a register follows it.
var jumpCodes = [16]Code{
	isa.OpJEQ >> 4: OpJEqK, isa.OpJGT >> 4: OpJGtK, isa.OpJGE >> 4: OpJGeK, isa.OpJSET >> 4: OpJSetK,
	isa.OpJNE >> 4: OpJNeK, isa.OpJSGT >> 4: OpJSGtK, isa.OpJSGE >> 4: OpJSGeK, isa.OpJLT >> 4: OpJLtK,
	isa.OpJLE >> 4: OpJLeK, isa.OpJSLT >> 4: OpJSLtK, isa.OpJSLE >> 4: OpJSLeK,
}

const jumpTo32 = OpJEqK32 - OpJEqK

func (d *decoder) jump(i int, in isa.Instruction, op *Op) error {
	switch in.Op {
	case isa.Call:
		return d.call(i, in, op)
	case isa.CallX:
		return d.missing(i, "call through a register: Linux has none either")
	case isa.Exit:
		if in.Dst != 0 || in.Src != 0 || in.Off != 0 || in.Imm != 0 {
			return d.unknown(i)
		}
		op.Code = OpExit
		return nil
	case isa.JA:
		if in.Dst != 0 || in.Src != 0 || in.Imm != 0 {
			return d.unknown(i)
		}
		op.Code = OpJA
		return d.target(i, op, int64(in.Off))
	case isa.JA32:
		if in.Dst != 0 || in.Src != 0 || in.Off != 0 {
			return d.unknown(i)
		}
		op.Code = OpJA
		return d.target(i, op, int64(in.Imm))
	case isa.MayGoto:
		if in.Dst != 0 || in.Src != 0 || in.Imm != 0 {
			return d.unknown(i)
		}
		op.Code = OpMayGoto
		return d.target(i, op, int64(in.Off))
	}
	c := jumpCodes[in.Op>>4]
	isX := in.Op&isa.SrcMask == isa.SrcX
	if c == 0 || isX && in.Imm != 0 || !isX && in.Src != 0 {
		return d.unknown(i)
	}
	if in.Op&isa.ClassMask == isa.ClassJMP32 {
		c += jumpTo32
	}
	if isX {
		c++
	}
	op.Code = c
	return d.target(i, op, int64(in.Off))
}

func (d *decoder) target(i int, op *Op, rel int64) error {
	to := int64(i) + 1 + rel
	if to < 0 || to >= int64(len(d.insns)) {
		return d.fail(i, "jump to slot %d; the program has %d", to, len(d.insns))
	}
	if d.second[to] {
		return d.fail(i, "jump into the middle of a 64-bit immediate load, slot %d", to)
	}
	op.Off = int32(to)
	d.jumps = append(d.jumps, i)
	return nil
}

func (d *decoder) call(i int, in isa.Instruction, op *Op) error {
	if in.Dst != 0 || in.Src != isa.PseudoKfuncCall && in.Off != 0 {
		return d.unknown(i)
	}
	switch in.Src {
	case isa.PseudoHelper:
		return d.helper(i, abi.HelperID(in.Imm), op)
	case isa.PseudoCall:
		to := int64(i) + 1 + int64(in.Imm)
		if to < 0 || to >= int64(len(d.insns)) || d.second[to] {
			return d.fail(i, "call to slot %d, where no instruction starts", to)
		}
		op.Code, op.Off = OpCall, int32(to)
		d.starts = append(d.starts, int32(to))
		return nil
	case isa.PseudoKfuncCall:
		h, why := d.spec.Kfunc(in.Imm)
		if why != "" {
			return d.noFunction(i, h, why)
		}
		d.bind(op, h, 1<<40+int64(uint32(in.Imm)))
		return nil
	}
	return d.unknown(i)
}

// noFunction: a function with a body is there, but not for this program.
func (d *decoder) noFunction(i int, h Helper, why string) error {
	if h != nil {
		return d.fail(i, "%s", why)
	}
	return d.missing(i, "%s", why)
}

func (d *decoder) helper(i int, id abi.HelperID, op *Op) error {
	h, why := d.spec.Helper(id)
	if why != "" {
		return d.noFunction(i, h, why)
	}
	if id == abi.FnTailCall {
		op.Code = OpTailCall
		return nil
	}
	d.bind(op, h, int64(id))
	return nil
}

// bind gives a call the index of its body, one index for each function.
func (d *decoder) bind(op *Op, h Helper, key int64) {
	at, ok := d.helperAt[key]
	if !ok {
		at = int64(len(d.p.helpers))
		d.p.helpers = append(d.p.helpers, h)
		id := abi.HelperID(0)
		if key < 1<<40 {
			id = abi.HelperID(key)
		}
		d.p.ids = append(d.p.ids, id)
		d.helperAt[key] = at
	}
	op.Code, op.Imm = OpHelper, at
}
