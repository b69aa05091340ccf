package object

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"

	"github.com/skepdev/skep/isa"
)

// appendSlots encodes one instruction whose references are resolved. Unlike
// asm.Instruction.Marshal it asks nothing of the operating system.
func appendSlots(out []isa.Instruction, ins *asm.Instruction) ([]isa.Instruction, error) {
	if ins.Dst > 15 || ins.Src > 15 {
		return nil, fmt.Errorf("registers %d and %d do not fit in 4 bits", ins.Dst, ins.Src)
	}
	slot := isa.Instruction{Dst: uint8(ins.Dst), Src: uint8(ins.Src), Off: ins.Offset, Imm: int32(ins.Constant)}
	if ins.OpCode.IsDWordLoad() {
		slot.Op, slot.Imm = isa.LdImm64, int32(uint32(uint64(ins.Constant)))
		if slot.Src == isa.PseudoFunc {
			// The distance to a function is of 32 bits; that of one behind would
			// fill the second half, which is reserved, with its sign.
			return append(out, slot, isa.Instruction{}), nil
		}
		return append(out, slot, isa.Instruction{Imm: int32(uint32(uint64(ins.Constant) >> 32))}), nil
	}
	op := ins.OpCode
	switch {
	case op.Class().IsALU():
		var err error
		if op, slot.Off, err = plainALU(op, ins.Offset); err != nil {
			return nil, err
		}
	case op.AtomicOp() != asm.InvalidAtomic:
		atomic := op.AtomicOp()
		// What the instruction was decoded from may have bits that the atomic
		// operation's mask does not.
		if uint32(ins.Constant)<<8&uint32(atomicBits) != uint32(atomic) {
			slot.Imm = int32(atomic >> 8)
		}
		op &^= atomicBits
	case ins.IsBuiltinCall():
		if ins.Constant < math.MinInt32 || ins.Constant > math.MaxInt32 {
			return nil, fmt.Errorf("helper %d does not exist", ins.Constant)
		}
		if tag := uint32(ins.Constant) >> 28 & 7; ins.Constant >= 0 && tag != 0 {
			return nil, fmt.Errorf("helper %d belongs to another operating system", ins.Constant&(1<<28-1))
		}
	}
	if op > math.MaxUint8 {
		return nil, fmt.Errorf("opcode %#x does not exist", uint32(op))
	}
	if imm := ins.Constant; op.AtomicOp() == asm.InvalidAtomic && (imm < math.MinInt32 || imm > math.MaxUint32) {
		return nil, fmt.Errorf("constant %d does not fit in 32 bits", imm)
	}
	slot.Op = uint8(op)
	return append(out, slot), nil
}

// atomicBits is where asm.OpCode keeps the atomic operation.
const atomicBits asm.OpCode = 0x1ff00

// plainALU undoes asm's names for operations that instructions tell apart by
// their offset.
func plainALU(op asm.OpCode, off int16) (asm.OpCode, int16, error) {
	plain, mark := asm.InvalidALUOp, int16(0)
	switch op.ALUOp() {
	case asm.SDiv:
		plain, mark = asm.Div, 1
	case asm.SMod:
		plain, mark = asm.Mod, 1
	case asm.MovSX8:
		plain, mark = asm.Mov, 8
	case asm.MovSX16:
		plain, mark = asm.Mov, 16
	case asm.MovSX32:
		plain, mark = asm.Mov, 32
	default:
		return op, off, nil
	}
	if off != 0 {
		return 0, 0, fmt.Errorf("%v has offset %d", op, off)
	}
	return op.SetALUOp(plain), mark, nil
}
