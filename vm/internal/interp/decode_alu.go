package interp

import "github.com/skepdev/skep/isa"

// aluCodes gives, by operation, the code for 64 bits with an immediate; that
// with a register follows it.
var aluCodes = [16]code{
	isa.OpAdd >> 4: opAddK, isa.OpSub >> 4: opSubK, isa.OpMul >> 4: opMulK, isa.OpDiv >> 4: opDivK,
	isa.OpOr >> 4: opOrK, isa.OpAnd >> 4: opAndK, isa.OpLsh >> 4: opLshK, isa.OpRsh >> 4: opRshK,
	isa.OpMod >> 4: opModK, isa.OpXor >> 4: opXorK, isa.OpMov >> 4: opMovK, isa.OpArsh >> 4: opArshK,
}

const to32 = opAddK32 - opAddK

func (d *decoder) alu(i int, in isa.Instruction, op *Op) error {
	if in.Dst == isa.R10 {
		return d.fail(i, "the frame pointer r10 is read-only")
	}
	is64 := in.Op&isa.ClassMask == isa.ClassALU64
	isX := in.Op&isa.SrcMask == isa.SrcX
	kind := in.Op & isa.OpMask
	switch kind {
	case isa.OpEnd:
		return d.byteOrder(i, in, op)
	case isa.OpNeg:
		if isX || in.Off != 0 || in.Imm != 0 || in.Src != 0 {
			return d.unknown(i)
		}
		op.Code = opNeg
		if !is64 {
			op.Code = opNeg32
		}
		return nil
	}
	if in.Op == isa.MovX && (in.Off == isa.OffAddrSpaceCast || in.Off == isa.OffAddrPerCPU) {
		return d.missing(i, "conversion between address spaces: arenas and per-CPU kernel variables do not exist in the embedded engine")
	}
	c := aluCodes[kind>>4]
	if c == 0 || isX && in.Imm != 0 || !isX && in.Src != 0 {
		return d.unknown(i)
	}
	switch {
	case in.Off == 0:
	case in.Off == 1 && kind == isa.OpDiv:
		c = opSDivK
	case in.Off == 1 && kind == isa.OpMod:
		c = opSModK
	case kind == isa.OpMov && isX:
		return d.moveSigned(i, in, op, is64)
	default:
		return d.unknown(i)
	}
	if !is64 {
		c += to32
	}
	if isX {
		c++
	}
	// Linux's verifier refuses constant shifts beyond the width. RFC 9669
	// (4.1) gives them a meaning, the amount modulo the width, so they run here.
	op.Code = c
	return nil
}

func (d *decoder) moveSigned(i int, in isa.Instruction, op *Op, is64 bool) error {
	switch {
	case in.Off == 8 && is64:
		op.Code = opMovS8
	case in.Off == 16 && is64:
		op.Code = opMovS16
	case in.Off == 32 && is64:
		op.Code = opMovS32
	case in.Off == 8:
		op.Code = opMovS832
	case in.Off == 16:
		op.Code = opMovS1632
	default:
		return d.unknown(i)
	}
	return nil
}

func (d *decoder) byteOrder(i int, in isa.Instruction, op *Op) error {
	if in.Off != 0 || in.Src != 0 || in.Imm != 16 && in.Imm != 32 && in.Imm != 64 {
		return d.unknown(i)
	}
	swap := map[int32]code{16: opSwap16, 32: opSwap32, 64: opSwap64}[in.Imm]
	keep := map[int32]code{16: opZext16, 32: opZext32, 64: opNop}[in.Imm]
	switch in.Op {
	case isa.Bswap:
		op.Code = swap
	case isa.ToBE:
		op.Code = swap
		if bigEndian {
			op.Code = keep
		}
	case isa.ToLE:
		op.Code = keep
		if bigEndian {
			op.Code = swap
		}
	default:
		return d.unknown(i)
	}
	return nil
}
