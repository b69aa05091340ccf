package conformance

import (
	"encoding/binary"
	"fmt"

	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm"
)

// maxMemory keeps the place of the result within an instruction's offset.
const maxMemory = 16 << 10

// Run loads insns on m, runs them once with R1 pointing to a copy of memory and
// R2 its length in bytes, and returns R0.
//
// Test runs give 32 bits of R0, as the kernel's do. So the program becomes a
// function of one that stores all 64 behind the memory.
func Run(m *vm.Machine, insns []isa.Instruction, memory []byte) (uint64, error) {
	if len(memory) > maxMemory {
		return 0, fmt.Errorf("%d bytes of memory; at most %d", len(memory), maxMemory)
	}
	at := (len(memory) + 7) &^ 7
	code := append([]isa.Instruction{
		{Op: isa.MovX, Dst: 6, Src: 1},
		{Op: isa.MovK, Dst: 2, Imm: int32(len(memory))},
		{Op: isa.Call, Src: isa.PseudoCall, Imm: 3},
		{Op: isa.ClassSTX | isa.ModeMEM | isa.SizeDW, Dst: 6, Off: int16(at)},
		{Op: isa.MovK},
		{Op: isa.Exit},
	}, insns...)
	p, err := m.Load(&vm.ProgramSpec{Name: "conformance", Type: abi.ProgSyscall, License: "GPL", Instructions: code})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	ctx := make([]byte, at+8)
	copy(ctx, memory)
	if _, err := p.RunContext(ctx); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint64(ctx[at:]), nil
}
