package interp

import "github.com/skepdev/skep/isa"

// aluCodes gives, by operation, the code for 64 bits with an immediate; that
// with a register follows it.
var aluCodes = [16]Code{
	isa.OpAdd >> 4: OpAddK, isa.OpSub >> 4: OpSubK, isa.OpMul >> 4: OpMulK, isa.OpDiv >> 4: OpDivK,
	isa.OpOr >> 4: OpOrK, isa.OpAnd >> 4: OpAndK, isa.OpLsh >> 4: OpLshK, isa.OpRsh >> 4: OpRshK,
	isa.OpMod >> 4: OpModK, isa.OpXor >> 4: OpXorK, isa.OpMov >> 4: OpMovK, isa.OpArsh >> 4: OpArshK,
}

const to32 = OpAddK32 - OpAddK

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
		op.Code = OpNeg
		if !is64 {
			op.Code = OpNeg32
		}
		return nil
	}
	if in.Op == isa.MovX && in.Off == isa.OffAddrSpaceCast {
		return d.castAddress(i, in, op)
	}
	if in.Op == isa.MovX && in.Off == isa.OffAddrPerCPU {
		return d.missing(i, "per-CPU variables of the kernel do not exist in the embedded engine")
	}
	c := aluCodes[kind>>4]
	if c == 0 || isX && in.Imm != 0 || !isX && in.Src != 0 {
		return d.unknown(i)
	}
	switch {
	case in.Off == 0:
	case in.Off == 1 && kind == isa.OpDiv:
		c = OpSDivK
	case in.Off == 1 && kind == isa.OpMod:
		c = OpSModK
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
		op.Code = OpMovS8
	case in.Off == 16 && is64:
		op.Code = OpMovS16
	case in.Off == 32 && is64:
		op.Code = OpMovS32
	case in.Off == 8:
		op.Code = OpMovS832
	case in.Off == 16:
		op.Code = OpMovS1632
	default:
		return d.unknown(i)
	}
	return nil
}

func (d *decoder) byteOrder(i int, in isa.Instruction, op *Op) error {
	if in.Off != 0 || in.Src != 0 || in.Imm != 16 && in.Imm != 32 && in.Imm != 64 {
		return d.unknown(i)
	}
	swap := map[int32]Code{16: OpSwap16, 32: OpSwap32, 64: OpSwap64}[in.Imm]
	keep := map[int32]Code{16: OpZext16, 32: OpZext32, 64: OpNop}[in.Imm]
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
