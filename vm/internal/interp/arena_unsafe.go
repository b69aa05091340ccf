package interp

import (
	"github.com/skepdev/skep/abi"
	"github.com/skepdev/skep/isa"
)

// Pointers into an arena are its user side's addresses. A cast to a program's
// pointer leaves the lower half, which the arena finds; what is not there reads
// as 0, and stores to it do nothing, as the fault handler of Linux does it.

// arenaGuard is how far beyond the 4 GiB an offset of 16 bits leads.
const arenaGuard = 1 << 15

// inArena says whether an address that is no memory of the run is one of the
// program's arena.
func (t *Thread) inArena(a uint64) bool {
	return t.prog.arena != nil && a+arenaGuard < 1<<32+2*arenaGuard
}

// arenaAt is where size bytes of the arena lie, or 0.
func (t *Thread) arenaAt(a, size uint64) uint64 {
	if a >= 1<<32 {
		return 0
	}
	return uint64(t.prog.arena.At(uint32(a), size))
}

func loadFrom(a, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(*(*uint8)(ptr(a)))
	case 2:
		return uint64(*(*uint16)(ptr(a)))
	case 4:
		return uint64(*(*uint32)(ptr(a)))
	}
	return *(*uint64)(ptr(a))
}

func storeTo(a, size, v uint64) {
	switch size {
	case 1:
		*(*uint8)(ptr(a)) = uint8(v)
	case 2:
		*(*uint16)(ptr(a)) = uint16(v)
	case 4:
		*(*uint32)(ptr(a)) = uint32(v)
	default:
		*(*uint64)(ptr(a)) = v
	}
}

func (t *Thread) loadArena(a, size uint64, dst uint8) {
	t.R[dst&15] = 0
	if at := t.arenaAt(a, size); at != 0 {
		t.R[dst&15] = loadFrom(at, size)
	}
}

func (t *Thread) storeArena(a, size, v uint64) {
	if at := t.arenaAt(a, size); at != 0 {
		storeTo(at, size, v)
	}
}

// castAddress decodes a move between address spaces 0, the program's, and 1, the
// arena's.
func (d *decoder) castAddress(i int, in isa.Instruction, op *Op) error {
	for _, m := range d.p.Maps {
		if m.Arena == nil {
			continue
		}
		switch in.Imm {
		case 1, 1 << 16:
		default:
			return d.unknown(i)
		}
		op.Code, op.Off, op.Imm = OpMovX32, 0, 0
		if in.Imm == 1<<16 && m.Spec().Flags&abi.FlagNoUserConv == 0 {
			op.Code, op.Imm = OpCastUser, int64(m.Arena.User()>>32<<32)
		}
		return nil
	}
	return d.fail(i, "conversion between address spaces: the program has no arena")
}

// castUser gives a program's pointer the upper half of the user side's; null
// stays null.
func (t *Thread) castUser(op *Op) {
	v := uint64(uint32(t.R[op.Src&15]))
	if v != 0 {
		v |= uint64(op.Imm)
	}
	t.R[op.Dst&15] = v
}
