package isa

import (
	"encoding/binary"
	"fmt"
)

// Decode reads instruction slots of 8 bytes. order is the byte order of the
// machine they are for; the nibbles of the registers swap places with it. Only
// the length is checked: whether the opcodes exist, [Validate] says.
func Decode(code []byte, order binary.ByteOrder) ([]Instruction, error) {
	if len(code)%SlotSize != 0 {
		return nil, fmt.Errorf("decode instructions: %d bytes are not a multiple of %d", len(code), SlotSize)
	}
	out := make([]Instruction, len(code)/SlotSize)
	little := isLittle(order)
	for i := range out {
		b := code[i*SlotSize : i*SlotSize+SlotSize]
		lo, hi := b[1]&0x0f, b[1]>>4
		if !little {
			lo, hi = hi, lo
		}
		out[i] = Instruction{
			Op:  b[0],
			Dst: lo,
			Src: hi,
			Off: int16(order.Uint16(b[2:])),
			Imm: int32(order.Uint32(b[4:])),
		}
	}
	return out, nil
}

// Encode writes instruction slots as Decode reads them. Registers must fit in
// four bits.
func Encode(insns []Instruction, order binary.ByteOrder) ([]byte, error) {
	out := make([]byte, len(insns)*SlotSize)
	little := isLittle(order)
	for i, ins := range insns {
		if ins.Dst > 15 || ins.Src > 15 {
			return nil, fmt.Errorf("encode instruction %d: registers %d and %d do not fit in 4 bits", i, ins.Dst, ins.Src)
		}
		b := out[i*SlotSize : i*SlotSize+SlotSize]
		b[0] = ins.Op
		if little {
			b[1] = ins.Src<<4 | ins.Dst
		} else {
			b[1] = ins.Dst<<4 | ins.Src
		}
		order.PutUint16(b[2:], uint16(ins.Off))
		order.PutUint32(b[4:], uint32(ins.Imm))
	}
	return out, nil
}

// isLittle also answers for binary.NativeEndian, which equals neither of the
// two named orders.
func isLittle(order binary.ByteOrder) bool {
	return order.Uint16([]byte{1, 0}) == 1
}
