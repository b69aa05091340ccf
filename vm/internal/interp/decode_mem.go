package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
	"github.com/skepdev/skep/vm/internal/maps"
)

// sizeIndex orders the size bits of an opcode as the codes are: 8, 16, 32, 64
// bits.
func sizeIndex(op uint8) Code {
	return [4]Code{isa.SizeW >> 3: 2, isa.SizeH >> 3: 1, isa.SizeB >> 3: 0, isa.SizeDW >> 3: 3}[op&isa.SizeMask>>3]
}

// onStack says whether an access relative to the frame pointer lies in the
// frame whatever happens.
func onStack(reg uint8, off int16, size int) bool {
	return reg == isa.R10 && off >= -abi.MaxStack && int(off)+size <= 0
}

func (d *decoder) loadMem(i int, in isa.Instruction, op *Op) error {
	if in.Dst == isa.R10 {
		return d.fail(i, "the frame pointer r10 is read-only")
	}
	if in.Imm != 0 {
		return d.unknown(i)
	}
	s := sizeIndex(in.Op)
	switch in.Op & isa.ModeMask {
	case isa.ModeMEM:
		op.Code = OpLoad8 + s
		if onStack(in.Src, in.Off, 1<<s) {
			op.Code = OpLoadStack8 + s
		}
	case isa.ModeMEMSX:
		if s == 3 {
			return d.unknown(i)
		}
		op.Code = OpLoadS8 + s
	default:
		return d.unknown(i)
	}
	return nil
}

func (d *decoder) store(i int, in isa.Instruction, op *Op, base, stack Code) error {
	isX := in.Op&isa.ClassMask == isa.ClassSTX
	if in.Op&isa.ModeMask != isa.ModeMEM || isX && in.Imm != 0 || !isX && in.Src != 0 {
		return d.unknown(i)
	}
	s := sizeIndex(in.Op)
	op.Code = base + s
	if onStack(in.Dst, in.Off, 1<<s) {
		op.Code = stack + s
	}
	return nil
}

func (d *decoder) atomic(i int, in isa.Instruction, op *Op) error {
	size := in.Op & isa.SizeMask
	known := false
	switch in.Imm {
	case isa.AtomicLoadAcq, isa.AtomicStoreRel:
		known = true
		if in.Imm == isa.AtomicLoadAcq && in.Dst == isa.R10 {
			return d.fail(i, "the frame pointer r10 is read-only")
		}
	case isa.AtomicXchg, isa.AtomicCmpXchg,
		isa.AtomicAdd, isa.AtomicOr, isa.AtomicAnd, isa.AtomicXor,
		isa.AtomicAdd | isa.AtomicFetch, isa.AtomicOr | isa.AtomicFetch,
		isa.AtomicAnd | isa.AtomicFetch, isa.AtomicXor | isa.AtomicFetch:
		known = size == isa.SizeW || size == isa.SizeDW
		if in.Imm&isa.AtomicFetch != 0 && in.Imm != isa.AtomicCmpXchg && in.Src == isa.R10 {
			return d.fail(i, "the frame pointer r10 is read-only")
		}
	}
	if !known {
		return d.unknown(i)
	}
	op.Code = OpAtomic32
	if size == isa.SizeDW {
		op.Code = OpAtomic64
	}
	if size == isa.SizeB || size == isa.SizeH {
		// Only acquire loads and release stores come in these sizes; the
		// operation's own code does not tell them apart.
		op.Imm |= atomicSmall << sizeIndex(in.Op)
	}
	return nil
}

// atomicSmall marks atomic loads and stores of one byte, its double those of
// two.
const atomicSmall = 1 << 16

func (d *decoder) load(i int, in isa.Instruction, op *Op) error {
	if in.Op == isa.LdImm64 {
		return d.loadImm(i, in, op)
	}
	mode, size := in.Op&isa.ModeMask, in.Op&isa.SizeMask
	if mode != isa.ModeABS && mode != isa.ModeIND || size == isa.SizeDW ||
		in.Dst != 0 || in.Off != 0 || mode == isa.ModeABS && in.Src != 0 {
		return d.unknown(i)
	}
	if !d.spec.LegacyLoads {
		return d.fail(i, "legacy packet access is for socket filters and tc programs, not for %s", d.spec.Type)
	}
	op.Code = OpLoadAbs
	if mode == isa.ModeIND {
		op.Code = OpLoadInd
	}
	op.Dst = uint8(1) << sizeIndex(in.Op)
	return nil
}

func (d *decoder) loadImm(i int, in isa.Instruction, op *Op) error {
	if i+1 >= len(d.insns) {
		return d.fail(i, "64-bit immediate load without its second slot")
	}
	if in.Dst == isa.R10 {
		return d.fail(i, "the frame pointer r10 is read-only")
	}
	next := d.insns[i+1]
	if next.Op != 0 || next.Dst != 0 || next.Src != 0 || next.Off != 0 || in.Off != 0 {
		return d.fail(i, "64-bit immediate load whose second slot is something else")
	}
	op.Code = OpLoadImm
	op.Src = 0
	switch in.Src {
	case 0:
		op.Imm = int64(uint64(uint32(next.Imm))<<32 | uint64(uint32(in.Imm)))
	case isa.PseudoMapIdx, isa.PseudoMapIdxValue:
		return d.mapRef(i, in, next, op)
	case isa.PseudoFunc:
		to := int64(i) + 1 + int64(in.Imm)
		if to < 0 || to >= int64(len(d.insns)) || d.second[to] {
			return d.fail(i, "address of a function at slot %d, where no instruction starts", to)
		}
		d.starts = append(d.starts, int32(to))
		d.p.taken[int32(to)] = true
		op.Imm = int64(funcTag | uint64(to))
	case isa.PseudoMapFD, isa.PseudoMapValue:
		return d.fail(i, "a map reference by file descriptor means nothing here: refer to maps by index")
	case isa.PseudoBTFID:
		return d.missing(i, "kernel variables (ksyms) do not exist in the embedded engine")
	default:
		return d.unknown(i)
	}
	return nil
}

func (d *decoder) mapRef(i int, in, next isa.Instruction, op *Op) error {
	if in.Imm < 0 || int(in.Imm) >= len(d.p.Maps) {
		return d.fail(i, "map index %d; the program has %d maps", in.Imm, len(d.p.Maps))
	}
	m := d.p.Maps[in.Imm]
	if in.Src == isa.PseudoMapIdx {
		if next.Imm != 0 {
			return d.unknown(i)
		}
		op.Imm = int64(m.Handle())
		return nil
	}
	if m.Arena != nil {
		if uint64(uint32(next.Imm)) >= uint64(m.Spec().MaxEntries)*maps.ArenaPage {
			return d.fail(i, "address at byte %d of arena %s, which has %d pages", uint32(next.Imm), m.Name, m.Spec().MaxEntries)
		}
		op.Imm = int64(m.Arena.User() + uint64(uint32(next.Imm)))
		return nil
	}
	start, why := m.FirstValue()
	if start == 0 {
		return d.fail(i, "address of the value of map %s: %s", m.Name, why)
	}
	if uint64(uint32(next.Imm)) >= uint64(m.ValueSize) {
		return d.fail(i, "address at byte %d of the value of map %s, which has %d bytes", uint32(next.Imm), m.Name, m.ValueSize)
	}
	op.Imm = int64(start + uint64(uint32(next.Imm)))
	return nil
}
